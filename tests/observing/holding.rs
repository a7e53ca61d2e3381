use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use mutextree::LockStore;

use crate::Watched;
use crate::common::asking::AT_MOST;
use crate::seen::Seen;

const SOON: Duration = Duration::from_millis(40);

fn held(seen: &mut Seen, store: &str, mode: &str) -> f64 {
    seen.gauge("mutextree_locks_held", &[("store", store), ("mode", mode), ("scope", "subtree")])
}

fn holds(seen: &mut Seen, store: &str, mode: &str) -> usize {
    seen.times("mutextree_lock_hold_seconds", &[("store", store), ("mode", mode)]).len()
}

pub(crate) fn a_hold_is_timed<S: Watched>() {
    let (mut seen, store) = (Seen::from_now(), S::make());
    let mutex = store.mutex("a").unwrap();
    let guard = mutex.lock().unwrap();
    let other = store.lock("b").unwrap();
    assert_eq!(held(&mut seen, S::NAME, "exclusive"), 2.0);
    assert_eq!(holds(&mut seen, S::NAME, "exclusive"), 0);
    assert!(mutex.try_lock_for(SOON).is_err());
    guard.unlock().unwrap();
    assert_eq!(held(&mut seen, S::NAME, "exclusive"), 1.0);
    let times = seen.times("mutextree_lock_hold_seconds", &[("store", S::NAME)]);
    assert_eq!(times.len(), 1);
    assert!(times[0] >= SOON.as_secs_f64() * 0.9 && times[0] < AT_MOST.as_secs_f64(), "{times:?}");
    drop(other);
    assert_eq!(seen.held(S::NAME), 0.0);
}

pub(crate) fn a_panic_ends_a_hold<S: Watched>() {
    let (mut seen, store) = (Seen::from_now(), S::make());
    let mutex = store.mutex("a").unwrap();
    let panics = || mutex.with(|| panic!("while it is held"));
    assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
    assert_eq!(seen.held(S::NAME), 0.0);
    assert_eq!(holds(&mut seen, S::NAME, "exclusive"), 1);
    assert_eq!(seen.acquisitions(S::NAME, "acquired"), 1);
}

pub(crate) fn downgrade_moves_a_hold<S: Watched>() {
    let (mut seen, store) = (Seen::from_now(), S::make());
    let mut guard = store.lock("a").unwrap();
    guard.downgrade().unwrap();
    assert_eq!((held(&mut seen, S::NAME, "exclusive"), held(&mut seen, S::NAME, "shared")), (0.0, 1.0));
    guard.downgrade().unwrap();
    drop(guard);
    assert_eq!((held(&mut seen, S::NAME, "exclusive"), held(&mut seen, S::NAME, "shared")), (0.0, 0.0));
    assert_eq!((holds(&mut seen, S::NAME, "exclusive"), holds(&mut seen, S::NAME, "shared")), (1, 1));
    assert_eq!(seen.acquisitions(S::NAME, "acquired"), 1);
}

/// A lock that outlives its guard is held by nobody here.
pub(crate) fn a_lease_is_no_hold<S: Watched>() {
    let (mut seen, store) = (Seen::from_now(), S::make());
    // A store may have no locks without guards: then it is released.
    let lease = store.lock("a").unwrap().into_lease();
    assert_eq!(seen.held(S::NAME), 0.0);
    if let Ok(lease) = lease {
        drop(lease.into_guard());
    }
    assert_eq!(seen.held(S::NAME), 0.0);
    assert_eq!(holds(&mut seen, S::NAME, "exclusive"), 1);
}

