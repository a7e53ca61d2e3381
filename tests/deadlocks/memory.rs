use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use mutextree::{LockError, LockStore, MemoryStore};

use crate::common::asking::{AT_MOST, asking, in_time};
use crate::common::circles::told;

/// Nobody looks unless it was asked for: a wait on one's own lock times out.
#[test]
fn off_unless_asked_for() {
    let store = MemoryStore::new();
    let _guard = store.lock("a").unwrap();
    let error = store.try_lock_for("a", Duration::from_millis(5)).unwrap_err();
    assert!(matches!(error, LockError::TimedOut { .. }));
    let lock = store.locks().unwrap().remove(0);
    assert_eq!((lock.agent, lock.taken_at), (None, None));
}

/// An old waiter keeps newcomers out by a gate. One of them holds what the old one waits for.
#[test]
fn through_a_gate() {
    in_time(|| {
        let store = super::store();
        let reader = store.mutex("a/b").unwrap().shared();
        let held = reader.lock_owned().unwrap();
        // It closes the gates of `a/b` and of `a`, as there is no patience.
        let writer = store.mutex("a/b").unwrap();
        let old = asking(move || writer.lock().map(drop));
        while store.snapshot().unwrap().waiters().len() == 0 {
            thread::yield_now();
        }
        let deadlock = told(store.mutex("a/b").unwrap().shared().lock().map(drop));
        assert_eq!(deadlock.cycle().len(), 2);
        drop(held);
        old.ends().unwrap();
    });
}

/// No gate is closed, and the reader is in nobody's way. It stands behind a writer in the queue.
#[test]
fn through_the_order_of_a_queue() {
    in_time(|| {
        let store = MemoryStore::builder().patience(Duration::MAX).deadlock_detection(true).build();
        let until_they_wait = |count| {
            while store.snapshot().unwrap().waiters().len() < count {
                thread::yield_now();
            }
        };
        let reader = store.mutex("a").unwrap().shared();
        let first = store.lock("a").unwrap();
        let (one, b) = (reader.clone(), store.mutex("b").unwrap());
        let one = asking(move || {
            let _held = one.lock().unwrap();
            b.lock().map(drop)
        });
        until_they_wait(1);
        let writer = store.mutex("a").unwrap();
        let writer = asking(move || writer.lock().map(drop));
        until_they_wait(2);
        let b = store.mutex("b").unwrap();
        let two = asking(move || {
            let _held = b.lock().unwrap();
            reader.lock().map(drop)
        });
        until_they_wait(3);
        // Now the first reader gets in, and waits for what the second one holds.
        drop(first);
        let results = [one.ends(), writer.ends(), two.ends()];
        let told: Vec<_> = results.iter().filter_map(|result| result.as_ref().err()).collect();
        let [LockError::Deadlock(deadlock)] = &told[..] else { panic!("{results:?}") };
        assert_eq!(deadlock.cycle().len(), 3, "{deadlock}");
    });
}

/// Each of a circle is told once. Those who wait behind it are not in it.
#[test]
fn who_only_waits_behind_a_circle_is_not_told() {
    in_time(|| {
        let store = super::store();
        let held = store.lock("a").unwrap();
        let (theirs, then) = (store.mutex("b").unwrap(), store.mutex("a").unwrap());
        let other = asking(move || {
            let _held = theirs.lock().unwrap();
            then.lock().map(drop)
        });
        while store.snapshot().unwrap().waiters().len() < 1 {
            thread::yield_now();
        }
        let behind = store.mutex("a/x").unwrap();
        let behind = asking(move || behind.lock().map(drop));
        while store.snapshot().unwrap().waiters().len() < 2 {
            thread::yield_now();
        }
        let deadlock = told(store.lock("b").map(drop));
        assert_eq!(deadlock.cycle().len(), 2);
        drop(held);
        other.ends().unwrap();
        behind.ends().unwrap();
    });
}

