//! The only file that names `std::sync`, parking_lot, dashmap, loom, shuttle or `Instant::now`:
//! what the rest is built from, in three versions: `real`; under `--cfg mutextree_loom`, loom's
//! (`modelled`); under `--cfg mutextree_shuttle`, shuttle's (`shuffled`).
//!
//! Three things are alike in all:
//!
//! * [`PlainArc`] is std's, and nodes are kept in it under loom, too. Its counting is std's to
//!   prove; what is ours, a look at the count, happens under the index's lock, which loom does see.
//!   Loom's own would multiply every model by the clones in a walk.
//! * `OnceLock` is std's. Nothing that it runs may give loom a chance to switch threads, so values
//!   are made before and then `set`.
//! * `Instant` is std's, as the type of deadlines in the public names. The protocol asks [`Stamp`]
//!   for the order of arrivals and [`Deadline`] for the end of a wait.

pub(crate) use std::sync::Arc as PlainArc;
pub(crate) use std::sync::OnceLock;
pub(crate) use std::sync::Weak as PlainWeak;
use std::time::Instant;

#[cfg(mutextree_loom)]
pub(crate) use modelled::*;
#[cfg(not(any(mutextree_loom, mutextree_shuttle)))]
pub(crate) use real::*;
#[cfg(mutextree_shuttle)]
pub(crate) use shuffled::*;

/// What time it is.
#[inline]
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[cfg(not(any(mutextree_loom, mutextree_shuttle)))]
mod real;

#[cfg(not(any(mutextree_loom, mutextree_shuttle)))]
mod parker;

#[cfg(not(any(mutextree_loom, mutextree_shuttle)))]
mod timer;

#[cfg(mutextree_loom)]
mod modelled;

#[cfg(mutextree_shuttle)]
mod shuffled;

#[cfg(any(mutextree_loom, mutextree_shuttle))]
mod turns;
