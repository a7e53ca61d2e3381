//! What runs: std's atomics and thread parking, parking_lot's mutex, dashmap.

use std::borrow::Borrow;
use std::fmt;
use std::hash::Hash;
use std::time::{Duration, Instant};

use crate::request::Wait;

pub(crate) use super::timer::later;
pub(crate) use parking_lot::{Mutex, MutexGuard};
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// Between a claim and the looks that follow it. The claim is a SeqCst read-modify-write and the
/// looks are SeqCst loads, so nothing is needed here; loom, which treats both as AcqRel, needs a
/// fence.
#[inline(always)]
pub(crate) fn claim_fence() {}

/// The end of a wait.
#[derive(Clone, Debug)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    /// The deadline of a wait that has one.
    pub(crate) fn of(wait: Wait) -> Option<Self> {
        match wait {
            Wait::Until(instant) => Some(Self(instant)),
            Wait::Never | Wait::Forever => None,
        }
    }

    pub(crate) fn at(instant: Instant) -> Self {
        Self(instant)
    }

    pub(crate) fn has_passed(&self) -> bool {
        self.0 <= Instant::now()
    }

    pub(crate) fn earlier<'a>(one: Option<&'a Self>, other: Option<&'a Self>) -> Option<&'a Self> {
        one.into_iter().chain(other).min_by_key(|deadline| deadline.0)
    }
}

/// When an acquisition first had to wait: waiters are served in this order, and one that has waited
/// for long may close gates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp(Instant);

impl Stamp {
    pub(crate) fn now() -> Self {
        Self(Instant::now())
    }

    /// Whether more than `patience` has passed since.
    pub(crate) fn older_than(self, patience: Duration) -> bool {
        self.0.elapsed() > patience
    }
}

/// One thread's bed: `park` returns after an `unpark`, or when the deadline has passed, or for no
/// reason.
#[derive(Debug)]
pub(crate) struct Parker(std::thread::Thread);

impl Parker {
    /// For the calling thread, the only one that may `park` it.
    pub(crate) fn new() -> Self {
        Self(std::thread::current())
    }

    pub(crate) fn park(&self, deadline: Option<&Deadline>) {
        match deadline {
            None => std::thread::park(),
            Some(Deadline(instant)) => std::thread::park_timeout(instant.saturating_duration_since(Instant::now())),
        }
    }

    pub(crate) fn unpark(&self) {
        self.0.unpark();
    }
}

/// Rounds of looking again before a waiter goes to sleep: a few of pausing, then, for a thread, a
/// few of letting others run. A task has an executor that does that.
#[derive(Debug)]
pub(crate) struct Spin {
    round: u32,
    rounds: u32,
}

impl Spin {
    const PAUSES: u32 = 3;

    pub(crate) fn of_thread() -> Self {
        Self { round: 0, rounds: Self::PAUSES + 7 }
    }

    pub(crate) fn of_task() -> Self {
        Self { round: 0, rounds: Self::PAUSES }
    }

    /// Waits a little; `false` once it is time to sleep.
    pub(crate) fn once_more(&mut self) -> bool {
        if self.round == self.rounds {
            return false;
        }
        self.round += 1;
        if self.round <= Self::PAUSES {
            (0..1 << self.round).for_each(|_| std::hint::spin_loop());
        } else {
            std::thread::yield_now();
        }
        true
    }
}

/// A set of nodes, found by key.
pub(crate) struct Index<T> {
    map: dashmap::DashMap<T, (), foldhash::fast::RandomState>,
}

impl<T: Borrow<str> + Clone + Eq + Hash> Index<T> {
    pub(crate) fn new() -> Self {
        // Many more shards than threads, so that two threads on disjoint paths seldom meet in one.
        let shards = std::thread::available_parallelism().map_or(8, usize::from).next_power_of_two().clamp(8, 128) * 8;
        Self { map: dashmap::DashMap::with_hasher_and_shard_amount(Default::default(), shards) }
    }

    #[inline]
    pub(crate) fn get(&self, key: &str) -> Option<T> {
        self.map.get(key).map(|found| found.key().clone())
    }

    /// What is there under the new one's key; if nothing is, the new one. And whether it was the
    /// new one.
    pub(crate) fn get_or_insert(&self, new: T) -> (T, bool) {
        match self.map.entry(new.clone()) {
            dashmap::Entry::Occupied(there) => (there.key().clone(), false),
            dashmap::Entry::Vacant(vacant) => {
                vacant.insert(());
                (new, true)
            }
        }
    }

    /// Removes what is there under `key` if `condition` holds of it; nobody gets it in between.
    pub(crate) fn remove_if(&self, key: &str, condition: impl FnOnce(&T) -> bool) -> bool {
        self.map.remove_if(key, |found, ()| condition(found)).is_some()
    }

    pub(crate) fn for_each(&self, mut f: impl FnMut(&T)) {
        self.map.iter().for_each(|found| f(found.key()));
    }

    pub(crate) fn len(&self) -> usize {
        self.map.len()
    }

    /// Gives back the room that removed ones left.
    pub(crate) fn shrink_to_fit(&self) {
        self.map.shrink_to_fit();
    }
}

impl<T> fmt::Debug for Index<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index").finish_non_exhaustive()
    }
}
