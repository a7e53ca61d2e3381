//! Locks with a lease in the word. Each lease here ends as soon as a name's can.

use std::thread;

use super::*;
use crate::TreeMutexSet;
use crate::sync::now;

fn soon() -> Duration {
    *LEASES.start()
}

/// A handle with a lease that was used before, so that its locks are named.
fn leased(store: &MemoryStore, path: &str, lease: Duration) -> TreeMutex {
    used_mutex(store.mutex(path).unwrap().owner("me").lease(lease))
}

#[track_caller]
fn assert_named(store: &MemoryStore, path: &str) {
    assert!(name_in(word(store, path)).is_some(), "{:#x}", word(store, path));
}

#[test]
fn it_is_held_and_says_so() {
    let store = MemoryStore::new();
    let mutex = leased(&store, "a/b", LONG);
    for _ in 0..3 {
        let guard = mutex.lock().unwrap();
        assert!(guard.is_held() && mutex.is_locked());
        assert!(store.try_lock("a/b/c").unwrap_err().to_string().ends_with("held by me"));
        assert!(store.try_lock_for("a", Duration::from_millis(5)).is_err());
        assert_named(&store, "a/b");
        guard.unlock().unwrap();
        // What the tries left behind is gone, and the node may be claimed without a look.
        store.shrink_to_fit();
        drop(mutex.lock().unwrap());
    }
    let guard = mutex.lock().unwrap();
    assert_named(&store, "a/b");
    assert!(guard.remaining().is_some_and(|left| left <= LONG && left > LONG / 2));
    let shown = store.locks().unwrap().remove(0);
    assert_eq!(shown.owner.unwrap().as_str(), "me");
    assert!(shown.remaining.is_some_and(|left| left <= LONG && left > LONG / 2));
    assert!(shown.held_for.is_some_and(|age| age < LONG / 2));
    guard.unlock().unwrap();
    assert_idle(&store, "a/b");
}

/// The guard of a lock hangs. `waits` gets through when the lease has ended, and not before.
#[track_caller]
fn assert_gets_through(waits: impl FnOnce(&MemoryStore)) {
    let store = MemoryStore::new();
    let mutex = leased(&store, "a/b", soon());
    let before = now();
    let guard = mutex.lock().unwrap();
    assert_named(&store, "a/b");
    waits(&store);
    assert!((soon()..20 * soon()).contains(&before.elapsed()), "{:?}", before.elapsed());
    assert!(!guard.is_held() && guard.remaining() == Some(Duration::ZERO));
    assert!(matches!(guard.refresh(), Err(LockError::NotHeld { .. })));
    let next = mutex.lock().unwrap();
    assert!(guard.fencing_token() < next.fencing_token());
    assert!(matches!(guard.unlock(), Err(LockError::NotHeld { .. })));
    assert!(next.is_held() && mutex.try_lock().is_err());
    next.unlock().unwrap();
    assert_eq!(word(&store, "a/b") & BARRED, 0);
    assert_idle(&store, "a/b");
    store.shrink_to_fit();
    drop(mutex.lock().unwrap());
    let _guard = mutex.lock().unwrap();
    assert_named(&store, "a/b");
}

#[test]
fn whoever_waits_gets_through() {
    thread::scope(|scope| {
        for path in ["a", "a/b", "a/b/c"] {
            scope.spawn(move || assert_gets_through(|store| drop(store.lock(path).unwrap())));
            scope.spawn(move || {
                assert_gets_through(|store| drop(wait_as_a_task(store.lock_async(path)).unwrap()));
            });
            scope.spawn(move || {
                assert_gets_through(|store| {
                    let set = TreeMutexSet::new([path, "d"].map(|path| store.mutex(path).unwrap())).unwrap();
                    drop(set.lock().unwrap());
                });
            });
        }
        // Nobody waits, and who tries finds out.
        scope.spawn(|| {
            assert_gets_through(|store| {
                while store.try_lock("a/b").is_err() {
                    thread::yield_now();
                }
            });
        });
        scope.spawn(|| {
            assert_gets_through(|store| {
                while store.mutex("a").unwrap().is_locked() {
                    thread::yield_now();
                }
            });
        });
    });
}

