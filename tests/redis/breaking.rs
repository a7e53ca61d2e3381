//! A lock is broken by another process than its holder's: how the holder learns of it.

use std::thread;
use std::time::Duration;

use mutextree::{HeldLock, LockError, LockStore, RedisStore};

use crate::failures::{wait_until, waiters};
use crate::faults::{BOTH, SOON, connect, millis};
use crate::proxy::Proxy;
use crate::server::Server;

const LONG: Duration = Duration::from_secs(3600);

fn only_lock(store: &RedisStore) -> HeldLock {
    let mut locks = store.locks().unwrap();
    assert_eq!(locks.len(), 1, "{locks:?}");
    locks.remove(0)
}

/// The next renewal finds out. Nothing else is sent meanwhile.
#[test]
fn a_renewal_learns_of_it() {
    for (who, lock) in BOTH {
        let server = Server::start();
        let store = connect(&server.url(), |builder| builder.lease(millis(1500)));
        let operator = RedisStore::connect(&server.url()).unwrap();
        let told = store.lost_locks();
        let guard = lock(store.mutex("a/b").unwrap().owner(who)).unwrap();
        let seen = only_lock(&operator);
        assert_eq!((seen.fencing_token, seen.is_detached()), (Some(guard.fencing_token()), false), "a {who}'s");
        assert!(operator.break_lock(&seen).unwrap());
        let next = operator.try_lock("a").expect("at once");
        assert!(next.fencing_token() > guard.fencing_token(), "so that late writes can be told");
        assert_eq!(told.recv_timeout(SOON).unwrap().fencing_token, guard.fencing_token());
        assert!(!guard.is_held(), "a {who}'s");
        assert!(next.is_held());
        drop(next);
        assert!(matches!(guard.unlock(), Err(LockError::NotHeld { .. })));
        // What the dropped guard of a task sends is on its way.
        wait_until("something is left", || operator.snapshot().unwrap().is_empty());
    }
}

/// One that listens for its waiters need not wait for that: here there are no renewals.
#[test]
fn a_message_tells_of_it_at_once() {
    let server = Server::start();
    let [store, operator] = [0, 1].map(|_| RedisStore::connect(&server.url()).unwrap());
    let told = store.lost_locks();
    let guard = store.mutex("a").unwrap().lease(LONG).lock_owned().unwrap();
    let mutex = store.mutex("a").unwrap();
    let waiter = thread::spawn(move || mutex.lock_owned());
    wait_until("it does not wait", || waiters(&server) == 1);
    assert!(operator.break_lock(&only_lock(&operator)).unwrap());
    let next = waiter.join().unwrap().unwrap(); // handed over
    assert_eq!(told.recv_timeout(SOON).unwrap().fencing_token, guard.fencing_token());
    assert!(!guard.is_held() && next.is_held());
}

/// The lock was handed over, the message was lost, and it was broken before its waiter claimed it.
#[test]
fn a_waiter_whose_lock_was_broken_is_told() {
    for (who, lock) in BOTH {
        let server = Server::start();
        let proxy = Proxy::start(server.port());
        let store = connect(&proxy.url(), |builder| builder.heartbeat(millis(1000)));
        let operator = RedisStore::connect(&server.url()).unwrap();
        let guard = operator.lock("a").unwrap();
        let mutex = store.mutex("a").unwrap().owner(who);
        let waiter = thread::spawn(move || lock(mutex));
        wait_until("it does not wait", || waiters(&server) == 1);
        proxy.lose_messages(1);
        guard.unlock().unwrap();
        let seen = only_lock(&operator);
        assert_eq!(seen.owner.as_ref().unwrap().as_str(), who);
        assert!(operator.break_lock(&seen).unwrap());
        match waiter.join().unwrap() {
            Err(LockError::NotHeld { .. }) => {}
            // A heartbeat was quicker: then it is lost like any other.
            Ok(guard) => wait_until("it is believed to be held", || !guard.is_held()),
            Err(error) => panic!("a {who}: {error}"),
        }
        drop(operator.try_lock("a").expect("nothing is left"));
    }
}

#[test]
fn a_lock_without_a_guard_is_broken_too() {
    let server = Server::start();
    let [store, operator] = [0, 1].map(|_| RedisStore::connect(&server.url()).unwrap());
    let lease = store.lock("a").unwrap().into_lease().unwrap();
    let seen = only_lock(&operator);
    assert!(seen.is_detached() && seen.client.is_none());
    assert_eq!(seen.token.as_ref(), Some(lease.token()));
    assert!(operator.break_lock(&seen).unwrap());
    assert!(!lease.is_held());
    assert!(matches!(store.resume("a", lease.token()), Err(LockError::NotHeld { .. })));
}

#[test]
fn what_no_store_has_listed_is_refused() {
    let server = Server::start();
    let store = RedisStore::connect(&server.url()).unwrap();
    let _guard = store.lock("a").unwrap();
    let made_up = HeldLock::new("a".parse().unwrap(), mutextree::Kind::default());
    let error = store.break_lock(&made_up).unwrap_err();
    let LockError::Store(reason) = &error else { panic!("{error:?}") };
    assert!(reason.to_string().contains("take it from `locks` or a `snapshot`"), "{reason}");
    for token in ["", "tick", "x.y", "waiting", "0.0"] {
        let mut made_up = made_up.clone();
        made_up.token = Some(token.into());
        assert!(!store.break_lock(&made_up).unwrap(), "{token}");
    }
    assert_eq!(store.locks().unwrap().len(), 1);
}

/// A snapshot tells the name of the client, one for each store, and times by the server's clock.
#[test]
fn clients_are_told_apart() {
    let server = Server::start();
    let [one, two] = [0, 1].map(|_| RedisStore::connect(&server.url()).unwrap());
    let _guards = (one.lock("a").unwrap(), one.lock("b").unwrap(), two.lock("c").unwrap());
    let snapshot = two.snapshot().unwrap();
    let clients: Vec<_> = snapshot.holders().map(|lock| lock.client.clone().unwrap()).collect();
    assert_eq!(clients[0], clients[1]);
    assert_ne!(clients[0], clients[2]);
    assert!(snapshot.holders().all(|lock| lock.held_for.is_some_and(|age| age < SOON)));
}

/// More than one call lists.
#[test]
fn a_large_tree_is_seen_whole() {
    let server = Server::start();
    let store = RedisStore::connect(&server.url()).unwrap();
    let guards: Vec<_> = (0..1500).map(|at| store.lock(format!("a/{at}")).unwrap()).collect();
    assert_eq!(store.snapshot().unwrap().holders().len(), guards.len());
    assert_eq!(store.mutex("a").unwrap().blockers().unwrap().len(), guards.len());
    assert_eq!(store.mutex("a/7/x").unwrap().blockers().unwrap().len(), 1);
}
