//! Narrowing: a lock on a subtree becomes locks on nodes in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use mutextree::{InvalidInput, LockError, LockStore, TreePath};

use super::gaps::Intruders;
use super::{assert_all_free, hold, take};
use crate::common::asking::{Asking, asking};
use crate::common::kinds::{EXCLUSIVE, EXCLUSIVE_NODE, KINDS, SHARED, SHARED_NODE, mutex};

const HOUR: Duration = Duration::from_secs(3600);

pub(crate) fn narrow_keeps_what_is_named<S: LockStore>(make: impl Fn() -> S) {
    for kind in [EXCLUSIVE, SHARED] {
        let store = make();
        let wide = hold(&store, "a", kind);
        let token = wide.fencing_token();
        let kept = wide.narrow(["a/b", "a/c/d"]).unwrap();
        let paths: Vec<_> = kept.iter().map(|guard| guard.path().to_string()).collect();
        assert_eq!(paths, ["a/b", "a/c/d"]);
        for guard in &kept {
            assert_eq!((guard.mode(), guard.fencing_token()), (kind.mode, token));
            assert!(guard.is_held());
        }
        for path in ["a/b", "a/b/below", "a/c/d", "a/c", "a", "/"] {
            assert!(take(&store, path, EXCLUSIVE).is_err(), "`{path}` is free");
            assert_eq!(take(&store, path, SHARED).is_ok(), kind == SHARED, "shared `{path}`");
        }
        for path in ["a/c/e", "a/x", "a/bc"] {
            drop(hold(&store, path, EXCLUSIVE));
        }
        drop(hold(&store, "a", EXCLUSIVE_NODE));
        let [one, other] = <[_; 2]>::try_from(kept).unwrap();
        one.unlock().unwrap();
        drop(hold(&store, "a/b", EXCLUSIVE));
        assert!(take(&store, "a/c", EXCLUSIVE).is_err());
        drop(other);
        assert_all_free(&store);
    }
}

pub(crate) fn narrow_merges_what_covers_each_other<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    for (paths, expected) in [
        (&["a/z", "a/b/c", "a/b", "a/z", "a/b/c/d"][..], &["a/z", "a/b"][..]),
        (&["a/b", "a", "a/c"], &["a"]),
        (&["a", "a"], &["a"]),
        (&["a/b", "a/bc", "a/b/c"], &["a/b", "a/bc"]),
    ] {
        let kept = hold(&store, "a", EXCLUSIVE).narrow(paths).unwrap();
        let kept_paths: Vec<_> = kept.iter().map(|guard| guard.path().to_string()).collect();
        assert_eq!(kept_paths, expected);
        drop(kept);
        assert_all_free(&store);
    }
    let root = hold(&store, "/", SHARED).narrow([TreePath::root()]).unwrap();
    assert!(take(&store, "far/away", EXCLUSIVE).is_err());
    drop(root);
    // One name with a `/` in it is below the root, and not below `a`.
    let kept = hold(&store, "/", EXCLUSIVE).narrow([["a/b"]]).unwrap();
    drop(hold(&store, "a/b", EXCLUSIVE));
    drop(kept);
    assert_all_free(&store);
}

pub(crate) fn narrow_to_nothing_is_a_release<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    for kind in KINDS {
        assert!(hold(&store, "a", kind).narrow(Vec::<TreePath>::new()).unwrap().is_empty());
        assert_all_free(&store);
    }
}

pub(crate) fn narrow_to_elsewhere_is_an_error<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let mut guard = hold(&store, "a/b", EXCLUSIVE);
    let token = guard.fencing_token();
    for path in ["a", "/", "a/c", "a/bc", "b"] {
        let failed = guard.narrow(["a/b/x", path]).unwrap_err();
        let text = format!("the lock on `a/b` cannot be narrowed to `{path}`, which it does not cover");
        assert_eq!(failed.error.to_string(), text);
        assert!(matches!(failed.error, LockError::InvalidInput(InvalidInput::NotBelow { .. })));
        guard = failed.guard;
        assert!(guard.is_held() && guard.fencing_token() == token);
        assert!(take(&store, "a/b/other", SHARED).is_err(), "it is held as before");
    }
    let failed = guard.narrow(["a/b/x", "a//b"]).unwrap_err();
    assert!(matches!(failed.error, LockError::Path(_)));
    failed.guard.unlock().unwrap();
    assert_all_free(&store);
    for kind in [EXCLUSIVE_NODE, SHARED_NODE] {
        let failed = hold(&store, "a", kind).narrow(["a/b"]).unwrap_err();
        assert_eq!(failed.to_string(), "the lock on `a` cannot be narrowed to `a/b`, which it does not cover");
        let kept = failed.guard.narrow(["a"]).unwrap();
        drop(hold(&store, "a/b", EXCLUSIVE)); // it is still for the node alone
        assert!(take(&store, "a", EXCLUSIVE_NODE).is_err());
        drop(kept);
        assert_all_free(&store);
    }
}

pub(crate) fn narrow_lets_waiters_for_the_rest_in<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let wide = hold(&store, "a", EXCLUSIVE);
    // Each lets go in its own thread: they are served in the order in which they came, and that is
    // any.
    let ask = |path, kind| {
        let mutex = mutex(&store, path, kind);
        asking(move || drop(mutex.lock_owned().unwrap()))
    };
    let (rest, node) = (ask("a/rest", EXCLUSIVE), ask("a", SHARED_NODE));
    let below = [ask("a/kept", SHARED), ask("a/kept/below", EXCLUSIVE)];
    for waiter in below.iter().chain([&rest, &node]) {
        waiter.still_waits("all of `a` is locked");
    }
    let kept = wide.narrow(["a/kept"]).unwrap();
    rest.ends();
    node.ends();
    let [one, two] = below;
    let late = [one, two, ask("a", EXCLUSIVE)];
    for waiter in &late {
        waiter.still_waits("`a/kept` is locked");
    }
    drop(kept);
    late.into_iter().for_each(Asking::ends);
    assert_all_free(&store);
}

