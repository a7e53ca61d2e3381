//! What a guard is and does: release, panics, threads, downgrade.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use mutextree::{LockError, LockStore, Mode, OwnedTreeMutexGuard, TreeMutex, TreeMutexGuard};

use super::{assert_all_free, hold, take};
use crate::common::asking::asking;
use crate::common::kinds::{EXCLUSIVE, EXCLUSIVE_NODE, KINDS, SHARED, SHARED_NODE, mutex};

pub(crate) fn guards_can_be_sent<S: LockStore>(_: impl Fn() -> S) {
    fn send<T: Send>() {}
    fn send_and_sync<T: Send + Sync + 'static>() {}
    send::<TreeMutexGuard<'_, S>>();
    send::<OwnedTreeMutexGuard<S>>();
    send_and_sync::<OwnedTreeMutexGuard<S>>();
    send_and_sync::<TreeMutex<S>>();
    send_and_sync::<LockError>();
}

pub(crate) fn a_guard_tells_what_it_holds<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    for kind in KINDS {
        let mutex = mutex(&store, "a/b", kind);
        let borrowed = mutex.lock().unwrap();
        assert_eq!((borrowed.path(), borrowed.mode()), (mutex.path(), kind.mode));
        assert!(borrowed.is_held());
        let debug = format!("{borrowed:?}");
        assert!(debug.starts_with("TreeMutexGuard {") && debug.contains("a/b"), "{debug}");
        assert!(debug.contains(&format!("{:?}", kind.mode)), "{debug}");
        drop(borrowed);

        let owned = mutex.lock_owned().unwrap();
        assert_eq!((owned.path(), owned.mode()), (mutex.path(), kind.mode));
        let debug = format!("{owned:?}");
        assert!(debug.starts_with("OwnedTreeMutexGuard {") && debug.contains("a/b"), "{debug}");
        drop(owned);

        let debug = format!("{mutex:?}");
        assert!(debug.starts_with("TreeMutex {") && debug.contains("a/b"), "{debug}");
    }
}

pub(crate) fn a_drop_and_an_unlock_release<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    for kind in KINDS {
        let mutex = mutex(&store, "a/b", kind);
        drop(mutex.lock().unwrap());
        assert_all_free(&store);
        mutex.lock().unwrap().unlock().unwrap();
        assert_all_free(&store);
        drop(mutex.lock_owned().unwrap());
        assert_all_free(&store);
        mutex.lock_owned().unwrap().unlock().unwrap();
        assert_all_free(&store);
    }
    drop(store.lock("a/b").unwrap());
    assert_all_free(&store);
}

pub(crate) fn another_thread_can_release<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    for kind in KINDS {
        let mutex = mutex(&store, "a/b", kind);
        let owned = mutex.lock_owned().unwrap();
        thread::spawn(move || drop(owned)).join().unwrap();
        assert_all_free(&store);
        let borrowed = mutex.lock().unwrap();
        thread::scope(|scope| scope.spawn(move || borrowed.unlock()).join().unwrap()).unwrap();
        assert_all_free(&store);
    }
}

/// Panics without a message on the terminal.
fn panics(job: impl FnOnce()) {
    assert!(catch_unwind(AssertUnwindSafe(job)).is_err());
}

/// A panic that the tests ask for: past the hook, so that nothing is printed.
fn fail() -> ! {
    std::panic::resume_unwind(Box::new("as asked"))
}

pub(crate) fn a_panic_releases<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    for kind in KINDS {
        let mutex = mutex(&store, "a/b", kind);
        panics(|| {
            let _guard = mutex.lock().unwrap();
            fail();
        });
        assert_all_free(&store);
        let owned = mutex.lock_owned().unwrap();
        panics(move || {
            let _guard = owned;
            fail();
        });
        assert_all_free(&store); // and no poisoning: it can be locked again
    }
    let guard = hold(&store, "a", EXCLUSIVE);
    let leaf = mutex(&store, "a/b", EXCLUSIVE);
    let waiter = asking(move || leaf.lock_owned());
    waiter.still_waits("the inner lock is held");
    panics(move || {
        let _guard = guard;
        fail();
    });
    drop(waiter.ends().unwrap());
}

