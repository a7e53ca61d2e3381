//! Widening: a lock becomes one on the subtree of a node above it.

use std::thread;
use std::time::{Duration, Instant};

use mutextree::{InvalidInput, LockError, LockStore};

use super::gaps::Intruders;
use super::{assert_all_free, hold, take};
use crate::common::asking::asking;
use crate::common::kinds::{EXCLUSIVE, KINDS, Kind, SHARED, SHARED_NODE, mutex};

const HOUR: Duration = Duration::from_secs(3600);

pub(crate) fn widen_covers_the_subtree<S: LockStore>(make: impl Fn() -> S) {
    for kind in KINDS {
        for to in ["a/b/c", "a/b", "a", "/"] {
            let store = make();
            let narrow = hold(&store, "a/b/c", kind);
            let token = narrow.fencing_token();
            let wide = narrow.try_widen(to).unwrap();
            assert_eq!((wide.path().to_string(), wide.mode()), (to.to_string(), kind.mode));
            assert!(wide.is_held());
            let is_the_same = to == "a/b/c" && kind.scope == mutextree::Scope::Subtree;
            assert_eq!(wide.fencing_token() > token, !is_the_same);
            for path in ["a/b/c", "a/b/c/d", to] {
                assert!(take(&store, path, EXCLUSIVE).is_err(), "`{path}` is free");
                assert_eq!(take(&store, path, SHARED).is_ok(), wide.mode() == SHARED.mode);
            }
            assert_eq!(take(&store, "a/x", EXCLUSIVE).is_err(), to == "a" || to == "/");
            wide.unlock().unwrap();
            assert_all_free(&store);
        }
    }
}

/// Against every other lock: it fails if the wider one would conflict, and leaves no trace.
pub(crate) fn widen_is_refused_by_what_conflicts<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    for kind in KINDS {
        for (to, wanted) in ["a/b", "a", "/"].map(|to| (to, Kind::new(kind.mode, mutextree::Scope::Subtree))) {
            for other in KINDS {
                for path in ["/", "a", "a/b", "a/b/c", "a/x", "y"] {
                    let guard = hold(&store, "a/b", kind);
                    let Ok(beside) = take(&store, path, other) else { continue };
                    let wider = to.parse().unwrap();
                    let conflicts = mutextree::conflicts((&wider, wanted), (beside.path(), other));
                    let token = guard.fencing_token();
                    let guard = match guard.try_widen(to) {
                        Ok(guard) => {
                            assert!(!conflicts, "{kind:?} to `{to}` beside {other:?} on `{path}`");
                            guard
                        }
                        Err(failed) => {
                            assert!(conflicts, "{kind:?} to `{to}` beside {other:?} on `{path}`");
                            assert!(matches!(failed.error, LockError::WouldBlock { .. }));
                            assert_eq!(failed.error.path(), Some(&wider));
                            assert_eq!(failed.error.blocking_path(), Some(beside.path()));
                            assert_eq!(failed.guard.fencing_token(), token);
                            assert_eq!(failed.guard.path().to_string(), "a/b");
                            assert!(take(&store, "a/b", EXCLUSIVE).is_err(), "it is held as before");
                            failed.guard
                        }
                    };
                    drop((guard, beside));
                    assert_all_free(&store);
                }
            }
        }
    }
}

pub(crate) fn widen_to_elsewhere_is_an_error<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let mut guard = hold(&store, "a/b", EXCLUSIVE);
    for path in ["a/b/c", "a/c", "b", "a/bc"] {
        let failed = guard.try_widen(path).unwrap_err();
        let text = format!("the lock on `a/b` cannot be widened to `{path}`, which is not above it");
        assert_eq!(failed.error.to_string(), text);
        assert!(matches!(failed.error, LockError::InvalidInput(InvalidInput::NotAbove { .. })));
        guard = failed.guard;
    }
    let failed = guard.try_widen("").unwrap_err();
    assert!(matches!(failed.error, LockError::Path(_)));
    assert!(take(&store, "a/b", SHARED).is_err());
    drop(failed);
    assert_all_free(&store);
}

