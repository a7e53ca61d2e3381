//! A held lock becomes another one, over real servers: narrower, wider, or exclusive.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use mutextree::{
    Backend, Kind, LockError, LockStore, Mode, PathRef, RedisGrant, RedisNode, RedisStore, Request, Scope, TreePath,
    Wait,
};

use crate::failures::wait_until;
use crate::server::{Server, new_tree, new_tree_with, shared, tree_of};

const EXCLUSIVE: Kind = Kind::new(Mode::Exclusive, Scope::Subtree);
const SHARED: Kind = Kind::new(Mode::Shared, Scope::Subtree);
const SOON: Duration = Duration::from_millis(100);

fn node(store: &RedisStore, path: &str) -> RedisNode {
    let path: TreePath = path.parse().unwrap();
    store.resolve(PathRef::from(&path))
}

fn take(store: &RedisStore, path: &str, kind: Kind) -> (RedisNode, RedisGrant) {
    let node = node(store, path);
    let grant = RedisStore::acquire(&node, &Request::new(kind), Wait::Never).unwrap();
    (node, grant)
}

fn token((node, grant): &(RedisNode, RedisGrant)) -> u64 {
    RedisStore::fencing_token(node, grant)
}

fn release((node, grant): (RedisNode, RedisGrant)) {
    RedisStore::release(&node, grant).unwrap();
}

fn held(store: &RedisStore) -> Vec<String> {
    store.locks().unwrap().iter().map(|lock| lock.path.to_string()).collect()
}

fn another(store: &RedisStore) -> RedisStore {
    RedisStore::builder(&shared().url()).tree(tree_of(store)).connect().unwrap()
}

fn waiters(store: &RedisStore) -> usize {
    store.snapshot().unwrap().waiters().len()
}

/// What users call finds the nodes by itself.
#[test]
fn a_guard_is_narrowed_and_widened() {
    let store = new_tree();
    let mutex = store.mutex("a").unwrap();
    drop(store.clone());
    let parts = mutex.lock_owned().unwrap().narrow(["a/b", "a/c"]).unwrap();
    assert_eq!(held(&store), ["a/b", "a/c"]);
    let [b, c] = <[_; 2]>::try_from(parts).unwrap();
    let unchanged = b.try_widen("a").unwrap_err();
    assert!(matches!(unchanged.error, LockError::WouldBlock { .. }));
    drop(c);
    let wide = unchanged.guard.try_widen("a").unwrap();
    assert_eq!((wide.path().to_string(), held(&store)), ("a".to_owned(), vec!["a".to_owned()]));
}

// -------------------------------------------------------------------------------------- narrow

#[test]
fn what_is_kept_stays_and_the_rest_is_served_at_once() {
    let store = new_tree();
    let (top, grant) = take(&store, "a", EXCLUSIVE);
    let fence = RedisStore::fencing_token(&top, &grant);
    thread::scope(|scope| {
        let (told, got) = mpsc::channel();
        for path in ["a/rest", "a/kept/below", "a/kept"] {
            let (store, told) = (another(&store), told.clone());
            scope.spawn(move || {
                let guard = store.lock(path).unwrap();
                drop(guard); // before it is told: then it is held no more
                let _ = told.send(path); // not all are listened to
            });
        }
        wait_until("three wait", || waiters(&store) == 3);
        let kept = [node(&store, "a/kept"), node(&store, "a/too/deep")];
        let grants = RedisStore::narrow(&top, grant, &kept).unwrap();
        assert_eq!(got.recv_timeout(Duration::from_secs(10)).unwrap(), "a/rest");
        assert_eq!(waiters(&store), 2, "those for what is kept wait on");
        assert_eq!(held(&store), ["a/kept", "a/too/deep"]);
        for (node, grant) in kept.iter().zip(&grants) {
            assert_eq!(RedisStore::fencing_token(node, grant), fence);
            assert!(RedisStore::is_held(node, grant) && RedisStore::mode(grant) == Mode::Exclusive);
            RedisStore::refresh(node, grant, None).unwrap();
        }
        kept.into_iter().zip(grants).for_each(release);
    });
    assert_eq!(held(&store), [""; 0]);
}

