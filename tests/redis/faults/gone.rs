//! A server that is gone: a waiter sits it out for as long as a lease, and is told then.

use std::thread;
use std::time::{Duration, Instant};

use mutextree::{LockError, LockStore, RedisStore};

use super::{BOTH, SLACK, connect, millis};
use crate::failures::{wait_until, waiters};
use crate::proxy::Proxy;
use crate::server::Server;

const LEASE: Duration = Duration::from_millis(2500);

/// No connection can be had, and all are silent.
#[test]
fn a_waiter_is_told_after_a_lease() {
    for silent in [false, true] {
        let server = Server::start();
        let proxy = Proxy::start(server.port());
        let store = connect(&proxy.url(), |builder| builder.lease(LEASE).heartbeat(millis(100)).timeout(millis(300)));
        let _guard = RedisStore::connect(&server.url()).unwrap().lock("a").unwrap();
        let waits = BOTH.map(|(who, lock)| {
            let mutex = store.mutex("a").unwrap();
            (who, thread::spawn(move || (lock(mutex), Instant::now())))
        });
        wait_until("they never wait", || waiters(&server) == 2 && proxy.is_quiet());
        if silent {
            proxy.freeze_all()
        } else {
            proxy.cut()
        }
        let gone = Instant::now();
        for (who, wait) in waits {
            let (result, told) = wait.join().unwrap();
            let after = told - gone;
            assert!(matches!(result, Err(LockError::Store(_))), "a {who}: {result:?}");
            assert!(after > LEASE * 3 / 4, "a {who} is told after {after:?}");
            // Two leases are five seconds.
            assert!(after < LEASE + SLACK, "a {who}, silent: {silent}, is told after {after:?}");
        }
        proxy.cut();
    }
}

/// A waiter that has to ask in between is in the queue all the same.
#[test]
fn a_waiter_is_not_told_of_a_short_outage() {
    let server = Server::start();
    let proxy = Proxy::start(server.port());
    let store = connect(&proxy.url(), |builder| builder.lease(2 * LEASE).heartbeat(millis(1000)));
    let guard = RedisStore::connect(&server.url()).unwrap().lock("a").unwrap();
    let waits = BOTH.map(|(_, lock)| {
        let mutex = store.mutex("a").unwrap();
        thread::spawn(move || drop(lock(mutex).unwrap()))
    });
    wait_until("they never wait", || waiters(&server) == 2 && proxy.is_quiet());
    proxy.cut();
    thread::sleep(millis(2000));
    proxy.mend();
    guard.unlock().unwrap();
    for wait in waits {
        wait.join().unwrap();
    }
}
