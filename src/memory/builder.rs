//! [`MemoryStoreBuilder`]: a store's settings.

use std::time::Duration;

use super::MemoryStore;
use super::tree::Tree;
use crate::observe::Meter;

/// Settings of a [`MemoryStore`]: see [`MemoryStore::builder`].
///
/// ```
/// use mutextree::MemoryStore;
/// use std::time::Duration;
/// let store = MemoryStore::builder().patience(Duration::ZERO).build(); // first come, first served
/// # drop(store);
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it builds"]
pub struct MemoryStoreBuilder {
    patience: Duration,
    meter: Meter,
}

impl MemoryStoreBuilder {
    pub(super) fn new() -> Self {
        Self { patience: Duration::from_millis(1), meter: Meter::default() }
    }

    /// For how long a waiter lets later requests overtake it before it makes them queue: a
    /// millisecond, if not set. Overtaking is what makes a contended lock fast, and this is what
    /// bounds it.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Whether each lock is counted and timed, also one that was free: how many were acquired, how
    /// many are held, and for how long. Off by default, as that takes many times as long as to take
    /// a free lock. Waits, refusals and losses are measured in any case: see
    /// [what is measured](crate::docs::observability#metrics).
    ///
    /// ```
    /// use mutextree::{LockStore, MemoryStore};
    /// let store = MemoryStore::builder().metrics(true).build();
    /// let guard = store.lock("org/team")?; // mutextree_locks_held is 1
    /// # drop(guard);
    /// # Ok::<(), mutextree::LockError>(())
    /// ```
    #[cfg(feature = "metrics")]
    #[cfg_attr(docsrs, doc(cfg(feature = "metrics")))]
    pub fn metrics(mut self, each_lock: bool) -> Self {
        self.meter = Meter::new(each_lock);
        self
    }

    /// The store.
    pub fn build(self) -> MemoryStore {
        MemoryStore { tree: Tree::shared_new(self.patience), meter: self.meter }
    }
}
