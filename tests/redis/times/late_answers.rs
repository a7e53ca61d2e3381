use std::thread;

use mutextree::{LockError, LockStore, RedisStore};

use crate::failures::{wait_until, waiters};
use crate::faults::{BOTH, SOON, connect, key, millis, settled};
use crate::proxy::Proxy;
use crate::server::Server;

/// The server counts from when the script ran, so the holder counts from before that.
#[test]
fn a_lease_counts_from_the_request() {
    let server = Server::start();
    let proxy = Proxy::start(server.port());
    let store = RedisStore::connect(&proxy.url()).unwrap();
    let other = RedisStore::connect(&server.url()).unwrap();
    for (who, lock) in BOTH {
        drop(lock(store.mutex("warm").unwrap()).unwrap());
        proxy.delay_answers(millis(500));
        let guard = lock(store.mutex("a").unwrap().lease(millis(800))).unwrap();
        assert!(guard.is_held(), "the machine is too slow for this");
        let next = other.mutex("a").unwrap().try_lock_owned_for(SOON).unwrap();
        assert!(!guard.is_held(), "a {who} and another hold it");
        proxy.delay_answers(millis(0));
        drop(next);
    }
}

#[test]
fn a_renewed_lease_counts_from_the_renewal() {
    let server = Server::start();
    let proxy = Proxy::start(server.port());
    let store = connect(&proxy.url(), |builder| builder.lease(millis(3000)));
    let other = RedisStore::connect(&server.url()).unwrap();
    for (who, lock) in BOTH {
        let guard = lock(store.mutex("a").unwrap()).unwrap();
        // Less than a quarter of what is left at a renewal: so there is one at a time.
        proxy.delay_answers(millis(400));
        let answered = proxy.answered();
        wait_until("it is never renewed", || proxy.answered() > answered && proxy.is_quiet());
        proxy.cut();
        assert!(guard.is_held(), "the machine is too slow for this");
        let next = other.mutex("a").unwrap().try_lock_owned_for(SOON).unwrap();
        assert!(!guard.is_held(), "a {who} and another hold it");
        proxy.delay_answers(millis(0));
        proxy.mend();
        drop(next);
        drop(guard);
    }
}

/// Nobody looks at the time while the answer is on its way: who might has a renewal under way.
#[test]
fn a_late_answer_does_not_bring_a_lock_back() {
    let server = Server::start();
    let proxy = Proxy::start(server.port());
    let store = connect(&proxy.url(), |builder| builder.lease(millis(1500)));
    for (who, lock) in BOTH {
        for time in [None, Some(SOON)] {
            let renews = lock(store.mutex("renews").unwrap()).unwrap(); // after 500
            renews.refresh().unwrap(); // the server knows the script
            let guard = lock(store.mutex("a").unwrap().lease(millis(700))).unwrap();
            proxy.delay_answers(millis(900));
            let refreshed = time.map_or_else(|| guard.refresh(), |time| guard.refresh_for(time));
            assert!(matches!(refreshed, Err(LockError::NotHeld { .. })), "a {who}'s: {refreshed:?}");
            assert!(!guard.is_held());
            proxy.delay_answers(millis(0));
            assert!(matches!(guard.unlock(), Err(LockError::NotHeld { .. })));
        }
    }
}

/// The lock is handed to a waiter that hears nothing of it, and is another's when it does.
#[test]
fn a_message_that_comes_after_the_claim_is_no_lock() {
    let server = Server::start();
    let proxy = Proxy::start(server.port());
    let store = connect(&proxy.url(), |builder| builder.heartbeat(millis(300)));
    let other = RedisStore::connect(&server.url()).unwrap();
    for (who, lock) in BOTH {
        let guard = other.lock("a").unwrap();
        let mutex = store.mutex("a").unwrap();
        let waiter = thread::spawn(move || lock(mutex));
        settled(&server, &proxy);
        proxy.freeze_all();
        guard.unlock().unwrap();
        // After a claim, which is 1050 ms.
        let guard = other.mutex("a").unwrap().try_lock_owned_for(SOON).unwrap();
        proxy.thaw();
        thread::sleep(millis(400));
        assert!(!waiter.is_finished(), "a {who} and another hold it");
        guard.unlock().unwrap();
        let guard = waiter.join().unwrap().unwrap();
        assert!(guard.is_held(), "a {who}");
        assert!(other.mutex("a").unwrap().try_lock().is_err());
        guard.unlock().unwrap();
    }
}

/// Its token is one that was drawn before the waiter came.
#[test]
fn a_message_of_an_earlier_grant_is_no_lock() {
    let server = Server::start();
    let store = RedisStore::connect(&server.url()).unwrap();
    let other = RedisStore::connect(&server.url()).unwrap();
    let mut connection = server.connect();
    for (who, lock) in BOTH {
        let guard = other.lock("a").unwrap();
        let mutex = store.mutex("a").unwrap();
        let waiter = thread::spawn(move || lock(mutex));
        wait_until("it never waits", || waiters(&server) == 1);
        let tokens: Vec<String> = redis::cmd("HKEYS").arg(key("w")).query(&mut connection).unwrap();
        let client = tokens[0].split('.').next().unwrap();
        let message = format!("{},{}", tokens[0], guard.fencing_token());
        let push = redis::cmd("RPUSH").arg(key("mb:") + client).arg(message).to_owned();
        let _: u64 = push.query(&mut connection).unwrap();
        thread::sleep(millis(300));
        assert!(!waiter.is_finished(), "a {who} and another hold it");
        guard.unlock().unwrap();
        waiter.join().unwrap().unwrap().unlock().unwrap();
    }
}
