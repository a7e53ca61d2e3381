//! Upgrading: a shared lock becomes exclusive, and never lets go.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use mutextree::{LockError, LockStore, Mode, OwnedTreeMutexGuard};

use super::{assert_all_free, hold, take};
use crate::common::asking::{Asking, asking};
use crate::common::kinds::{EXCLUSIVE, EXCLUSIVE_NODE, KINDS, Kind, SHARED, SHARED_NODE, mutex};

const HOUR: Duration = Duration::from_secs(3600);
const NONE: Duration = Duration::ZERO;

fn exclusive(kind: Kind) -> Kind {
    Kind::new(Mode::Exclusive, kind.scope)
}

/// Upgrades in a thread of its own. Gives the guard back, and how it ended.
fn upgrading<S: LockStore>(
    mut guard: OwnedTreeMutexGuard<S>,
    timeout: Duration,
) -> Asking<(OwnedTreeMutexGuard<S>, Result<(), LockError>)> {
    asking(move || {
        let result = guard.try_upgrade_for(timeout);
        (guard, result)
    })
}

/// Waits until somebody waits to be exclusive there: then no reader gets in.
fn until_pending<S: LockStore>(store: &S, path: &str) {
    while take(store, path, SHARED_NODE).is_ok() {
        thread::yield_now();
    }
}

pub(crate) fn upgrade_makes_it_exclusive<S: LockStore>(make: impl Fn() -> S) {
    for kind in [SHARED, SHARED_NODE] {
        for path in ["a", "a/b", "/"] {
            for timeout in [None, Some(NONE), Some(HOUR)] {
                let store = make();
                let unrelated = hold(&store, "a/b/c/d", SHARED).narrow(["a/b/c/d/e"]).unwrap();
                drop(unrelated);
                let mut guard = hold(&store, path, kind);
                let token = guard.fencing_token();
                match timeout {
                    None => guard.try_upgrade().unwrap(),
                    Some(timeout) => guard.try_upgrade_for(timeout).unwrap(),
                }
                assert_eq!(guard.mode(), Mode::Exclusive);
                assert!(guard.is_held());
                assert!(guard.fencing_token() > token);
                for other in KINDS {
                    assert!(take(&store, path, other).is_err(), "{other:?} beside an exclusive lock");
                }
                assert_eq!(take(&store, "a/b/c", EXCLUSIVE).is_ok(), kind == SHARED_NODE);
                let token = guard.fencing_token();
                guard.try_upgrade().unwrap(); // does nothing
                assert_eq!(guard.fencing_token(), token);
                guard.downgrade().unwrap();
                drop(hold(&store, path, SHARED));
                guard.unlock().unwrap();
                assert_all_free(&store);
            }
        }
    }
}

/// Against every other lock: it fails if the exclusive one would conflict, and leaves no trace.
pub(crate) fn upgrade_is_refused_by_what_conflicts<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    for kind in [SHARED, SHARED_NODE] {
        for other in KINDS {
            for path in ["/", "a", "a/b", "a/b/c", "a/x"] {
                let mut guard = hold(&store, "a/b", kind);
                let Ok(beside) = take(&store, path, other) else { continue };
                let wanted = exclusive(kind);
                let (ours, theirs) = (guard.path().clone(), beside.path().clone());
                let conflicts = mutextree::conflicts((&ours, wanted), (&theirs, other));
                for timeout in [None, Some(NONE), Some(Duration::from_millis(2))] {
                    let result = match timeout {
                        None => guard.try_upgrade(),
                        Some(timeout) => guard.try_upgrade_for(timeout),
                    };
                    assert_eq!(result.is_err(), conflicts, "{kind:?} beside {other:?} on `{path}`");
                    let Err(error) = result else { break };
                    assert_eq!(error.blocking_path(), Some(&theirs));
                    assert_eq!(error.path(), Some(&ours));
                    assert_eq!(matches!(error, LockError::WouldBlock { .. }), timeout.is_none());
                    assert_eq!(matches!(error, LockError::TimedOut { .. }), timeout.is_some());
                    assert_eq!(guard.mode(), Mode::Shared);
                    drop(hold(&store, "a/b", kind)); // another reader gets in
                }
                drop((guard, beside));
                assert_all_free(&store);
            }
        }
    }
}

