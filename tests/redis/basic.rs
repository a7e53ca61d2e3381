//! One process, one healthy server.

use std::time::{Duration, Instant};

use mutextree::{LockError, LockStore, Mode, RedisStore};

use crate::server::Server;

const SOON: Duration = Duration::from_secs(10);

#[test]
fn locks_exclude_by_the_tree() {
    let server = Server::start();
    let store = RedisStore::connect(&server.url()).unwrap();
    let project = store.mutex("org/team/project").unwrap().owner("backup");
    let guard = project.lock().unwrap();
    for path in ["/", "org", "org/team", "org/team/project", "org/team/project/file"] {
        let error = store.mutex(path).unwrap().try_lock().unwrap_err();
        let LockError::WouldBlock { blocker } = &error else { panic!("{error}") };
        assert_eq!(blocker.path(), project.path(), "{path}");
        assert_eq!(blocker.owner().unwrap().as_str(), "backup", "{path}");
        assert!(store.mutex(path).unwrap().is_locked());
    }
    for path in ["org/team/other", "org/team2", "orgx", "org/team/project2"] {
        store.lock(path).unwrap().unlock().unwrap();
    }
    guard.unlock().unwrap();
    store.lock("org").unwrap().unlock().unwrap();
}

#[test]
fn a_waiter_is_woken_by_the_release_and_not_by_a_heartbeat() {
    let server = Server::start();
    let store = RedisStore::builder(&server.url()).heartbeat(Duration::from_secs(60)).connect().unwrap();
    let other = RedisStore::builder(&server.url()).heartbeat(Duration::from_secs(60)).connect().unwrap();
    let guard = store.lock("a/b").unwrap();
    let token = guard.fencing_token();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let began = Instant::now();
            let guard = other.lock("a").unwrap();
            assert!(began.elapsed() < SOON);
            guard.fencing_token()
        });
        // Until it queues: then what is below `a` is behind it.
        while other.mutex("a/c").unwrap().try_lock().is_ok() {}
        guard.unlock().unwrap();
        assert!(waiter.join().unwrap() > token);
    });
}

#[test]
fn a_wait_that_times_out_leaves_nothing() {
    let server = Server::start();
    let store = RedisStore::connect(&server.url()).unwrap();
    let guard = store.mutex("a").unwrap().shared().lock_owned().unwrap();
    let error = store.mutex("/").unwrap().try_lock_for(Duration::from_millis(100)).unwrap_err();
    assert!(matches!(error, LockError::TimedOut { .. }), "{error}");
    assert_eq!(error.blocking_path().unwrap().to_string(), "a");
    // The one that has left does not stand in the way of another shared one.
    store.mutex("a/b").unwrap().shared().try_lock().unwrap().unlock().unwrap();
    guard.unlock().unwrap();
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query(&mut server.connect()).unwrap();
    assert_eq!(keys, ["{mutextree}:n"], "what is left is the clock");
}

#[test]
fn a_downgrade_lets_readers_in_and_nobody_else() {
    let server = Server::start();
    let store = RedisStore::connect(&server.url()).unwrap();
    let mut guard = store.lock("a").unwrap();
    guard.downgrade().unwrap();
    assert_eq!(guard.mode(), Mode::Shared);
    store.mutex("a/b").unwrap().shared().try_lock().unwrap().unlock().unwrap();
    assert!(store.mutex("a/b").unwrap().try_lock().is_err());
    guard.unlock().unwrap();
    store.mutex("/").unwrap().try_lock().unwrap().unlock().unwrap();
}

#[test]
fn refresh_for_sets_the_end_of_the_lease() {
    let server = Server::start();
    let store = RedisStore::connect(&server.url()).unwrap();
    let lost = store.lost_locks();
    let guard = store.mutex("a").unwrap().owner("me").lock_owned().unwrap();
    let token = guard.fencing_token();
    guard.refresh_for(Duration::from_millis(200)).unwrap();
    assert!(guard.is_held());
    let next = RedisStore::connect(&server.url()).unwrap().mutex("a/b").unwrap().try_lock_owned_for(SOON).unwrap();
    assert!(next.fencing_token() > token);
    assert!(!guard.is_held());
    assert!(matches!(guard.refresh(), Err(LockError::NotHeld { .. })));
    let told = lost.recv_timeout(SOON).unwrap();
    assert_eq!((&told.path, told.fencing_token, told.owner.unwrap().as_str()), (guard.path(), token, "me"));
    assert!(matches!(guard.unlock(), Err(LockError::NotHeld { .. })));
    assert!(next.is_held());
}

#[test]
fn a_lease_renews_itself_while_the_guard_lives() {
    let server = Server::start();
    let store = RedisStore::builder(&server.url()).lease(Duration::from_millis(300)).connect().unwrap();
    let guard = store.lock("a").unwrap();
    assert!(store.mutex("a").unwrap().try_lock_for(Duration::from_millis(1500)).is_err());
    assert!(guard.is_held());
    guard.unlock().unwrap();
}

#[test]
fn works_over_a_unix_socket() {
    let server = Server::start();
    let store = RedisStore::connect(&format!("unix://{}", server.socket().display())).unwrap();
    let _guard = store.lock("a").unwrap();
    assert!(RedisStore::connect(&server.url()).unwrap().mutex("a").unwrap().is_locked());
}
