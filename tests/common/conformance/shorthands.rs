//! The store's own `lock`, `try_lock`, `try_lock_for` and `lock_async`: for a path locked once.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use mutextree::{LockError, LockStore, Mode};

use super::{assert_all_free, hold, take};
use crate::common::asking::{AT_MOST, asking};
use crate::common::kinds::{EXCLUSIVE, EXCLUSIVE_NODE, SHARED, mutex};

const A_MOMENT: Duration = Duration::from_millis(30);

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let (mut future, waker) = (pin!(future), Waker::from(Arc::new(Unpark(thread::current()))));
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        thread::park();
    }
}

/// Exclusive, with the subtree, and with a guard that outlives whatever it was made from.
pub(crate) fn a_shorthand_is_exclusive_and_owned<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let ways = [
        |store: S| store.lock("a/b"),
        |store: S| store.try_lock(String::from("a/b")),
        |store: S| store.try_lock_for(["a", "b"], A_MOMENT),
        |store: S| store.try_lock_for("a/b", Duration::ZERO),
        |store: S| block_on(store.lock_async("a/b")),
    ];
    for way in ways {
        let guard = way(store.clone()).unwrap();
        assert_eq!((guard.path().to_string().as_str(), guard.mode()), ("a/b", Mode::Exclusive));
        for (path, kind) in [("a/b", SHARED), ("a", SHARED), ("a/b/c", SHARED), ("a/b", EXCLUSIVE_NODE)] {
            assert!(take(&store, path, kind).is_err(), "{path}");
        }
        drop(take(&store, "a/c", EXCLUSIVE).unwrap());
        thread::spawn(move || drop(guard)).join().unwrap();
        assert_all_free(&store);
    }
}

pub(crate) fn a_shorthand_is_refused_as_a_mutex_is<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let held = hold(&store, "a", SHARED);
    for path in ["/", "a", "a/b"] {
        let error = store.try_lock(path).unwrap_err();
        assert!(matches!(error, LockError::WouldBlock { .. }), "{error}");
        assert_eq!(error.blocking_path(), Some(held.path()));
        for timeout in [Duration::ZERO, A_MOMENT] {
            let began = Instant::now();
            let error = store.try_lock_for(path, timeout).unwrap_err();
            assert!(matches!(error, LockError::TimedOut { .. }), "{error}");
            assert_eq!(error.blocking_path(), Some(held.path()));
            assert!(began.elapsed() >= timeout);
        }
    }
    for path in ["", "a//b", ".."] {
        assert!(matches!(store.lock(path), Err(LockError::Path(_))));
        assert!(matches!(store.try_lock(path), Err(LockError::Path(_))));
        assert!(matches!(store.try_lock_for(path, Duration::MAX), Err(LockError::Path(_))));
        assert!(matches!(block_on(store.lock_async(path)), Err(LockError::Path(_))));
    }
    drop(held);
    assert_all_free(&store);
}

pub(crate) fn a_shorthand_waits_for_its_turn<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let ways = [
        |store: S| store.lock("a/b"),
        |store: S| store.try_lock_for("a/b", Duration::MAX),
        |store: S| store.try_lock_for("a/b", Duration::from_secs(3600)),
        |store: S| block_on(store.lock_async("a/b")),
    ];
    for way in ways {
        let (held, store) = (hold(&store, "a", EXCLUSIVE), store.clone());
        let waiter = asking(move || way(store));
        waiter.still_waits("it is held");
        drop(held);
        drop(waiter.ends().unwrap());
    }
    assert_all_free(&store);
}

/// The future needs neither the store's handle nor the path any more, and can be dropped.
pub(crate) fn the_future_of_a_shorthand_stands_alone<S: LockStore>(make: impl Fn() -> S) {
    fn spawnable<F: Future + Send + 'static>(future: F) -> F {
        future
    }
    let store = make();
    let held = hold(&store, "a", EXCLUSIVE);
    let waits = {
        let handle = store.clone();
        spawnable(handle.lock_async(String::from("a/b")))
    };
    let mut waits = Box::pin(waits);
    assert!(waits.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(waits);
    drop(held);
    // Where a thread waits for each task it may be granted what nobody wants any more, and gives it
    // back.
    drop(mutex(&store, "/", EXCLUSIVE).try_lock_owned_for(AT_MOST).expect("it is free soon"));

    let store = make();
    drop(spawnable(store.lock_async("a"))); // never polled: nothing was locked
    assert_all_free(&store);
}
