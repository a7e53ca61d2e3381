//! A process that has connected to a Redis server forks. The child is a client of its own: it has
//! no threads and no connections of its parent's, no locks of its parent's, and locks of its own.
#![cfg(unix)]

#[path = "../../../tests/redis/server.rs"]
mod server;

use std::thread;
use std::time::{Duration, Instant};

use mutextree::{LockError, LockStore, RedisStore};
use mutextree_fork::{Child, Parent, fork, one_at_a_time};

use crate::server::Server;

/// Short, so that a lock which nobody renews is soon lost.
const LEASE: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(10);

fn connect(server: &Server) -> RedisStore {
    RedisStore::builder(&server.url()).lease(LEASE).heartbeat(Duration::from_millis(200)).connect().unwrap()
}

/// A store that has a connection and has given out a lock before.
fn used_store(server: &Server) -> RedisStore {
    let store = connect(server);
    store.lock("used").unwrap().unlock().unwrap();
    store
}

/// What came of a try, in one line, which begins with `held` if it has the lock.
fn told<G>(result: &Result<G, LockError>) -> String {
    match result {
        Ok(_) => "held".to_owned(),
        Err(error) => format!("refused: {error}"),
    }
}

/// Both ask for one node, one after the other, and the first keeps it.
fn both_try_one_node(child_first: bool) {
    let _turn = one_at_a_time();
    let server = Server::start();
    let store = used_store(&server);
    let (store, mut child) = fork(store, |store, parent| {
        parent.wait_for("try");
        let guard = store.mutex("a").unwrap().try_lock_owned();
        parent.say(format!("tried {}", told(&guard)));
        parent.wait_for("end");
    });
    let ask = |child: &mut Child| {
        child.say("try");
        child.says("tried")
    };
    let mutex = store.mutex("a").unwrap();
    let (of_child, own);
    if child_first {
        of_child = ask(&mut child);
        own = mutex.try_lock();
    } else {
        own = mutex.try_lock();
        of_child = ask(&mut child);
    }
    let own = told(&own);
    child.say("end");
    child.ends();
    let held = [&own, &of_child].into_iter().filter(|told| *told == "held").count();
    assert_eq!(held, 1, "one of them gets the lock; parent: {own}; child: {of_child}");
}

#[test]
fn the_child_is_refused_what_its_parent_has() {
    both_try_one_node(false);
}

#[test]
fn the_parent_is_refused_what_its_child_has() {
    both_try_one_node(true);
}

#[test]
fn a_lock_of_the_child_is_renewed() {
    let _turn = one_at_a_time();
    let server = Server::start();
    let store = used_store(&server);
    let (_store, mut child) = fork(store, |store, parent| {
        let guard = store.mutex("a").unwrap().try_lock_owned().unwrap();
        parent.say("has it");
        parent.wait_for("end");
        parent.say(format!("is_held {}", guard.is_held()));
        parent.say(format!("unlock {}", told(&guard.unlock())));
    });
    child.says("has it");
    // A client that has nothing to do with either process waits for longer than two leases.
    let other = connect(&server);
    let waited = other.mutex("a").unwrap().try_lock_owned_for(LEASE * 5 / 2);
    assert!(waited.is_err(), "the lock of a living child was given to another after its lease");
    child.say("end");
    assert_eq!(child.says("is_held"), "true");
    assert_eq!(child.says("unlock"), "held", "the child released what it had");
    child.ends();
    drop(other.mutex("a").unwrap().try_lock_owned_for(LONG).unwrap());
}

