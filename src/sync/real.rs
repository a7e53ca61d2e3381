//! What runs: std's atomics, parking_lot's mutex, the index, a parker and a timer.

use std::cell::Cell;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::num::NonZeroU64;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::time::{Duration, Instant, UNIX_EPOCH};

use super::ticks::since_origin;

pub(crate) use super::parker::Parker;
pub(crate) use super::rounds::{Reason, Rounds};
pub(crate) use super::ticks::{coarse_ticks, instant_at, tick_after, ticks, ticks_in};
pub(crate) use super::timer::{Timeout, later};
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
    /// The deadline of a wait that ends then, if it ends.
    pub(crate) fn from_end(end: Option<Instant>) -> Option<Self> {
        end.map(Self)
    }

    /// The end of a lease.
    pub(crate) fn at(instant: Instant) -> Self {
        Self(instant)
    }

    pub(crate) fn has_passed(&self) -> bool {
        self.0 <= Instant::now()
    }

    pub(super) fn instant(&self) -> Instant {
        self.0
    }

    pub(crate) fn earlier<'a>(one: Option<&'a Self>, other: Option<&'a Self>) -> Option<&'a Self> {
        one.into_iter().chain(other).min_by_key(|deadline| deadline.0)
    }
}

/// When an acquisition first had to wait. Waiters are served in this order, and a waiter that has
/// waited for long may close gates.
///
/// In nanoseconds since time begins (`ticks.rs`), and one: half as long as an `Instant`, for
/// crowds of waiters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp(NonZeroU64);

impl Stamp {
    #[inline]
    pub(crate) fn now() -> Self {
        let since = since_origin().as_nanos();
        Self(NonZeroU64::MIN.saturating_add(u64::try_from(since).unwrap_or(u64::MAX)))
    }

    /// How long ago that was.
    pub(crate) fn age(self) -> Option<Duration> {
        Some(Duration::from_nanos(Self::now().0.get().saturating_sub(self.0.get())))
    }

    /// Whether more than `patience` has passed since.
    pub(crate) fn older_than(self, patience: Duration) -> bool {
        self.older_by(&mut None, patience)
    }

    /// The same for many: the clock is read once, when it is first asked.
    pub(crate) fn older_by(self, now: &mut Option<Self>, patience: Duration) -> bool {
        let now = now.get_or_insert_with(Self::now);
        Duration::from_nanos(now.0.get().saturating_sub(self.0.get())) > patience
    }
}

/// Rounds of looking again before a waiter goes to sleep. First a few pauses; then a thread lets
/// others run a few times. A task need not, as its executor does that.
#[derive(Debug)]
pub(crate) struct Spin {
    round: u8,
    rounds: u8,
}

impl Spin {
    const PAUSES: u8 = 3;

    pub(crate) fn for_thread() -> Self {
        Self { round: 0, rounds: Self::PAUSES + 7 }
    }

    pub(crate) fn for_task() -> Self {
        Self { round: 0, rounds: Self::PAUSES }
    }

    /// Waits a little; `false` once it is time to sleep.
    pub(crate) fn once_more(&mut self) -> bool {
        if self.round == self.rounds {
            return false;
        }
        self.round += 1;
        if self.round <= Self::PAUSES {
            (0..1_u32 << self.round).for_each(|_| std::hint::spin_loop());
        } else {
            std::thread::yield_now();
        }
        true
    }
}

/// How many there are of something in this process: a hint that saves a closer look.
#[derive(Debug)]
pub(crate) struct Tally(AtomicUsize);

impl Tally {
    pub(crate) const fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn remove(&self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }

    #[inline]
    pub(crate) fn any(&self) -> bool {
        self.0.load(Ordering::Acquire) != 0
    }
}

thread_local! {
    /// The number of this thread, once it has one.
    static NUMBER: Cell<usize> = const { Cell::new(usize::MAX) };
    static TIMES: Cell<u8> = const { Cell::new(0) };
}

/// No thread has a number as great as this.
pub(crate) const THREAD_NUMBERS: usize = 64;

/// How many threads have got a number.
static NUMBERED: AtomicUsize = AtomicUsize::new(0);

/// A small number of the calling thread, from zero on. Two threads have the same one if there are
/// more than four for each processor, or more than [`THREAD_NUMBERS`].
#[inline]
pub(crate) fn thread_number() -> usize {
    thread_number_if_any().unwrap_or_else(number_thread)
}

/// The same, if it has got one.
#[inline]
pub(crate) fn thread_number_if_any() -> Option<usize> {
    Some(NUMBER.get()).filter(|&number| number != usize::MAX)
}

#[cold]
fn number_thread() -> usize {
    // SeqCst: before all that the thread does by its number.
    let number = NUMBERED.fetch_add(1, Ordering::SeqCst) % most_thread_numbers();
    NUMBER.set(number);
    number
}

/// Gives the calling thread another number: one that it has shared.
#[cold]
pub(crate) fn renumber_thread() {
    number_thread();
}

/// All numbers of threads are smaller.
fn most_thread_numbers() -> usize {
    static MOST: OnceLock<usize> = OnceLock::new();
    *MOST.get_or_init(|| std::thread::available_parallelism().map_or(8, |cores| (4 * cores.get()).min(THREAD_NUMBERS)))
}

/// How many numbers have been given out, so far.
pub(crate) fn thread_numbers() -> usize {
    NUMBERED.load(Ordering::SeqCst).min(most_thread_numbers())
}

/// `true` each sixteenth time that this thread asks.
pub(crate) fn now_and_then() -> bool {
    TIMES.set(TIMES.get().wrapping_add(1));
    TIMES.get().is_multiple_of(16)
}

/// Runs code of the embedding program. Its panic must not stop what has to go on here; the panic
/// hook has reported it.
pub(crate) fn contain(f: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(f)) {
        // What was thrown is the program's, too, and may panic when it is dropped.
        if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
            std::mem::forget(again);
        }
    }
}

/// Microseconds since 1970, by the wall clock; so far from the largest number that counting up from
/// there does not overflow.
pub(crate) fn wall_micros() -> u64 {
    let since = UNIX_EPOCH.elapsed().unwrap_or_default().as_micros();
    u64::try_from(since).unwrap_or(u64::MAX).min(u64::MAX / 4)
}

/// A number that no other call in this process gets.
pub(crate) fn serial() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

/// A number that no other call, in this process or another, is likely to get.
pub(crate) fn unique() -> u64 {
    // The keys are drawn at random once a thread, and counted up from there. A forked process
    // begins with a copy of them.
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    hasher.finish()
}
