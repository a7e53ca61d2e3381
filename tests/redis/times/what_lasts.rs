use std::thread;
use std::time::Duration;

use mutextree::{LockError, LockStore, RedisStore};

use crate::failures::{wait_until, waiters};
use crate::faults::{BOTH, Guard, SLACK, SOON, connect, held, millis, waits};
use crate::proxy::Proxy;
use crate::server::Server;

const LONG: Duration = Duration::from_secs(60);

/// A lock that had to be waited for, by a store whose waiters have `heartbeat * 3.5` to claim it.
fn handed(server: &Server, store: &RedisStore, who: usize, lease: Option<Duration>) -> Guard {
    let guard = RedisStore::connect(&server.url()).unwrap().lock("a").unwrap();
    let mutex = store.mutex("a").unwrap();
    let mutex = lease.map_or_else(|| mutex.clone(), |lease| mutex.clone().lease(lease));
    let waiter = thread::spawn(move || BOTH[who].1(mutex));
    wait_until("it never waits", || waiters(server) == 1);
    guard.unlock().unwrap();
    waiter.join().unwrap().unwrap()
}

#[test]
fn a_lease_that_was_asked_for_starts_when_the_lock_is_claimed() {
    let server = Server::start();
    let store = connect(&server.url(), |builder| builder.heartbeat(millis(100)));
    let other = RedisStore::connect(&server.url()).unwrap();
    for who in [0, 1] {
        let guard = handed(&server, &store, who, Some(LONG));
        thread::sleep(millis(800)); // a claim is 350
        assert!(other.mutex("a").unwrap().try_lock().is_err(), "a {}'s", BOTH[who].0);
        assert!(guard.is_held());
        guard.unlock().unwrap();
    }
}

#[test]
fn a_lock_that_came_by_message_is_renewed_before_its_claim_is_over() {
    let server = Server::start();
    let store = connect(&server.url(), |builder| builder.heartbeat(millis(200)));
    let other = RedisStore::connect(&server.url()).unwrap();
    for who in [0, 1] {
        let guard = handed(&server, &store, who, None);
        thread::sleep(millis(1500)); // a claim is 700
        assert!(other.mutex("a").unwrap().try_lock().is_err(), "a {}'s", BOTH[who].0);
        assert!(guard.is_held());
        guard.unlock().unwrap();
    }
}

#[test]
fn a_renewal_that_failed_is_tried_again() {
    let server = Server::start();
    let proxy = Proxy::start(server.port());
    let lease = millis(1500);
    let store = connect(&proxy.url(), |builder| builder.lease(lease));
    let guards = BOTH.map(|(who, lock)| lock(store.mutex(who).unwrap()).unwrap());
    thread::sleep(millis(300));
    proxy.cut();
    thread::sleep(millis(500)); // the first renewal is after 500
    proxy.mend();
    thread::sleep(2 * lease);
    assert!(guards.iter().all(|guard| guard.is_held()));
    assert_eq!(held(&server), 2);
}

/// Many calls renew them: 256 go into one.
#[test]
fn ten_thousand_locks_are_renewed_in_time() {
    let server = Server::start();
    let store = connect(&server.url(), |builder| builder.lease(millis(2000)));
    let lost = store.lost_locks();
    let mut all: Vec<_> = (0..10_000).map(|at| waits(store.mutex(format!("{at}")).unwrap())).collect();
    all.iter_mut().for_each(|wait| _ = wait.poll());
    let guards: Vec<_> = all.into_iter().map(|wait| wait.block_on().unwrap()).collect();
    thread::sleep(millis(4000));
    assert!(lost.try_recv().is_err());
    assert!(guards.iter().all(|guard| guard.is_held()));
    assert_eq!(held(&server), guards.len());
}

#[test]
fn a_refresh_makes_nothing_renew_itself_that_was_to_end() {
    let server = Server::start();
    let store = RedisStore::connect(&server.url()).unwrap();
    let other = RedisStore::connect(&server.url()).unwrap();
    for (who, lock) in BOTH {
        let guard = lock(store.mutex("a").unwrap().lease(millis(300))).unwrap();
        guard.refresh().unwrap();
        drop(other.mutex("a").unwrap().try_lock_for(SOON / 4).unwrap_or_else(|error| panic!("a {who}'s: {error}")));
        assert!(!guard.is_held());
    }
}

#[test]
fn a_lease_starts_anew_when_it_is_detached() {
    let server = Server::start();
    let lease = millis(6000);
    let store = connect(&server.url(), |builder| builder.lease(lease));
    let guards = BOTH.map(|(who, lock)| lock(store.mutex(who).unwrap()).unwrap());
    thread::sleep(SLACK); // less than a third, when it is renewed
    for guard in guards {
        guard.into_lease().unwrap();
    }
    for lock in store.locks().unwrap() {
        let left = lock.remaining.unwrap();
        assert!(left > lease - SLACK / 2, "{} ends in {left:?}", lock.path);
    }
}

/// Renewals are carried out and their answers lost, so the server keeps it for longer than the
/// holder may believe.
#[test]
fn what_is_lost_here_is_not_held_though_the_server_has_it() {
    let server = Server::start();
    let proxy = Proxy::start(server.port());
    let lease = millis(1200);
    let store = connect(&proxy.url(), |builder| builder.lease(lease));
    for (who, lock) in BOTH {
        let guard = lock(store.mutex("a").unwrap()).unwrap();
        proxy.lose_answers(u64::MAX);
        thread::sleep(lease * 3 / 4);
        proxy.cut(); // so that it is not given back before
        wait_until("it is held for ever", || !guard.is_held());
        proxy.lose_answers(0);
        proxy.mend();
        let unlocked = guard.unlock();
        assert!(matches!(unlocked, Err(LockError::NotHeld { .. })), "a {who}'s: {unlocked:?}");
        drop(store.mutex("a").unwrap().try_lock_for(SOON).unwrap());
    }
}