/// Neither kind of token may mean one lock in the parent and another in the child.
#[test]
fn a_lock_of_the_child_has_tokens_of_its_own() {
    let _turn = one_at_a_time();
    let server = Server::start();
    let store = used_store(&server);
    let tokens = |store: &RedisStore, path| {
        let guard = store.mutex(path).unwrap().try_lock_owned().unwrap();
        let fencing_token = guard.fencing_token();
        (fencing_token.to_string(), guard.into_lease().unwrap().token().to_string())
    };
    let (store, mut child) = fork(store, move |store, parent| {
        let (fencing_token, lease_token) = tokens(&store, "child");
        parent.say(format!("fencing {fencing_token}"));
        parent.say(format!("lease {lease_token}"));
    });
    let of_child = (child.says("fencing"), child.says("lease"));
    child.ends();
    let own = tokens(&store, "parent");
    assert_ne!(own.0, of_child.0, "two locks have one fencing token");
    assert_ne!(own.1, of_child.1, "two locks have one lease token");
}

/// What the child may do with a guard that it inherited: it says that it is not held, and nothing
/// that happens to it reaches the parent's lock.
fn inherited(in_child: impl FnOnce(mutextree::OwnedTreeMutexGuard<RedisStore>, &mut Parent)) {
    let _turn = one_at_a_time();
    let server = Server::start();
    let store = used_store(&server);
    let guard = store.lock("a").unwrap();
    let (guard, child) = fork(guard, in_child);
    child.ends();
    let other = connect(&server);
    assert!(
        other.mutex("a").unwrap().try_lock_owned_for(LEASE * 2).is_err(),
        "the parent has the lock, and another got it after the child was done with its copy of the guard"
    );
    assert!(guard.is_held(), "the parent lost its lock");
    guard.unlock().unwrap();
    drop(other.mutex("a").unwrap().try_lock_owned_for(LONG).unwrap());
}

#[test]
fn an_inherited_guard_is_not_held() {
    inherited(|guard, _| {
        assert!(!guard.is_held(), "a guard of the parent says in the child that it is held");
        std::mem::forget(guard);
    });
}

#[test]
fn an_inherited_guard_that_is_dropped_releases_nothing() {
    inherited(|guard, _| drop(guard));
}

#[test]
fn an_inherited_guard_cannot_be_unlocked() {
    inherited(|guard, _| {
        let result = guard.unlock();
        assert!(result.is_err(), "the child released its parent's lock, by its own account");
    });
}

#[test]
fn an_inherited_guard_cannot_be_refreshed_or_made_a_lease() {
    inherited(|guard, _| {
        let refreshed = guard.refresh_for(LONG);
        assert!(refreshed.is_err(), "the child refreshed its parent's lock, by its own account");
        assert!(guard.into_lease().is_err(), "the child made a lease of its parent's lock");
    });
}

#[test]
fn a_guard_that_a_task_took_and_the_child_inherits_releases_nothing() {
    let _turn = one_at_a_time();
    let server = Server::start();
    let store = used_store(&server);
    let mutex = store.mutex("a").unwrap();
    let guard = pollster::block_on(mutex.lock_owned_async()).unwrap();
    let (guard, child) = fork((store, mutex, guard), |(_store, _mutex, guard), _| {
        assert!(!guard.is_held(), "a guard of the parent says in the child that it is held");
        drop(guard);
    });
    child.ends();
    let other = connect(&server);
    assert!(other.mutex("a").unwrap().try_lock_owned_for(LEASE * 2).is_err(), "the parent's lock was given to another");
    assert!(guard.2.is_held(), "the parent lost its lock");
}

/// Both use the server at the same time. With one socket for two, each would read answers to the
/// other.
#[test]
fn parent_and_child_share_no_socket() {
    const PAIRS: usize = 500;
    let _turn = one_at_a_time();
    let server = Server::start();
    let store = used_store(&server);
    let lock_and_unlock = |store: &RedisStore, path: &str| -> Result<(), String> {
        let mutex = store.mutex(path).unwrap();
        for at in 0..PAIRS {
            let done = mutex.lock().and_then(|guard| guard.unlock());
            done.map_err(|error| format!("after {at} pairs: {error}"))?;
        }
        Ok(())
    };
    let (store, mut child) = fork(store, move |store, parent| {
        parent.wait_for("go");
        parent.say(format!("result {:?}", lock_and_unlock(&store, "child")));
    });
    child.say("go");
    let own = lock_and_unlock(&store, "parent");
    let of_child = child.says("result");
    child.ends();
    assert_eq!((own, of_child), (Ok(()), "Ok(())".to_owned()), "(parent, child)");
}

