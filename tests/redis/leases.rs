//! Locks that outlive their guards, and listings.

use std::thread;
use std::time::Duration;

use mutextree::{LeaseToken, LockError, LockStore, Mode, RedisStore, Scope};

use crate::checker::check;
use crate::server::Server;

const LONG: Duration = Duration::from_secs(60);

#[track_caller]
fn not_held<T: std::fmt::Debug>(result: Result<T, LockError>) {
    assert!(matches!(result, Err(LockError::NotHeld { .. })), "{result:?}");
}

#[test]
fn a_lock_is_taken_up_elsewhere_by_path_and_token() {
    let server = Server::start();
    let store = RedisStore::connect(&server.url()).unwrap();
    let guard = store.mutex("a/b").unwrap().shared().node_only().lease(LONG).owner("me").lock_owned().unwrap();
    let fence = guard.fencing_token();
    let token = guard.into_lease().unwrap().token().as_str().to_owned();
    drop(store); // its threads are gone: as after the end of the process

    let other = RedisStore::connect(&server.url()).unwrap();
    assert!(other.mutex("a/b").unwrap().is_locked());
    let token = LeaseToken::from(token);
    let lease = other.resume("a/b", &token).unwrap();
    assert_eq!((lease.mode(), lease.fencing_token(), lease.is_held()), (Mode::Shared, fence, true));
    let lock = &other.locks().unwrap()[0];
    assert_eq!((lock.path.to_string().as_str(), lock.kind.mode, lock.kind.scope), ("a/b", Mode::Shared, Scope::Node));
    assert_eq!((lock.owner.as_ref().unwrap().as_str(), lock.token.as_ref()), ("me", Some(&token)));
    assert!(lock.remaining.unwrap() <= LONG && lock.remaining.unwrap() > LONG / 2);

    not_held(other.resume("a", &token));
    not_held(other.resume("a/b", &"another".into()));
    let second = other.resume("a/b", &token).unwrap();
    lease.release().unwrap();
    assert!(!second.is_held());
    not_held(second.refresh());
    not_held(second.release());
    not_held(other.resume("a/b", &token));
    assert!(other.locks().unwrap().is_empty());
    assert!(check(&mut server.connect(), "mutextree").held.is_empty());
}

/// Detached from a store that renews what it holds: it ends by its lease, a full one from the
/// moment it was detached.
#[test]
fn nobody_renews_it() {
    let server = Server::start();
    let lease = Duration::from_millis(400);
    let store = RedisStore::builder(&server.url()).lease(lease).connect().unwrap();
    let lost = store.lost_locks();
    let kept = store.lock("a").unwrap().into_lease().unwrap();
    drop(store.mutex("a").unwrap().try_lock_for(Duration::from_secs(20)).unwrap());
    assert!(!kept.is_held());
    not_held(kept.refresh());
    not_held(kept.release());
    assert!(lost.try_recv().is_err(), "it had no guard");
}

/// What is refreshed through one grant is held through every other one.
#[test]
fn any_grant_refreshes() {
    let server = Server::start();
    let store = RedisStore::connect(&server.url()).unwrap();
    let short = Duration::from_millis(300);
    let one = store.mutex("a").unwrap().lease(short).lock_owned().unwrap().into_lease().unwrap();
    let two = RedisStore::connect(&server.url()).unwrap().resume("a", one.token()).unwrap();
    two.refresh_for(LONG).unwrap();
    thread::sleep(2 * short);
    assert!(one.is_held());
    one.refresh().unwrap(); // its full length again
    drop(store.mutex("a").unwrap().try_lock_for(Duration::from_secs(20)).unwrap());
    assert!(!two.is_held());
    not_held(two.release());
}

#[test]
fn a_guard_again() {
    let server = Server::start();
    let store = RedisStore::connect(&server.url()).unwrap();
    let lease = store.lock("a").unwrap().into_lease().unwrap();
    let mut guard = lease.into_guard();
    guard.downgrade().unwrap();
    let lease = guard.into_lease().unwrap();
    assert_eq!(lease.mode(), Mode::Shared);
    drop(store.mutex("a").unwrap().shared().try_lock().unwrap());
    drop(lease.into_guard());
    drop(store.mutex("a").unwrap().try_lock().unwrap());
    assert!(check(&mut server.connect(), "mutextree").held.is_empty());
}

#[test]
fn a_lost_lock_cannot_be_detached() {
    let mut server = Server::start();
    let store = RedisStore::connect(&server.url()).unwrap();
    let guard = store.lock("a").unwrap();
    server.kill();
    server.restart(); // without its data
    not_held(guard.into_lease());
    let guard = store.mutex("a").unwrap().lease(Duration::from_millis(1)).lock_owned().unwrap();
    thread::sleep(Duration::from_millis(5));
    not_held(guard.into_lease());
}

/// More than one call of the script looks at.
#[test]
fn a_long_listing() {
    let server = Server::start();
    let store = RedisStore::connect(&server.url()).unwrap();
    let path = |at: usize| format!("dir/{at:04}");
    let guards: Vec<_> = (0..2500).map(|at| store.lock(path(at)).unwrap()).collect();
    let locks = store.locks().unwrap();
    assert!(locks.iter().all(|lock| lock.token.is_none() && lock.owner.is_none()));
    let mut paths: Vec<_> = locks.iter().map(|lock| lock.path.to_string()).collect();
    paths.sort();
    assert_eq!(paths, (0..2500).map(path).collect::<Vec<_>>());
    drop(guards);
    assert!(store.locks().unwrap().is_empty());
}
