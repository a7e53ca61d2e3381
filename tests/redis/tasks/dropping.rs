use std::time::Duration;

use mutextree::{LockError, LockStore, RedisStore};

use super::{AT_ONCE, lock, locked, patient, while_it_pauses};
use crate::failures::{assert_empty, wait_until, waiters};
use crate::proxy::Proxy;
use crate::server::Server;

fn empty_at_last(server: &Server) {
    wait_until("something is left behind", || {
        let left = crate::checker::check(&mut server.connect(), "mutextree");
        left.held.is_empty() && left.waits.is_empty()
    });
}

/// One thread, with a task that waits, one that holds, and others, while the server is silent.
#[test]
fn the_executor_goes_on_while_the_server_is_silent() {
    let server = Server::start();
    let store = patient(&server.url());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (held, given_up) = (locked(&store, "a"), store.mutex("b").unwrap());
    let mutex = store.mutex("a/b").unwrap();
    let task = runtime.spawn(async move { mutex.lock_owned_async().await.unwrap().fencing_token() });
    while_it_pauses(&server, || {
        runtime.block_on(async {
            let aborted = tokio::spawn(async move { drop(given_up.lock_async().await) });
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            aborted.abort();
            assert!(aborted.await.unwrap_err().is_cancelled());
            held.unlock().unwrap();
        });
    });
    assert!(runtime.block_on(task).unwrap() > 0);
    empty_at_last(&server);
}

#[test]
fn a_guard_dropped_while_the_server_is_silent_is_gone_at_once_and_released_when_it_speaks() {
    let server = Server::start();
    let store = patient(&server.url());
    let guards = ["a", "b/c", "d"].map(|path| locked(&store, path));
    while_it_pauses(&server, || drop(guards));
    assert!(store.mutex("/").unwrap().try_lock().is_ok(), "what was given back before is in nobody's way");
    assert_empty(&server);
}

#[test]
fn before_the_first_poll_nothing_is_sent() {
    let server = Server::start();
    let store = patient(&server.url());
    let before = server.calls();
    drop(lock(&store, "a"));
    assert_eq!(server.calls(), before);
}

/// A request is under way, and others are in the driver's queue.
#[test]
fn while_the_request_is_under_way() {
    let server = Server::start();
    let store = patient(&server.url());
    for held in [None, Some("a"), Some("a/b/c"), Some("/")] {
        let guard = held.map(|path| locked(&store, path));
        while_it_pauses(&server, || {
            let mut first = lock(&store, "a/b");
            assert!(first.poll().is_none());
            wait_until("it is never sent", || server.blocked() > 0);
            let mut others = ["a/b", "a", "c"].map(|path| lock(&store, path));
            others.iter_mut().for_each(|other| assert!(other.poll().is_none()));
            drop(others);
            drop(first);
        });
        drop(guard);
        assert!(store.mutex("/").unwrap().try_lock().is_ok(), "{held:?}");
        empty_at_last(&server); // the request may come after that, and is then taken back
    }
}

#[test]
fn while_it_waits_and_who_is_behind_goes_on() {
    let server = Server::start();
    let store = patient(&server.url());
    let guard = store.mutex("a").unwrap().shared().lock_owned().unwrap();
    let mut wait = lock(&store, "a");
    assert!(wait.poll().is_none());
    wait_until("it never waits", || waiters(&server) == 1);
    let shared = store.mutex("a/b").unwrap().shared();
    let mut behind = crate::hand::Hand::new(async move { shared.lock_owned_async().await.unwrap() });
    assert!(behind.poll().is_none());
    wait_until("it is not behind", || waiters(&server) == 2);
    drop(wait);
    behind.is_woken_at_last();
    drop(behind.block_on());
    drop(guard);
    empty_at_last(&server);
}

#[test]
fn when_it_is_granted_and_not_polled() {
    let server = Server::start();
    let store = patient(&server.url());
    for waits in [false, true] {
        let guard = waits.then(|| locked(&store, "a"));
        let mut wait = lock(&store, "a/b");
        assert!(wait.poll().is_none());
        if waits {
            wait_until("it never waits", || waiters(&server) == 1);
        }
        drop(guard);
        wait.is_woken_at_last();
        drop(wait);
        assert!(store.mutex("a/b").unwrap().try_lock().is_ok());
        assert_empty(&server);
    }
}