/// The parent has all the threads that a store can have: one renews, one listens for a waiter, one
/// drives a task. The child has none of them, and must not wait for any.
#[test]
fn no_call_of_the_child_waits_for_a_thread_of_the_parent() {
    let _turn = one_at_a_time();
    let server = Server::start();
    let store = used_store(&server);
    let guard = store.lock("a").unwrap();
    let waiting = store.mutex("a").unwrap();
    let waiter = thread::spawn(move || waiting.lock().unwrap().unlock().unwrap());
    drop(pollster::block_on(store.mutex("task").unwrap().lock_owned_async()).unwrap());
    let mut connection = server.connect();
    until("the waiter's listener asks", || info(&mut connection, "blocked_clients") >= 1);

    let (guard, mut child) = fork((store.clone(), Some(guard)), |(store, guard), parent| {
        // The first call, and one of each kind after it.
        parent.say(format!("try_lock {}", told(&store.mutex("b").unwrap().try_lock_owned())));
        parent.say(format!("lock {}", told(&store.lock("b"))));
        let task = pollster::block_on(store.mutex("b").unwrap().lock_owned_async());
        parent.say(format!("task {}", told(&task)));
        drop(task);
        parent.say(format!("is_locked {}", store.mutex("a").unwrap().is_locked()));
        let brief = store.mutex("a").unwrap().try_lock_owned_for(Duration::from_millis(100));
        parent.say(format!("in vain {}", told(&brief)));
        // A wait that ends because the parent and its waiter let go.
        parent.say("waits");
        parent.say(format!("waited {}", told(&store.lock("a/b"))));
        std::mem::forget(guard);
        drop(store);
    });
    assert_eq!(child.says("try_lock"), "held");
    assert_eq!(child.says("lock"), "held");
    assert_eq!(child.says("task"), "held");
    assert_eq!(child.says("is_locked"), "true");
    assert!(child.says("in vain").starts_with("refused"), "the parent has the lock");
    child.says("waits");
    drop(guard.1);
    waiter.join().unwrap();
    assert_eq!(child.says("waited"), "held");
    child.ends();
}

/// A child of a child is as good as a child.
#[test]
fn a_grandchild_is_a_client_of_its_own() {
    let _turn = one_at_a_time();
    let server = Server::start();
    let store = used_store(&server);
    let (store, mut child) = fork(store, |store, parent| {
        let guard = store.mutex("child").unwrap().try_lock_owned();
        parent.say(format!("child {}", told(&guard)));
        let ((_store, guard), mut grandchild) = fork((store, guard), |(store, guard), child| {
            assert!(!guard.unwrap().is_held(), "a guard of the child says in the grandchild that it is held");
            let results = ["child", "grandchild"].map(|path| told(&store.mutex(path).unwrap().try_lock_owned()));
            child.say(format!("tried {results:?}"));
        });
        parent.say(grandchild.says("tried"));
        grandchild.ends();
        assert!(guard.unwrap().is_held(), "the child lost its lock");
    });
    assert_eq!(child.says("child"), "held");
    let tried = child.says("");
    child.ends();
    assert!(
        tried.starts_with("[\"refused") && tried.ends_with("\"held\"]"),
        "the grandchild tried its parent's lock, and one of its own: {tried}"
    );
    drop(store.mutex("/").unwrap().try_lock_owned_for(LONG).unwrap());
}

/// One number of the server's own report.
fn info(connection: &mut redis::Connection, field: &str) -> u64 {
    let report: String = redis::cmd("INFO").query(connection).unwrap();
    let line = report.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.expect("the server reports it").parse().unwrap()
}

#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < LONG, "it is never so that {what}");
        thread::yield_now();
    }
}
