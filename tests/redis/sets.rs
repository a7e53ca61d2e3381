//! Several locks as one, over real servers.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use mutextree::{
    Backend, Kind, LockError, LockStore, Member, Mode, PathRef, RedisGrant, RedisStore, Request, Scope, TreePath, Wait,
};

use crate::checker::check;
use crate::failures::wait_until;
use crate::server::{new_tree, new_tree_with, shared, tree_of};

const EXCLUSIVE: Kind = Kind::new(Mode::Exclusive, Scope::Subtree);
const SHARED: Kind = Kind::new(Mode::Shared, Scope::Subtree);
const SHORT: Duration = Duration::from_millis(50);

fn member(store: &RedisStore, path: &str, kind: Kind) -> Member<RedisStore> {
    let path: TreePath = path.parse().unwrap();
    Member { node: store.resolve(PathRef::from(&path)), request: Request::new(kind) }
}

fn set(store: &RedisStore, paths: &[&str]) -> Vec<Member<RedisStore>> {
    paths.iter().map(|path| member(store, path, EXCLUSIVE)).collect()
}

fn taken(members: &[Member<RedisStore>], wait: Wait) -> Result<Vec<RedisGrant>, LockError> {
    RedisStore::acquire_all(members, wait)
}

fn held(store: &RedisStore) -> Vec<String> {
    store.locks().unwrap().iter().map(|lock| lock.path.to_string()).collect()
}

fn another(store: &RedisStore) -> RedisStore {
    RedisStore::builder(&shared().url()).tree(tree_of(store)).connect().unwrap()
}

#[test]
fn all_or_none() {
    let store = new_tree();
    let members = set(&store, &["a/b", "c", "d/e/f"]);
    let grants = taken(&members, Wait::Never).unwrap();
    assert_eq!(held(&store), ["a/b", "c", "d/e/f"]);
    let tokens: Vec<u64> =
        members.iter().zip(&grants).map(|(member, grant)| RedisStore::fencing_token(&member.node, grant)).collect();
    assert!(tokens[0] > 0 && tokens.iter().all(|token| *token == tokens[0]), "one token: {tokens:?}");
    assert!(store.try_lock("c/x").is_err());
    RedisStore::release_all(&members, grants).unwrap();
    assert_eq!(held(&store), [""; 0]);

    let guard = store.lock("d/e").unwrap();
    let error = taken(&members, Wait::Never).unwrap_err();
    assert!(matches!(error, LockError::WouldBlock { .. }));
    assert_eq!(error.path().unwrap().to_string(), "d/e/f", "the member that was blocked");
    assert_eq!(error.blocking_path().unwrap().to_string(), "d/e");
    assert_eq!(held(&store), ["d/e"], "nothing of it");
    let error = taken(&members, Wait::timeout(SHORT)).unwrap_err();
    assert!(matches!(error, LockError::TimedOut { .. }), "{error:?}");
    drop(guard);
    let mut server = shared().connect();
    let contents = check(&mut server, &tree_of(&store));
    assert!(contents.held.is_empty() && contents.waits.is_empty(), "nothing is left: {contents:?}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let (store, other) = (new_tree(), new_tree());
    let none = taken(&[], Wait::Never).unwrap_err();
    assert!(none.to_string().contains("at least one member"), "{none}");
    let two = [member(&store, "a", EXCLUSIVE), member(&other, "b", EXCLUSIVE)];
    assert!(!RedisStore::is_same_tree(&two[0].node, &two[1].node));
    assert!(taken(&two, Wait::Never).unwrap_err().to_string().contains("`b` is in another tree"));
    let paths: Vec<String> = (0..65).map(|at| format!("n{at}")).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let error = taken(&set(&store, &paths), Wait::Never).unwrap_err().to_string();
    assert!(error.contains("65") && error.contains("64"), "{error}");
    let members = set(&store, &paths[..64]);
    let grants = taken(&members, Wait::Never).unwrap();
    assert_eq!(held(&store).len(), 64);
    RedisStore::release_all(&members, grants).unwrap();
}

#[test]
fn a_set_waits_and_holds_nothing_meanwhile() {
    let store = new_tree();
    let guard = store.lock("b").unwrap();
    thread::scope(|scope| {
        let other = another(&store);
        let waiter = scope.spawn(move || {
            let members = set(&other, &["a", "b", "c"]);
            let grants = taken(&members, Wait::Forever).unwrap();
            let all = held(&other);
            RedisStore::release_all(&members, grants).unwrap();
            all
        });
        wait_until("three wait", || store.snapshot().unwrap().waiters().len() == 3);
        let snapshot = store.snapshot().unwrap();
        let paths: Vec<String> = snapshot.waiters().map(|waiter| waiter.path.to_string()).collect();
        assert_eq!(paths, ["a", "b", "c"], "a listing shows each member");
        assert_eq!(held(&store), ["b"]);
        // A newcomer queues behind it, although nothing is held there.
        let error = store.try_lock("a/x").unwrap_err();
        assert_eq!(error.blocking_path().unwrap().to_string(), "a");
        assert_eq!(store.mutex("c").unwrap().blockers().unwrap()[0].path().to_string(), "c");
        drop(guard);
        assert_eq!(waiter.join().unwrap(), ["a", "b", "c"]);
    });
    assert!(store.snapshot().unwrap().waiters().next().is_none());
}

/// Several stores, each with sets in an order of its own: nobody waits in a circle.
#[test]
fn opposite_orders_from_several_stores() {
    let first = new_tree();
    let (inside, begin) = (AtomicU64::new(0), Barrier::new(4));
    thread::scope(|scope| {
        for at in 0..4 {
            let (store, inside, begin) = (another(&first), &inside, &begin);
            scope.spawn(move || {
                let mut paths = ["x/a", "x/b", "y"];
                paths.rotate_left(at % 3);
                if at == 3 {
                    paths.reverse();
                }
                let members = set(&store, &paths);
                begin.wait();
                for _ in 0..50 {
                    let grants = taken(&members, Wait::Forever).unwrap();
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "alone");
                    inside.fetch_sub(1, Ordering::SeqCst);
                    RedisStore::release_all(&members, grants).unwrap();
                }
            });
        }
    });
    assert_eq!(held(&first), [""; 0]);
}

