//! Several locks at once: as one set, one after the other, and by happylock.

use std::hint::black_box;

use happylock::mutex::ParkingMutex;
use happylock::{LockCollection, ThreadKey};
use mutextree::{LockStore, MemoryStore, TreeMutex, TreeMutexGuard, TreeMutexSet};

use crate::{Site, Subject};

/// `N` leaves of a worker, in path order.
fn leaves<const N: usize>(store: &MemoryStore, site: &Site, worker: usize) -> [TreeMutex; N] {
    let leaf = site.leaf(worker);
    std::array::from_fn(|at| store.mutex(format!("{leaf}/{at}")).unwrap())
}

/// `set.lock()` on a kept [`TreeMutexSet`] of `N` leaves.
pub struct Set<const N: usize>(TreeMutexSet);

impl<const N: usize> Subject for Set<N> {
    const NAME: &'static str = "mutextree, a set";

    fn workers(site: &Site) -> Vec<Self> {
        let store = MemoryStore::new();
        let set = |worker| Self(TreeMutexSet::new(leaves::<N>(&store, site, worker)).unwrap());
        (0..site.workers).map(set).collect()
    }

    #[inline]
    fn cycle(&mut self) {
        drop(black_box(&self.0).lock().unwrap());
    }
}

/// The same leaves by `mutex.lock()`, one after the other in path order.
pub struct OneByOne<const N: usize>([TreeMutex; N]);

impl<const N: usize> Subject for OneByOne<N> {
    const NAME: &'static str = "mutextree, one lock after the other";

    fn workers(site: &Site) -> Vec<Self> {
        let store = MemoryStore::new();
        (0..site.workers).map(|worker| Self(leaves(&store, site, worker))).collect()
    }

    #[inline]
    fn cycle(&mut self) {
        let guards: [TreeMutexGuard<'_>; N] = std::array::from_fn(|at| black_box(&self.0[at]).lock().unwrap());
        drop(black_box(guards));
    }
}

/// happylock's collection of `N` mutexes of parking_lot, which it locks in order of their address.
pub struct Happy<const N: usize>(LockCollection<[ParkingMutex<()>; N]>);

impl<const N: usize> Subject for Happy<N> {
    const NAME: &'static str = "happylock, a LockCollection";

    fn workers(site: &Site) -> Vec<Self> {
        (0..site.workers).map(|_| Self(LockCollection::new(std::array::from_fn(|_| ParkingMutex::new(()))))).collect()
    }

    #[inline]
    fn cycle(&mut self) {
        let key = ThreadKey::get().expect("this thread has no other lock");
        drop(black_box(&self.0).lock(key));
    }
}
