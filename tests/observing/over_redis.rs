use std::time::Duration;

use mutextree::{LockStore, RedisStore};

use crate::common::asking::asking;
use crate::holding::losses;
use crate::seen::Seen;
use crate::server::{Server, new_tree, new_tree_with};

#[test]
fn round_trips_are_timed() {
    let (mut seen, store) = (Seen::from_now(), new_tree());
    let trips = |seen: &mut Seen| seen.times("mutextree_redis_round_trip_seconds", &[("outcome", "answered")]).len();
    let before = trips(&mut seen);
    let mutex = store.mutex("a").unwrap();
    for _ in 0..10 {
        drop(mutex.lock().unwrap());
    }
    let took = trips(&mut seen) - before;
    assert!((20..24).contains(&took), "a request and a release each, and seldom one of the store's own: {took}");
    assert!(seen.times("mutextree_redis_round_trip_seconds", &[]).iter().all(|time| *time > 0.0 && *time < 20.0));
    assert_eq!(seen.count("mutextree_redis_retries_total", &[]), 0);
    assert!(seen.events("mutextree::connection").is_empty());
}

#[test]
fn a_lease_that_renews_itself_is_counted() {
    let (mut seen, store) = (Seen::from_now(), new_tree_with(|builder| builder.lease(Duration::from_millis(300))));
    let guard = store.lock("a").unwrap();
    let labels = [("store", "redis"), ("outcome", "renewed")];
    seen.until("it is renewed", |seen| seen.count("mutextree_lease_renewals_total", &labels) >= 2);
    guard.unlock().unwrap();
    assert_eq!(seen.count("mutextree_lease_renewals_total", &[("outcome", "lost")]), 0);
}

#[test]
fn a_server_that_comes_back_is_seen() {
    let mut seen = Seen::from_now();
    let mut server = Server::start();
    let store = RedisStore::builder(&server.url()).timeout(Duration::from_millis(500)).connect().unwrap();
    drop(store.lock("a").unwrap());
    assert!(seen.events("mutextree::connection").is_empty());

    server.kill();
    assert!(store.lock("a").is_err());
    assert!(seen.acquisitions("redis", "failed") == 1 && seen.count("mutextree_redis_retries_total", &[]) >= 1);
    assert!(!seen.times("mutextree_redis_round_trip_seconds", &[("outcome", "failed")]).is_empty());
    assert!(seen.events("mutextree::connection").is_empty());

    server.restart();
    drop(store.lock("a").unwrap());
    seen.until("each new connection is counted and told", |seen| {
        let (counted, told) =
            (seen.count("mutextree_redis_reconnections_total", &[]), seen.events("mutextree::connection"));
        counted == told.len() as u64 && counted > 0
    });
    for event in seen.events("mutextree::connection") {
        assert_eq!(event.level, tracing::Level::INFO);
        event.says(&[("server", &format!("127.0.0.1:{}", server.port())), ("message", "connected again")]);
    }
    assert_eq!((seen.held("redis"), seen.waiting("redis")), (0.0, 0.0));
}

#[test]
fn a_server_that_forgets_its_locks_is_a_loss() {
    let (mut seen, mut server) = (Seen::from_now(), Server::start());
    let store = RedisStore::builder(&server.url()).lease(Duration::from_millis(600)).connect().unwrap();
    let guard = store.mutex("a").unwrap().owner("me").lock_owned().unwrap();
    server.kill();
    server.restart();
    seen.until("the loss is told", |seen| losses(seen, "redis") == (1, 1));
    seen.events("mutextree::loss")[0].says(&[("path", "a"), ("owner", "me")]);
    assert!(guard.unlock().is_err());
    assert_eq!(losses(&mut seen, "redis"), (1, 1));
    seen.until("a renewal that was none is counted", |seen| {
        let label = |outcome| [("outcome", outcome)];
        let mut count = |outcome| seen.count("mutextree_lease_renewals_total", &label(outcome));
        count("lost") + count("failed") >= 1
    });
    assert_eq!(seen.held("redis"), 0.0);
}

#[test]
fn a_wait_over_an_outage_is_one_wait() {
    let (mut seen, mut server) = (Seen::from_now(), Server::start());
    let store = RedisStore::builder(&server.url()).heartbeat(Duration::from_millis(50)).connect().unwrap();
    let holder = store.lock("a").unwrap();
    let mutex = store.mutex("a").unwrap();
    let waits = asking(move || drop(mutex.lock().unwrap()));
    seen.until("a thread waits", |seen| seen.waiting("redis") == 1.0);
    server.kill();
    server.restart(); // it has forgotten the holder
    waits.ends();
    drop(holder);
    seen.only_wait().says(&[("outcome", "acquired")]);
    assert_eq!(seen.waits("redis", "acquired").len(), 1);
    assert_eq!(seen.waiting("redis"), 0.0);
}
