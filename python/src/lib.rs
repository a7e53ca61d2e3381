//! `mutextree._native`: what the Python package needs of the crate, and no more. The names that
//! users see, with their documentation, are in `python/mutextree/`.
//!
//! * `store.rs` a store, in memory or over Redis; what is done when the interpreter exits
//! * `lock.rs` what to lock and how, and the two kinds of store under one type
//! * `held.rs` a lock that is held
//! * `wait.rs` the wait of a thread, which Ctrl-C ends
//! * `task.rs` the wait of an asyncio task, and the bell that wakes its loop
//! * `snapshot.rs` who holds and who waits
//! * `error.rs` errors of the crate as exceptions
//!
//! # The interpreter lock
//! 1. Whatever can wait or do I/O runs detached, without the interpreter lock. Dropping a guard or
//!    a future is no exception: see [`detached`].
//! 2. A mutex of this layer is locked for a moment only, to take something out or put it in, and
//!    nothing attaches or waits while it is locked. Those that a forked child may meet are locked
//!    only with the interpreter lock held. So at a fork none of them is.
//! 3. No thread of a store ever asks for the interpreter lock. A waker notes who was woken, and
//!    rings: a condition variable for a thread, a socket for an event loop. So a program that keeps
//!    the interpreter busy does not delay the renewal of leases, and nothing calls into Python
//!    after it has ended.
#![cfg(unix)]

use std::time::Duration;

use pyo3::prelude::*;

mod error;
mod held;
mod lock;
mod snapshot;
mod store;
mod task;
mod wait;

#[pymodule]
mod _native {
    #[pymodule_export]
    use super::held::Held;
    #[pymodule_export]
    use super::lock::{Mutex, Path};
    #[pymodule_export]
    use super::snapshot::{HeldLock, Snapshot, WaitingLock};
    #[pymodule_export]
    use super::store::{Store, give_back};
    #[pymodule_export]
    use super::task::{Bell, Waiting};
}

/// Runs `work` without the interpreter lock, from where it is not known whether the thread has it:
/// a destructor. Once the interpreter is gone there is no such lock.
fn detached(work: impl FnOnce() + Send) {
    let mut work = Some(work);
    Python::try_attach(|py| {
        let work = work.take();
        py.detach(|| work.map(|work| work()));
    });
    if let Some(work) = work {
        work();
    }
}

/// Seconds, which the caller has checked. More than a `Duration` holds is without end.
fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(if seconds > 0.0 { Duration::MAX } else { Duration::ZERO })
}
