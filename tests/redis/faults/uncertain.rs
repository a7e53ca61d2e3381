//! Nobody knows whether a request was carried out, as its answer is late or lost. What a guard says
//! of its lock is true either way.

use std::thread;
use std::time::Duration;

use mutextree::{LockStore, Mode, RedisStore};

use super::{BOTH, SLACK, SOON, connect, key, millis};
use crate::failures::wait_until;
use crate::proxy::Proxy;
use crate::server::Server;

/// When the only lock that is held ends, by the server.
fn end(server: &Server) -> f64 {
    let ends: Vec<(String, f64)> =
        redis::cmd("ZRANGE").arg(key("e")).arg(0).arg(-1).arg("WITHSCORES").query(&mut server.connect()).unwrap();
    ends[0].1
}

const SHORT: Duration = Duration::from_millis(300);

/// The server has the new end as soon as the script has run, and gives the lock to another then.
#[test]
fn a_lease_that_was_shortened_is_over_while_the_answer_is_late() {
    let server = Server::start();
    let proxy = Proxy::start(server.port());
    let store = RedisStore::connect(&proxy.url()).unwrap();
    // It looks that often.
    let other = connect(&server.url(), |builder| builder.heartbeat(millis(100)));
    for (who, lock) in BOTH {
        let guard = lock(store.mutex("a").unwrap()).unwrap();
        guard.refresh().unwrap(); // the server knows the script from now on
        wait_until("it is never quiet", || proxy.is_quiet());
        proxy.delay_answers(millis(2000));
        thread::scope(|scope| {
            let before = end(&server);
            let shortens = scope.spawn(|| _ = guard.refresh_for(SHORT));
            wait_until("it is never carried out", || end(&server) < before);
            let next = other.mutex("a").unwrap().try_lock_owned_for(SOON).unwrap();
            assert!(!guard.is_held(), "a {who} and another hold it");
            assert!(!shortens.is_finished(), "the answer was not late");
            shortens.join().unwrap();
            assert!(!guard.is_held() && next.is_held());
        });
        proxy.delay_answers(millis(0));
    }
}

/// Both answers are lost. The second try sets a later end than the first, and may not arrive.
#[test]
fn a_lease_that_was_shortened_is_over_when_the_answers_are_lost() {
    for (who, lock) in BOTH {
        for cut in [false, true] {
            let server = Server::start();
            let proxy = Proxy::start(server.port());
            let store = connect(&proxy.url(), |builder| builder.timeout(SLACK));
            let other = RedisStore::connect(&server.url()).unwrap();
            let guard = lock(store.mutex("a").unwrap()).unwrap();
            guard.refresh().unwrap(); // the server knows the script from now on
            wait_until("it is never quiet", || proxy.is_quiet());
            // Lost with their connections, or one is lost and then there is no connection any more.
            if cut {
                proxy.cut_after(0)
            } else {
                proxy.lose_answers(2)
            }
            assert!(guard.refresh_for(SHORT).is_err());
            proxy.cut();
            let next = other.mutex("a").unwrap().try_lock_owned_for(SOON).unwrap();
            assert!(!guard.is_held(), "a {who} and another hold it");
            drop(next);
        }
    }
}

/// The answer to the first try is lost, and that to the second one is late.
#[test]
fn a_lease_that_was_shortened_is_over_while_it_is_tried_again() {
    let server = Server::start();
    let proxy = Proxy::start(server.port());
    let store = RedisStore::connect(&proxy.url()).unwrap();
    // It looks that often.
    let other = connect(&server.url(), |builder| builder.heartbeat(millis(100)));
    for (who, lock) in BOTH {
        let guard = lock(store.mutex("a").unwrap()).unwrap();
        guard.refresh().unwrap(); // the server knows the script from now on
        wait_until("it is never quiet", || proxy.is_quiet());
        proxy.lose_answers(1);
        proxy.delay_answers(millis(2000));
        thread::scope(|scope| {
            let shortens = scope.spawn(|| _ = guard.refresh_for(SHORT));
            let next = other.mutex("a").unwrap().try_lock_owned_for(SOON).unwrap();
            assert!(!guard.is_held(), "a {who} and another hold it");
            assert!(!shortens.is_finished(), "the answer was not late");
            shortens.join().unwrap();
            assert!(!guard.is_held() && next.is_held());
        });
        proxy.delay_answers(millis(0));
    }
}

/// A lock without a guard, of which this process is told nothing but by the server.
#[test]
fn a_detached_lock_that_was_shortened_is_over() {
    let server = Server::start();
    let proxy = Proxy::start(server.port());
    let store = connect(&proxy.url(), |builder| builder.timeout(SLACK));
    let lease = store.lock("a").unwrap().into_lease().unwrap();
    proxy.lose_answers(2);
    assert!(lease.refresh_for(SHORT).is_err());
    proxy.cut();
    let other = RedisStore::connect(&server.url()).unwrap();
    let _next = other.mutex("a").unwrap().try_lock_owned_for(SOON).unwrap();
    assert!(!lease.is_held());
}

/// Carried out or not: it says shared, and readers get in where it was.
#[test]
fn a_downgrade_without_an_answer_says_shared() {
    let server = Server::start();
    let proxy = Proxy::start(server.port());
    let store = RedisStore::connect(&proxy.url()).unwrap();
    let other = RedisStore::connect(&server.url()).unwrap();
    for (who, lock) in BOTH {
        for carried_out in [true, false] {
            let mut guard = lock(store.mutex("a").unwrap()).unwrap();
            wait_until("it is never quiet", || proxy.is_quiet());
            if carried_out {
                proxy.lose_answers(2)
            } else {
                proxy.lose_requests(2)
            }
            let _ = guard.downgrade();
            assert_eq!(guard.mode(), Mode::Shared, "a {who}, carried out: {carried_out}");
            assert!(guard.is_held());
            assert_eq!(other.mutex("a").unwrap().shared().try_lock().is_ok(), carried_out);
            guard.unlock().unwrap();
            drop(other.mutex("a").unwrap().try_lock_for(SOON).unwrap());
        }
    }
}
