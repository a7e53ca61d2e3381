//! The connections that exist are dead, and nothing says so; new ones work. What has to be in time
//! tries another one in time, however long a call may take.

use std::thread;

use mutextree::{LockStore, RedisStore};

use super::{BOTH, connect, held, millis, settled, waits};
use crate::failures::{wait_until, waiters};
use crate::proxy::Proxy;
use crate::server::Server;

#[test]
fn a_short_lease_is_renewed_over_another_connection() {
    let server = Server::start();
    let proxy = Proxy::start(server.port());
    let lease = millis(2000);
    let store = connect(&proxy.url(), |builder| builder.lease(lease));
    let lost = store.lost_locks();
    let guards = BOTH.map(|(who, lock)| lock(store.mutex(who).unwrap()).unwrap());
    // It is lost meanwhile, and then there is something to give back, which must not be in the way.
    let ends = store.mutex("ends").unwrap().lease(lease / 2).lock_owned().unwrap();
    let answered = proxy.answered();
    wait_until("they are never renewed", || proxy.answered() > answered && proxy.is_quiet());
    proxy.freeze_existing();
    thread::sleep(2 * lease);
    assert_eq!(&lost.try_recv().unwrap().path, ends.path());
    assert!(guards.iter().all(|guard| guard.is_held()), "lost: {:?}", lost.try_recv());
    let other = RedisStore::connect(&server.url()).unwrap();
    for guard in &guards {
        assert!(other.mutex(guard.path()).unwrap().is_locked());
    }
    proxy.cut_existing(); // or each guard finds out about its connection when it is dropped
}

#[test]
fn a_lock_that_came_by_message_is_renewed_over_another_connection() {
    let server = Server::start();
    let proxy = Proxy::start(server.port());
    let store = connect(&proxy.url(), |builder| builder.heartbeat(millis(400)));
    for (who, lock) in BOTH {
        let guard = RedisStore::connect(&server.url()).unwrap().lock("a").unwrap();
        let mutex = store.mutex("a").unwrap();
        let waiter = thread::spawn(move || lock(mutex));
        settled(&server, &proxy);
        guard.unlock().unwrap();
        let guard = waiter.join().unwrap().unwrap();
        proxy.freeze_existing();
        thread::sleep(millis(2100)); // a claim is 1400
        assert!(guard.is_held(), "a {who}");
        assert_eq!(held(&server), 1);
        proxy.cut_existing();
        drop(guard);
        wait_until("it is not given back", || held(&server) == 0);
    }
}

/// A waiter that shows no sign of life is passed over.
#[test]
fn a_waiter_keeps_its_place_over_another_connection() {
    let server = Server::start();
    let proxy = Proxy::start(server.port());
    let store = connect(&proxy.url(), |builder| builder.heartbeat(millis(400)));
    let other = RedisStore::connect(&server.url()).unwrap();
    for (who, lock) in BOTH {
        let guard = other.lock("a").unwrap();
        let mutex = store.mutex("a").unwrap();
        let first = thread::spawn(move || lock(mutex));
        settled(&server, &proxy);
        let mut second = waits(other.mutex("a").unwrap());
        assert!(second.poll().is_none());
        wait_until("it never waits", || waiters(&server) == 2);
        proxy.freeze_existing();
        thread::sleep(millis(2100)); // a claim is 1400
        proxy.cut_existing(); // its message needs another one, too
        drop(guard);
        let guard = first.join().unwrap().unwrap();
        assert!(!second.is_ready_within(millis(50)), "a {who} was passed over");
        drop(guard);
        drop(second.block_on().unwrap());
    }
}
