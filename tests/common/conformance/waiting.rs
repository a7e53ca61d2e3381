//! A waiter gets in at last, and a wait that is given up leaves nothing behind.

use std::sync::Arc;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use mutextree::{LockError, LockStore};

use super::{assert_all_free, hold, take};
use crate::common::asking::{Asking, asking};
use crate::common::kinds::{EXCLUSIVE, EXCLUSIVE_NODE, KINDS, Kind, SHARED, SHARED_NODE, mutex};

const A_MOMENT: Duration = Duration::from_millis(30);

/// Somebody who waits for a lock until it comes.
fn waiter<S: LockStore>(
    store: &S,
    path: &str,
    kind: Kind,
) -> Asking<Result<mutextree::OwnedTreeMutexGuard<S>, LockError>> {
    let mutex = mutex(store, path, kind);
    asking(move || mutex.lock_owned())
}

pub(crate) fn a_release_lets_the_waiter_in<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    for (held, asked) in [("a", "a"), ("a/b/c", "a"), ("a", "a/b/c"), ("/", "a"), ("a", "/")] {
        for (holding, asking) in [(EXCLUSIVE, EXCLUSIVE), (EXCLUSIVE, SHARED), (SHARED, EXCLUSIVE)] {
            let guard = hold(&store, held, holding);
            let waiter = waiter(&store, asked, asking);
            waiter.still_waits("they conflict");
            drop(guard);
            let guard = waiter.ends().unwrap();
            assert!(take(&store, held, EXCLUSIVE).is_err(), "the waiter on `{asked}` has no lock");
            drop(guard);
            assert_all_free(&store);
        }
    }
}

pub(crate) fn shared_waiters_get_in_together<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    for held in ["/", "a", "a/b"] {
        let guard = hold(&store, held, EXCLUSIVE);
        let all_in = Arc::new(Barrier::new(4));
        let readers = [("a", SHARED), ("a", SHARED_NODE), ("a/b", SHARED), ("/", SHARED)].map(|(path, kind)| {
            let (mutex, all_in) = (mutex(&store, path, kind), all_in.clone());
            asking(move || {
                let _guard = mutex.lock().unwrap();
                all_in.wait(); // nobody leaves before all have come
            })
        });
        readers[0].still_waits("an exclusive lock is held, or somebody is missing");
        drop(guard);
        for reader in readers {
            reader.ends();
        }
        assert_all_free(&store);
    }
}

pub(crate) fn everybody_gets_a_turn<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    // Every one of these conflicts with every other one.
    let asked = [("/", EXCLUSIVE), ("a", EXCLUSIVE), ("a/b", EXCLUSIVE), ("a/b", EXCLUSIVE_NODE), ("a/b", EXCLUSIVE)];
    let inside = Arc::new(AtomicUsize::new(0));
    let all_here = Arc::new(Barrier::new(asked.len()));
    let turns = asked.map(|(path, kind)| {
        let (mutex, inside, all_here) = (mutex(&store, path, kind), inside.clone(), all_here.clone());
        asking(move || {
            all_here.wait();
            for _ in 0..100 {
                let _guard = mutex.lock().unwrap();
                assert_eq!(inside.fetch_add(1, SeqCst), 0, "two are in");
                inside.fetch_sub(1, SeqCst);
            }
        })
    });
    for turn in turns {
        turn.ends();
    }
    assert_all_free(&store);
}

/// Waits in vain, in each of the four ways.
fn waits_in_vain<S: LockStore>(store: &S, path: &str) {
    for kind in KINDS {
        let error = mutex(store, path, kind).try_lock_for(A_MOMENT).unwrap_err();
        assert!(matches!(error, LockError::TimedOut { .. }), "{error:?}");
    }
}

pub(crate) fn an_inner_wait_that_times_out_leaves_nothing<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let leaf = hold(&store, "a/b/c", EXCLUSIVE);
    let error = mutex(&store, "a", EXCLUSIVE).try_lock_for(A_MOMENT).unwrap_err();
    assert_eq!(error.blocking_path(), Some(leaf.path()));
    let error = mutex(&store, "/", SHARED).try_lock_for(A_MOMENT).unwrap_err();
    assert_eq!(error.blocking_path(), Some(leaf.path()));
    for kind in KINDS {
        drop(hold(&store, "a/b/d", kind)); // beside the leaf, below both who gave up
        drop(hold(&store, "a/e", kind));
    }
    drop(leaf);
    assert_all_free(&store);
}

