use std::thread;
use std::time::{Duration, Instant};

use mutextree::{LockStore, RedisStore};

use crate::failures::{wait_until, waiters};
use crate::faults::{BOTH, SOON, connect, millis, waits};
use crate::proxy::Proxy;
use crate::server::Server;

const RARE: Duration = Duration::from_secs(60);

fn rarely(url: &str) -> RedisStore {
    connect(url, |builder| builder.heartbeat(RARE))
}

#[test]
fn a_message_that_was_lost_is_made_up_for_when_the_listener_is_back() {
    let server = Server::start();
    let proxy = Proxy::start(server.port());
    let (store, other) = (rarely(&proxy.url()), rarely(&server.url()));
    for (who, lock) in BOTH {
        let guard = other.lock("a").unwrap();
        let mutex = store.mutex("a").unwrap();
        let waiter = thread::spawn(move || lock(mutex).unwrap().unlock().unwrap());
        wait_until("it never waits", || waiters(&server) == 1);
        let lost = proxy.lost();
        proxy.lose_messages(1);
        guard.unlock().unwrap();
        wait_until("nothing is lost", || proxy.lost() > lost);
        wait_until(&format!("a {who} never gets in"), || waiter.is_finished());
        waiter.join().unwrap();
    }
}

/// More than one call hands over.
#[test]
fn three_hundred_readers_get_in_at_once() {
    const MANY: usize = 300;
    let server = Server::start();
    let store = rarely(&server.url());
    for (who, lock) in BOTH {
        let guard = lock(store.mutex("a").unwrap()).unwrap();
        let mut readers: Vec<_> =
            (0..MANY).map(|at| waits(store.mutex(["a", &at.to_string()]).unwrap().shared())).collect();
        readers.iter_mut().for_each(|reader| assert!(reader.poll().is_none()));
        wait_until("they never wait", || waiters(&server) == MANY);
        drop(guard);
        let began = Instant::now();
        let guards: Vec<_> = readers.into_iter().map(|reader| reader.block_on().unwrap()).collect();
        assert!(began.elapsed() < SOON / 2, "after a {who}'s release: {:?}", began.elapsed());
        drop(guards);
    }
}

/// A lease that ends sends no message.
#[test]
fn a_waiter_asks_again_when_the_lease_in_its_way_ends() {
    let server = Server::start();
    let proxy = Proxy::start(server.port());
    let (dead, store) = (rarely(&proxy.url()), rarely(&server.url()));
    for (who, lock) in BOTH {
        let guard = lock(dead.mutex("a").unwrap().lease(millis(700))).unwrap();
        wait_until("it is never there", || proxy.is_quiet());
        proxy.cut();
        let began = Instant::now();
        let mutex = store.mutex("a/b").unwrap();
        let waiter = thread::spawn(move || lock(mutex).unwrap().unlock().unwrap());
        wait_until(&format!("a {who} never gets in"), || waiter.is_finished());
        assert!(began.elapsed() < millis(3000), "a {who}: {:?}", began.elapsed());
        waiter.join().unwrap();
        drop(guard);
        proxy.mend();
    }
}
