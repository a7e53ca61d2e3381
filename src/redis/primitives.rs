//! The only place of the Redis store that names `std::sync`. Under `--cfg mutextree_shuttle` locks
//! are shuttle's, so that it can draw the order of threads.

#[cfg(not(mutextree_shuttle))]
pub(crate) use real::{Condvar, Mutex, MutexGuard};
#[cfg(mutextree_shuttle)]
pub(crate) use shuffled::{Condvar, Mutex, MutexGuard};
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
pub(crate) use std::sync::{Arc, OnceLock, Weak};

#[cfg(not(mutextree_shuttle))]
mod real;
#[cfg(mutextree_shuttle)]
mod shuffled;
