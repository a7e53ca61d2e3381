//! Every public type may go between threads, be moved while pinned, and be used around a
//! `catch_unwind`, as std's own locks may.

use std::fs;
use std::panic::{RefUnwindSafe, UnwindSafe, catch_unwind};
use std::path::Path;

use mutextree::*;

fn is_ordinary<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe>() {}

/// Asserts it of each, and gives their names.
macro_rules! ordinary {
    ($($name:ident $(<$($parameter:tt),+>)?),+ $(,)?) => {{
        $( is_ordinary::<$name $(<$($parameter),+>)?>(); )+
        vec![$(stringify!($name)),+]
    }};
}

fn of_every_store() -> Vec<&'static str> {
    let mut names = ordinary![
        Agent,
        Blocker,
        Components<'static>,
        Deadlock,
        HeldLock,
        InvalidInput,
        Kind,
        LeaseToken,
        LockError,
        LostLock,
        LostLocks,
        Mode,
        Owner,
        PathError,
        PathRef<'static>,
        Request,
        Scope,
        Snapshot,
        SnapshotNode<'static>,
        TreePath,
        Wait,
        WaitingLock,
        Wanted,
    ];
    names.extend(ordinary![
        Lease<MemoryStore>,
        Member<MemoryStore>,
        MemoryGrant,
        MemoryNode,
        MemoryStore,
        MemoryStoreBuilder,
        OwnedTreeMutexGuard<MemoryStore>,
        OwnedTreeMutexSetGuard<MemoryStore>,
        TreeMutex<MemoryStore>,
        TreeMutexGuard<'static, MemoryStore>,
        TreeMutexSet<MemoryStore>,
        TreeMutexSetGuard<'static, MemoryStore>,
        Unchanged<MemoryStore>,
    ]);
    names
}

#[cfg(feature = "redis")]
fn of_redis() -> Vec<&'static str> {
    ordinary![
        KeptLocks,
        Lease<RedisStore>,
        Member<RedisStore>,
        OwnedTreeMutexGuard<RedisStore>,
        OwnedTreeMutexSetGuard<RedisStore>,
        RedisClient,
        RedisClientBuilder,
        RedisGrant,
        RedisNode,
        RedisStore,
        RedisStoreBuilder,
        RedisStoreError,
        RedisTreeBuilder,
        TreeMutex<RedisStore>,
        TreeMutexGuard<'static, RedisStore>,
        TreeMutexSet<RedisStore>,
        TreeMutexSetGuard<'static, RedisStore>,
        Unchanged<RedisStore>,
    ]
}

#[cfg(not(feature = "redis"))]
fn of_redis() -> Vec<&'static str> {
    Vec::new()
}

/// No type is forgotten: each that the crate exports is in one of the lists above. Traits and
/// functions have no such traits.
#[test]
fn every_public_type_is_ordinary() {
    let mut known = of_every_store();
    known.extend(of_redis());
    known.extend(["Backend", "LockStore", "ToTreePath", "conflicts", "describe_metrics"]);
    let source = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    // A simulator, and what counts lines, are there for tools alone.
    let is_for_a_tool = |item: &&str| item.contains("cfg(mutextree_sim)") || item.contains("cfg(mutextree_lines)");
    let items = source.split(';').filter(|item| !is_for_a_tool(item));
    let exports = items.filter_map(|item| item.rsplit_once("pub use ").map(|(_, item)| item));
    let mut count = 0;
    for item in exports {
        if item.starts_with("redis::") && cfg!(not(feature = "redis")) {
            continue;
        }
        let (_, names) = item.split_once("::").unwrap();
        for name in names.trim_matches(['{', '}']).split(',').map(str::trim).filter(|name| !name.is_empty()) {
            count += 1;
            assert!(known.contains(&name), "`{name}` is exported, and not in the list");
        }
    }
    assert!(count > 25, "the exports were found");
}

/// What users write: no wrapper around what they use.
#[test]
fn a_store_is_used_in_a_catch_unwind() {
    let store = MemoryStore::new();
    let mutex = store.mutex("a").unwrap();
    let panic = catch_unwind(|| {
        let _guard = mutex.lock().unwrap();
        let _other = store.lock("b").unwrap();
        panic!("as users do");
    });
    assert!(panic.is_err());
    assert!(!mutex.is_locked() && store.try_lock("b").is_ok());
    let guard = mutex.lock_owned().unwrap();
    assert!(catch_unwind(|| assert!(!guard.is_held())).is_err());
    assert!(catch_unwind(|| guard.unlock().unwrap()).is_ok());
    assert!(catch_unwind(|| store.lock("a//b").unwrap()).is_err());
    let error = store.lock("a//b").unwrap_err();
    assert_eq!(catch_unwind(|| error.to_string()).unwrap(), error.to_string());
}
