//! The primitives that run, each access noted by cache line and by thread. What an operation writes
//! that another's user reads or writes can then be counted, on any machine: that is what limits it
//! on many cores. `scripts/lines` builds this version, `tests/lines.rs` states the numbers.
//!
//! * `log.rs` what is noted, and for whom
//! * `counts.rs` `PlainArc`, whose counts are written when it is cloned and dropped
//!
//! Noted are atomics, mutexes, `OnceLock`, reference counts, and the shards of the index. Plain
//! fields are not: they are only read while a lock is taken, or they stand in a mutex. A
//! compare-and-swap that fails counts as a write, since the line has to come for it. What a waiter
//! does is not counted: sleeping is as in `real.rs`.

use std::fmt;
use std::hash::BuildHasher;
use std::ops::{Deref, DerefMut};

pub(crate) use std::sync::atomic::Ordering;

pub(crate) use super::real::{
    Deadline, Parker, Reason, Rounds, Spin, Stamp, THREAD_NUMBERS, Tally, Timeout, claim_fence, coarse_ticks, contain,
    instant_at, later, now_and_then, renumber_thread, serial, thread_number, thread_number_if_any, thread_numbers,
    tick_after, ticks, ticks_in, unique, wall_micros,
};

pub(crate) use self::counts::{PlainArc, PlainWeak};
pub use self::log::{Access, record};
use self::log::{note_read, note_write};
use super::Keyed;
use super::map::{self, Map};

mod counts;
mod log;

/// An atomic of this type, with the methods that are used.
macro_rules! atomic {
    ($name:ident($inner:ty) of $value:ty, $($read_modify_write:ident)*) => {
        #[derive(Debug)]
        pub(crate) struct $name($inner);

        #[allow(dead_code, reason = "each of the atomics has the same methods")]
        impl $name {
            pub(crate) const fn new(value: $value) -> Self {
                Self(<$inner>::new(value))
            }

            #[track_caller]
            pub(crate) fn load(&self, order: Ordering) -> $value {
                note_read(self, "atomic");
                self.0.load(order)
            }

            #[track_caller]
            pub(crate) fn store(&self, value: $value, order: Ordering) {
                note_write(self, "atomic");
                self.0.store(value, order);
            }

            #[track_caller]
            pub(crate) fn compare_exchange(
                &self,
                old: $value,
                new: $value,
                done: Ordering,
                failed: Ordering,
            ) -> Result<$value, $value> {
                note_write(self, "atomic");
                self.0.compare_exchange(old, new, done, failed)
            }

            #[track_caller]
            pub(crate) fn fetch_update(
                &self,
                done: Ordering,
                failed: Ordering,
                f: impl FnMut($value) -> Option<$value>,
            ) -> Result<$value, $value> {
                note_write(self, "atomic");
                self.0.fetch_update(done, failed, f)
            }

            $(#[track_caller]
            pub(crate) fn $read_modify_write(&self, value: $value, order: Ordering) -> $value {
                note_write(self, "atomic");
                self.0.$read_modify_write(value, order)
            })*
        }
    };
}

atomic!(AtomicBool(std::sync::atomic::AtomicBool) of bool, swap);
atomic!(AtomicU64(std::sync::atomic::AtomicU64) of u64, fetch_add fetch_sub fetch_or fetch_and swap);
atomic!(AtomicUsize(std::sync::atomic::AtomicUsize) of usize, fetch_add fetch_sub fetch_or fetch_and swap);

/// parking_lot's mutex. It is written when it is locked, and when it is released.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(parking_lot::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(parking_lot::Mutex::new(value))
    }

    #[track_caller]
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        note_write(self, "mutex");
        MutexGuard { mutex: self, guard: self.0.lock() }
    }
}

pub(crate) struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
    guard: parking_lot::MutexGuard<'a, T>,
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        note_write(self.mutex, "mutex");
    }
}

/// std's `OnceLock`.
#[derive(Debug)]
pub(crate) struct OnceLock<T>(std::sync::OnceLock<T>);

impl<T> OnceLock<T> {
    pub(crate) const fn new() -> Self {
        Self(std::sync::OnceLock::new())
    }

    #[track_caller]
    pub(crate) fn get(&self) -> Option<&T> {
        note_read(self, "OnceLock");
        self.0.get()
    }

    #[track_caller]
    pub(crate) fn set(&self, value: T) -> Result<(), T> {
        note_write(self, "OnceLock");
        self.0.set(value)
    }

    #[allow(dead_code, reason = "some features use it")]
    #[track_caller]
    pub(crate) fn get_or_init(&self, f: impl FnOnce() -> T) -> &T {
        note_read(self, "OnceLock");
        self.0.get_or_init(f)
    }
}

/// As many shards as `index.rs` has on a machine of eight cores or less.
const SHARDS: usize = 64;

/// The index, as far as lines go: a mutex a shard, on a line of its own, which a look-up writes
/// when it takes it and when it lets go. Which path is in which shard is the same in each run.
pub(crate) struct Index<T> {
    shards: Vec<Shard<T>>,
}

#[repr(align(128))]
struct Shard<T>(parking_lot::Mutex<Map<T>>);

impl<T: Keyed> Index<T> {
    pub(crate) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| Shard(parking_lot::Mutex::new(Map::new()))).collect() }
    }

    #[track_caller]
    fn with<R>(&self, hash: u64, f: impl FnOnce(&mut Map<T>) -> R) -> R {
        let shard = &self.shards[hash as usize % SHARDS];
        note_write(shard, "a shard of the index");
        let result = f(&mut shard.0.lock());
        note_write(shard, "a shard of the index");
        result
    }

    pub(crate) fn hash(&self, key: &str) -> u64 {
        foldhash::fast::FixedState::with_seed(14).hash_one(key)
    }

    #[track_caller]
    pub(crate) fn get(&self, key: &str, hash: u64) -> Option<PlainArc<T>> {
        self.with(hash, |map| map.get(key).cloned())
    }

    #[track_caller]
    pub(crate) fn get_or_insert(&self, new: PlainArc<T>) -> (PlainArc<T>, bool) {
        self.with(new.hash(), |map| map::get_or_insert(map, new))
    }

    #[track_caller]
    pub(crate) fn remove_idle(&self, node: PlainArc<T>) -> Option<T> {
        self.with(node.hash(), |map| map::remove_idle(map, node))
    }

    pub(crate) fn for_each(&self, mut f: impl FnMut(&PlainArc<T>)) {
        self.shards.iter().for_each(|shard| shard.0.lock().values().for_each(&mut f));
    }

    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.0.lock().len()).sum()
    }

    pub(crate) fn shrink_to_fit(&self) {}
}

impl<T> fmt::Debug for Index<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index").finish_non_exhaustive()
    }
}
