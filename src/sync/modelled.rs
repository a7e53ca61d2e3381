//! What loom runs. Time is not modelled: a deadline passes when the model says so, and patience
//! lasts for so many arrivals.

use loom::sync::Condvar;

use super::PlainArc;

pub(crate) use super::turns::*;
pub(crate) use loom::sync::MutexGuard;
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Loom's atomic, mended. Loom explores both orders of two accesses only if it detects a race, and
/// it remembers only the last access to each atomic. If a thread loads a word and then changes it,
/// loom compares the change with that thread's own load, and misses the race with earlier loads by
/// other threads. Whole models ran in one order only. So each load here also writes a dummy atomic,
/// which loom does see as racing with every other load.
#[derive(Debug)]
pub(crate) struct AtomicU64 {
    value: loom::sync::atomic::AtomicU64,
    loads: loom::sync::atomic::AtomicBool,
}

impl AtomicU64 {
    pub(crate) fn new(value: u64) -> Self {
        Self { value: loom::sync::atomic::AtomicU64::new(value), loads: AtomicBool::new(false) }
    }

    fn note_load(&self) {
        self.loads.store(true, Ordering::Relaxed); // relaxed: orders nothing else
    }

    pub(crate) fn load(&self, order: Ordering) -> u64 {
        self.note_load();
        self.value.load(order)
    }

    pub(crate) fn store(&self, value: u64, order: Ordering) {
        self.value.store(value, order);
    }

    pub(crate) fn compare_exchange(&self, old: u64, new: u64, done: Ordering, failed: Ordering) -> Result<u64, u64> {
        self.value.compare_exchange(old, new, done, failed)
    }

    pub(crate) fn fetch_update(
        &self,
        done: Ordering,
        failed: Ordering,
        f: impl FnMut(u64) -> Option<u64>,
    ) -> Result<u64, u64> {
        self.note_load();
        self.value.fetch_update(done, failed, f)
    }

    pub(crate) fn fetch_add(&self, value: u64, order: Ordering) -> u64 {
        self.value.fetch_add(value, order)
    }

    pub(crate) fn fetch_sub(&self, value: u64, order: Ordering) -> u64 {
        self.value.fetch_sub(value, order)
    }

    pub(crate) fn fetch_or(&self, bits: u64, order: Ordering) -> u64 {
        self.value.fetch_or(bits, order)
    }

    pub(crate) fn fetch_and(&self, bits: u64, order: Ordering) -> u64 {
        self.value.fetch_and(bits, order)
    }
}

/// Between a claim and the looks that follow it: loom treats SeqCst accesses as AcqRel, so the
/// store-to-load order that they give has to be asked for with a fence.
pub(crate) fn claim_fence() {
    loom::sync::atomic::fence(Ordering::SeqCst);
}

/// Loom's mutex with parking_lot's face.
#[derive(Debug)]
pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(loom::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
        // Loom's threads share one of the system's, so a mutex that is let go while any of them
        // unwinds counts as poisoned: models must not unwind meanwhile.
        self.0.lock().expect("loom's mutexes are poisoned only by a model that has failed already")
    }
}

/// A flag that the model sets. That wakes the thread which waits with this deadline.
#[derive(Clone, Debug)]
pub(crate) struct Deadline(PlainArc<Mutex<DeadlineState>>);

#[derive(Debug)]
struct DeadlineState {
    passed: bool,
    parked: Option<PlainArc<Bed>>,
}

impl Deadline {
    #[cfg(test)]
    pub(crate) fn new() -> Self {
        Self::that_has(false)
    }

    /// Lets the deadline pass.
    #[cfg(test)]
    pub(crate) fn pass(&self) {
        let mut state = self.0.lock();
        state.passed = true;
        let parked = state.parked.take();
        drop(state);
        if let Some(bed) = parked {
            bed.wake();
        }
    }

    /// The end of a lease: it has come, or never does.
    pub(crate) fn at(instant: std::time::Instant) -> Self {
        Self::that_has(instant <= super::now())
    }

    fn that_has(passed: bool) -> Self {
        Self(PlainArc::new(Mutex::new(DeadlineState { passed, parked: None })))
    }

    /// `lease` if it has passed, as it never does later.
    pub(crate) fn earlier<'a>(one: Option<&'a Self>, lease: Option<&'a Self>) -> Option<&'a Self> {
        lease.filter(|lease| lease.has_passed()).or(one)
    }

    /// Models make their own deadlines.
    pub(crate) fn from_end(_: Option<std::time::Instant>) -> Option<Self> {
        None
    }

    pub(crate) fn has_passed(&self) -> bool {
        self.0.lock().passed
    }
}

#[derive(Debug)]
struct Bed {
    woken: Mutex<bool>,
    condvar: Condvar,
}

impl Bed {
    fn wake(&self) {
        *self.woken.lock() = true;
        self.condvar.notify_one();
    }
}

/// A mutex and a condition variable, because loom's own parking shares its token with its condition
/// variables.
#[derive(Debug)]
pub(crate) struct Parker(PlainArc<Bed>);

impl Parker {
    pub(crate) fn new() -> Self {
        Self(PlainArc::new(Bed { woken: Mutex::new(false), condvar: Condvar::new() }))
    }

    pub(crate) fn park(&self, deadline: Option<&Deadline>) {
        if let Some(Deadline(state)) = deadline {
            let mut state = state.lock();
            if state.passed {
                return;
            }
            state.parked = Some(self.0.clone());
        }
        let mut woken = self.0.woken.lock();
        while !*woken {
            woken = self.0.condvar.wait(woken).expect("as in `Mutex::lock`");
        }
        *woken = false;
    }

    pub(crate) fn unpark(&self) {
        self.0.wake();
    }
}