#[test]
fn narrowed_to_nothing_it_is_released_and_what_it_does_not_cover_is_refused() {
    let store = new_tree();
    let (top, grant) = take(&store, "a", SHARED);
    let unchanged = RedisStore::narrow(&top, grant, &[node(&store, "a/b"), node(&store, "ab")]).unwrap_err();
    assert!(unchanged.error.to_string().contains("cannot be narrowed to `ab`"), "{unchanged}");
    assert!(RedisStore::is_held(&top, &unchanged.guard));
    assert!(RedisStore::narrow(&top, unchanged.guard, &[]).unwrap().is_empty());
    assert_eq!(held(&store), [""; 0]);
}

/// The rest of the lease goes on, and renews itself as before; nobody is told of a loss.
#[test]
fn a_narrowed_lock_renews_itself() {
    let store = new_tree_with(|builder| builder.lease(Duration::from_millis(300)));
    let lost = store.lost_locks();
    let (top, grant) = take(&store, "a", EXCLUSIVE);
    let kept = node(&store, "a/b");
    let grants = RedisStore::narrow(&top, grant, std::slice::from_ref(&kept)).unwrap();
    assert!(lost.recv_timeout(Duration::from_millis(900)).is_err());
    assert!(RedisStore::is_held(&kept, &grants[0]));
    grants.into_iter().for_each(|grant| release((kept.clone(), grant)));
    // What was lost before is not narrowed.
    let (top, grant) = take(&store, "a", EXCLUSIVE);
    let lock = store.locks().unwrap().remove(0);
    assert!(another(&store).break_lock(&lock).unwrap());
    let unchanged = RedisStore::narrow(&top, grant, std::slice::from_ref(&kept)).unwrap_err();
    assert!(matches!(unchanged.error, LockError::NotHeld { .. }));
    assert_eq!(lost.recv_timeout(Duration::from_secs(5)).unwrap().path.to_string(), "a");
    assert!(lost.recv_timeout(SOON).is_err(), "once");
    assert_eq!(held(&store), [""; 0]);
}

/// Whether the server did it is not known: then nothing of it is believed.
#[test]
fn a_narrow_without_an_answer_is_a_loss() {
    let mut server = Server::start();
    let timeout = Duration::from_millis(300);
    let store = RedisStore::builder(&server.url()).timeout(timeout).connect().unwrap();
    let (top, grant) = take(&store, "a", EXCLUSIVE);
    server.kill();
    let unchanged = RedisStore::narrow(&top, grant, &[node(&store, "a/b")]).unwrap_err();
    let is_held = RedisStore::is_held(&top, &unchanged.guard);
    match unchanged.error {
        LockError::NotHeld { .. } => assert!(!is_held),
        LockError::Store(_) => assert!(is_held, "the server was not asked"),
        error => panic!("{error}"),
    }
}

// --------------------------------------------------------------------------------------- widen

#[test]
fn a_lock_is_widened_if_nobody_else_is_there() {
    let store = new_tree();
    let (below, grant) = take(&store, "a/b/c", EXCLUSIVE);
    let before = RedisStore::fencing_token(&below, &grant);
    let (top, other) = (node(&store, "a"), take(&store, "a/x", SHARED));
    let unchanged = RedisStore::widen(&below, grant, &top).unwrap_err();
    assert!(matches!(unchanged.error, LockError::WouldBlock { .. }), "{unchanged}");
    assert_eq!(unchanged.error.path().unwrap().to_string(), "a");
    assert_eq!(unchanged.error.blocking_path().unwrap().to_string(), "a/x");
    assert_eq!(held(&store), ["a/b/c", "a/x"]);
    release(other);
    let grant = RedisStore::widen(&below, unchanged.guard, &top).unwrap();
    assert!(RedisStore::fencing_token(&top, &grant) > before);
    assert_eq!(held(&store), ["a"]);
    assert!(store.try_lock("a/x").is_err() && store.try_lock("b").is_ok());
    RedisStore::refresh(&top, &grant, None).unwrap();
    // To itself: the same lock. To what is not above: an error.
    let grant = RedisStore::widen(&top, grant, &top).unwrap();
    let unchanged = RedisStore::widen(&top, grant, &node(&store, "b")).unwrap_err();
    assert!(unchanged.error.to_string().contains("cannot be widened to `b`"), "{unchanged}");
    release((top, unchanged.guard));
    assert_eq!(held(&store), [""; 0]);
}