pub(crate) fn narrow_outlives_the_store<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let (known, wide) = (mutex(&store, "a/known", EXCLUSIVE), hold(&store, "a", EXCLUSIVE));
    drop(store);
    let kept = wide.narrow(["a/known", "a/new/deep"]).unwrap();
    assert!(known.try_lock().is_err());
    let deeper = kept.into_iter().map(|guard| guard.narrow(["a/known/x", "a/new/deep/y"]));
    let refused: Vec<_> = deeper.map(|result| result.unwrap_err().guard).collect();
    assert!(known.is_locked());
    drop(refused);
    drop(known.try_lock().unwrap());
}

pub(crate) fn narrow_keeps_lease_and_owner<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let leased = |lease| store.mutex("a").unwrap().lease(lease).owner("alice").lock_owned().unwrap();
    let kept = leased(HOUR).narrow(["a/b", "a/c"]).unwrap();
    let locks = store.locks().unwrap();
    let seen: Vec<_> = locks.iter().map(|lock| (lock.path.to_string(), lock.owner.clone().unwrap())).collect();
    assert_eq!(seen, [("a/b".into(), "alice".into()), ("a/c".into(), "alice".into())]);
    let error = take(&store, "a/b/x", SHARED).unwrap_err().to_string();
    assert_eq!(error, "`a/b/x` is blocked by a lock on `a/b`, held by alice");
    for guard in &kept {
        assert!(guard.remaining().is_some_and(|left| left <= HOUR && left > HOUR / 2));
    }
    // Each has its lease for itself, and its full length is that of before.
    kept[0].refresh_for(Duration::from_millis(20)).unwrap();
    let mutex = mutex(&store, "a/b", EXCLUSIVE);
    let waiter = asking(move || mutex.lock_owned());
    drop(waiter.ends().unwrap());
    assert!(!kept[0].is_held() && kept[1].is_held());
    kept[1].refresh_for(HOUR / 4).unwrap();
    kept[1].refresh().unwrap();
    assert!(kept[1].remaining().is_some_and(|left| left > HOUR / 2));
    let [lost, held] = <[_; 2]>::try_from(kept).unwrap();
    assert!(matches!(lost.unlock(), Err(LockError::NotHeld { .. })));
    held.unlock().unwrap();
    assert_all_free(&store);
}

pub(crate) fn narrow_of_a_lost_lock_is_an_error<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let lost = store.mutex("a").unwrap().lease(Duration::from_millis(5)).lock_owned().unwrap();
    let others = store.lock("a").unwrap(); // once the lease has ended
    for to in [&["a/b"][..], &["a"], &[]] {
        let guard = store.mutex("b").unwrap().lease(Duration::from_millis(1)).lock_owned().unwrap();
        while guard.is_held() {
            thread::yield_now();
        }
        let to: Vec<_> = to.iter().map(|path| path.replace('a', "b")).collect();
        assert!(matches!(guard.narrow(to).unwrap_err().error, LockError::NotHeld { .. }));
    }
    let failed = lost.narrow(["a/b"]).unwrap_err();
    assert!(matches!(failed.error, LockError::NotHeld { .. }));
    drop(failed);
    assert!(take(&store, "a", SHARED).is_err(), "another has it, and keeps it");
    drop(others);
    assert_all_free(&store);
}

/// Who tries all the time, on a kept node, above and below it, never gets in; nor does anybody see
/// it free.
pub(crate) fn narrow_leaves_no_gap<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let intruders = Intruders::new(
        &store,
        [("a/b/c", false), ("a/b", false), ("a/b/c/d", false), ("a/b/c", true), ("a/b/c/d", true)],
    );
    // Many nodes, so that a gap would be long; the one that is watched comes last.
    let kept: Vec<_> = (0..40).map(|at| format!("a/other/{at}")).chain(["a/b/c".into()]).collect();
    let started = Instant::now();
    while started.elapsed() < Duration::from_millis(300) {
        let wide = store.lock("a").unwrap();
        let guards = intruders.locked_during(|| {
            let guards = wide.narrow(&kept).unwrap();
            thread::yield_now();
            guards
        });
        drop(guards);
    }
    intruders.none_got_in();
    assert_all_free(&store);
}

/// Who looks all the time always sees the lock, on the node where it was or where it is.
pub(crate) fn narrow_is_seen_all_the_time<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let (round, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let looker = {
        let (store, round, done) = (store.clone(), round.clone(), done.clone());
        asking(move || {
            while !done.load(SeqCst) {
                // Odd rounds are those in which it is held from begin to end.
                let before = round.load(SeqCst);
                let seen = store.locks().unwrap().iter().any(|lock| lock.owner == Some("alice".into()));
                assert!(seen || before % 2 == 0 || round.load(SeqCst) != before, "she is not seen");
            }
        })
    };
    for at in 0..200 {
        let wide = store.mutex(format!("a{at}")).unwrap().owner("alice").lock_owned().unwrap();
        round.fetch_add(1, SeqCst);
        let kept = wide.narrow([format!("a{at}/b/c")]).unwrap();
        thread::yield_now();
        round.fetch_add(1, SeqCst);
        drop(kept);
    }
    done.store(true, SeqCst);
    looker.ends();
}
