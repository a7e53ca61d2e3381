//! Times that are as long, or as short, as a time can be. Each is good for something, or an error
//! that names it: no panic, and nothing that hangs.

use std::time::{Duration, Instant};

use mutextree::{LockError, LockStore, RedisStore, RedisStoreBuilder};

use super::{BOTH, SOON, in_time, millis, waits};
use crate::server::Server;

/// An `Instant` can still be that far away, and a number of microseconds cannot be greater.
const AGES: Duration = Duration::from_micros(u64::MAX);
const TIMES: [Duration; 3] = [Duration::MAX, AGES, Duration::ZERO];

fn held_or_not(what: &str, result: Result<(), LockError>) {
    assert!(matches!(result, Ok(()) | Err(LockError::NotHeld { .. })), "{what}: {result:?}");
}

/// Locks, waits, and gives back. A lock may be lost at once if its lease is that short.
fn works(what: &str, store: &RedisStore) {
    for (who, lock) in BOTH {
        let what = format!("{what}: a {who}");
        held_or_not(&what, lock(store.mutex("a").unwrap()).unwrap_or_else(|error| panic!("{what}: {error}")).unlock());
        let guard = lock(store.mutex("a").unwrap()).unwrap();
        let mut task = waits(store.mutex("a/b").unwrap().shared());
        let _ = task.poll().map(drop);
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| store.mutex("a/b").unwrap().shared().try_lock_owned_for(SOON));
            std::thread::sleep(millis(100));
            held_or_not(&what, guard.refresh());
            drop(guard);
            drop(waiter.join().unwrap().unwrap_or_else(|error| panic!("{what}: {error}")));
            drop(task.block_on().unwrap_or_else(|error| panic!("{what}: {error}")));
        });
        drop(store.mutex("a").unwrap().try_lock_for(SOON).unwrap_or_else(|error| panic!("{what}: {error}")));
    }
}

type Set = fn(RedisStoreBuilder, Duration) -> RedisStoreBuilder;

#[track_caller]
fn as_an_option(name: &'static str, set: Set) {
    for time in TIMES {
        let server = Server::start();
        let what = format!("{name}({time:?})");
        let url = server.url();
        in_time(&what.clone(), move || match set(RedisStore::builder(&url), time).connect() {
            Ok(store) => works(&what, &store),
            Err(error) => {
                let why = std::error::Error::source(&error).expect("the store says why").to_string();
                assert!(why.contains(name), "{what}: {why}");
            }
        });
    }
}

#[test]
fn as_a_timeout() {
    as_an_option("timeout", RedisStoreBuilder::timeout);
}

#[test]
fn as_a_heartbeat() {
    as_an_option("heartbeat", RedisStoreBuilder::heartbeat);
}

#[test]
fn as_the_lease_of_a_store() {
    as_an_option("lease", RedisStoreBuilder::lease);
}

#[test]
fn as_the_lease_of_a_lock() {
    let server = Server::start();
    let store = RedisStore::connect(&server.url()).unwrap();
    in_time("a lease", move || {
        for time in TIMES {
            for (who, lock) in BOTH {
                let guard = lock(store.mutex("a").unwrap().lease(time)).unwrap();
                assert_eq!(guard.is_held(), !time.is_zero(), "a {who} with {time:?}");
                held_or_not("refresh", guard.refresh());
                held_or_not("refresh_for", guard.refresh_for(time));
                match guard.into_lease() {
                    Ok(lease) => {
                        held_or_not("refresh", lease.refresh());
                        held_or_not("refresh_for", lease.refresh_for(time));
                        held_or_not("release", lease.release());
                    }
                    Err(error) => held_or_not("into_lease", Err(error)),
                }
                drop(store.mutex("a").unwrap().try_lock_for(SOON).unwrap());
            }
        }
    });
}

#[test]
fn as_the_time_left() {
    let server = Server::start();
    let store = RedisStore::connect(&server.url()).unwrap();
    in_time("refresh_for", move || {
        for time in TIMES {
            for (who, lock) in BOTH {
                let guard = lock(store.mutex("a").unwrap()).unwrap();
                held_or_not("refresh_for", guard.refresh_for(time));
                assert_eq!(guard.is_held(), !time.is_zero(), "a {who} with {time:?}");
                if guard.is_held() {
                    let lease = guard.into_lease().unwrap();
                    assert!(lease.is_held());
                    lease.refresh_for(time).unwrap();
                    lease.release().unwrap();
                } else {
                    drop(guard);
                }
                drop(store.mutex("a").unwrap().try_lock_for(SOON).unwrap());
            }
        }
    });
}

#[test]
fn as_the_time_of_a_try() {
    let server = Server::start();
    let store = RedisStore::connect(&server.url()).unwrap();
    in_time("a try", move || {
        for time in [Duration::MAX, AGES, AGES / 2] {
            let mutex = store.mutex("a").unwrap();
            mutex.try_lock_for(time).unwrap().unlock().unwrap();
            if let Some(deadline) = Instant::now().checked_add(time) {
                mutex.try_lock_until(deadline).unwrap().unlock().unwrap();
            }
            let guard = store.mutex("a/b").unwrap().lease(millis(300)).lock_owned().unwrap();
            mutex.try_lock_for(time).unwrap().unlock().unwrap();
            drop(guard);
        }
        let guard = store.lock("a/b").unwrap();
        assert!(store.mutex("a").unwrap().try_lock_for(Duration::ZERO).is_err());
        guard.unlock().unwrap();
        store.mutex("a").unwrap().try_lock_for(Duration::ZERO).unwrap().unlock().unwrap();
    });
}
