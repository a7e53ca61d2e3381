//! Deadlocks over Redis: of every shape in one process, and across processes by owner.

use std::time::Duration;

use mutextree::{
    Backend, Kind, LockError, LockStore, Mode, OwnedTreeMutexGuard, PathRef, RedisStore, Request, Scope, TreeMutexSet,
    TreePath, Wait,
};

use crate::common::asking::{Asking, asking, in_time};
use crate::common::circles::told;
use crate::server::Server;

fn connect(server: &Server, detects: bool) -> RedisStore {
    RedisStore::builder(&server.url()).deadlock_detection(detects).connect().unwrap()
}

fn store() -> RedisStore {
    crate::server::new_tree_with(|builder| builder.deadlock_detection(true))
}

mod shapes {
    circles!(super::store());
}

type Guard = OwnedTreeMutexGuard<RedisStore>;

/// A lock of this owner, whichever thread has it.
fn lock(store: &RedisStore, path: &str, owner: &str) -> Guard {
    let guard = store.mutex(path).unwrap().owner(owner).lock_owned().unwrap();
    guard.hand_over();
    guard
}

/// Asks as this owner, and holds `held` until it has the lock or is refused.
fn waits(store: &RedisStore, path: &str, owner: &str, held: Guard) -> Asking<Result<(), LockError>> {
    let mutex = store.mutex(path).unwrap().owner(owner);
    asking(move || {
        let result = mutex.lock().map(drop);
        drop(held);
        result
    })
}

fn until_they_wait(store: &RedisStore, count: usize) {
    while store.snapshot().unwrap().waiters().len() < count {
        std::thread::yield_now();
    }
}

/// Each of two processes has what the other wants. The younger wait gives way.
#[test]
fn two_processes_by_owner() {
    in_time(|| {
        let server = Server::start();
        let [one, two] = [(); 2].map(|()| connect(&server, true));
        let (a, b) = (lock(&one, "a", "alice"), lock(&two, "b", "bob"));
        let elder = waits(&one, "b", "alice", a);
        until_they_wait(&one, 1);
        let deadlock = told(waits(&two, "a", "bob", b).ends());
        let [me, them] = deadlock.cycle() else { panic!("{deadlock}") };
        assert_eq!((me.who(), them.who()), ("bob".into(), "alice".into()));
        assert_eq!(them.holds.as_ref().unwrap().path.to_string(), "a");
        // What is not of this process is known as far as the server knows it.
        assert!(me.wants.asked_at.is_some() && them.wants.asked_at.is_none());
        assert!(them.wants.client.is_some() && them.wants.client != me.wants.client);
        elder.ends().unwrap();
    });
}

/// A store that keeps what nobody uses, after it was given a lock of `a` back.
fn keeping(server: &Server) -> RedisStore {
    let builder = RedisStore::builder(&server.url()).deadlock_detection(true);
    let store = builder.keep(Duration::from_secs(60)).connect().unwrap();
    drop(lock(&store, "a", "alice"));
    assert_eq!(store.kept_locks().kept, 1);
    store
}

/// What a process keeps is in nobody's way: it is given back to the one who waits for it.
#[test]
fn a_lock_that_nobody_uses_is_in_no_circle() {
    in_time(|| {
        let server = Server::start();
        let (one, two) = (keeping(&server), connect(&server, true));
        let (c, b) = (lock(&one, "c", "alice"), lock(&two, "b", "bob"));
        let elder = waits(&one, "b", "alice", c);
        until_they_wait(&one, 1);
        waits(&two, "a", "bob", b).ends().unwrap();
        elder.ends().unwrap();
    });
}

/// The same lock, used once more: its process says so to the one who waits for it.
#[test]
fn a_kept_lock_that_is_used_again_may_close_a_circle() {
    in_time(|| {
        let server = Server::start();
        let (one, two) = (keeping(&server), connect(&server, true));
        let (a, b) = (lock(&one, "a", "alice"), lock(&two, "b", "bob"));
        assert_eq!(one.kept_locks().hits, 1);
        let elder = waits(&one, "b", "alice", a);
        until_they_wait(&one, 1);
        let deadlock = told(waits(&two, "a", "bob", b).ends());
        let [me, them] = deadlock.cycle() else { panic!("{deadlock}") };
        assert_eq!((me.who(), them.who()), ("bob".into(), "alice".into()));
        elder.ends().unwrap();
    });
}

/// Only one of the two looks for deadlocks, and it is the elder: it gives way.
#[test]
fn a_process_that_does_not_look() {
    in_time(|| {
        let server = Server::start();
        let (one, two) = (connect(&server, true), connect(&server, false));
        let (a, b) = (lock(&one, "a", "alice"), lock(&two, "b", "bob"));
        let elder = waits(&one, "b", "alice", a);
        until_they_wait(&one, 1);
        let younger = waits(&two, "a", "bob", b);
        told(elder.ends());
        younger.ends().unwrap();
    });
}

