use std::thread;
use std::time::Duration;

use mutextree::{LockError, LockStore, RedisStore};

use crate::failures::{wait_until, waiters};
use crate::faults::{BOTH, SOON, connect, key, millis, settled, waits};
use crate::proxy::Proxy;
use crate::server::Server;

/// Nobody has taken it away, and it is over all the same.
#[test]
fn a_lock_that_has_ended_is_not_listed() {
    let server = Server::start();
    let proxy = Proxy::start(server.port());
    let dead = RedisStore::connect(&proxy.url()).unwrap();
    let guards = BOTH.map(|(who, lock)| lock(dead.mutex(who).unwrap().lease(millis(300))).unwrap());
    wait_until("it is never quiet", || proxy.is_quiet());
    proxy.cut();
    thread::sleep(millis(400));
    assert_eq!(RedisStore::connect(&server.url()).unwrap().locks().unwrap(), []);
    drop(guards);
}

#[test]
fn a_lease_that_has_ended_cannot_be_released() {
    let server = Server::start();
    let store = RedisStore::connect(&server.url()).unwrap();
    let lease = store.mutex("a").unwrap().lease(millis(200)).lock_owned().unwrap().into_lease().unwrap();
    thread::sleep(millis(300));
    let released = lease.release();
    assert!(matches!(released, Err(LockError::NotHeld { .. })), "{released:?}");
}

/// It has the time of a claim to take the lock, and not that of a lease. Its mailbox goes, too.
#[test]
fn a_lock_that_was_handed_to_the_dead_is_handed_on() {
    for shared in [false, true] {
        let server = Server::start();
        let proxy = Proxy::start(server.port());
        let dead = connect(&proxy.url(), |builder| builder.heartbeat(millis(300)).lease(Duration::from_secs(60)));
        let store = RedisStore::connect(&server.url()).unwrap();
        let guard = store.lock("a").unwrap();
        let mutex = dead.mutex("a").unwrap();
        let mut wait = waits(if shared { mutex.shared() } else { mutex });
        assert!(wait.poll().is_none());
        settled(&server, &proxy);
        proxy.cut();
        wait_until("it listens for ever", || server.blocked() == 0);
        guard.unlock().unwrap(); // less than a claim later, which is 1050 ms
        let mut connection = server.connect();
        let mailboxes: Vec<String> = redis::cmd("KEYS").arg(key("mb:*")).query(&mut connection).unwrap();
        assert_eq!(mailboxes.len(), 1);
        let left: i64 = redis::cmd("PTTL").arg(&mailboxes).query(&mut connection).unwrap();
        assert!(left > 0, "it is there for ever: {left}");
        drop(store.mutex("a").unwrap().try_lock_for(SOON / 4).unwrap());
    }
}

/// Others take away what has expired all the while, and it is never among it.
#[test]
fn a_waiter_that_lives_keeps_its_place() {
    let server = Server::start();
    let store = connect(&server.url(), |builder| builder.heartbeat(millis(100)));
    let other = RedisStore::connect(&server.url()).unwrap();
    for (who, lock) in BOTH {
        let guard = other.lock("a").unwrap();
        let mutex = store.mutex("a").unwrap();
        let waiter = thread::spawn(move || drop(lock(mutex).unwrap()));
        wait_until("it never waits", || waiters(&server) == 1);
        let mut connection = server.connect();
        let mut records = || -> Vec<Vec<u8>> { redis::cmd("HVALS").arg(key("w")).query(&mut connection).unwrap() };
        let record = records();
        for _ in 0..100 {
            assert!(other.mutex("a/b").unwrap().is_locked()); // which takes away what has expired
            assert_eq!(records(), record, "a {who}");
            thread::sleep(millis(10));
        }
        drop(guard);
        waiter.join().unwrap();
    }
}