pub(crate) fn with_locks_and_releases<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let mutex = mutex(&store, "a/b", EXCLUSIVE);
    let refused = mutex.with(|| take(&store, "a", SHARED).is_err()).unwrap();
    assert!(refused, "`with` held no lock");
    assert_all_free(&store);
    panics(|| mutex.with(|| fail()).unwrap());
    assert_all_free(&store);
}

pub(crate) fn shared_locks_are_counted<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    for kind in [SHARED, SHARED_NODE] {
        let mut guards: Vec<_> = (0..1000).map(|_| hold(&store, "a/b", kind)).collect();
        while guards.len() > 1 {
            drop(guards.swap_remove(guards.len() / 2));
            if guards.len() % 100 == 1 {
                assert!(take(&store, "a/b", EXCLUSIVE_NODE).is_err(), "{} still hold it", guards.len());
                assert!(take(&store, "a", EXCLUSIVE).is_err());
            }
        }
        drop(guards);
        assert_all_free(&store);
    }
}

pub(crate) fn downgrade_lets_shared_ones_in<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    for (path, relatives) in [("a", ["a", "a/b", "a/b/c", "/"]), ("/", ["/", "a", "a/b", "a/b/c"])] {
        let mut guard = hold(&store, path, EXCLUSIVE);
        let waiters = relatives.map(|path| {
            let reader = mutex(&store, path, SHARED);
            asking(move || reader.lock_owned())
        });
        for waiter in &waiters {
            waiter.still_waits("it is exclusive");
        }
        guard.downgrade().unwrap();
        assert_eq!(guard.mode(), Mode::Shared);
        assert!(guard.is_held());
        let readers = waiters.map(|waiter| waiter.ends().unwrap());
        drop(guard);
        assert!(take(&store, path, EXCLUSIVE).is_err(), "the readers have their locks");
        drop(readers);
        assert_all_free(&store);
    }
    let mut guard = hold(&store, "a", EXCLUSIVE_NODE);
    guard.downgrade().unwrap();
    drop(hold(&store, "a", SHARED));
    drop(hold(&store, "a/b", EXCLUSIVE)); // it covers the node alone, as before
    drop(guard);
    assert_all_free(&store);

    let mutex = mutex(&store, "a", EXCLUSIVE);
    let mut borrowed = mutex.lock().unwrap();
    borrowed.downgrade().unwrap();
    drop(hold(&store, "a/b", SHARED));
    borrowed.unlock().unwrap();
    assert_all_free(&store);
}

pub(crate) fn downgrade_keeps_exclusive_ones_out<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    for asked in ["/", "a", "a/b"] {
        let mut guard = hold(&store, "a", EXCLUSIVE);
        let writer = mutex(&store, asked, EXCLUSIVE);
        let waiter = asking(move || writer.lock_owned());
        waiter.still_waits("it is exclusive");
        guard.downgrade().unwrap();
        waiter.still_waits("it is shared");
        assert!(take(&store, asked, EXCLUSIVE).is_err());
        assert!(mutex(&store, asked, EXCLUSIVE).is_locked());
        drop(guard);
        drop(waiter.ends().unwrap());
        assert_all_free(&store);
    }
}

pub(crate) fn downgrade_of_a_shared_lock_does_nothing<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    for kind in [SHARED, SHARED_NODE, EXCLUSIVE, EXCLUSIVE_NODE] {
        let mut guard = hold(&store, "a", kind);
        for _ in 0..3 {
            guard.downgrade().unwrap();
            assert_eq!(guard.mode(), Mode::Shared);
        }
        assert!(take(&store, "a", EXCLUSIVE_NODE).is_err());
        drop(guard);
        assert_all_free(&store);
    }
}