/// An owner is one within a process. The same name in two of them is two.
#[test]
fn one_name_in_two_processes_is_two() {
    in_time(|| {
        let server = Server::start();
        let [one, two] = [(); 2].map(|()| connect(&server, true));
        let (a, b) = (lock(&one, "a", "worker"), lock(&two, "b", "worker"));
        // The `worker` of the first process waits; that of the second one goes on.
        let waiter = waits(&one, "b", "worker", a);
        until_they_wait(&one, 1);
        let third = lock(&two, "c", "another");
        let behind = waits(&two, "a", "another", third);
        until_they_wait(&one, 2);
        waiter.still_waits("nobody is in a circle");
        assert!(
            two.try_lock_for("a", Duration::from_millis(1500))
                .is_err_and(|error| matches!(error, LockError::TimedOut { .. }))
        );
        drop(b);
        waiter.ends().unwrap();
        behind.ends().unwrap();
    });
}

/// Nobody looks unless it was asked for.
#[test]
fn off_unless_asked_for() {
    let server = Server::start();
    let store = connect(&server, false);
    let _guard = store.lock("a").unwrap();
    let error = store.try_lock_for("a", Duration::from_millis(400)).unwrap_err();
    assert!(matches!(error, LockError::TimedOut { .. }), "{error}");
    assert_eq!(store.locks().unwrap()[0].agent, None);
}

/// A set that another process waits for is one wait, whichever member is in the way.
#[test]
fn a_set_of_another_process() {
    in_time(|| {
        let server = Server::start();
        let (one, two) = (connect(&server, false), connect(&server, true));
        let (x, b) = (lock(&one, "x", "alice"), lock(&two, "b", "bob"));
        let all = ["a", "b", "c"].map(|path| one.mutex(path).unwrap().owner("alice"));
        let all = TreeMutexSet::new(all).unwrap();
        let elder = asking(move || {
            let result = all.lock().map(drop);
            drop(x);
            result
        });
        until_they_wait(&two, 3);
        // Behind the set at a member that is free.
        let deadlock = told(waits(&two, "c", "bob", b).ends());
        assert_eq!(deadlock.cycle().len(), 2, "{deadlock}");
        elder.ends().unwrap();
    });
}

/// A holder that waits to be exclusive does not wait for itself. It does for others.
#[test]
fn a_shared_lock_that_is_to_become_exclusive() {
    in_time(|| {
        let store = store();
        let shared = Request::new(Kind::new(Mode::Shared, Scope::Subtree));
        let (a, x) = ("a".parse::<TreePath>().unwrap(), store.mutex("x").unwrap());
        let node = store.resolve(PathRef::from(&a));
        let mut mine = RedisStore::acquire(&node, &shared, Wait::Never).unwrap();
        let theirs = store.mutex("a").unwrap().shared().lock_owned().unwrap();
        theirs.hand_over();
        // They go on: nobody is told.
        let refused = RedisStore::upgrade(&node, &mut mine, Wait::timeout(Duration::from_millis(1500)));
        assert!(matches!(refused, Err(LockError::TimedOut { .. })), "{refused:?}");
        let held = x.lock().unwrap();
        let wanted = x.clone();
        let other = asking(move || {
            theirs.take_over();
            let result = wanted.lock().map(drop);
            drop(theirs);
            result
        });
        until_they_wait(&store, 1);
        let deadlock = told(RedisStore::upgrade(&node, &mut mine, Wait::Forever));
        assert_eq!(deadlock.cycle().len(), 2, "{deadlock}");
        assert_eq!(store.snapshot().unwrap().waiters().len(), 1, "it waits no longer");
        assert_eq!(RedisStore::mode(&mine), Mode::Shared);
        drop(held);
        other.ends().unwrap();
        RedisStore::upgrade(&node, &mut mine, Wait::Forever).unwrap();
        RedisStore::release(&node, mine).unwrap();
    });
}

/// A lock that was narrowed or widened is its holder's still.
#[test]
fn a_lock_that_has_changed() {
    in_time(|| {
        let store = store();
        let node = |path: &str| store.resolve(PathRef::from(&path.parse::<TreePath>().unwrap()));
        let held = RedisStore::acquire(&node("a"), &Request::default(), Wait::Never).unwrap();
        let mut parts = RedisStore::narrow(&node("a"), held, &[node("a/b"), node("a/c")]).unwrap();
        let deadlock = told(store.lock("a/c").map(drop));
        assert_eq!(deadlock.cycle().len(), 1, "{deadlock}");
        RedisStore::release(&node("a/c"), parts.pop().unwrap()).unwrap();
        assert!(store.lock("a/c").is_ok());
        let wide = RedisStore::widen(&node("a/b"), parts.pop().unwrap(), &node("a")).unwrap();
        told(store.lock("a/c").map(drop));
        RedisStore::release(&node("a"), wide).unwrap();
    });
}