pub(crate) fn upgrade_waits_for_readers_and_lets_none_in<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    for readers in [&["a/b"][..], &["a"], &["a/b/c", "a/b/c/d"], &["/", "a/b", "a/b/x", "a"]] {
        let held: Vec<_> = readers.iter().map(|path| hold(&store, path, SHARED)).collect();
        let upgrade = upgrading(hold(&store, "a/b", SHARED), HOUR);
        until_pending(&store, "a/b");
        for path in ["a/b", "a", "/", "a/b/c", "a/b/new"] {
            assert!(take(&store, path, SHARED).is_err(), "a new reader of `{path}` got in");
        }
        drop(hold(&store, "a/x", SHARED));
        drop(hold(&store, "a", SHARED_NODE)); // none of them is in the way
        let late = ["a", "a/b", "a/b/c"].map(|path| {
            let late = mutex(&store, path, SHARED);
            asking(move || late.lock_owned())
        });
        for guard in held {
            upgrade.still_waits("there is a reader");
            drop(guard);
        }
        let (guard, result) = upgrade.ends();
        result.unwrap();
        assert_eq!(guard.mode(), Mode::Exclusive);
        for reader in &late {
            reader.still_waits("it is exclusive");
        }
        drop(guard);
        late.into_iter().for_each(|reader| drop(reader.ends().unwrap()));
        assert_all_free(&store);
    }
}

/// Requests that wait for the lock to go, or for what is above it, are passed.
pub(crate) fn upgrade_passes_those_that_wait<S: LockStore>(make: impl Fn() -> S) {
    for asked in ["a/b", "a", "/", "a/b/c"] {
        for kind in [EXCLUSIVE, EXCLUSIVE_NODE] {
            let store = make();
            let mine = hold(&store, "a/b", SHARED);
            let Err(_) = take(&store, asked, kind) else { continue };
            let reader = hold(&store, "a/b", SHARED);
            let (writer, after) = (mutex(&store, asked, kind), mutex(&store, asked, SHARED));
            let writer = asking(move || drop(writer.lock().unwrap()));
            let after = asking(move || drop(after.lock().unwrap()));
            writer.still_waits("there are readers");
            let upgrade = upgrading(mine, HOUR);
            upgrade.still_waits("there is a reader");
            drop(reader);
            let (guard, result) = upgrade.ends();
            result.unwrap();
            writer.still_waits("it is exclusive");
            drop(guard);
            writer.ends();
            after.ends();
            assert_all_free(&store);
        }
    }
}

/// An exclusive request waits for the lock, and a shared one further up for that: the upgrade waits
/// for neither.
pub(crate) fn upgrade_below_those_that_wait_for_each_other<S: LockStore>(make: impl Fn() -> S) {
    for pending_first in [false, true] {
        let store = make();
        let (mine, reader) = (hold(&store, "a/b/c", SHARED), hold(&store, "a/b/c", SHARED));
        let other = hold(&store, "a/b/x", EXCLUSIVE);
        let ask = |path: &str, kind| {
            let mutex = mutex(&store, path, kind);
            asking(move || drop(mutex.lock().unwrap()))
        };
        let (early, mine) = if pending_first {
            let upgrade = upgrading(mine, HOUR);
            until_pending(&store, "a/b/c");
            (Some(upgrade), None)
        } else {
            (None, Some(mine))
        };
        let writer = ask("a/b", EXCLUSIVE);
        writer.still_waits("there are readers");
        let above = ask("a", SHARED);
        above.still_waits("a writer came first");
        let upgrade = early.unwrap_or_else(|| upgrading(mine.expect("one of the two"), HOUR));
        upgrade.still_waits("there is a reader");
        drop(reader);
        let (guard, result) = upgrade.ends();
        result.unwrap();
        drop((guard, other));
        above.ends();
        writer.ends();
        assert_all_free(&store);
    }
}

