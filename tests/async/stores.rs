//! The stores that the tests run on.

use std::time::{Duration, Instant};

use mutextree::{LockStore, MemoryStore};

use crate::common::asking::AT_MOST;
use crate::common::kinds::{EXCLUSIVE, mutex};
use crate::common::naive::NaiveStore;

/// A store, and what a test has to know of it.
pub(crate) trait Tested: LockStore {
    /// How many may wait at once: with the provided `acquire_async` each has a thread.
    const TASKS: usize;

    fn make() -> Self;

    /// One in which nobody is overtaken, if there is such a setting.
    fn strict() -> Self {
        Self::make()
    }

    /// That nothing is kept that is not in use.
    fn assert_empty(&self) {}

    /// That the tree is as if nobody had ever locked anything, at once or soon. Handles are to be
    /// dropped before.
    #[track_caller]
    fn assert_as_new(&self) {
        drop(mutex(self, "/", EXCLUSIVE).try_lock_owned_for(AT_MOST).expect("something is still locked"));
        self.assert_empty();
    }
}

impl Tested for NaiveStore {
    const TASKS: usize = 40;

    fn make() -> Self {
        Self::default()
    }
}

impl Tested for MemoryStore {
    const TASKS: usize = 10_000;

    fn make() -> Self {
        Self::new()
    }

    fn strict() -> Self {
        Self::builder().patience(Duration::ZERO).build()
    }

    #[track_caller]
    fn assert_empty(&self) {
        let start = Instant::now();
        loop {
            self.shrink_to_fit();
            let nodes = self.node_count();
            if nodes == 1 {
                return;
            }
            // Somebody may just be on the way out.
            assert!(start.elapsed() < Duration::from_secs(1), "{nodes} nodes are still in use");
            std::thread::yield_now();
        }
    }
}
