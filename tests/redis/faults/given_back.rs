//! What was given back while the server was away is free soon after it is back: for as long as the
//! server may hold it, and that is its lease.

use std::thread;
use std::time::{Duration, Instant};

use mutextree::{LockStore, RedisStore};

use super::{BOTH, SLACK, SOON, connect, held, millis, waits};
use crate::failures::{wait_until, waiters};
use crate::proxy::Proxy;
use crate::server::Server;

const LONG: Duration = Duration::from_secs(600);

/// The guards of a thread and of a task, a wait whose time is up, and a future that is dropped.
fn everything_comes_back_after(outage: Duration) {
    let server = Server::start();
    let proxy = Proxy::start(server.port());
    // The server forgets no waiter by itself.
    let store = connect(&proxy.url(), |builder| builder.heartbeat(LONG).lease(LONG));
    let other = RedisStore::connect(&server.url()).unwrap();
    let guards = BOTH.map(|(who, lock)| {
        let renews = lock(store.mutex([who, "renews"]).unwrap()).unwrap();
        (renews, lock(store.mutex([who, "ends"]).unwrap().lease(LONG)).unwrap())
    });
    let in_the_way = other.mutex("busy").unwrap().shared().lock_owned().unwrap();
    let busy = store.mutex("busy").unwrap().lease(LONG);
    let mut dropped = waits(busy.clone());
    assert!(dropped.poll().is_none());
    thread::scope(|scope| {
        let timed_out = scope.spawn(|| busy.try_lock_for(SLACK).map(drop));
        wait_until("they never wait", || waiters(&server) == 2 && proxy.is_quiet());
        proxy.cut();
        drop(dropped);
        drop(guards);
        assert!(timed_out.join().unwrap().is_err());
    });
    assert_eq!((held(&server), waiters(&server)), (5, 2), "the outage was none");
    thread::sleep(outage);
    proxy.mend();
    let back = Instant::now();
    for path in ["thread", "task"] {
        other.mutex(path).unwrap().try_lock_for(SOON / 4).unwrap_or_else(|error| panic!("{error}")).unlock().unwrap();
    }
    let reader = other.mutex("busy").unwrap().shared();
    while let Err(error) = reader.try_lock() {
        assert!(back.elapsed() < SOON / 2, "a ghost waits: {error}");
        thread::sleep(millis(5));
    }
    drop(in_the_way);
    wait_until("something is left", || held(&server) == 0 && waiters(&server) == 0);
}

#[test]
fn after_a_short_outage() {
    everything_comes_back_after(millis(500));
}

/// Longer than a minute, for which tombstones are kept.
#[test]
fn after_a_long_outage() {
    everything_comes_back_after(Duration::from_secs(65));
}