pub(crate) fn a_refresh_is_counted<S: Watched>() {
    let (mut seen, store) = (Seen::from_now(), S::make());
    let guard = store.mutex("a").unwrap().lease(AT_MOST).lock_owned().unwrap();
    guard.refresh().unwrap();
    guard.refresh_for(SOON).unwrap();
    let count = |seen: &mut Seen, outcome| {
        seen.count("mutextree_lease_renewals_total", &[("store", S::NAME), ("outcome", outcome)])
    };
    assert_eq!(count(&mut seen, "renewed"), 2);
    drop(store.mutex("a").unwrap().try_lock_for(AT_MOST).unwrap()); // when the lease is over
    assert!(guard.refresh().is_err());
    assert_eq!((count(&mut seen, "renewed"), count(&mut seen, "lost")), (2, 1));
}

/// How many were counted, and how many told. One comes a moment after the other.
pub(crate) fn losses(seen: &mut Seen, store: &str) -> (u64, usize) {
    (seen.count("mutextree_locks_lost_total", &[("store", store)]), seen.events("mutextree::loss").len())
}

/// Another gets the lock when the lease is over: that is when it is told, and not again.
pub(crate) fn a_loss_is_told_once<S: Watched>() {
    let (mut seen, store) = (Seen::from_now(), S::make());
    let mutex = store.mutex("a/b").unwrap().owner("the holder");
    let guard = mutex.clone().lease(SOON).lock_owned().unwrap();
    let token = guard.fencing_token();
    let next = mutex.try_lock_for(AT_MOST).unwrap();
    if S::TELLS {
        seen.until("the loss is told", |seen| losses(seen, S::NAME) == (1, 1));
        assert!(!guard.is_held());
    }
    drop(guard);
    seen.until("the loss is told", |seen| losses(seen, S::NAME) == (1, 1));
    let event = &seen.events("mutextree::loss")[0];
    assert_eq!(event.level, tracing::Level::WARN);
    event.says(&[("path", "a/b"), ("store", S::NAME), ("message", "a lock was lost: its lease has ended")]);
    if S::TELLS {
        event.says(&[("owner", "the holder"), ("fencing_token", &token.to_string())]);
    }
    drop(next);
    drop(mutex.lock().unwrap());
    assert_eq!(losses(&mut seen, S::NAME), (1, 1));
    assert_eq!(seen.held(S::NAME), 0.0);
}

/// Nobody else wants the lock: the guard finds out.
pub(crate) fn a_loss_seen_at_the_release_is_told<S: Watched>() {
    let (mut seen, store) = (Seen::from_now(), S::make());
    let guard = store.mutex("a").unwrap().lease(SOON).lock_owned().unwrap();
    let probe = store.mutex("b").unwrap().lease(2 * SOON).lock_owned().unwrap();
    drop(store.mutex("b").unwrap().try_lock_for(AT_MOST).unwrap()); // both leases are over
    assert!(guard.unlock().is_err());
    assert!(probe.unlock().is_err());
    seen.until("both losses are told", |seen| losses(seen, S::NAME) == (2, 2));
    assert_eq!(seen.held(S::NAME), 0.0);

    // What outlives its guard is nobody's loss.
    if let Ok(lease) = store.mutex("c").unwrap().lease(SOON).lock_owned().unwrap().into_lease() {
        drop(store.mutex("c").unwrap().try_lock_for(AT_MOST).unwrap());
        assert!(lease.release().is_err());
    }
    assert_eq!(losses(&mut seen, S::NAME), (2, 2));
}

#[test]
fn each_metric_is_described() {
    use metrics_util::debugging::DebuggingRecorder;
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        mutextree::describe_metrics();
        // A description shows with what is counted.
        let store = mutextree::MemoryStore::builder().metrics(true).build();
        drop(store.lock("a").unwrap());
    });
    let all = snapshotter.snapshot().into_vec();
    assert_eq!(all.len(), 3);
    for (key, unit, text, _) in all {
        let is_time = key.key().name().ends_with("_seconds");
        assert_eq!(unit, Some(if is_time { metrics::Unit::Seconds } else { metrics::Unit::Count }), "{key:?}");
        assert!(text.is_some_and(|text| text.len() > 15), "{key:?}");
    }
}
