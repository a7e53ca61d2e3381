//! The server's clock was an hour ahead, once, and then the last time the tree has seen is in the
//! future. Time goes on all the same.

use std::thread;
use std::time::Instant;

use mutextree::{LockStore, RedisStore};
use redis::Connection;

use super::{BOTH, SOON, connect, key, millis, waits};
use crate::failures::{wait_until, waiters};
use crate::proxy::Proxy;
use crate::server::Server;

const HOUR: u64 = 3_600_000_000;

fn tick(connection: &mut Connection) -> u64 {
    redis::cmd("HGET").arg(key("n")).arg("tick").query(connection).unwrap()
}

/// What the tree would hold if the clock had been an hour ahead until now.
fn was_ahead(server: &Server) -> u64 {
    let mut connection = server.connect();
    let ahead = tick(&mut connection) + HOUR;
    let _: () = redis::cmd("HSET").arg(key("n")).arg("tick").arg(ahead).query(&mut connection).unwrap();
    let ends: Vec<String> = redis::cmd("ZRANGE").arg(key("e")).arg(0).arg(-1).query(&mut connection).unwrap();
    for token in ends {
        let _: String = redis::cmd("ZINCRBY").arg(key("e")).arg(HOUR).arg(token).query(&mut connection).unwrap();
    }
    ahead
}

/// A lock that was taken while it was ahead, and one that is taken afterwards.
#[test]
fn the_lease_of_a_killed_process_ends_after_its_lease() {
    for taken_before in [true, false] {
        for (who, lock) in BOTH {
            let server = Server::start();
            let proxy = Proxy::start(server.port());
            let lease = millis(1000);
            let dead = connect(&proxy.url(), |builder| builder.lease(lease).heartbeat(millis(200)));
            let store = RedisStore::connect(&server.url()).unwrap();
            store.lock("first").unwrap().unlock().unwrap();
            let before = taken_before.then(|| lock(dead.mutex("a").unwrap()).unwrap());
            let ahead = was_ahead(&server);
            let guard = before.unwrap_or_else(|| lock(dead.mutex("a").unwrap()).unwrap());
            proxy.cut(); // nothing comes of it any more, as if it had been killed
            let killed = Instant::now();
            let next = store.mutex("a/b").unwrap().try_lock_owned_for(SOON / 2);
            let next = next.unwrap_or_else(|error| panic!("a {who}, taken before: {taken_before}: {error}"));
            assert!(killed.elapsed() < lease + SOON / 5, "a {who}: {:?}", killed.elapsed());
            assert!(next.fencing_token() > guard.fencing_token() && next.fencing_token() > ahead);
        }
    }
}

#[test]
fn a_detached_lock_ends_after_its_lease() {
    let server = Server::start();
    let store = RedisStore::connect(&server.url()).unwrap();
    store.lock("first").unwrap().unlock().unwrap();
    was_ahead(&server);
    let lease = store.mutex("a").unwrap().lease(millis(500)).lock_owned().unwrap().into_lease().unwrap();
    drop(store.mutex("a").unwrap().try_lock_for(SOON / 4).unwrap());
    assert!(!lease.is_held());
}

#[test]
fn a_killed_waiter_is_passed_over() {
    let server = Server::start();
    let proxy = Proxy::start(server.port());
    let dead = connect(&proxy.url(), |builder| builder.heartbeat(millis(200)));
    let store = RedisStore::connect(&server.url()).unwrap();
    let guard = store.lock("a").unwrap();
    was_ahead(&server);
    let mut waiter = waits(dead.mutex("a").unwrap());
    assert!(waiter.poll().is_none());
    wait_until("it never waits", || waiters(&server) == 1 && proxy.is_quiet());
    proxy.cut();
    thread::sleep(millis(1000)); // a claim is 700
    guard.unlock().unwrap();
    let began = Instant::now();
    drop(store.mutex("a").unwrap().try_lock_for(SOON / 2).unwrap());
    assert!(began.elapsed() < SOON / 4, "{:?}", began.elapsed());
}

/// Locks are held, renewed and handed over as ever.
#[test]
fn what_is_held_stays_held() {
    let server = Server::start();
    let lease = millis(900);
    let store = connect(&server.url(), |builder| builder.lease(lease).heartbeat(millis(200)));
    let early = BOTH.map(|(who, lock)| lock(store.mutex([who, "early"]).unwrap()).unwrap());
    was_ahead(&server);
    let late = BOTH.map(|(who, lock)| lock(store.mutex([who, "late"]).unwrap()).unwrap());
    let other = RedisStore::connect(&server.url()).unwrap();
    assert!(other.mutex("thread").unwrap().try_lock_for(3 * lease).is_err());
    for guard in early.into_iter().chain(late) {
        assert!(guard.is_held());
        guard.unlock().unwrap();
    }
    drop(other.mutex("/").unwrap().try_lock_for(SOON).unwrap());
}

/// By acquisitions and hand-overs of all shapes.
#[test]
fn tokens_rise_all_the_same() {
    let server = Server::start();
    let store = RedisStore::connect(&server.url()).unwrap();
    let mut last = store.lock("first").unwrap().fencing_token();
    let mut rises = |token: u64, what: &str| {
        assert!(token > last, "{what}: {token} after {last}");
        last = token;
    };
    rises(was_ahead(&server), "the clock");
    for round in 0..40 {
        let (held, wanted) = [("a", "a"), ("a/b", "a"), ("a", "a/b")][round % 3];
        let (_, lock) = BOTH[round % 2];
        let guard = lock(store.mutex(held).unwrap()).unwrap();
        rises(guard.fencing_token(), "an acquisition");
        let mutex = store.mutex(wanted).unwrap();
        let mutex = if round % 4 < 2 { mutex } else { mutex.shared() };
        let mut wait = waits(mutex);
        assert!(wait.poll().is_none());
        wait_until("it never waits", || waiters(&server) == 1);
        drop(guard);
        rises(wait.block_on().unwrap().fencing_token(), "a hand-over");
    }
}
