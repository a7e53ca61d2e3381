//! mutextree, as its users call it.

use std::hint::black_box;

use mutextree::{LockStore, MemoryStore, TreeMutex};

use crate::{Round, Site, Subject};

/// `mutex.lock()` on a kept [`TreeMutex`].
pub struct Handle(TreeMutex);

impl Subject for Handle {
    const NAME: &'static str = "mutextree, handle";

    fn workers(site: &Site) -> Vec<Self> {
        let store = MemoryStore::new();
        (0..site.workers).map(|worker| Self(store.mutex(site.leaf(worker)).unwrap())).collect()
    }

    #[inline]
    fn cycle(&mut self) {
        drop(black_box(&self.0).lock().unwrap());
    }
}

/// The same, shared.
pub struct SharedHandle(TreeMutex);

impl Subject for SharedHandle {
    const NAME: &'static str = "mutextree, handle, shared";

    fn workers(site: &Site) -> Vec<Self> {
        Handle::workers(site).into_iter().map(|Handle(mutex)| Self(mutex.shared())).collect()
    }

    #[inline]
    fn cycle(&mut self) {
        drop(black_box(&self.0).lock().unwrap());
    }
}

/// `mutex.lock_owned()`: the guard keeps the node alive.
pub struct OwnedHandle(TreeMutex);

impl Subject for OwnedHandle {
    const NAME: &'static str = "mutextree, handle, owned guard";

    fn workers(site: &Site) -> Vec<Self> {
        Handle::workers(site).into_iter().map(|Handle(mutex)| Self(mutex)).collect()
    }

    #[inline]
    fn cycle(&mut self) {
        drop(black_box(&self.0).lock_owned().unwrap());
    }
}

/// A handle in a store that looks for deadlocks: each lock is put on record.
pub struct WatchedHandle(TreeMutex);

impl Subject for WatchedHandle {
    const NAME: &'static str = "mutextree, handle, deadlock detection";

    fn workers(site: &Site) -> Vec<Self> {
        let store = MemoryStore::builder().deadlock_detection(true).build();
        (0..site.workers).map(|worker| Self(store.mutex(site.leaf(worker)).unwrap())).collect()
    }

    #[inline]
    fn cycle(&mut self) {
        drop(black_box(&self.0).lock().unwrap());
    }
}

/// `store.lock("org/team/project/file")`.
pub struct ByPath {
    store: MemoryStore,
    paths: Round,
}

impl Subject for ByPath {
    const NAME: &'static str = "mutextree, store.lock(path)";

    fn workers(site: &Site) -> Vec<Self> {
        let store = MemoryStore::new();
        (0..site.workers).map(|worker| Self { store: store.clone(), paths: site.round(worker) }).collect()
    }

    #[inline]
    fn cycle(&mut self) {
        drop(self.store.lock(black_box(self.paths.advance())).unwrap());
    }
}
