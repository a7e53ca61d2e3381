//! Times that are longer than the clock, or the arithmetic with it, can hold: they never end, and
//! nothing panics.

use std::future::Future;
use std::task::{Context, Waker};
use std::thread;
use std::time::{Duration, Instant};

use mutextree::{LockStore, MemoryStore};

const YEAR: u64 = 365 * 24 * 3600;

/// From what an `Instant` holds in nanoseconds, microseconds and seconds to what it does not.
fn long_times() -> impl Iterator<Item = Duration> {
    let around = [100, 292, 585, 290_000, 580_000, 584_000, 600_000, 290_000_000_000, 584_000_000_000];
    let years = around.into_iter().map(|years: u64| Duration::from_secs(years.saturating_mul(YEAR)));
    let seconds = [i64::MAX as u64 / 2, i64::MAX as u64 - 1_000_000_000, i64::MAX as u64, u64::MAX];
    years.chain(seconds.map(Duration::from_secs)).chain([Duration::from_nanos(u64::MAX), Duration::MAX])
}

/// The latest instant there is, to the second.
fn last_instant() -> Instant {
    let (mut last, mut step) = (Instant::now(), Duration::MAX);
    while step > Duration::from_secs(1) {
        match last.checked_add(step) {
            Some(later) => last = later,
            None => step /= 2,
        }
    }
    last
}

#[test]
fn a_wait_that_long_ends_with_the_lock() {
    for time in long_times() {
        let store = MemoryStore::new();
        for (held, asked) in [("a", "a"), ("a", "a/b"), ("a/b", "a")] {
            let guard = store.lock(held).unwrap();
            let mutex = store.mutex(asked).unwrap();
            let waiter = thread::spawn(move || drop(mutex.try_lock_for(time).unwrap()));
            thread::sleep(Duration::from_millis(3));
            drop(guard);
            waiter.join().unwrap_or_else(|_| panic!("{time:?}"));
        }
        drop(store.mutex("a").unwrap().try_lock_for(time).unwrap());
    }
}

#[test]
fn a_deadline_that_late_ends_with_the_lock() {
    let store = MemoryStore::new();
    let guard = store.lock("a").unwrap();
    let mutex = store.mutex("a").unwrap();
    let waiter = thread::spawn(move || drop(mutex.try_lock_until(last_instant()).unwrap()));
    thread::sleep(Duration::from_millis(20));
    drop(guard);
    waiter.join().unwrap();
}

/// With a task and a thread that wait for its end, a listener, and a listing.
#[test]
fn a_lease_that_long_holds() {
    for time in long_times() {
        let store = MemoryStore::new();
        let lost = store.lost_locks();
        let begun = store.mutex("a").unwrap().lease(time).lock_owned().unwrap();
        let set = store.lock("b").unwrap();
        set.refresh_for(time).unwrap();
        let kept = store.mutex("c").unwrap().lease(time).lock_owned().unwrap().into_lease().unwrap();
        kept.refresh_for(time).unwrap();
        for path in ["a", "b", "c"] {
            let mutex = store.mutex(path).unwrap();
            let mut task = Box::pin(mutex.lock_async());
            assert!(task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            assert!(mutex.try_lock_for(Duration::from_millis(2)).is_err(), "{time:?} on {path}");
        }
        begun.refresh().unwrap();
        assert!(begun.is_held() && set.is_held() && kept.is_held(), "{time:?}");
        assert_eq!(store.locks().unwrap().len(), 3);
        assert!(lost.try_recv().is_err());
        // And the next one, which is not that long, ends in time.
        begun.refresh_for(Duration::from_millis(1)).unwrap();
        assert_eq!(&lost.recv_timeout(Duration::from_secs(20)).unwrap().path, begun.path(), "{time:?}");
    }
}

#[test]
fn a_patience_that_long_is_one() {
    for time in long_times() {
        let store = MemoryStore::builder().patience(time).build();
        let guard = store.lock("a").unwrap();
        let mutex = store.mutex("a").unwrap();
        let waiter = thread::spawn(move || drop(mutex.lock().unwrap()));
        thread::sleep(Duration::from_millis(3));
        drop(guard);
        waiter.join().unwrap_or_else(|_| panic!("{time:?}"));
    }
}
