//! [`MemoryStoreBuilder`]: a store's settings.

use std::time::Duration;

use super::MemoryStore;
use super::tree::Tree;
use crate::sync::PlainArc;

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
}

impl MemoryStoreBuilder {
    pub(super) fn new() -> Self {
        Self { patience: Duration::from_millis(1) }
    }

    /// For how long a waiter lets later requests overtake it before it makes them queue: a
    /// millisecond, if not set. Overtaking is what makes a contended lock fast, and this is what
    /// bounds it.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The store.
    pub fn build(self) -> MemoryStore {
        MemoryStore { tree: PlainArc::new(Tree::new(self.patience)) }
    }
}
