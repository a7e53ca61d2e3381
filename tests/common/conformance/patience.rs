//! Trying, waiting for a while, and waiting for ever.

use std::time::{Duration, Instant};

use mutextree::{LockError, LockStore, TreeMutex};

use super::{assert_all_free, hold};
use crate::common::asking::asking;
use crate::common::kinds::{EXCLUSIVE, SHARED, mutex};

const A_MOMENT: Duration = Duration::from_millis(30);
/// A century: long, and no overflow on any clock.
const AN_AGE: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Asks, and calls the function while it holds the lock.
type Way<S> = fn(&TreeMutex<S>, &dyn Fn()) -> Result<(), LockError>;

/// The eight ways to ask, those that may wait last.
fn ways<S: LockStore>() -> [(&'static str, Way<S>); 8] {
    [
        ("try_lock", |mutex, then| mutex.try_lock().map(|_guard| then())),
        ("try_lock_owned", |mutex, then| mutex.try_lock_owned().map(|_guard| then())),
        ("lock", |mutex, then| mutex.lock().map(|_guard| then())),
        ("lock_owned", |mutex, then| mutex.lock_owned().map(|_guard| then())),
        ("try_lock_for", |mutex, then| mutex.try_lock_for(AN_AGE).map(|_guard| then())),
        ("try_lock_owned_for", |mutex, then| mutex.try_lock_owned_for(AN_AGE).map(|_guard| then())),
        ("try_lock_until", |mutex, then| mutex.try_lock_until(Instant::now() + AN_AGE).map(|_guard| then())),
        ("try_lock_owned_until", |mutex, then| {
            mutex.try_lock_owned_until(Instant::now() + AN_AGE).map(|_guard| then())
        }),
    ]
}

pub(crate) fn every_way_to_ask<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let (leaf, inner) = (mutex(&store, "a/b", EXCLUSIVE), mutex(&store, "a", EXCLUSIVE));
    for (name, way) in ways() {
        let seen = std::cell::Cell::new(false);
        way(&leaf, &|| seen.set(inner.try_lock().is_err())).unwrap();
        assert!(seen.get(), "{name} held no lock");
        assert_all_free(&store);
    }
    for (name, way) in &ways()[2..] {
        let (guard, way, leaf) = (inner.lock_owned().unwrap(), *way, leaf.clone());
        let waiter = asking(move || way(&leaf, &|| {}));
        waiter.still_waits(name);
        drop(guard);
        waiter.ends().unwrap();
    }
}

/// By the one who holds it: what was locked, part of it, and what contains it.
pub(crate) fn locking_again_blocks<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    for kind in [EXCLUSIVE, SHARED] {
        let mine = hold(&store, "a/b", kind);
        for path in ["a/b", "a/b/c", "a/b/c/d", "a", "/"] {
            let error = mutex(&store, path, EXCLUSIVE).try_lock_for(A_MOMENT).unwrap_err();
            assert!(matches!(error, LockError::TimedOut { .. }), "{path}: {error}");
            assert_eq!(error.blocking_path(), Some(mine.path()));
        }
        drop(mine);
        assert_all_free(&store);
    }
}

pub(crate) fn a_try_is_refused_at_once<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let reader = hold(&store, "a/b", SHARED);
    let writer = mutex(&store, "a", EXCLUSIVE);
    let waiting = asking(move || writer.lock_owned());
    waiting.still_waits("a shared lock is held below");
    for path in ["/", "a", "a/b"] {
        let asked = mutex(&store, path, EXCLUSIVE);
        let error = asking(move || asked.try_lock_owned()).ends().unwrap_err();
        assert!(matches!(error, LockError::WouldBlock { .. }), "{error:?}");
    }
    drop(reader);
    waiting.ends().unwrap().unlock().unwrap();
    assert_all_free(&store);
}

pub(crate) fn no_time_at_all_is_one_try<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let tries: [Way<S>; 5] = [
        |mutex, then| mutex.try_lock_for(Duration::ZERO).map(|_guard| then()),
        |mutex, then| mutex.try_lock_owned_for(Duration::ZERO).map(|_guard| then()),
        |mutex, then| mutex.try_lock_until(Instant::now()).map(|_guard| then()),
        |mutex, then| mutex.try_lock_until(long_ago()).map(|_guard| then()),
        |mutex, then| mutex.try_lock_owned_until(long_ago()).map(|_guard| then()),
    ];
    for (at, one_try) in tries.into_iter().enumerate() {
        let (leaf, inner) = (mutex(&store, "a/b", EXCLUSIVE), mutex(&store, "a", EXCLUSIVE));
        one_try(&inner, &|| {}).expect("it is free");
        let guard = leaf.lock().unwrap();
        let error = asking(move || one_try(&inner, &|| {})).ends().unwrap_err();
        assert!(matches!(error, LockError::TimedOut { .. }), "{at}: {error:?}");
        drop(guard);
        assert_all_free(&store);
    }
}

