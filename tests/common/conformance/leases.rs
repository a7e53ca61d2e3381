//! Leases: how they end, and what is told then.
//!
//! Where time has to pass a test waits in vain for a lock, for long enough on however slow a
//! machine.

use std::time::Duration;

use mutextree::{LockError, LockStore, OwnedTreeMutexGuard};

use super::{assert_all_free, hold, take};
use crate::common::asking::{AT_MOST, asking};
use crate::common::kinds::{EXCLUSIVE, EXCLUSIVE_NODE, Kind, SHARED, mutex};

const SHORT: Duration = Duration::from_millis(50);
const LONG: Duration = Duration::from_secs(3600);

fn lease<S: LockStore>(store: &S, path: &str, kind: Kind, lease: Duration) -> OwnedTreeMutexGuard<S> {
    mutex(store, path, kind).lease(lease).try_lock_owned().expect("nothing is in the way")
}

/// Waits for the lock of somebody who never lets go, which the end of a lease makes possible.
#[track_caller]
fn inherit<S: LockStore>(store: &S, path: &str, kind: Kind) -> OwnedTreeMutexGuard<S> {
    mutex(store, path, kind).try_lock_owned_for(AT_MOST).expect("the lease ends")
}

/// That the lock is held for so much longer.
#[track_caller]
fn assert_lasts<S: LockStore>(store: &S, path: &str, time: Duration) {
    let error = mutex(store, path, EXCLUSIVE).try_lock_for(time).expect_err("the lock was lost");
    assert!(matches!(error, LockError::TimedOut { .. }), "{error:?}");
}

fn is_not_held(result: Result<(), LockError>, path: &str) -> bool {
    matches!(result, Err(LockError::NotHeld { path: lost }) if lost.to_string() == path)
}

pub(crate) fn without_a_lease_nothing_ends<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let guard = hold(&store, "a", EXCLUSIVE);
    guard.refresh().unwrap();
    assert_lasts(&store, "a", 2 * SHORT);
    assert!(guard.is_held());
    guard.refresh_for(SHORT).unwrap(); // which starts one
    drop(inherit(&store, "a", EXCLUSIVE));
    assert!(!guard.is_held());
}

pub(crate) fn a_lease_ends_by_itself<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let guard = lease(&store, "a", EXCLUSIVE, SHORT);
    let heir = inherit(&store, "a", EXCLUSIVE);
    assert!(!guard.is_held() && heir.is_held());
    drop(heir);
    assert_all_free(&store);

    let guard = lease(&store, "a", EXCLUSIVE, Duration::ZERO);
    drop(hold(&store, "a", EXCLUSIVE));
    assert!(!guard.is_held());
}

pub(crate) fn a_lease_ends_even_if_nobody_looks<S: LockStore>(make: impl Fn() -> S) {
    type Question<S> = fn(OwnedTreeMutexGuard<S>) -> bool;
    let first_questions: [Question<S>; 4] = [
        |guard| !guard.is_held(),
        |guard| is_not_held(guard.refresh(), "a"),
        |guard| is_not_held(guard.refresh_for(LONG), "a"),
        |guard| is_not_held(guard.unlock(), "a"),
    ];
    for is_told in first_questions {
        let (store, elsewhere) = (make(), make());
        let guard = lease(&store, "a", EXCLUSIVE, SHORT);
        let _other = hold(&elsewhere, "a", EXCLUSIVE);
        assert_lasts(&elsewhere, "a", 2 * SHORT);
        assert!(is_told(guard));
        assert_all_free(&store);
    }
}

pub(crate) fn whoever_lost_a_lock_is_told<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    for inherited in [true, false] {
        let mut guards: Vec<_> = (0..3).map(|_| lease(&store, "a", SHARED, SHORT)).collect();
        let heir = inherit(&store, "a", EXCLUSIVE);
        let _heir = inherited.then_some(heir);
        for guard in &mut guards {
            assert!(!guard.is_held());
            assert!(is_not_held(guard.refresh(), "a"));
            assert!(is_not_held(guard.refresh_for(LONG), "a"));
            assert!(guard.downgrade().is_ok(), "it is shared");
            assert!(!guard.is_held(), "a lock once lost stays lost");
        }
        for guard in guards {
            assert!(is_not_held(guard.unlock(), "a"));
        }
    }
    assert_all_free(&store);
}

pub(crate) fn losing_a_lock_disturbs_nobody<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    for (lost, kept) in [("a", "a"), ("a", "a/b"), ("a/b", "a")] {
        let mut loser = lease(&store, lost, EXCLUSIVE, SHORT);
        let heir = inherit(&store, kept, EXCLUSIVE);
        assert!(is_not_held(loser.downgrade(), lost));
        assert!(take(&store, lost, SHARED).is_err(), "the heir is exclusive");
        drop(loser);
        assert!(heir.is_held());
        assert!(take(&store, kept, SHARED).is_err(), "the loser released the heir's lock");
        heir.unlock().unwrap();
        assert_all_free(&store);
    }
}