#[test]
fn a_lock_is_not_widened_past_one_who_waits() {
    let store = new_tree();
    let mine = take(&store, "a/b", EXCLUSIVE);
    thread::scope(|scope| {
        let other = another(&store);
        scope.spawn(move || drop(other.lock("a").unwrap()));
        wait_until("one waits", || waiters(&store) == 1);
        let unchanged = RedisStore::widen(&mine.0, mine.1, &node(&store, "a")).unwrap_err();
        assert!(matches!(unchanged.error, LockError::WouldBlock { .. }));
        release((mine.0, unchanged.guard));
    });
}

#[test]
fn a_node_alone_is_widened_to_its_subtree_and_renews_itself() {
    let store = new_tree_with(|builder| builder.lease(Duration::from_millis(300)));
    let (lost, kind) = (store.lost_locks(), Kind::new(Mode::Exclusive, Scope::Node));
    let (a, grant) = take(&store, "a", kind);
    let inside = take(&store, "a/b", EXCLUSIVE);
    let unchanged = RedisStore::widen(&a, grant, &a).unwrap_err();
    release(inside);
    let grant = RedisStore::widen(&a, unchanged.guard, &a).unwrap();
    assert!(store.try_lock("a/b").is_err());
    assert!(lost.recv_timeout(Duration::from_millis(900)).is_err());
    release((a, grant));
    assert_eq!(held(&store), [""; 0]);
}

// ------------------------------------------------------------------------------------- upgrade

#[test]
fn alone_it_becomes_exclusive_with_a_new_token() {
    let store = new_tree();
    for kind in [SHARED, Kind::new(Mode::Shared, Scope::Node)] {
        let mut mine = take(&store, "a", kind);
        let before = token(&mine);
        RedisStore::upgrade(&mine.0, &mut mine.1, Wait::Never).unwrap();
        assert!(RedisStore::mode(&mine.1) == Mode::Exclusive && token(&mine) > before);
        assert!(store.mutex("a").unwrap().shared().try_lock().is_err());
        let now = token(&mine);
        RedisStore::upgrade(&mine.0, &mut mine.1, Wait::Never).unwrap();
        assert_eq!(token(&mine), now, "an exclusive one stays as it is");
        RedisStore::downgrade(&mine.0, &mut mine.1).unwrap();
        drop(store.mutex("a").unwrap().shared().try_lock().unwrap());
        RedisStore::upgrade(&mine.0, &mut mine.1, Wait::timeout(SOON)).unwrap();
        release(mine);
    }
    assert_eq!(held(&store), [""; 0]);
}

#[test]
fn while_it_waits_no_reader_gets_in_and_then_it_goes_first() {
    let store = new_tree();
    let mut mine = take(&store, "a", SHARED);
    let other = another(&store);
    let reader = take(&other, "a/b", SHARED);
    thread::scope(|scope| {
        // A writer that came before it: it waits for this lock, so it has to come after.
        let (told, order) = mpsc::channel();
        let (writer, tell) = (another(&store), told.clone());
        scope.spawn(move || {
            let guard = writer.lock("a").unwrap();
            tell.send("writer").unwrap();
            drop(guard);
        });
        wait_until("one waits", || waiters(&store) == 1);
        let upgrading = scope.spawn(move || {
            RedisStore::upgrade(&mine.0, &mut mine.1, Wait::Forever).unwrap();
            told.send("upgrade").unwrap();
            mine
        });
        wait_until("two wait", || waiters(&store) == 2);
        let snapshot = other.snapshot().unwrap();
        let first = snapshot.waiters().next().unwrap();
        assert_eq!((first.path.to_string(), first.kind.mode), ("a".into(), Mode::Exclusive));
        assert_eq!(first.behind.as_ref().unwrap().path().to_string(), "a/b", "and not behind itself");
        assert_eq!(held(&other), ["a", "a/b"], "it has not let go");
        for path in ["a", "a/b", "a/x"] {
            assert!(other.mutex(path).unwrap().shared().try_lock().is_err(), "{path}");
        }
        release(reader);
        assert_eq!(order.recv_timeout(Duration::from_secs(10)).unwrap(), "upgrade");
        let mine = upgrading.join().unwrap();
        assert!(order.try_recv().is_err(), "the writer waits");
        release(mine);
        assert_eq!(order.recv_timeout(Duration::from_secs(10)).unwrap(), "writer");
    });
}

