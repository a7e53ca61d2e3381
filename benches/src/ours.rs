//! mutextree, as its users call it.

use std::hint::black_box;
use std::time::Duration;

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

/// Subjects on a kept [`TreeMutex`]: how it is made from a plain one, and what is done with it.
macro_rules! handles {
    ($($(#[$doc:meta])* $name:ident, $text:literal, $made:expr, $cycle:expr;)*) => {$(
        $(#[$doc])*
        pub struct $name(TreeMutex);

        impl Subject for $name {
            const NAME: &'static str = $text;

            fn workers(site: &Site) -> Vec<Self> {
                let made: fn(TreeMutex) -> TreeMutex = $made;
                Handle::workers(site).into_iter().map(|Handle(mutex)| Self(made(mutex))).collect()
            }

            #[inline]
            fn cycle(&mut self) {
                #[inline(always)]
                fn cycle(mutex: &TreeMutex, cycle: impl Fn(&TreeMutex)) {
                    cycle(mutex);
                }
                cycle(black_box(&self.0), $cycle);
            }
        }
    )*};
}

handles! {
    /// `mutex.lock()`, shared.
    SharedHandle, "mutextree, handle, shared", |mutex| mutex.shared(), |mutex| drop(mutex.lock().unwrap());
    /// `mutex.lock_owned()`: the guard keeps the node alive.
    OwnedHandle, "mutextree, handle, owned guard", |mutex| mutex, |mutex| drop(mutex.lock_owned().unwrap());
    /// `mutex.lock()` with the holder's name.
    NamedHandle, "mutextree, handle, with an owner", |mutex| mutex.owner("worker 1"), |mutex| drop(mutex.lock().unwrap());
    /// `mutex.lock()` with a lease that does not end meanwhile.
    LeasedHandle, "mutextree, handle, with a lease", |mutex| mutex.lease(LEASE), |mutex| drop(mutex.lock().unwrap());
    /// `mutex.lock()`, and the fencing token of each lock.
    FencedHandle, "mutextree, handle, with its token", |mutex| mutex, |mutex| {
        let guard = mutex.lock().unwrap();
        black_box(guard.fencing_token());
    };
}

/// Longer than a measurement.
const LEASE: Duration = Duration::from_secs(3600);

/// The same node for all workers, shared.
pub struct Reader(TreeMutex);

impl Subject for Reader {
    const NAME: &'static str = "mutextree, one node, shared";

    fn workers(site: &Site) -> Vec<Self> {
        let mutex = MemoryStore::new().mutex(site.leaf(0)).unwrap().shared();
        (0..site.workers).map(|_| Self(mutex.clone())).collect()
    }

    #[inline]
    fn cycle(&mut self) {
        drop(black_box(&self.0).lock().unwrap());
    }
}

/// The same node for all workers. Each of them writes it once in [`MOSTLY`] times, and else reads.
pub struct MostlyReader {
    shared: TreeMutex,
    exclusive: TreeMutex,
    times: u32,
}

/// Who mostly reads writes once in so many times.
pub const MOSTLY: u32 = 1_000;

impl Subject for MostlyReader {
    const NAME: &'static str = "mutextree, one node, mostly shared";

    fn workers(site: &Site) -> Vec<Self> {
        let exclusive = MemoryStore::new().mutex(site.leaf(0)).unwrap();
        let worker = |_| Self { shared: exclusive.clone().shared(), exclusive: exclusive.clone(), times: 0 };
        (0..site.workers).map(worker).collect()
    }

    #[inline]
    fn cycle(&mut self) {
        self.times += 1;
        let mutex = if self.times.is_multiple_of(MOSTLY) { &self.exclusive } else { &self.shared };
        drop(black_box(mutex).lock().unwrap());
    }
}

/// What a file system does to change a file: the directory, shared and node only, so that nobody
/// renames it meanwhile; then the file. The directory is all workers', the files are not.
pub struct TwoStep {
    directory: TreeMutex,
    file: TreeMutex,
}

impl Subject for TwoStep {
    const NAME: &'static str = "mutextree, directory + file";

    fn workers(site: &Site) -> Vec<Self> {
        let store = MemoryStore::new();
        let directory = store.mutex(site.directory()).unwrap().shared().node_only();
        let file = |worker| store.mutex(site.leaf(worker)).unwrap();
        (0..site.workers).map(|worker| Self { directory: directory.clone(), file: file(worker) }).collect()
    }

    #[inline]
    fn cycle(&mut self) {
        let directory = black_box(&self.directory).lock().unwrap();
        drop(black_box(&self.file).lock().unwrap());
        drop(directory);
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