fn long_ago() -> Instant {
    let now = Instant::now();
    now.checked_sub(Duration::from_secs(60)).unwrap_or(now)
}

pub(crate) fn endless_timeouts_wait<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    for timeout in [Duration::MAX, Duration::MAX / 2, Duration::from_secs(u64::from(u32::MAX)), AN_AGE] {
        let (guard, inner) = (hold(&store, "a/b", EXCLUSIVE), mutex(&store, "a", EXCLUSIVE));
        let waiter = asking(move || inner.try_lock_owned_for(timeout));
        waiter.still_waits("the time is not up");
        drop(guard);
        drop(waiter.ends().unwrap());
    }
    drop(mutex(&store, "a", EXCLUSIVE).try_lock_for(Duration::MAX).unwrap());
}

pub(crate) fn a_timeout_takes_its_time<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let guard = hold(&store, "a/b", EXCLUSIVE);
    for (path, time) in [("a", A_MOMENT), ("a/b", A_MOMENT), ("a/b/c", A_MOMENT), ("a", A_MOMENT / 30)] {
        let asked = mutex(&store, path, SHARED);
        let error = asking(move || {
            let start = Instant::now();
            let error = asked.try_lock_owned_for(time).unwrap_err();
            assert!(start.elapsed() >= time, "too early");
            error
        })
        .ends();
        assert!(matches!(error, LockError::TimedOut { .. }), "{error:?}");
        assert_eq!(error.blocking_path(), Some(guard.path()));
    }
}

/// From nothing to more than any clock holds: as a timeout, a deadline, a lease and a refresh.
pub(crate) fn any_time_will_do<S: LockStore>(make: impl Fn() -> S) {
    /// What the sum of a clock and a time overflows at, in micro- and nanoseconds, and in seconds.
    const TIMES: [Duration; 12] = [
        Duration::ZERO,
        Duration::from_nanos(1),
        A_MOMENT,
        AN_AGE,
        Duration::from_nanos(u64::MAX),
        Duration::from_secs(580_000 * 365 * 24 * 3600),
        Duration::from_micros(u64::MAX - 1),
        Duration::from_micros(u64::MAX),
        Duration::from_millis(u64::MAX),
        Duration::from_secs(i64::MAX as u64),
        Duration::from_secs(u64::MAX),
        Duration::MAX,
    ];
    let store = make();
    let ask = mutex(&store, "a", EXCLUSIVE);
    for time in TIMES {
        drop(ask.try_lock_for(time).unwrap());
        drop(ask.try_lock_owned_for(time).unwrap());
        drop(store.try_lock_for("a", time).unwrap());
        for deadline in [Instant::now().checked_add(time), Instant::now().checked_sub(time)].into_iter().flatten() {
            drop(ask.try_lock_until(deadline).unwrap());
            drop(ask.try_lock_owned_until(deadline).unwrap());
        }
        let leased = ask.clone().lease(time).lock_owned().unwrap();
        let _ = leased.refresh(); // it may be over
        let _ = leased.refresh_for(time);
        assert!(leased.unlock().is_ok() || time <= A_MOMENT, "{time:?}");
    }
    // The same with something in the way.
    let held = hold(&store, "a/b", EXCLUSIVE);
    let waiters: Vec<_> = TIMES
        .into_iter()
        .flat_map(|time| {
            let (one, other) = (ask.clone(), ask.clone());
            let until = Instant::now().checked_add(time).unwrap_or_else(Instant::now);
            let is_long = time > Duration::from_secs(1);
            let waits = is_long && Instant::now().checked_add(time).is_some();
            [
                (is_long, asking(move || one.try_lock_owned_for(time).map(drop))),
                (waits, asking(move || other.try_lock_owned_until(until).map(drop))),
            ]
        })
        .collect();
    let (long, short): (Vec<_>, Vec<_>) = waiters.into_iter().partition(|(waits, _)| *waits);
    for (_, waiter) in short {
        assert!(matches!(waiter.ends(), Err(LockError::TimedOut { .. })));
    }
    drop(held);
    for (_, waiter) in long {
        waiter.ends().unwrap();
    }
    assert_all_free(&store);
}