/// Two circles at one time: one in each is told.
#[test]
fn two_circles_at_once() {
    in_time(|| {
        let store = super::store();
        let pair = |name: &str| {
            let barrier = Arc::new(std::sync::Barrier::new(2));
            [("1", "2"), ("2", "1")].map(|(first, second)| {
                let (store, barrier) = (store.clone(), barrier.clone());
                let (first, second) = (format!("{name}/{first}"), format!("{name}/{second}"));
                asking(move || {
                    let _held = store.lock(first).unwrap();
                    barrier.wait();
                    store.lock(second).is_err()
                })
            })
        };
        for circle in [pair("one"), pair("two")] {
            assert_eq!(circle.map(|thread| thread.ends()).iter().filter(|told| **told).count(), 1);
        }
    });
}

/// Owners of tasks are told apart by their names alone. One that waits twice at a time is not one.
#[test]
fn an_owner_with_two_waits_is_not_judged() {
    use crate::common::hand::Hand;
    in_time(|| {
        let store = super::store();
        let task = |path: &str, owner: &str| {
            let mutex = store.mutex(path).unwrap().owner(owner);
            Hand::new(async move { mutex.lock_owned_async().await })
        };
        let pool = task("a", "pool").block_on().unwrap();
        let other = task("b", "other").block_on().unwrap();
        let (mut one, mut two) = (task("b", "pool"), task("b/c", "pool"));
        assert!(one.poll().is_none() && two.poll().is_none());
        // Another one of the pool has `a`, and lets go of it.
        let mut wait = task("a", "other");
        assert!(wait.poll().is_none());
        assert!(!wait.is_woken_within(Duration::from_millis(700)));
        drop(pool);
        drop((wait.block_on().unwrap(), other));
        drop(one.block_on().unwrap());
        drop(two.block_on().unwrap());
    });
}

/// The store may go while its mutexes are in use.
#[test]
fn without_a_handle_of_the_store() {
    in_time(|| {
        let [a, b] = {
            let store = super::store();
            ["a", "b"].map(|path| store.mutex(path).unwrap())
        };
        let held = a.lock().unwrap();
        let (then, theirs) = (a.clone(), b.clone());
        let other = asking(move || {
            let _held = theirs.lock().unwrap();
            then.lock().map(drop)
        });
        while b.try_lock().is_ok() {
            thread::yield_now();
        }
        let begun = Instant::now();
        let mine = b.try_lock_for(AT_MOST).map(drop);
        assert!(begun.elapsed() < AT_MOST);
        drop(held);
        assert_ne!(mine.is_ok(), other.ends().is_ok());
    });
}

/// What was taken down of a lock is gone with it.
#[test]
fn a_lock_is_on_record_while_it_is_held() {
    let store = super::store();
    let place = std::panic::Location::caller().file();
    let mut guard = store.mutex("a").unwrap().lock_owned().unwrap();
    let lock = store.locks().unwrap().remove(0);
    let agent = lock.agent.unwrap();
    assert_eq!(agent.thread_id(), Some(thread::current().id()));
    let snapshot = store.snapshot().unwrap();
    assert!(snapshot.to_string().contains(&agent.to_string()) && snapshot.to_dot().contains(&agent.to_string()));
    assert_eq!(lock.taken_at.unwrap().file(), place);
    guard.downgrade().unwrap();
    assert!(store.mutex("a").unwrap().shared().try_lock().is_ok());
    assert!(guard.fencing_token() > 0 && guard.is_held());
    guard.hand_over();
    assert_eq!(store.locks().unwrap()[0].agent, None);
    guard.take_over();
    assert!(store.locks().unwrap()[0].agent.is_some());
    guard.unlock().unwrap();
    assert!(store.locks().unwrap().is_empty());
}

/// An error has no more room than before.
#[test]
fn an_error_is_as_small_as_before() {
    assert!(size_of::<LockError>() <= 72, "{}", size_of::<LockError>());
}