/// Many single locks on the nodes of a set, one after the other: the set gets through.
#[test]
fn a_set_gets_through_a_storm_of_singles() {
    let store = new_tree();
    let stop = AtomicU64::new(0);
    thread::scope(|scope| {
        for at in 0..6 {
            let (store, stop) = (another(&store), &stop);
            let path = ["a", "b/x", "b"][at % 3];
            scope.spawn(move || {
                while stop.load(Ordering::Relaxed) == 0 {
                    drop(store.lock(path).unwrap());
                }
            });
        }
        let members = set(&store, &["a", "b"]);
        for _ in 0..20 {
            let grants = taken(&members, Wait::timeout(Duration::from_secs(20)));
            if grants.is_err() {
                stop.store(1, Ordering::Relaxed);
            }
            RedisStore::release_all(&members, grants.unwrap()).unwrap();
        }
        stop.store(1, Ordering::Relaxed);
    });
}

#[test]
fn a_set_of_readers_shares() {
    let store = new_tree();
    let readers = [member(&store, "a", SHARED), member(&store, "b", SHARED)];
    let one = taken(&readers, Wait::Never).unwrap();
    let two = taken(&readers, Wait::Never).unwrap();
    let mixed = [member(&store, "a", SHARED), member(&store, "c", EXCLUSIVE)];
    let three = taken(&mixed, Wait::Never).unwrap();
    assert!(taken(&set(&store, &["b"]), Wait::Never).is_err());
    RedisStore::release_all(&readers, one).unwrap();
    RedisStore::release_all(&readers, two).unwrap();
    RedisStore::release_all(&mixed, three).unwrap();
}

