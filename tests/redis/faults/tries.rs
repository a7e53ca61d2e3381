//! "Zero tries once", and it is the same try as `try_lock`: what this store's tasks gave back
//! before is in nobody's way.

use std::time::{Duration, Instant};

use mutextree::{LockStore, RedisStore};

use super::{BOTH, waits};
use crate::server::Server;

#[test]
fn a_try_of_no_time_waits_for_what_was_given_back() {
    let server = Server::start();
    let store = RedisStore::connect(&server.url()).unwrap();
    let (mutex, held) = (store.mutex("a/b").unwrap(), store.mutex("a").unwrap());
    let past = Instant::now();
    for round in 0..300 {
        for (who, lock) in BOTH {
            drop(lock(held.clone()).unwrap());
            let guard = match round % 4 {
                0 => mutex.try_lock_for(Duration::ZERO),
                1 => mutex.try_lock_until(past),
                2 => mutex.try_lock_until(Instant::now()),
                _ => mutex.try_lock(),
            };
            drop(guard.unwrap_or_else(|error| panic!("round {round}, a {who}'s: {error}")));
        }
    }
}

/// A wait that was dropped is given back as well.
#[test]
fn a_try_of_no_time_waits_for_a_wait_that_was_dropped() {
    let server = Server::start();
    let store = RedisStore::connect(&server.url()).unwrap();
    let mutex = store.mutex("a").unwrap().shared();
    let reader = mutex.lock_owned().unwrap();
    for round in 0..200 {
        let mut writer = waits(store.mutex("a/b").unwrap());
        assert!(writer.poll().is_none());
        drop(writer);
        let guard = match round % 2 {
            0 => mutex.try_lock_for(Duration::ZERO),
            _ => mutex.try_lock(),
        };
        drop(guard.unwrap_or_else(|error| panic!("round {round}: {error}")));
    }
    drop(reader);
}
