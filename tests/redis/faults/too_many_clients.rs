//! A server with as many clients as it may have refuses new connections. It is busy, and not gone:
//! calls wait for it within their own time, and the refused connection serves nobody.

use std::thread;
use std::time::Instant;

use mutextree::{LockStore, RedisStore};
use redis::Connection;

use super::{BOTH, SLACK, SOON, connect, held, millis};
use crate::failures::{wait_until, waiters};
use crate::server::Server;

fn most_clients(connection: &mut Connection, most: u64) {
    let _: () = redis::cmd("CONFIG").arg("SET").arg("maxclients").arg(most).query(connection).unwrap();
}

/// From now on this connection is the only one.
fn fill(server: &Server) -> Connection {
    let mut connection = server.connect();
    most_clients(&mut connection, 1);
    let kill = redis::cmd("CLIENT").arg("KILL").arg("SKIPME").arg("yes").to_owned();
    let _: u64 = kill.query(&mut connection).unwrap();
    connection
}

#[test]
fn callers_and_tasks_wait_for_room() {
    for (who, lock) in BOTH {
        let server = Server::start();
        let store = RedisStore::connect(&server.url()).unwrap();
        drop(lock(store.mutex("a").unwrap()).unwrap());
        let mut connection = fill(&server);
        thread::scope(|scope| {
            let waiter = scope.spawn(|| lock(store.mutex("a").unwrap()));
            thread::sleep(millis(1000));
            assert!(!waiter.is_finished(), "a {who} did not wait: {:?}", waiter.join());
            most_clients(&mut connection, 1000);
            waiter.join().unwrap().unwrap_or_else(|error| panic!("a {who}: {error}")).unlock().unwrap();
        });
        drop(lock(store.mutex("a").unwrap()).unwrap());
    }
}

#[test]
fn within_the_time_of_the_call() {
    let server = Server::start();
    let store = RedisStore::connect(&server.url()).unwrap();
    let mut connection = fill(&server);
    let began = Instant::now();
    let error = store.mutex("a").unwrap().try_lock_for(millis(300)).unwrap_err();
    assert!(began.elapsed() >= millis(300), "it did not wait: {error}");
    assert!(began.elapsed() < millis(300) + SLACK, "{:?}: {error}", began.elapsed());
    most_clients(&mut connection, 1000);
    store.lock("a").unwrap().unlock().unwrap();
}

#[test]
fn a_store_connects_when_there_is_room() {
    let server = Server::start();
    let mut connection = fill(&server);
    thread::scope(|scope| {
        let store = scope.spawn(|| RedisStore::connect(&server.url()));
        thread::sleep(millis(700));
        most_clients(&mut connection, 1000);
        store.join().unwrap().unwrap().lock("a").unwrap().unlock().unwrap();
    });
}

/// The server is full for half a lease.
#[test]
fn what_is_held_is_held_and_who_waits_is_served() {
    let server = Server::start();
    let lease = millis(2000);
    let store = connect(&server.url(), |builder| builder.lease(lease).heartbeat(millis(400)));
    let guards = BOTH.map(|(who, lock)| lock(store.mutex(who).unwrap()).unwrap());
    let holder = RedisStore::connect(&server.url()).unwrap();
    let guard = holder.lock("a").unwrap();
    thread::scope(|scope| {
        let waits = BOTH.map(|(_, lock)| {
            let mutex = store.mutex("a").unwrap().shared();
            scope.spawn(move || lock(mutex))
        });
        wait_until("they never wait", || waiters(&server) == 2);
        let mut connection = fill(&server);
        thread::sleep(lease / 2);
        most_clients(&mut connection, 1000);
        guard.unlock().unwrap();
        let began = Instant::now();
        for wait in waits {
            wait.join().unwrap().unwrap().unlock().unwrap();
        }
        assert!(began.elapsed() < SOON / 4, "{:?}", began.elapsed());
        thread::sleep(lease);
    });
    assert!(guards.iter().all(|guard| guard.is_held()));
    assert_eq!(held(&server), 2);
}
