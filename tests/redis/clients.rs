//! What the server sees of a store, and what a store does when the server is full, new or gone.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use mutextree::{LockStore, RedisStore};

use crate::failures::{wait_until, waiters};
use crate::faults::{BOTH, connect, millis, waits};
use crate::proxy::Proxy;
use crate::server::Server;

fn clients(connection: &mut redis::Connection) -> Vec<String> {
    let list: String = redis::cmd("CLIENT").arg("LIST").query(connection).unwrap();
    list.lines().map(str::to_owned).collect()
}

/// The callers' connection, the driver's, the listener's and the one of renewals.
#[test]
fn every_connection_has_the_name_that_was_given() {
    let server = Server::start();
    let lease = Duration::from_millis(300);
    let store = connect(&server.url(), |builder| builder.client_name("my-program").lease(lease));
    let _guard = store.lock("a").unwrap();
    let mut wait = waits(store.mutex("a").unwrap());
    assert!(wait.poll().is_none());
    let mut connection = server.connect();
    wait_until("they are never all there", || {
        let named = clients(&mut connection).iter().filter(|line| line.contains(" name=my-program ")).count();
        named >= 4
    });
    let others = clients(&mut connection).into_iter().filter(|line| !line.contains(" name=my-program ")).count();
    assert_eq!(others, 1, "this test's own");
}

#[test]
fn the_last_handle_ends_every_connection() {
    let server = Server::start();
    let mut connection = server.connect();
    let store = RedisStore::connect(&server.url()).unwrap();
    for (who, lock) in BOTH {
        let guard = store.lock("a").unwrap();
        let mutex = store.mutex("a").unwrap();
        let waiter = thread::spawn(move || drop(lock(mutex).unwrap()));
        wait_until(&format!("a {who} never waits"), || waiters(&server) == 1);
        drop(guard);
        waiter.join().unwrap();
    }
    assert!(clients(&mut connection).len() > 1);
    drop(store);
    wait_until("some are left", || clients(&mut connection).len() == 1);
}

/// Two calls at a time, so that there are two connections, and both break.
#[test]
fn the_first_call_after_all_connections_broke_succeeds() {
    let server = Server::start();
    let proxy = Proxy::start(server.port());
    let store = RedisStore::connect(&proxy.url()).unwrap();
    for _ in 0..5 {
        proxy.delay_answers(millis(50));
        let barrier = Barrier::new(4);
        thread::scope(|scope| {
            for at in 0..4 {
                let (barrier, mutex) = (&barrier, store.mutex(format!("{at}")).unwrap());
                scope.spawn(move || {
                    barrier.wait();
                    mutex.lock().unwrap().unlock().unwrap();
                });
            }
        });
        proxy.delay_answers(millis(0));
        proxy.cut_existing();
        for (who, lock) in BOTH {
            let guard = lock(store.mutex("a").unwrap()).unwrap_or_else(|error| panic!("a {who}: {error}"));
            guard.unlock().unwrap();
        }
    }
}

/// Each command takes less time than a call may, and all that `connect` sends take more.
#[test]
fn a_store_connects_to_a_server_that_answers_each_command_in_time() {
    let server = Server::start();
    let proxy = Proxy::start(server.port());
    proxy.delay_answers(millis(300));
    let store = connect(&proxy.url(), |builder| builder.timeout(millis(800)));
    proxy.delay_answers(millis(0));
    assert!(store.try_lock("a").is_ok());
}

#[test]
fn without_a_server_everything_is_locked() {
    let mut server = Server::start();
    let store = RedisStore::connect(&server.url()).unwrap();
    assert!(!store.mutex("a").unwrap().is_locked());
    server.kill();
    assert!(store.mutex("a").unwrap().is_locked());
}

#[test]
fn a_lock_waits_for_a_server_that_is_out_of_memory() {
    for (who, lock) in BOTH {
        let server = Server::start();
        let store = RedisStore::connect(&server.url()).unwrap();
        let mut connection = server.connect();
        let mut memory = |most: u64| -> () {
            redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(most).query(&mut connection).unwrap()
        };
        memory(1);
        let mutex = store.mutex("a").unwrap();
        let waiter = thread::spawn(move || lock(mutex));
        thread::sleep(millis(700));
        assert!(!waiter.is_finished(), "a {who} did not wait");
        memory(0);
        waiter.join().unwrap().unwrap_or_else(|error| panic!("a {who}: {error}")).unlock().unwrap();
    }
}
