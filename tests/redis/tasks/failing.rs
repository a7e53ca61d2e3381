use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mutextree::{LockError, LockStore, RedisStore, RedisStoreError};

use super::{lock, locked};
use crate::failures::{assert_empty, wait_until, waiters};
use crate::hand::Hand;
use crate::proxy::Proxy;
use crate::server::Server;

fn reason(error: LockError) -> RedisStoreError {
    let LockError::Store(error) = error else { panic!("{error}") };
    error.downcast_ref::<RedisStoreError>().unwrap().clone()
}

#[test]
fn a_server_that_is_gone_is_an_error() {
    let mut server = Server::start();
    let store = RedisStore::connect(&server.url()).unwrap();
    drop(locked(&store, "a"));
    server.kill();
    let mut waits: Vec<_> = (0..200).map(|at| lock(&store, &format!("a/{at}"))).collect();
    waits.iter_mut().for_each(|wait| _ = wait.poll());
    for wait in waits {
        assert!(matches!(reason(wait.block_on().unwrap_err()), RedisStoreError::Unreachable { .. }));
    }
    server.restart();
    drop(locked(&store, "a"));
}

/// The waiter sits it out for as long as a lease, as a thread does.
#[test]
fn a_server_that_goes_while_tasks_wait() {
    let mut server = Server::start();
    let builder = RedisStore::builder(&server.url()).lease(Duration::from_millis(400));
    let store = builder.heartbeat(Duration::from_millis(100)).connect().unwrap();
    let guard = store.lock("a").unwrap();
    let mut waits: Vec<_> = (0..20).map(|_| lock(&store, "a/b")).collect();
    waits.iter_mut().for_each(|wait| assert!(wait.poll().is_none()));
    wait_until("they never wait", || waiters(&server) == 20);
    server.kill();
    for wait in waits {
        assert!(matches!(reason(wait.block_on().unwrap_err()), RedisStoreError::Unreachable { .. }));
    }
    drop(guard);
}

/// It loses its data, or only a connection: whoever waits gets in.
#[test]
fn a_task_survives_a_cut_connection_and_a_server_that_lost_its_data() {
    let mut server = Server::start();
    let proxy = Proxy::start(server.port());
    let connect = |url: &str| RedisStore::builder(url).heartbeat(Duration::from_millis(200)).connect().unwrap();
    let (holder, store) = (connect(&server.url()), connect(&proxy.url()));
    let guard = holder.lock("a").unwrap();
    let queued = || {
        let mut wait = lock(&store, "a/b");
        assert!(wait.poll().is_none());
        wait_until("it never waits", || waiters(&server) == 1 && proxy.is_quiet());
        wait
    };
    let wait = queued();
    proxy.cut();
    guard.unlock().unwrap();
    proxy.mend();
    let token = wait.block_on().unwrap().fencing_token();
    let guard = holder.mutex("a").unwrap().try_lock_owned_for(super::AT_ONCE).unwrap();
    let wait = queued();
    server.kill();
    server.restart();
    assert!(wait.block_on().unwrap().fencing_token() > token);
    assert!(matches!(guard.unlock(), Err(LockError::NotHeld { .. })));
}

#[test]
fn a_password_that_was_changed_is_an_error_at_once() {
    let server = Server::start();
    let store = RedisStore::connect(&server.url()).unwrap();
    let mut connection = server.connect();
    let _: () = redis::cmd("CONFIG").arg("SET").arg("requirepass").arg("new").query(&mut connection).unwrap();
    let error = lock(&store, "a").block_on().unwrap_err();
    let error = reason(error);
    assert!(matches!(error, RedisStoreError::Authentication { .. }), "{error}");
}

#[test]
fn scripts_can_be_forgotten_under_tasks() {
    let server = Server::start();
    let store = RedisStore::connect(&server.url()).unwrap();
    let mut connection = server.connect();
    for _ in 0..30 {
        let _: () = redis::cmd("SCRIPT").arg("FLUSH").query(&mut connection).unwrap();
        let mut waits = ["a", "b/c", "d"].map(|path| lock(&store, path));
        waits.iter_mut().for_each(|wait| assert!(wait.poll().is_none()));
        drop(waits.map(|wait| wait.block_on().unwrap()));
    }
    drop(store);
    assert_empty(&server);
}

/// Tasks give up at random, too.
#[test]
fn nothing_overlaps_over_a_connection_that_loses_one_answer_in_ten() {
    let server = Server::start();
    let proxy = Proxy::start(server.port());
    let connect = || RedisStore::builder(&proxy.url()).heartbeat(Duration::from_millis(100)).connect().unwrap();
    let stores = [connect(), connect()];
    proxy.lose_one_answer_in(10);
    let (inside, rounds) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for store in &stores {
            for path in ["a", "a/b"] {
                let (inside, rounds) = (&inside, &rounds);
                scope.spawn(move || {
                    for round in 0..40 {
                        let mut wait = lock(store, path);
                        if round % 4 == 0 && wait.poll().is_none() {
                            continue;
                        }
                        // Two answers lost in a row are an error, and rightly so.
                        let Ok(guard) = wait.block_on() else { continue };
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two hold what one can have");
                        rounds.fetch_add(1, Ordering::SeqCst);
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(guard);
                    }
                });
            }
        }
    });
    proxy.lose_one_answer_in(0);
    assert!(rounds.load(Ordering::SeqCst) > 60 && proxy.lost() > 10);
    wait_until("something is left behind", || {
        let left = crate::checker::check(&mut server.connect(), "mutextree");
        left.held.is_empty() && left.waits.is_empty()
    });
}

/// What `unlock` cannot know at once is told.
#[test]
fn a_loss_that_only_the_server_knows_of_is_told() {
    let server = Server::start();
    let store = RedisStore::connect(&server.url()).unwrap();
    let lost = store.lost_locks();
    let guard = locked(&store, "a");
    let token = guard.fencing_token();
    let _: () = redis::cmd("FLUSHALL").query(&mut server.connect()).unwrap();
    guard.unlock().unwrap();
    assert_eq!(lost.recv_timeout(super::AT_ONCE).unwrap().fencing_token, token);

    let mutex = store.mutex("a").unwrap().lease(Duration::from_millis(50));
    let guard = Hand::new(async move { mutex.lock_owned_async().await.unwrap() }).block_on();
    let token = guard.fencing_token();
    assert_eq!(lost.recv_timeout(super::AT_ONCE).unwrap().fencing_token, token);
    assert!(!guard.is_held());
    assert!(matches!(guard.unlock(), Err(LockError::NotHeld { .. })));
    assert!(lost.try_recv().is_err(), "once is enough");
}
