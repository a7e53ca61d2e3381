//! Locks that readers share: all workers read one of them.

use std::hint::black_box;
use std::sync::Arc;

use crossbeam_utils::CachePadded;
use crossbeam_utils::sync::ShardedLock;

use crate::ours::MOSTLY;
use crate::{Site, Subject};

/// `parking_lot::RwLock`, read.
pub struct ReadParkingLot(Arc<CachePadded<parking_lot::RwLock<()>>>);

impl Subject for ReadParkingLot {
    const NAME: &'static str = "parking_lot::RwLock, read";

    fn workers(site: &Site) -> Vec<Self> {
        let lock = Arc::default();
        (0..site.workers).map(|_| Self(Arc::clone(&lock))).collect()
    }

    #[inline]
    fn cycle(&mut self) {
        drop(black_box(&**self.0).read());
    }
}

/// The same, written once in [`MOSTLY`] times.
pub struct MostlyParkingLot {
    lock: Arc<CachePadded<parking_lot::RwLock<()>>>,
    times: u32,
}

impl Subject for MostlyParkingLot {
    const NAME: &'static str = "parking_lot::RwLock, mostly read";

    fn workers(site: &Site) -> Vec<Self> {
        let lock = Arc::default();
        (0..site.workers).map(|_| Self { lock: Arc::clone(&lock), times: 0 }).collect()
    }

    #[inline]
    fn cycle(&mut self) {
        self.times += 1;
        let lock = black_box(&**self.lock);
        if self.times.is_multiple_of(MOSTLY) {
            drop(lock.write());
        } else {
            drop(lock.read());
        }
    }
}

/// `std::sync::RwLock`, read.
pub struct ReadStd(Arc<CachePadded<std::sync::RwLock<()>>>);

impl Subject for ReadStd {
    const NAME: &'static str = "std::sync::RwLock, read";

    fn workers(site: &Site) -> Vec<Self> {
        let lock = Arc::default();
        (0..site.workers).map(|_| Self(Arc::clone(&lock))).collect()
    }

    #[inline]
    fn cycle(&mut self) {
        drop(black_box(&**self.0).read().unwrap());
    }
}

/// crossbeam's lock of eight shards, a cache line each. A writer takes all of them.
pub struct ReadSharded(Arc<ShardedLock<()>>);

impl Subject for ReadSharded {
    const NAME: &'static str = "crossbeam ShardedLock, read";

    fn workers(site: &Site) -> Vec<Self> {
        let lock = Arc::new(ShardedLock::new(()));
        (0..site.workers).map(|_| Self(Arc::clone(&lock))).collect()
    }

    #[inline]
    fn cycle(&mut self) {
        drop(black_box(&*self.0).read().unwrap());
    }
}

/// A `parking_lot::RwLock` that all read, and a `parking_lot::Mutex` of the worker's own: a
/// directory and a file without a tree.
pub struct FlatTwoStep {
    directory: Arc<CachePadded<parking_lot::RwLock<()>>>,
    file: Box<CachePadded<parking_lot::Mutex<()>>>,
}

impl Subject for FlatTwoStep {
    const NAME: &'static str = "RwLock read + Mutex";

    fn workers(site: &Site) -> Vec<Self> {
        let directory = Arc::default();
        (0..site.workers).map(|_| Self { directory: Arc::clone(&directory), file: Box::default() }).collect()
    }

    #[inline]
    fn cycle(&mut self) {
        let directory = black_box(&**self.directory).read();
        drop(black_box(&**self.file).lock());
        drop(directory);
    }
}
