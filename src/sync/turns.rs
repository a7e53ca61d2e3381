//! What loom and shuttle have in common. Both run the threads of a program on one thread of the
//! system, and decide at each step which of them runs. So all else has to be the same in each run,
//! and a thread-local of the system's thread is shared by the whole program.

use std::cell::Cell;
use std::time::{Duration, Instant};

use super::map::{self, Map};
use super::{Keyed, Mutex, PlainArc};

/// The order of arrivals: a counter that the scheduler does not see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp(u64);

std::thread_local! {
    static NEXT: Cell<u64> = const { Cell::new(0) };
}

impl Stamp {
    /// Nobody knows: time is not modelled.
    pub(crate) fn age(self) -> Option<Duration> {
        None
    }

    pub(crate) fn now() -> Self {
        Self(NEXT.replace(NEXT.get() + 1))
    }

    /// Whether more than `patience` have arrived since, counted in nanoseconds: without any, every
    /// waiter is an old one.
    pub(crate) fn older_than(self, patience: Duration) -> bool {
        u128::from(NEXT.get() - self.0) > patience.as_nanos()
    }

    /// The same for many, with one look at the clock, where there is a clock.
    pub(crate) fn older_by(self, _: &mut Option<Self>, patience: Duration) -> bool {
        self.older_than(patience)
    }
}

/// Time is not modelled: it is always the first tick, and the next one never comes.
pub(crate) fn ticks() -> u64 {
    0
}

pub(crate) fn coarse_ticks() -> u64 {
    0
}

/// All lengths of time are alike.
pub(crate) const fn ticks_in(_: Duration) -> u64 {
    0
}

pub(crate) fn tick_after(time: Duration) -> u64 {
    u64::from(!time.is_zero())
}

pub(crate) fn instant_at(tick: u64) -> Instant {
    let never = Duration::from_secs(1 << 30);
    super::now() + if tick == 0 { Duration::ZERO } else { never }
}

/// Every other thread may have its turn between any two steps; looking again adds nothing.
#[derive(Debug)]
pub(crate) struct Spin;

impl Spin {
    pub(crate) fn for_thread() -> Self {
        Self
    }

    pub(crate) fn for_task() -> Self {
        Self
    }

    pub(crate) fn once_more(&mut self) -> bool {
        false
    }
}

/// One mutex around a map that iterates in the same order every time.
#[derive(Debug)]
pub(crate) struct Index<T> {
    map: Mutex<Map<T>>,
}

impl<T: Keyed> Index<T> {
    pub(crate) fn new() -> Self {
        Self { map: Mutex::new(Map::new()) }
    }

    /// All keys have one.
    pub(crate) fn hash(&self, _: &str) -> u64 {
        0
    }

    pub(crate) fn get(&self, key: &str, _: u64) -> Option<PlainArc<T>> {
        self.map.lock().get(key).cloned()
    }

    pub(crate) fn get_or_insert(&self, new: PlainArc<T>) -> (PlainArc<T>, bool) {
        assert_eq!(new.hash(), self.hash(new.key()), "who brings a node has asked for its hash");
        map::get_or_insert(&mut self.map.lock(), new)
    }

    pub(crate) fn remove_idle(&self, node: PlainArc<T>) -> Option<T> {
        map::remove_idle(&mut self.map.lock(), node)
    }

    pub(crate) fn for_each(&self, f: impl FnMut(&PlainArc<T>)) {
        self.map.lock().values().for_each(f);
    }

    pub(crate) fn len(&self) -> usize {
        self.map.lock().len()
    }

    pub(crate) fn shrink_to_fit(&self) {}
}

/// Nothing happens later in a model.
#[derive(Debug)]
pub(crate) struct Timeout;

impl Timeout {
    pub(crate) fn comes_by(&self, _: std::time::Instant) -> bool {
        true
    }
}

pub(crate) fn later(_: std::time::Instant, _: impl FnOnce() + Send + 'static) -> Timeout {
    Timeout
}

/// Nothing is done in rounds in a model, either.
#[derive(Debug)]
pub(crate) struct Rounds;

#[derive(Debug)]
pub(crate) struct Reason;

impl Rounds {
    pub(crate) fn new() -> std::sync::Arc<Self> {
        std::sync::Arc::new(Self)
    }

    pub(crate) fn reason(
        self: &std::sync::Arc<Self>,
        _: Duration,
        _: impl FnOnce() -> Box<dyn FnMut(bool) -> Option<Duration> + Send>,
    ) -> Option<Reason> {
        None
    }

    pub(crate) fn hurry(&self) {}
}

/// What is counted would outlive each run of a model, so there may always be some.
#[derive(Debug)]
pub(crate) struct Tally;

impl Tally {
    pub(crate) const fn new() -> Self {
        Self
    }

    pub(crate) fn add(&self) {}

    pub(crate) fn remove(&self) {}

    pub(crate) fn any(&self) -> bool {
        true
    }
}

/// A panic in a model is a failure.
pub(crate) fn contain(f: impl FnOnce()) {
    f();
}

pub(crate) fn wall_micros() -> u64 {
    0
}

pub(crate) fn unique() -> u64 {
    0
}

/// Not the same in each run; but all that it does is to tell one tree from another.
pub(crate) fn serial() -> u64 {
    static LAST: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    LAST.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1
}

pub(crate) const THREAD_NUMBERS: usize = 1;

/// All threads of a model have one number.
pub(crate) fn thread_number() -> usize {
    0
}

pub(crate) fn thread_number_if_any() -> Option<usize> {
    Some(0)
}

pub(crate) fn renumber_thread() {}

pub(crate) fn thread_numbers() -> usize {
    1
}

/// Each time: what happens now and then happens.
pub(crate) fn now_and_then() -> bool {
    true
}