pub(crate) fn upgrade_tells_the_second_one<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    for (first, second, kinds) in [
        ("a", "a", [SHARED, SHARED]),
        ("a", "a", [SHARED_NODE, SHARED]),
        ("a", "a", [SHARED, SHARED_NODE]),
        ("a", "a/b", [SHARED, SHARED_NODE]),
        ("a/b/c", "a", [SHARED_NODE, SHARED]),
        ("/", "a/b", [SHARED, SHARED]),
    ] {
        let one = mutex(&store, first, kinds[0]).owner("alice").lock_owned().unwrap();
        let mut two = hold(&store, second, kinds[1]);
        let upgrade = upgrading(one, HOUR);
        until_pending(&store, first);
        for timeout in [None, Some(NONE), Some(HOUR)] {
            let error = match timeout {
                None => two.try_upgrade(),
                Some(timeout) => two.try_upgrade_for(timeout),
            }
            .unwrap_err();
            assert!(matches!(error, LockError::Upgrading { .. }), "{error:?}");
            let text = format!(
                "the shared lock on `{second}` cannot become exclusive: another one is waiting for that, on `{first}`, held by alice"
            );
            assert_eq!(error.to_string(), text);
            assert_eq!(two.mode(), Mode::Shared);
        }
        upgrade.still_waits("the second one is still there");
        drop(two);
        upgrade.ends().1.unwrap();
        assert_all_free(&store);
    }
    // Where the exclusive locks would not conflict, both go on.
    let (above, below) = (hold(&store, "a", SHARED_NODE), hold(&store, "a/b", SHARED));
    let (one, two) = (hold(&store, "a", SHARED_NODE), hold(&store, "a/b", SHARED));
    let upgrades = [upgrading(one, HOUR), upgrading(two, HOUR)];
    until_pending(&store, "a");
    until_pending(&store, "a/b");
    drop((above, below));
    upgrades.into_iter().for_each(|upgrade| upgrade.ends().1.unwrap());
    assert_all_free(&store);
}

pub(crate) fn upgrade_that_times_out_leaves_nothing<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    for at in ["a/b", "a", "a/b/c"] {
        let reader = hold(&store, at, SHARED);
        let upgrade = upgrading(hold(&store, "a/b", SHARED), Duration::from_millis(60));
        until_pending(&store, "a/b");
        let late = ["/", "a/b", "a/b/c"].map(|path| {
            let mutex = mutex(&store, path, SHARED);
            asking(move || mutex.lock_owned())
        });
        let (mut guard, result) = upgrade.ends();
        let error = result.unwrap_err();
        assert!(matches!(error, LockError::TimedOut { .. }), "{error:?}");
        assert_eq!(error.blocking_path(), Some(reader.path()));
        assert_eq!((guard.mode(), guard.is_held()), (Mode::Shared, true));
        // Readers that waited behind it go on, while it is held.
        late.into_iter().for_each(|reader| drop(reader.ends().unwrap()));
        drop(reader);
        guard.try_upgrade().unwrap();
        drop(guard);
        assert_all_free(&store);
    }
}

pub(crate) fn upgrade_keeps_lease_and_owner<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let shared = || store.mutex("a").unwrap().shared().owner("alice");
    let (mut guard, other) = (shared().lease(HOUR).lock_owned().unwrap(), hold(&store, "a", SHARED));
    let token = guard.fencing_token();
    assert!(guard.try_upgrade().is_err());
    assert_eq!(guard.fencing_token(), token, "it is as it was");
    drop(other);
    guard.try_upgrade().unwrap();
    assert!(guard.fencing_token() > token);
    assert!(guard.remaining().is_some_and(|left| left > HOUR / 2));
    let error = take(&store, "a", SHARED).unwrap_err();
    assert_eq!(error.to_string(), "`a` is blocked by a lock on `a`, held by alice");
    let locks = store.locks().unwrap();
    assert_eq!((locks.len(), locks[0].kind, locks[0].fencing_token), (1, EXCLUSIVE, Some(guard.fencing_token())));
    guard.refresh().unwrap();
    guard.unlock().unwrap();
    assert_all_free(&store);
}