pub(crate) fn a_leaf_wait_that_times_out_leaves_nothing<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let inner = hold(&store, "a", EXCLUSIVE);
    waits_in_vain(&store, "a/b/c");
    waits_in_vain(&store, "a");
    drop(inner);
    assert_all_free(&store);

    let reader = hold(&store, "a", SHARED);
    for path in ["a", "a/b/c"] {
        let error = mutex(&store, path, EXCLUSIVE).try_lock_for(A_MOMENT).unwrap_err();
        assert_eq!(error.blocking_path(), Some(reader.path()));
        drop([hold(&store, path, SHARED), hold(&store, "a", SHARED), hold(&store, "/", SHARED)]);
    }
    drop(reader);
    assert_all_free(&store);
}

pub(crate) fn who_gives_up_lets_those_behind_through<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    for (held, holding, given_up, behind, asking_for) in [
        ("a/b", EXCLUSIVE, "a", "a/c", EXCLUSIVE), // the inner one gives up: the other leaf gets in
        ("a/b", SHARED, "a/b", "a/b", SHARED),     // the writer gives up: the reader gets in
        ("a", SHARED, "a/b", "a/b", SHARED),
        ("a/b", SHARED, "/", "a", SHARED),
    ] {
        let guard = hold(&store, held, holding);
        let writer = mutex(&store, given_up, EXCLUSIVE);
        let in_vain = asking(move || writer.try_lock_owned_for(4 * A_MOMENT));
        in_vain.still_waits("the first lock is held");
        // It gets in at once, or when the other waiter has given up.
        let waiter = waiter(&store, behind, asking_for);
        assert!(in_vain.ends().is_err());
        drop(waiter.ends().unwrap());
        drop(guard);
        assert_all_free(&store);
    }
}

pub(crate) fn a_failed_try_leaves_nothing<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    for (held, tried, beside) in [("a/b", "a", "a/c"), ("a", "a/b", "b"), ("a", "a", "b"), ("a/b/c", "/", "a/b/d")] {
        for _ in 0..3 {
            let guard = hold(&store, held, EXCLUSIVE);
            for kind in [EXCLUSIVE, SHARED] {
                assert!(take(&store, tried, kind).is_err());
                drop(hold(&store, beside, EXCLUSIVE));
            }
            drop(guard);
            assert_all_free(&store);
        }
    }
}

/// A request that waits is in the way of those it conflicts with, and of nobody else: not even once
/// it has been overtaken for so long that newcomers are kept back.
pub(crate) fn who_waits_keeps_off_only_what_it_conflicts_with<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let none: &[(&str, Kind)] = &[("b", EXCLUSIVE), ("/", SHARED_NODE), ("/", EXCLUSIVE_NODE), ("a/d", SHARED)];
    for (held, waits, more) in [
        ("a", "a/b", &[("a", SHARED_NODE), ("a/d", SHARED_NODE)][..]),
        ("a", "a", &[]),
        ("a/b", "a/b", &[("a", EXCLUSIVE_NODE), ("a", SHARED_NODE), ("a/d", EXCLUSIVE)]),
        ("a/b/c", "a/b", &[("a", EXCLUSIVE_NODE), ("a", SHARED_NODE), ("a/d", EXCLUSIVE)]),
    ] {
        let mut reader = hold(&store, held, SHARED);
        let writer = waiter(&store, waits, EXCLUSIVE);
        // Overtakes the writer until that is over, or for some time if it is not.
        for _ in 0..10 {
            writer.still_waits("a reader is there");
            match mutex(&store, held, SHARED).try_lock_owned_for(A_MOMENT) {
                Ok(next) => reader = next,
                Err(_) => break,
            }
        }
        let conflicts_with_none = none.iter().filter(|(path, _)| waits != "a" || *path != "a/d").chain(more);
        for &(path, kind) in conflicts_with_none {
            let result = take(&store, path, kind);
            assert!(
                result.is_ok(),
                "{kind:?} on `{path}` while `{held}` is shared and `{waits}` waited for: {result:?}"
            );
        }
        assert!(take(&store, waits, EXCLUSIVE).is_err());
        drop(reader);
        drop(writer.ends().unwrap());
        assert_all_free(&store);
    }
}