#[test]
fn each_member_is_a_lock_of_its_own_once_it_is_held() {
    let store = new_tree();
    let members = set(&store, &["a", "b", "c"]);
    let mut grants = taken(&members, Wait::Never).unwrap();
    RedisStore::downgrade(&members[2].node, &mut grants[2]).unwrap();
    drop(store.mutex("c").unwrap().shared().try_lock().unwrap());
    RedisStore::release(&members[0].node, grants.remove(0)).unwrap();
    assert_eq!(held(&store), ["b", "c"]);
    let rest = &members[1..];
    RedisStore::refresh_all(rest, &grants, None).unwrap();
    RedisStore::release_all(rest, grants).unwrap();
    assert_eq!(held(&store), [""; 0]);
}

#[test]
fn a_lease_ends_for_all_and_is_refreshed_for_all() {
    let store = new_tree_with(|builder| builder.lease(Duration::from_millis(400)));
    let lost = store.lost_locks();
    let mut members = set(&store, &["a", "b"]);
    let grants = taken(&members, Wait::Never).unwrap();
    // It renews itself: longer than two leases nothing is lost.
    assert!(lost.recv_timeout(Duration::from_millis(1000)).is_err());
    RedisStore::refresh_all(&members, &grants, Some(Duration::from_millis(100))).unwrap();
    let mut gone: Vec<_> =
        (0..2).map(|_| lost.recv_timeout(Duration::from_secs(10)).unwrap().path.to_string()).collect();
    gone.sort();
    assert_eq!(gone, ["a", "b"]);
    assert!(matches!(RedisStore::refresh_all(&members, &grants, None), Err(LockError::NotHeld { .. })));
    assert!(matches!(RedisStore::release_all(&members, grants), Err(LockError::NotHeld { .. })));
    // Each with a lease of its own.
    members[1].request.lease = Some(Duration::from_millis(100));
    let grants = taken(&members, Wait::Never).unwrap();
    assert_eq!(lost.recv_timeout(Duration::from_secs(10)).unwrap().path.to_string(), "b");
    assert!(RedisStore::is_held(&members[0].node, &grants[0]));
    let error = RedisStore::release_all(&members, grants).unwrap_err();
    assert_eq!(error.path().unwrap().to_string(), "b");
    assert_eq!(held(&store), [""; 0]);
}

/// Somebody else ends one member: the other stays, for whoever may still be at work there.
#[test]
fn a_member_that_is_broken_is_lost_and_the_others_are_not_free() {
    let store = new_tree();
    let members = set(&store, &["a", "b"]);
    let grants = taken(&members, Wait::Never).unwrap();
    let lock = store.locks().unwrap().into_iter().find(|lock| lock.path.to_string() == "a").unwrap();
    assert!(another(&store).break_lock(&lock).unwrap());
    assert!(matches!(RedisStore::refresh_all(&members, &grants, None), Err(LockError::NotHeld { .. })));
    assert!(!RedisStore::is_held(&members[0].node, &grants[0]));
    assert_eq!(held(&store), ["b"]);
    let error = RedisStore::release_all(&members, grants).unwrap_err();
    assert_eq!(error.path().unwrap().to_string(), "a");
    assert_eq!(held(&store), [""; 0]);
}

#[test]
fn a_task_waits_for_a_set() {
    let store = new_tree();
    let guard = store.lock("b/x").unwrap();
    let members = set(&store, &["a", "b"]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        // Dropped while it waits it leaves nothing.
        let waits = RedisStore::acquire_all_async(&members);
        assert!(tokio::time::timeout(Duration::from_millis(100), waits).await.is_err());
        tokio::task::spawn_blocking({
            let store = store.clone();
            move || wait_until("nobody waits", || store.snapshot().unwrap().waiters().next().is_none())
        })
        .await
        .unwrap();
        let (grants, ()) = tokio::join!(RedisStore::acquire_all_async(&members), async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            drop(guard);
        });
        RedisStore::release_all(&members, grants.unwrap()).unwrap();
    });
    wait_until("nobody holds anything", || held(&store).is_empty());
}