pub(crate) fn widen_keeps_lease_and_owner<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let leased = |lease| store.mutex("a/b").unwrap().lease(lease).owner("alice").lock_owned().unwrap();
    let wide = leased(HOUR).try_widen("a").unwrap();
    let locks = store.locks().unwrap();
    assert_eq!((locks.len(), locks[0].path.to_string(), locks[0].kind), (1, "a".into(), EXCLUSIVE));
    assert_eq!((&locks[0].owner, locks[0].fencing_token), (&Some("alice".into()), Some(wide.fencing_token())));
    assert!(wide.remaining().is_some_and(|left| left <= HOUR && left > HOUR / 2));
    wide.refresh_for(HOUR / 4).unwrap();
    wide.refresh().unwrap();
    assert!(wide.remaining().is_some_and(|left| left > HOUR / 2));
    wide.refresh_for(Duration::from_millis(10)).unwrap();
    drop(store.lock("a/b").unwrap()); // once the lease has ended
    assert!(matches!(wide.unlock(), Err(LockError::NotHeld { .. })));
    let node_only = store.mutex("a").unwrap().node_only().owner("bob").lock_owned().unwrap();
    let token = node_only.fencing_token();
    let wide = node_only.try_widen("a").unwrap();
    assert!(wide.fencing_token() > token);
    let error = take(&store, "a/x", SHARED).unwrap_err().to_string();
    assert_eq!(error, "`a/x` is blocked by a lock on `a`, held by bob");
    let lost = leased_elsewhere(&store);
    let error = lost.try_widen("/").unwrap_err().error;
    assert!(matches!(error, LockError::NotHeld { .. }), "{error:?}");
    drop(wide);
    assert_all_free(&store);
}

fn leased_elsewhere<S: LockStore>(store: &S) -> mutextree::OwnedTreeMutexGuard<S> {
    let guard = store.mutex("c/d").unwrap().lease(Duration::from_millis(1)).lock_owned().unwrap();
    while guard.is_held() {
        thread::yield_now();
    }
    guard
}

/// What is locked is never free while it is widened, and who waits for it gets in at the end.
pub(crate) fn widen_leaves_no_gap<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let intruders =
        Intruders::new(&store, [("a/b/c", false), ("a/b/c/d", false), ("a/b/c/d", true), ("a", false), ("/", true)]);
    let (mut widened, started) = (0, Instant::now());
    while started.elapsed() < Duration::from_millis(300) || widened == 0 {
        let narrow = store.lock("a/b/c").unwrap();
        let guard = intruders.locked_during(|| match narrow.try_widen("a") {
            Ok(wide) => {
                widened += 1;
                wide
            }
            Err(failed) => failed.guard,
        });
        drop(guard);
    }
    intruders.none_got_in();
    assert_all_free(&store);
}

pub(crate) fn widen_and_narrow_under_waiters<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let mut guard = hold(&store, "a/b", EXCLUSIVE);
    let waiter = mutex(&store, "a/b/c", SHARED_NODE);
    let waiter = asking(move || drop(waiter.lock().unwrap()));
    waiter.still_waits("`a/b` is locked");
    for _ in 0..3 {
        guard = guard.try_widen("a").unwrap();
        waiter.still_waits("`a` is locked");
        guard = guard.narrow(["a/b"]).unwrap().remove(0);
        waiter.still_waits("`a/b` is locked");
    }
    drop(guard);
    waiter.ends();
    assert_all_free(&store);
}

pub(crate) fn widen_is_refused_by_who_waits_around_it<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let guard = hold(&store, "a/b", EXCLUSIVE);
    let above = mutex(&store, "a", EXCLUSIVE);
    let above = asking(move || drop(above.lock().unwrap()));
    while take(&store, "a/x", SHARED).is_ok() {
        thread::yield_now();
    }
    let failed = guard.try_widen("a").unwrap_err();
    assert!(matches!(failed.error, LockError::WouldBlock { .. }));
    drop(failed);
    above.ends();
    assert_all_free(&store);
}