#[test]
fn of_two_the_second_is_told_at_once() {
    let store = new_tree();
    let mut mine = take(&store, "a", SHARED);
    for path in ["a", "a/b"] {
        let other = another(&store);
        let mut second = take(&other, path, SHARED);
        mine = thread::scope(|scope| {
            let upgrading = scope.spawn(move || {
                RedisStore::upgrade(&mine.0, &mut mine.1, Wait::Forever).unwrap();
                mine
            });
            wait_until("one waits", || waiters(&other) == 1);
            for wait in [Wait::Forever, Wait::timeout(Duration::from_secs(60)), Wait::Never] {
                let error = RedisStore::upgrade(&second.0, &mut second.1, wait).unwrap_err();
                assert!(matches!(error, LockError::Upgrading { .. }), "{error:?}");
                assert_eq!(error.blocking_path().unwrap().to_string(), "a");
            }
            assert!(RedisStore::mode(&second.1) == Mode::Shared && RedisStore::is_held(&second.0, &second.1));
            release(second);
            upgrading.join().unwrap()
        });
        RedisStore::downgrade(&mine.0, &mut mine.1).unwrap();
    }
    release(mine);
}

#[test]
fn given_up_it_is_shared_as_before_and_those_behind_go_on() {
    let store = new_tree();
    let mut mine = take(&store, "a", SHARED);
    let before = token(&mine);
    let reader = take(&another(&store), "a", SHARED);
    let error = RedisStore::upgrade(&mine.0, &mut mine.1, Wait::Never).unwrap_err();
    assert!(matches!(error, LockError::WouldBlock { .. }));
    thread::scope(|scope| {
        let other = another(&store);
        let behind = scope.spawn(move || {
            wait_until("one waits", || waiters(&other) == 1);
            drop(other.mutex("a").unwrap().shared().try_lock_for(Duration::from_secs(20)).unwrap());
        });
        let error = RedisStore::upgrade(&mine.0, &mut mine.1, Wait::timeout(Duration::from_millis(500))).unwrap_err();
        assert!(matches!(error, LockError::TimedOut { .. }), "{error:?}");
        assert_eq!(error.blocking_path().unwrap().to_string(), "a");
        behind.join().unwrap();
    });
    assert!(RedisStore::mode(&mine.1) == Mode::Shared && token(&mine) == before);
    assert!(RedisStore::is_held(&mine.0, &mine.1));
    release(mine);
    release(reader);
    assert_eq!(held(&store), [""; 0]);
}

/// While it waits its lease renews itself. It is not told of a loss, and others do not get in.
#[test]
fn the_lock_lives_on_while_it_waits() {
    let options = |lease| move |builder: mutextree::RedisStoreBuilder| builder.lease(Duration::from_millis(lease));
    let store = new_tree_with(options(300));
    let lost = store.lost_locks();
    let mut mine = take(&store, "a", SHARED);
    let reader = take(&another(&store), "a", SHARED);
    let waits = Wait::timeout(Duration::from_millis(1200));
    assert!(matches!(RedisStore::upgrade(&mine.0, &mut mine.1, waits), Err(LockError::TimedOut { .. })));
    assert!(RedisStore::is_held(&mine.0, &mine.1) && lost.try_recv().is_err());
    release(reader);
    // Broken while it waits: it is lost, and says so.
    let reader = take(&another(&store), "a", SHARED);
    let mine = thread::scope(|scope| {
        let upgrading = scope.spawn(move || {
            let error = RedisStore::upgrade(&mine.0, &mut mine.1, Wait::Forever).unwrap_err();
            assert!(matches!(error, LockError::NotHeld { .. }), "{error:?}");
            mine
        });
        wait_until("one waits", || waiters(&store) == 1);
        let its = RedisStore::fencing_token(&reader.0, &reader.1);
        let lock = store.locks().unwrap().into_iter().find(|lock| lock.fencing_token != Some(its)).unwrap();
        assert!(store.break_lock(&lock).unwrap());
        assert_eq!(waiters(&store), 0);
        upgrading.join().unwrap()
    });
    assert!(!RedisStore::is_held(&mine.0, &mine.1));
    release(reader);
}
