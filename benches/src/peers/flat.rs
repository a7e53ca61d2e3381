//! One lock, or one a path, without a tree: what the price of a tree lock is measured by.

use std::hint::black_box;
use std::sync::Arc;

use crossbeam_utils::CachePadded;
use dashmap::DashMap;
use lockable::LockPool;

use crate::{Round, Site, Subject};

/// `parking_lot::Mutex`, a cache line each.
pub struct ParkingLot(Box<CachePadded<parking_lot::Mutex<()>>>);

impl Subject for ParkingLot {
    const NAME: &'static str = "parking_lot::Mutex";

    fn workers(site: &Site) -> Vec<Self> {
        (0..site.workers).map(|_| Self(Box::default())).collect()
    }

    #[inline]
    fn cycle(&mut self) {
        drop(black_box(&*self.0).lock());
    }
}

/// `std::sync::Mutex`, a cache line each.
pub struct Std(Box<CachePadded<std::sync::Mutex<()>>>);

impl Subject for Std {
    const NAME: &'static str = "std::sync::Mutex";

    fn workers(site: &Site) -> Vec<Self> {
        (0..site.workers).map(|_| Self(Box::default())).collect()
    }

    #[inline]
    fn cycle(&mut self) {
        drop(black_box(&*self.0).lock().unwrap());
    }
}

/// lockable's pool of locks by key. The keys are `&'static str`: no allocation, but few programs
/// have such paths.
pub struct PoolStatic {
    pool: Arc<LockPool<&'static str>>,
    paths: Round<&'static str>,
}

impl Subject for PoolStatic {
    const NAME: &'static str = "lockable LockPool, &'static str";

    fn workers(site: &Site) -> Vec<Self> {
        let pool = Arc::new(LockPool::new());
        (0..site.workers).map(|worker| Self { pool: pool.clone(), paths: site.round(worker).leaked() }).collect()
    }

    #[inline]
    fn cycle(&mut self) {
        drop(self.pool.blocking_lock(black_box(*self.paths.advance())));
    }
}

/// lockable's pool, with keys that were not known when the program was compiled.
pub struct PoolOwned {
    pool: Arc<LockPool<String>>,
    paths: Round,
}

impl Subject for PoolOwned {
    const NAME: &'static str = "lockable LockPool, String";

    fn workers(site: &Site) -> Vec<Self> {
        let pool = Arc::new(LockPool::new());
        (0..site.workers).map(|worker| Self { pool: pool.clone(), paths: site.round(worker) }).collect()
    }

    #[inline]
    fn cycle(&mut self) {
        drop(self.pool.blocking_lock(black_box(self.paths.advance()).to_owned()));
    }
}

/// A `DashMap` used as a set of locked paths: insert to lock, remove to unlock. It cannot wait.
pub struct InsertRemove {
    locked: Arc<DashMap<String, ()>>,
    paths: Round,
}

impl Subject for InsertRemove {
    const NAME: &'static str = "DashMap, insert + remove";

    fn workers(site: &Site) -> Vec<Self> {
        let locked = Arc::new(DashMap::new());
        (0..site.workers).map(|worker| Self { locked: locked.clone(), paths: site.round(worker) }).collect()
    }

    #[inline]
    fn cycle(&mut self) {
        let path = black_box(self.paths.advance());
        assert!(self.locked.insert(path.to_owned(), ()).is_none());
        assert!(self.locked.remove(path).is_some());
    }
}

/// The usual home-made one: a map from path to mutex, which only grows.
pub struct MapOfMutexes {
    locks: Arc<DashMap<String, Arc<parking_lot::Mutex<()>>>>,
    paths: Round,
}

impl Subject for MapOfMutexes {
    const NAME: &'static str = "DashMap<String, Arc<Mutex>>";

    fn workers(site: &Site) -> Vec<Self> {
        let locks = Arc::new(DashMap::new());
        (0..site.workers).map(|worker| Self { locks: locks.clone(), paths: site.round(worker) }).collect()
    }

    #[inline]
    fn cycle(&mut self) {
        let path = black_box(self.paths.advance());
        let known = self.locks.get(path).map(|entry| entry.value().clone());
        let lock = known.unwrap_or_else(|| self.locks.entry(path.to_owned()).or_default().clone());
        drop(lock.lock());
    }
}
