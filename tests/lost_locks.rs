//! A listener is told of every lock that is lost, and of no other.

use std::time::{Duration, Instant};

use mutextree::{LockStore, MemoryStore};

const SOON: Duration = Duration::from_millis(30);
const LATER: Duration = Duration::from_secs(20);

#[test]
fn a_listener_hears_of_what_is_lost() {
    let store = MemoryStore::new();
    let mutex = |path: &str| store.mutex(path).unwrap();
    // One lease runs before anybody listens, one begins afterwards; the others do not end, or not
    // with a guard.
    let before = mutex("a/before").lease(SOON).owner("one").lock_owned().unwrap();
    let lost = store.lost_locks();
    let after = mutex("a/after").lease(SOON).lock_owned().unwrap();
    let without = mutex("b").lock_owned().unwrap();
    let long = mutex("c").lease(LATER).lock_owned().unwrap();
    let detached = mutex("d").lease(SOON).lock_owned().unwrap().into_lease().unwrap();
    drop(mutex("e").lease(SOON).lock_owned().unwrap());

    let mut heard: Vec<_> = (0..2).map(|_| lost.recv_deadline(Instant::now() + LATER).unwrap()).collect();
    heard.sort_by_key(|loss| loss.path.clone());
    assert_eq!(heard[0].path, *after.path());
    assert_eq!(heard[1].path, *before.path());
    assert_eq!(heard[1].owner.as_ref().map(|owner| owner.as_str()), Some("one"));
    assert_eq!(heard[1].fencing_token, before.fencing_token());
    assert_eq!(heard[1].to_string(), "`a/before` was lost: its lease has ended, or it was broken");

    assert!(!before.is_held() && before.unlock().is_err() && after.unlock().is_err());
    drop(mutex("d").try_lock_for(LATER).unwrap()); // its lease began after the others'
    assert!(!mutex("a").is_locked() && !mutex("d").is_locked() && !detached.is_held());
    assert!(lost.try_recv().is_err());
    assert!(without.unlock().is_ok() && long.unlock().is_ok());
}

#[test]
fn a_lease_that_is_refreshed_is_not_lost() {
    let store = MemoryStore::new();
    let lost = store.lost_locks();
    let guard = store.mutex("a").unwrap().lease(SOON).lock_owned().unwrap();
    guard.refresh_for(LATER).unwrap();
    let probe = store.mutex("b").unwrap().lease(2 * SOON).lock_owned().unwrap();
    assert_eq!(lost.recv_deadline(Instant::now() + LATER).unwrap().path, *probe.path());
    assert!(guard.is_held() && lost.try_recv().is_err());
}

#[test]
fn a_lock_that_is_broken_is_told_once() {
    let store = MemoryStore::new();
    let told = store.lost_locks();
    let named = store.mutex("/").unwrap().node_only().shared().owner("one").lock_owned().unwrap();
    let kept = store.mutex("b").unwrap().lock_owned().unwrap().into_lease().unwrap();
    for lock in store.locks().unwrap() {
        assert!(store.break_lock(&lock).unwrap());
    }
    let heard = told.try_recv().unwrap();
    assert_eq!((heard.path, heard.fencing_token), (named.path().clone(), named.fencing_token()));
    assert!(!named.is_held() && !kept.is_held());
    drop((named, kept));
    assert!(told.try_recv().is_err(), "nobody listens for a lock without a guard");
    store.shrink_to_fit();
    assert_eq!(store.node_count(), 1, "what was kept without a guard is kept no more");
}
