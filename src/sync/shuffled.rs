//! What shuttle runs: threads by the dozen, in an order that it draws by lot. All memory is
//! sequentially consistent here; loom sees to orderings.

use std::sync::atomic::{AtomicU64 as Unseen, Ordering::Relaxed};

use shuttle::rand::{RngCore, thread_rng};

use super::PlainArc;

pub(crate) use super::turns::*;
pub(crate) use shuttle::sync::MutexGuard;
pub(crate) use shuttle::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// Nothing: every access is in one order already.
pub(crate) fn claim_fence() {}

/// Shuttle's mutex with parking_lot's face.
#[derive(Debug)]
pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(shuttle::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().expect("shuttle ends with the first panic")
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

/// How many more times the waiting thread looks whether it was woken. Drawn by lot, whatever time
/// was asked for. `None` never ends.
#[derive(Clone, Debug)]
pub(crate) struct Deadline(Option<PlainArc<Unseen>>);

impl Deadline {
    const AT_MOST: u64 = 24;

    pub(crate) fn from_end(end: Option<std::time::Instant>) -> Option<Self> {
        end.map(|_| Self(Some(PlainArc::new(Unseen::new(thread_rng().next_u64() % Self::AT_MOST)))))
    }

    /// The end of a lease: it never comes.
    pub(crate) fn at(_: std::time::Instant) -> Self {
        Self(None)
    }

    pub(crate) fn earlier<'a>(one: Option<&'a Self>, _: Option<&'a Self>) -> Option<&'a Self> {
        one
    }

    pub(crate) fn has_passed(&self) -> bool {
        self.0.as_ref().is_some_and(|left| left.load(Relaxed) == 0)
    }
}

/// One thread's bed.
#[derive(Debug)]
pub(crate) struct Parker(shuttle::thread::Thread);

impl Parker {
    pub(crate) fn new() -> Self {
        Self(shuttle::thread::current())
    }

    pub(crate) fn park(&self, deadline: Option<&Deadline>) {
        match deadline.and_then(|deadline| deadline.0.as_ref()) {
            None => shuttle::thread::park(),
            Some(left) => {
                let _ = left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1));
                shuttle::thread::yield_now();
            }
        }
    }

    pub(crate) fn unpark(&self) {
        self.0.unpark();
    }
}
