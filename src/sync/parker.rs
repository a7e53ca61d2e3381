//! [`Parker`]: where one thread sleeps until another wakes it.
//!
//! Not `std::thread::park`: a thread has one token for that, and it belongs to the embedding
//! program. A wait for a lock must neither use up an `unpark` that was meant for the program, nor
//! leave one behind.
//!
//! | state | while |
//! |---|---|
//! | `EMPTY` | the thread is awake, and has not been unparked |
//! | `PARKED` | it sleeps, or is about to, and holds `lock` until it does |
//! | `UNPARKED` | it was unparked, and has not parked since |
//!
//! No wake-up is lost. The thread sets `PARKED` under `lock`. If `unpark` comes first, that fails,
//! and the thread does not sleep. If the thread comes first, `unpark` finds `PARKED`, and waits for
//! `lock` before it notifies: by then the thread is in the condition variable.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;

use super::Deadline;

const EMPTY: u32 = 0;
const PARKED: u32 = 1;
const UNPARKED: u32 = 2;

/// Where one thread sleeps: `park` returns after an `unpark`, or when the deadline has passed, or
/// for no reason.
#[derive(Debug)]
pub(crate) struct Parker {
    state: AtomicU32,
    lock: Mutex<()>,
    changed: Condvar,
}

impl Parker {
    /// Only one thread at a time may `park` here.
    pub(crate) fn new() -> Self {
        Self { state: AtomicU32::new(EMPTY), lock: Mutex::new(()), changed: Condvar::new() }
    }

    pub(crate) fn park(&self, deadline: Option<&Deadline>) {
        // Acquire, here and below: synchronizes with the release in `unpark`.
        if self.state.compare_exchange(UNPARKED, EMPTY, Ordering::Acquire, Ordering::Relaxed).is_ok() {
            return;
        }
        let mut lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        if self.state.compare_exchange(EMPTY, PARKED, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            lock = match deadline {
                None => self.changed.wait(lock).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let timeout = deadline.instant().saturating_duration_since(Instant::now());
                    self.changed.wait_timeout(lock, timeout).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        self.state.swap(EMPTY, Ordering::Acquire);
        drop(lock);
    }

    pub(crate) fn unpark(&self) {
        // Release: what the waker did before is there for the thread that returns from `park`.
        if self.state.swap(UNPARKED, Ordering::Release) == PARKED {
            // Not held while notifying, so that the thread need not wait for it.
            drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner));
            self.changed.notify_one();
        }
    }
}
