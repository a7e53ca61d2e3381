//! A loss is told when it happens, whatever the server does and whatever else there is to do.

use std::thread;
use std::time::{Duration, Instant};

use mutextree::{LockStore, RedisStore};

use super::{BOTH, SOON, connect, millis};
use crate::failures::wait_until;
use crate::proxy::Proxy;
use crate::server::Server;

/// What a busy machine is late by; a call that gets no answer is late by four seconds and more.
const LATE: Duration = Duration::from_millis(1000);

/// The second loss comes while the first lock is given back to a server that says nothing.
#[test]
fn each_loss_is_told_in_time_while_the_server_is_silent() {
    for (who, lock) in BOTH {
        let server = Server::start();
        let proxy = Proxy::start(server.port());
        let store = RedisStore::connect(&proxy.url()).unwrap();
        let lost = store.lost_locks();
        let ends = [millis(600), millis(1100), millis(1600)];
        let began = Instant::now();
        let guards = ends.map(|end| lock(store.mutex(format!("{}", end.as_millis())).unwrap().lease(end)).unwrap());
        proxy.freeze_all();
        let took = began.elapsed();
        for (guard, end) in guards.iter().zip(ends) {
            let told = lost.recv_timeout(SOON).unwrap();
            assert_eq!(&told.path, guard.path(), "a {who}'s");
            let after = began.elapsed();
            assert!(after >= end, "a {who}'s of {end:?} is told before its time: {after:?}");
            assert!(after < end + took + LATE, "a {who}'s of {end:?} is told after {after:?}");
            assert!(!guard.is_held());
        }
        proxy.cut(); // or each guard waits for the server when it is dropped
    }
}

/// Renewals get no answer, either: the loss is told at the end of the lease.
#[test]
fn the_loss_of_what_renews_itself_is_told_in_time() {
    let server = Server::start();
    let proxy = Proxy::start(server.port());
    let lease = millis(900);
    let store = connect(&proxy.url(), |builder| builder.lease(lease));
    let lost = store.lost_locks();
    let guards = BOTH.map(|(who, lock)| lock(store.mutex(who).unwrap()).unwrap());
    proxy.freeze_all();
    let frozen = Instant::now();
    for _ in &guards {
        lost.recv_timeout(SOON).unwrap();
        assert!(frozen.elapsed() < lease + LATE, "{:?}", frozen.elapsed());
    }
    assert!(guards.iter().all(|guard| !guard.is_held()));
    proxy.cut();
}

/// A user's own request that gets no answer holds up nothing.
#[test]
fn a_loss_is_told_in_time_while_a_refresh_hangs() {
    let server = Server::start();
    let proxy = Proxy::start(server.port());
    let lease = millis(1000);
    let store = connect(&proxy.url(), |builder| builder.lease(lease));
    let lost = store.lost_locks();
    let hangs = store.mutex("hangs").unwrap().lease(SOON).lock_owned().unwrap();
    let guards = BOTH.map(|(who, lock)| lock(store.mutex(who).unwrap()).unwrap());
    proxy.freeze_all();
    let frozen = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| _ = hangs.refresh());
        for _ in &guards {
            let told = lost.recv_timeout(SOON).unwrap();
            assert_ne!(&told.path, hangs.path());
            assert!(frozen.elapsed() < lease + LATE, "{:?}", frozen.elapsed());
        }
        proxy.cut();
    });
}

/// The guard's deadline is earlier from when its request is sent, and not from its answer.
#[test]
fn a_loss_by_a_shorter_lease_is_told_in_time_while_the_request_for_it_hangs() {
    let server = Server::start();
    let proxy = Proxy::start(server.port());
    let store = connect(&proxy.url(), |builder| builder);
    let lost = store.lost_locks();
    let guard = store.lock("a").unwrap();
    proxy.freeze_all();
    let began = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| _ = guard.refresh_for(millis(100)));
        assert_eq!(lost.recv_timeout(SOON).unwrap().path.to_string(), "a");
        assert!(began.elapsed() < millis(100) + LATE, "{:?}", began.elapsed());
        proxy.cut();
    });
}

/// The first that is heard of it is the answer to the release.
#[test]
fn a_loss_that_is_found_at_the_release_is_told() {
    let server = Server::start();
    let store = RedisStore::connect(&server.url()).unwrap();
    let lost = store.lost_locks();
    for (who, lock) in BOTH {
        for drops in [true, false] {
            let guard = lock(store.mutex("a").unwrap()).unwrap();
            let token = guard.fencing_token();
            let _: () = redis::cmd("FLUSHALL").query(&mut server.connect()).unwrap();
            if drops {
                drop(guard)
            } else {
                _ = guard.unlock()
            }
            let told = lost.recv_timeout(SOON / 4).unwrap_or_else(|_| panic!("a {who}'s is told to nobody"));
            assert_eq!((told.path.to_string().as_str(), told.fencing_token), ("a", token));
            drop(lock(store.mutex("a").unwrap()).unwrap());
            assert!(lost.try_recv().is_err(), "once is enough");
        }
    }
}

/// Nothing was lost, and nothing is told, when a release had to be sent twice.
#[test]
fn a_release_whose_answer_was_lost_is_no_loss() {
    let server = Server::start();
    let proxy = Proxy::start(server.port());
    let store = RedisStore::connect(&proxy.url()).unwrap();
    let lost = store.lost_locks();
    for (who, lock) in BOTH {
        let guard = lock(store.mutex("a").unwrap()).unwrap();
        wait_until("it is never quiet", || proxy.is_quiet());
        proxy.lose_answers(1);
        guard.unlock().unwrap();
        drop(store.mutex("a").unwrap().try_lock_for(SOON).unwrap());
        assert!(lost.recv_timeout(millis(200)).is_err(), "a {who}'s");
    }
}
