//! A grace period: after another server took over that has older data, nobody gets what another
//! still holds.

use std::thread;
use std::time::{Duration, Instant};

use mutextree::{LockError, LockStore, OwnedTreeMutexGuard, RedisStore};

use crate::failures::wait_until;
use crate::server::{Server, new_tree_with};

const LEASE: Duration = Duration::from_millis(1500);

fn connect(server: &Server, grace: Duration) -> RedisStore {
    RedisStore::builder(&server.url()).lease(LEASE).grace(grace).connect().unwrap()
}

/// A server that was killed, and has forgotten a lock that was granted after its last snapshot.
fn forgetful(grace: Duration) -> (Server, RedisStore, OwnedTreeMutexGuard<RedisStore>) {
    let mut server = Server::start();
    let store = connect(&server, grace);
    drop(store.lock("before").unwrap()); // a server that was just started costs a period, too
    redis::cmd("SAVE").exec(&mut server.connect()).unwrap();
    let guard = store.lock("a/b").unwrap();
    server.kill();
    server.restart();
    (server, store, guard)
}

/// What the period is for: without one this happens.
#[test]
fn without_a_grace_period_two_hold_what_a_server_forgot() {
    let (server, _store, guard) = forgetful(Duration::ZERO);
    let other = connect(&server, Duration::ZERO).try_lock("a/b").unwrap();
    assert!(guard.is_held() && other.is_held());
}

#[test]
fn with_a_grace_period_a_holder_keeps_what_a_server_forgot() {
    let (server, store, guard) = forgetful(LEASE);
    let restarted = Instant::now();
    let other = connect(&server, LEASE);
    let error = other.try_lock("a").unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, LockError::WouldBlock { .. }) && text.contains("change of servers"), "{text}");
    // By then every lease of before has ended, but for those that were renewed.
    wait_until("the period is over", || restarted.elapsed() > LEASE * 2);
    let error = other.try_lock("a").unwrap_err();
    assert_eq!(error.blocking_path(), Some(guard.path()), "{error}");
    assert!(guard.is_held());
    let token = guard.fencing_token();
    guard.unlock().unwrap();
    let next = other.try_lock("a").unwrap();
    assert!(next.fencing_token() > token);
    drop(store);
}

/// Also one that knows no period of its own.
#[test]
fn everybody_waits_until_it_is_over() {
    let (server, _store, guard) = forgetful(LEASE);
    let began = Instant::now();
    let (other, third) = (connect(&server, LEASE), connect(&server, Duration::ZERO));
    thread::scope(|scope| {
        scope.spawn(|| drop(third.lock("c").unwrap()));
        assert!(other.try_lock("c").is_err());
        drop(other.lock("d").unwrap());
    });
    assert!(began.elapsed() > LEASE - Duration::from_millis(300), "{:?}", began.elapsed());
    drop(guard);
}

/// The server does not know the lock, and nobody else can have had it.
#[test]
fn what_a_server_forgot_was_held_until_it_is_given_back() {
    let (_server, store, guard) = forgetful(LEASE);
    let lost = store.lost_locks();
    guard.unlock().unwrap();
    assert!(lost.try_recv().is_err());
}

/// It would outlive the period, and be granted to another.
#[test]
fn a_lease_longer_than_the_period_is_refused() {
    let error = RedisStore::builder("redis://127.0.0.1:1/").lease(LEASE).grace(LEASE / 2).connect().unwrap_err();
    let LockError::Store(error) = error else { panic!("{error:?}") };
    assert_eq!(error.to_string(), "the store's lease, 1.5s, is longer than its grace period, 750ms");
    let store = new_tree_with(|builder| builder.lease(LEASE).grace(LEASE));
    let mutex = store.mutex("a").unwrap().lease(LEASE * 2);
    let error = mutex.lock().unwrap_err();
    let LockError::Store(error) = error else { panic!("{error:?}") };
    assert_eq!(error.to_string(), "a lease of 3s is longer than the store's grace period, 1.5s");
    let guard = mutex.lease(LEASE).lock_owned().unwrap();
    assert!(guard.refresh_for(LEASE * 2).is_err() && guard.is_held());
}
