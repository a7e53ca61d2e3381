//! Held locks that change, beside the locks that would be taken anew for the same.

use std::hint::black_box;

use mutextree::{LockStore, MemoryStore, TreeMutex, TreePath};

use crate::{Site, Subject};

/// A kept [`TreeMutex`] on a worker's directory, and the path of one file in it.
struct Directory {
    directory: TreeMutex,
    file: TreeMutex,
    path: TreePath,
}

impl Directory {
    fn all(site: &Site) -> Vec<Self> {
        let store = MemoryStore::new();
        let made = |worker| {
            let directory = store.mutex(site.leaf(worker)).unwrap();
            let path = directory.path().join("file").unwrap();
            Self { directory, file: store.mutex(&path).unwrap(), path }
        };
        (0..site.workers).map(made).collect()
    }
}

/// Locks the directory, narrows that to the file, releases.
pub struct Narrow(Directory);

impl Subject for Narrow {
    const NAME: &'static str = "mutextree, a lock that is narrowed";

    fn workers(site: &Site) -> Vec<Self> {
        Directory::all(site).into_iter().map(Self).collect()
    }

    #[inline]
    fn cycle(&mut self) {
        let Directory { directory, path, .. } = black_box(&self.0);
        drop(black_box(directory.lock_owned().unwrap().narrow([path]).unwrap()));
    }
}

/// Locks and releases the directory, and then the file.
pub struct NarrowAnew(Directory);

impl Subject for NarrowAnew {
    const NAME: &'static str = "mutextree, two locks one after the other";

    fn workers(site: &Site) -> Vec<Self> {
        Directory::all(site).into_iter().map(Self).collect()
    }

    #[inline]
    fn cycle(&mut self) {
        let Directory { directory, file, .. } = black_box(&self.0);
        drop(black_box(directory.lock_owned().unwrap()));
        drop(black_box(file.lock_owned().unwrap()));
    }
}

/// Locks shared, makes that exclusive, releases.
pub struct Upgrade(TreeMutex);

impl Subject for Upgrade {
    const NAME: &'static str = "mutextree, a lock that is upgraded";

    fn workers(site: &Site) -> Vec<Self> {
        Directory::all(site).into_iter().map(|it| Self(it.file.shared())).collect()
    }

    #[inline]
    fn cycle(&mut self) {
        let mut guard = black_box(&self.0).lock().unwrap();
        guard.try_upgrade().unwrap();
        drop(black_box(guard));
    }
}

/// Locks shared, releases, and locks exclusively.
pub struct UpgradeAnew(TreeMutex, TreeMutex);

impl Subject for UpgradeAnew {
    const NAME: &'static str = "mutextree, shared and then exclusive";

    fn workers(site: &Site) -> Vec<Self> {
        Directory::all(site).into_iter().map(|it| Self(it.file.clone().shared(), it.file)).collect()
    }

    #[inline]
    fn cycle(&mut self) {
        let Self(shared, exclusive) = black_box(&*self);
        drop(black_box(shared.lock().unwrap()));
        drop(black_box(exclusive.lock().unwrap()));
    }
}
