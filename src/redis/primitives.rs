//! The only place of the Redis store that names `std::sync`. Under `--cfg mutextree_shuttle` locks
//! are shuttle's, so that it can draw the order of threads.

#[cfg(not(mutextree_shuttle))]
pub(in crate::redis) use real::{Condvar, Mutex, MutexGuard};
#[cfg(mutextree_shuttle)]
pub(in crate::redis) use shuffled::{Condvar, Mutex, MutexGuard};
pub(in crate::redis) use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
pub(in crate::redis) use std::sync::{Arc, OnceLock, Weak};

#[cfg(not(mutextree_shuttle))]
mod real;
#[cfg(mutextree_shuttle)]
mod shuffled;
