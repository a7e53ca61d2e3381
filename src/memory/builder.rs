//! [`MemoryStoreBuilder`]: a store's settings.

use std::time::Duration;

use super::MemoryStore;
use super::tree::Tree;
use crate::deadlock::Watch;
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
    deadlock_detection: bool,
}

impl MemoryStoreBuilder {
    pub(super) fn new() -> Self {
        Self { patience: Duration::from_millis(1), meter: Meter::default(), deadlock_detection: false }
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

    /// Whether deadlocks are looked for, and named. Off by default; then nothing is paid for it.
    ///
    /// With it on, a request that would wait for ever, since those that it waits for wait for it in
    /// turn, gets [`LockError::Deadlock`](crate::LockError::Deadlock). It says who holds what and
    /// waits for what, since when, and where in the code. One of those in the circle gets the
    /// error, within about a third of a second; a wait with a timeout, too. So does an
    /// [upgrade](crate::TreeMutexGuard::try_upgrade_for), whose lock stays shared then. A thread
    /// that asks for what it holds itself is told at once. Each lock takes longer, as its holder is
    /// taken down.
    ///
    /// A lock is held by the thread that took it. So say so if a guard is to move to another
    /// thread: [`hand_over`](crate::TreeMutexGuard::hand_over). A lock of a task is held by its
    /// [`owner`](crate::TreeMutex::owner), as tasks have no other name: give each task one of its
    /// own. [Deadlocks](crate::docs::patterns#deadlocks) has more.
    ///
    /// A thread of the store's own, `mutextree-deadlock`, looks while somebody waits. In a forked
    /// child there is none.
    ///
    /// ```
    /// use mutextree::{LockError, LockStore, MemoryStore};
    /// let store = MemoryStore::builder().deadlock_detection(true).build();
    /// let _guard = store.lock("org/team")?;
    /// assert!(matches!(store.lock("org"), Err(LockError::Deadlock(_))));
    /// # Ok::<(), LockError>(())
    /// ```
    pub fn deadlock_detection(mut self, on: bool) -> Self {
        self.deadlock_detection = on;
        self
    }

    /// The store.
    pub fn build(self) -> MemoryStore {
        let watch = self.deadlock_detection.then(Watch::new);
        MemoryStore { tree: Tree::shared_new(self.patience, watch), meter: self.meter }
    }
}