/// A lease ends, or a lock is broken, while it waits to be exclusive.
pub(crate) fn upgrade_that_is_lost<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    for (lease, at) in [(Some(20), "a"), (None, "a"), (Some(20), "/"), (None, "/"), (Some(20), "a/b")] {
        let reader = hold(&store, at, SHARED);
        let mine = store.mutex("a").unwrap().shared().owner("alice");
        let mine = match lease {
            Some(millis) => mine.lease(Duration::from_millis(millis)),
            None => mine,
        };
        let upgrade = upgrading(mine.lock_owned().unwrap(), HOUR);
        if lease.is_none() {
            until_pending(&store, "a");
            let locks = store.locks().unwrap();
            assert!(store.break_lock(locks.iter().find(|lock| lock.owner.is_some()).unwrap()).unwrap());
        }
        let (guard, result) = upgrade.ends();
        assert!(matches!(result, Err(LockError::NotHeld { .. })), "{result:?}");
        assert!(!guard.is_held());
        drop(hold(&store, "a", SHARED)); // who waited behind it goes on
        drop((guard, reader));
        assert_all_free(&store);
    }
}

pub(crate) fn upgrade_is_seen<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let reader = hold(&store, "a/b", SHARED);
    let mine = store.mutex("a").unwrap().shared().owner("alice").lock_owned().unwrap();
    let upgrade = upgrading(mine, HOUR);
    until_pending(&store, "a");
    // It sleeps soon after it is pending.
    let snapshot = loop {
        let snapshot = store.snapshot().unwrap();
        if snapshot.waiters().next().is_some() {
            break snapshot;
        }
        thread::yield_now();
    };
    let held: Vec<_> = snapshot.holders().map(|lock| (lock.path.to_string(), lock.kind)).collect();
    assert_eq!(held, [("a".into(), SHARED), ("a/b".into(), SHARED)]);
    let waiting: Vec<_> = snapshot.waiters().collect();
    assert_eq!(waiting.len(), 1);
    assert_eq!((waiting[0].path.to_string(), waiting[0].kind), ("a".into(), EXCLUSIVE));
    assert_eq!(waiting[0].owner, Some("alice".into()));
    let error = take(&store, "a", SHARED).unwrap_err();
    assert_eq!(error.to_string(), "`a` is blocked by a lock on `a`, held by alice");
    drop(reader);
    upgrade.ends().1.unwrap();
    assert!(store.snapshot().unwrap().is_empty());
}

/// Readers and upgrades of all kinds, all the time: an exclusive one is alone, and nobody hangs.
pub(crate) fn upgrade_under_load<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let (inside, upgraded) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let wrong = Arc::new(AtomicBool::new(false));
    let threads = [("a", SHARED), ("a/b", SHARED), ("a/b", SHARED), ("/", SHARED), ("a/b", EXCLUSIVE)];
    let threads = threads.into_iter().enumerate().map(|(which, (path, kind))| {
        let mutex = mutex(&store, path, kind);
        let (inside, upgraded, wrong) = (inside.clone(), upgraded.clone(), wrong.clone());
        asking(move || {
            for at in 0..60 {
                // All of these locks conflict unless both are shared.
                let mut guard = mutex.lock().unwrap();
                inside.fetch_add(1, SeqCst);
                let result = match (at + which) % 3 {
                    0 => guard.try_upgrade(),
                    1 => guard.try_upgrade_for(Duration::from_micros(500)),
                    _ => guard.try_upgrade_for(HOUR),
                };
                if guard.mode() == Mode::Exclusive {
                    upgraded.fetch_add(usize::from(kind == SHARED), SeqCst);
                    wrong.fetch_or(inside.load(SeqCst) != 1, SeqCst);
                    thread::yield_now();
                    wrong.fetch_or(inside.load(SeqCst) != 1, SeqCst);
                } else {
                    assert!(!matches!(result, Ok(()) | Err(LockError::NotHeld { .. })));
                }
                inside.fetch_sub(1, SeqCst);
                drop(guard);
            }
        })
    });
    let threads: Vec<_> = threads.collect();
    threads.into_iter().for_each(Asking::ends);
    assert!(!wrong.load(SeqCst), "somebody was inside beside an exclusive lock");
    assert_ne!(upgraded.load(SeqCst), 0);
    assert_all_free(&store);
}
