//! A task that waits for a leased lock waits no longer than the lease.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Wake, Waker};
use std::time::{Duration, Instant};

use crate::common::hand::queued;
use crate::common::kinds::{EXCLUSIVE, SHARED, mutex};
use crate::stores::Tested;

const SHORT: Duration = Duration::from_millis(60);
const LONG: Duration = Duration::from_secs(3600);

const WHERE: [(&str, &str); 3] = [("a", "a"), ("a", "a/b"), ("a/b", "a")];

pub(crate) fn the_end_of_a_lease_lets_the_task_in<S: Tested>() {
    for (held, asked) in WHERE {
        let store = S::make();
        let start = Instant::now();
        let guard = mutex(&store, held, EXCLUSIVE).lease(SHORT).lock_owned().unwrap();
        let taken = queued(&store, asked, EXCLUSIVE).block_on();
        assert!(start.elapsed() >= SHORT, "the lease had not ended");
        assert!(!guard.is_held());
        drop(taken);
        drop(guard);
        store.assert_as_new();
    }
}

/// Several leases that end one after the other, on one node and on several.
pub(crate) fn the_last_of_several_leases_counts<S: Tested>() {
    for (held, asked) in [(["a", "a", "a"], "a/b"), (["a/b", "a/c", "a/b"], "a"), (["a", "a", "a/b"], "a")] {
        let store = S::make();
        let start = Instant::now();
        let mut length = SHORT / 2;
        let guards = held.map(|path| {
            length += SHORT / 2;
            mutex(&store, path, SHARED).lease(length).lock_owned().unwrap()
        });
        drop(queued(&store, asked, EXCLUSIVE).block_on());
        assert!(start.elapsed() >= length, "the last lease had not ended");
        drop(guards);
        store.assert_as_new();
    }
}

/// Whatever becomes of the lease while the task sleeps, it wakes when that ends.
pub(crate) fn a_lease_that_is_moved<S: Tested>() {
    for (held, asked) in WHERE {
        let store = S::make();
        // Shortened.
        let guard = mutex(&store, held, EXCLUSIVE).lease(LONG).lock_owned().unwrap();
        let wait = queued(&store, asked, EXCLUSIVE);
        guard.refresh_for(SHORT).unwrap();
        drop(wait.block_on());
        assert!(!guard.is_held());
        drop(guard);
        // Begun late.
        let guard = mutex(&store, held, EXCLUSIVE).lock_owned().unwrap();
        let wait = queued(&store, asked, EXCLUSIVE);
        guard.refresh_for(SHORT).unwrap();
        drop(wait.block_on());
        assert!(!guard.is_held());
        drop(guard);
        // Lengthened: the old end passes.
        let guard = mutex(&store, held, EXCLUSIVE).lease(SHORT).lock_owned().unwrap();
        let wait = queued(&store, asked, EXCLUSIVE);
        let start = Instant::now();
        if guard.refresh_for(2 * SHORT).is_ok() {
            drop(wait.block_on());
            assert!(start.elapsed() >= 2 * SHORT, "the lease had not ended");
        }
        drop(guard);
        store.assert_as_new();
    }
}

/// Somebody gives up a wait for what is leased for an hour: nobody keeps its waker, and all that it
/// holds on to, for that long.
pub(crate) fn who_gives_up_is_forgotten<S: Tested>() {
    #[derive(Default)]
    struct Counted(AtomicUsize);
    impl Wake for Counted {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    for (held, asked) in WHERE {
        let store = S::make();
        let guard = mutex(&store, held, EXCLUSIVE).lease(LONG).lock_owned().unwrap();
        let counted = Arc::new(Counted::default());
        let asked = mutex(&store, asked, EXCLUSIVE);
        let mut wait = Box::pin(asked.lock_async());
        for _ in 0..100 {
            // Polled for no reason, or for another future in the same task.
            let waker = Waker::from(counted.clone());
            assert!(wait.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            guard.refresh().unwrap();
        }
        drop(wait);
        let start = Instant::now();
        while Arc::strong_count(&counted) > 1 {
            let wakers = Arc::strong_count(&counted) - 1;
            assert!(start.elapsed() < Duration::from_secs(2), "{wakers} wakers are kept of a wait that is over");
            std::thread::yield_now();
        }
        drop((asked, guard));
        store.assert_as_new();
    }
}
