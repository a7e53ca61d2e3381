//! Deadlocks over Redis: of every shape in one process, and across processes by owner.

use std::time::Duration;

use mutextree::{LockError, LockStore, OwnedTreeMutexGuard, RedisStore};

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