pub(crate) fn a_lease_can_be_shortened<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let guard = lease(&store, "a", EXCLUSIVE, LONG);
    let waiting = mutex(&store, "a/b", EXCLUSIVE);
    let heir = asking(move || waiting.lock_owned());
    heir.still_waits("the lease is long");
    guard.refresh_for(SHORT).unwrap(); // while somebody waits already
    drop(heir.ends().unwrap());
    assert!(!guard.is_held());
}

pub(crate) fn a_lease_can_be_lengthened<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let guard = lease(&store, "a", EXCLUSIVE, 10 * SHORT);
    guard.refresh_for(LONG).unwrap();
    assert_lasts(&store, "a", 12 * SHORT);
    assert!(guard.is_held());
    guard.unlock().unwrap();
    assert_all_free(&store);
}

pub(crate) fn a_refresh_starts_the_lease_anew<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let guard = lease(&store, "a", EXCLUSIVE, 20 * SHORT);
    for _ in 0..6 {
        assert_lasts(&store, "a", 4 * SHORT);
        guard.refresh().unwrap();
    }
    assert!(guard.is_held());
    guard.unlock().unwrap();
}

pub(crate) fn the_end_of_a_lease_lets_relatives_in<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    for (held, holding, asked, asking) in [
        ("a/b", EXCLUSIVE, "/", SHARED),
        ("a", EXCLUSIVE, "a/b/c", EXCLUSIVE_NODE),
        ("a", SHARED, "a", EXCLUSIVE),
        ("a/b/c", SHARED, "a", EXCLUSIVE),
        ("a", EXCLUSIVE_NODE, "/", EXCLUSIVE),
    ] {
        let guard = lease(&store, held, holding, SHORT);
        drop(inherit(&store, asked, asking));
        assert!(!guard.is_held());
        drop(guard);
        assert_all_free(&store);
    }
}

pub(crate) fn a_shared_lease_is_its_own<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let (short, long) = (lease(&store, "a", SHARED, SHORT), lease(&store, "a", SHARED, LONG));
    let without = hold(&store, "a/b", SHARED);
    assert_lasts(&store, "a", 3 * SHORT);
    assert!(!short.is_held() && long.is_held() && without.is_held());
    drop(short);
    long.unlock().unwrap();
    assert_lasts(&store, "a", SHORT);
    drop(without);
    assert_all_free(&store);
}

pub(crate) fn with_tells_a_loss<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let leased = mutex(&store, "a", EXCLUSIVE).lease(SHORT);
    let lost = leased.with(|| drop(inherit(&store, "a", EXCLUSIVE)));
    assert!(is_not_held(lost, "a"));
    let kept = mutex(&store, "a", EXCLUSIVE).lease(LONG);
    assert_eq!(kept.with(|| 5).unwrap(), 5);
}

pub(crate) fn downgrade_keeps_the_lease<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let mut guard = lease(&store, "a", EXCLUSIVE, 2 * SHORT);
    guard.downgrade().unwrap();
    drop(hold(&store, "a", SHARED));
    let heir = inherit(&store, "a", EXCLUSIVE);
    assert!(!guard.is_held());
    drop(guard);
    assert!(take(&store, "a", SHARED).is_err());
    drop(heir);
    assert_all_free(&store);
}

pub(crate) fn an_endless_lease_does_not_overflow<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let guard = lease(&store, "a", EXCLUSIVE, Duration::MAX);
    assert!(guard.is_held());
    guard.refresh().unwrap();
    guard.refresh_for(Duration::MAX).unwrap();
    assert_lasts(&store, "a", SHORT);
    guard.unlock().unwrap();
    assert_all_free(&store);
}

pub(crate) fn a_guard_says_how_long_its_lease_lasts<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let guard = lease(&store, "a", EXCLUSIVE, LONG);
    let first = guard.remaining().expect("it has a lease");
    assert!(first <= LONG && first > LONG / 2, "{first:?}");
    // It runs down, and is what was set.
    assert_lasts(&store, "a", SHORT);
    let later = guard.remaining().unwrap();
    assert!(later <= first - SHORT, "{first:?}, then {later:?}");
    guard.refresh_for(2 * LONG).unwrap();
    let longer = guard.remaining().unwrap();
    assert!(longer <= 2 * LONG && longer > LONG, "{longer:?}");
    guard.refresh_for(SHORT).unwrap();
    assert!(guard.remaining().unwrap() <= SHORT);
    // Nothing is left of a lease that has ended.
    let _heir = inherit(&store, "a", EXCLUSIVE);
    assert_eq!(guard.remaining(), Some(Duration::ZERO));
}
