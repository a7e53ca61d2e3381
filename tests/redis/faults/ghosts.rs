//! A wait that was given up while the server could not be reached leaves no waiter behind once it
//! can. What counts for a waiter is its claim, and not its lease.

use std::thread;
use std::time::{Duration, Instant};

use mutextree::{LockStore, RedisStore};

use super::{millis, waits};
use crate::failures::{wait_until, waiters};
use crate::proxy::Proxy;
use crate::server::Server;

/// A claim is seven seconds here: a ghost that goes sooner was given back.
const AT_ONCE: Duration = Duration::from_secs(3);

#[test]
fn a_wait_that_was_given_up_is_given_back_however_short_its_lease() {
    for lease in [millis(100), Duration::ZERO, Duration::MAX] {
        for task in [false, true] {
            let server = Server::start();
            let proxy = Proxy::start(server.port());
            let store = RedisStore::connect(&proxy.url()).unwrap();
            let other = RedisStore::connect(&server.url()).unwrap();
            let in_the_way = other.mutex("a").unwrap().shared().lock_owned().unwrap();
            let mutex = store.mutex("a").unwrap().lease(lease);
            thread::scope(|scope| {
                let mut future = task.then(|| waits(mutex.clone()));
                let waiter = (!task).then(|| scope.spawn(|| mutex.try_lock_for(millis(400)).map(drop)));
                future.iter_mut().for_each(|wait| assert!(wait.poll().is_none()));
                wait_until("it never waits", || waiters(&server) == 1 && proxy.is_quiet());
                proxy.cut();
                drop(future);
                waiter.into_iter().for_each(|waiter| assert!(waiter.join().unwrap().is_err()));
            });
            thread::sleep(millis(500)); // longer than the lease
            assert_eq!(waiters(&server), 1);
            proxy.mend();
            let back = Instant::now();
            while other.mutex("a").unwrap().shared().try_lock().is_err() {
                assert!(back.elapsed() < AT_ONCE, "a ghost stands in the way: {lease:?}, task: {task}");
                thread::sleep(millis(5));
            }
            drop(in_the_way);
        }
    }
}

/// The request arrives late, when nobody wants it any more.
#[test]
fn a_request_that_arrives_late_is_taken_back() {
    for lease in [millis(100), Duration::from_secs(600)] {
        for task in [false, true] {
            let server = Server::start();
            let proxy = Proxy::start(server.port());
            let store = RedisStore::connect(&proxy.url()).unwrap();
            let other = RedisStore::connect(&server.url()).unwrap();
            let in_the_way = other.mutex("a").unwrap().shared().lock_owned().unwrap();
            let mutex = store.mutex("a").unwrap().lease(lease);
            proxy.delay_requests(millis(700));
            if task {
                let mut wait = waits(mutex.clone());
                assert!(wait.poll().is_none());
                wait_until("it is never sent", || !proxy.is_quiet());
            } else {
                assert!(mutex.try_lock_for(millis(200)).is_err());
            }
            proxy.delay_requests(millis(0));
            wait_until("it never arrives", || proxy.is_quiet());
            let arrived = Instant::now();
            while other.mutex("a").unwrap().shared().try_lock().is_err() {
                assert!(arrived.elapsed() < AT_ONCE, "a ghost stands in the way: {lease:?}, task: {task}");
                thread::sleep(millis(5));
            }
            drop(in_the_way);
        }
    }
}