#[test]
fn the_guard_finds_out_by_itself() {
    let store = MemoryStore::new();
    for asks in [false, true] {
        let mutex = leased(&store, "a", soon());
        let before = now();
        let guard = mutex.lock().unwrap();
        assert_named(&store, "a");
        if asks {
            while guard.is_held() {
                thread::yield_now();
            }
        } else {
            thread::sleep(soon() + Duration::from_millis(2)); // nobody looks before the end
        }
        assert!(before.elapsed() >= soon());
        assert!(matches!(guard.unlock(), Err(LockError::NotHeld { .. })));
        assert_idle(&store, "a");
    }
}

/// Whether it came before the lock or after: it hears of the loss when the lease ends.
#[test]
fn a_listener_hears_of_its_loss() {
    for comes_first in [false, true] {
        let store = MemoryStore::new();
        let mutex = leased(&store, "a/b", soon());
        let early = comes_first.then(|| store.lost_locks());
        let before = now();
        let guard = mutex.lock().unwrap();
        let lost = early.unwrap_or_else(|| store.lost_locks());
        let told = lost.recv_timeout(20 * soon()).unwrap();
        assert!((soon()..20 * soon()).contains(&before.elapsed()), "{:?}", before.elapsed());
        assert_eq!((told.owner.unwrap().as_str(), told.fencing_token), ("me", guard.fencing_token()));
        assert!(matches!(guard.unlock(), Err(LockError::NotHeld { .. })));
        assert!(lost.is_empty(), "it is told once");
        drop(lost);
        drop(mutex.lock().unwrap());
        let _guard = mutex.lock().unwrap();
        assert_named(&store, "a/b");
    }
}

#[test]
fn a_refresh_moves_its_end() {
    let store = MemoryStore::new();
    let mutex = leased(&store, "a", soon());
    let guard = mutex.lock().unwrap();
    assert_named(&store, "a");
    guard.refresh_for(LONG).unwrap();
    assert!(guard.remaining().is_some_and(|left| left > LONG / 2));
    guard.refresh().unwrap();
    assert!(guard.remaining().is_some_and(|left| left <= soon()));
    guard.unlock().unwrap();
    assert_idle(&store, "a");
}

#[test]
fn a_handle_that_is_given_another_lease() {
    let store = MemoryStore::new();
    let mutex = leased(&store, "a", soon()).lease(LONG);
    let guard = mutex.lock().unwrap();
    assert!(guard.remaining().is_some_and(|left| left > LONG / 2));
    drop(guard);
    let without = used(&store, "a", "me").lease(LONG);
    assert!(without.lock().unwrap().remaining().is_some());
}

#[test]
fn the_lease_outlives_the_handle() {
    let store = MemoryStore::new();
    let mutex = leased(&store, "a", soon());
    let guard = mutex.lock_owned().unwrap();
    assert_named(&store, "a");
    drop(mutex);
    assert!(guard.is_held() && guard.remaining().is_some_and(|left| left <= soon()));
    drop(store.lock("a").unwrap());
    assert!(matches!(guard.unlock(), Err(LockError::NotHeld { .. })));
    assert_idle(&store, "a");
}

/// Nothing is left of a lock whose guard was forgotten.
#[test]
fn a_forgotten_guard_leaves_nothing_behind() {
    let store = MemoryStore::new();
    let mutex = leased(&store, "a", soon());
    std::mem::forget(mutex.lock().unwrap());
    assert_named(&store, "a");
    drop(store.lock("a").unwrap());
    drop(mutex);
    store.shrink_to_fit();
    assert_eq!(store.node_count(), 1);
}