#[test]
fn when_its_turn_was_taken_from_it() {
    let server = Server::start();
    let store = patient(&server.url());
    let mut wait = lock(&store, "a/b");
    assert!(wait.poll().is_none());
    wait.is_woken_at_last();
    drop(store.mutex("a").unwrap().try_lock_for(AT_ONCE).expect("nobody polls the other one"));
    drop(wait);
    empty_at_last(&server);
}

/// The answer is lost, so what is on the server is not known when the future goes.
#[test]
fn when_the_answer_is_lost() {
    let server = Server::start();
    let proxy = Proxy::start(server.port());
    let store = patient(&proxy.url());
    drop(locked(&store, "warm"));
    for held in [false, true] {
        wait_until("the other one is not given back", || proxy.is_quiet());
        let guard = held.then(|| RedisStore::connect(&server.url()).unwrap().lock("a").unwrap());
        let lost = proxy.lost();
        proxy.lose_answers(1);
        let mut wait = lock(&store, "a/b");
        assert!(wait.poll().is_none());
        wait_until("nothing is lost", || proxy.lost() > lost);
        drop(wait);
        drop(guard);
        empty_at_last(&server);
    }
}

/// The same, and the future goes before: the driver does not know, either.
#[test]
fn before_the_answer_is_lost() {
    let server = Server::start();
    let proxy = Proxy::start(server.port());
    let store = patient(&proxy.url());
    drop(locked(&store, "warm"));
    wait_until("the other one is not given back", || proxy.is_quiet());
    proxy.delay_requests(Duration::from_millis(200));
    proxy.lose_answers(1);
    let mut wait = lock(&store, "a/b");
    assert!(wait.poll().is_none());
    wait_until("it is never sent", || !proxy.is_quiet());
    drop(wait);
    wait_until("nothing is lost", || proxy.lost() > 0);
    empty_at_last(&server);
}

/// In between two tries.
#[test]
fn while_the_server_cannot_be_reached() {
    let server = Server::start();
    let proxy = Proxy::start(server.port());
    let holder = RedisStore::connect(&server.url()).unwrap();
    let store = RedisStore::builder(&proxy.url()).heartbeat(Duration::from_millis(100)).connect().unwrap();
    let guard = holder.lock("a").unwrap();
    let mut wait = lock(&store, "a");
    assert!(wait.poll().is_none());
    wait_until("it never waits", || waiters(&server) == 1 && proxy.is_quiet());
    proxy.cut();
    let mut other = lock(&store, "b");
    let error = loop {
        if let Some(outcome) = other.poll() {
            break outcome.unwrap_err();
        }
        other.is_woken_at_last();
    };
    assert!(matches!(error, LockError::Store(_)), "{error}");
    drop(wait);
    drop(guard);
    proxy.mend();
    empty_at_last(&server);
}

/// A program that ends just then takes the driver with it.
#[test]
fn the_last_store_to_go_waits_for_what_was_given_back() {
    let server = Server::start();
    let proxy = Proxy::start(server.port());
    let store = RedisStore::connect(&proxy.url()).unwrap();
    let guards = (locked(&store, "a"), locked(&store, "b"));
    drop(store.clone());
    proxy.delay_requests(Duration::from_millis(100));
    drop(guards);
    drop(store);
    assert_empty(&server);
}

#[test]
fn no_conflict_with_what_was_given_back_before() {
    let server = Server::start();
    let store = patient(&server.url());
    let mutex = store.mutex("a/b").unwrap();
    for round in 0..300 {
        drop(locked(&store, "a"));
        if round % 2 == 0 {
            drop(mutex.try_lock().unwrap_or_else(|error| panic!("{round}: {error}")));
        } else {
            assert!(!mutex.is_locked(), "{round}");
        }
    }
    assert_empty(&server);
}
