//! The primitives that the rest is built from. Only this file and its folder name `std::sync`,
//! parking_lot, hashbrown, loom, shuttle or `Instant::now`. There are four versions:
//!
//! * `real.rs` what runs, with `index.rs`, where nodes are found, `parker.rs`, where threads sleep,
//!   `timer.rs`, for later, `rounds.rs`, for again and again, and `ticks.rs`, the time in few bits
//! * `modelled.rs` loom's, under `--cfg mutextree_loom`
//! * `shuffled.rs` shuttle's, under `--cfg mutextree_shuttle`; `turns.rs` is common to these two
//! * `counted.rs` what runs, with its accesses counted by cache line, under `--cfg mutextree_lines`
//! * `map.rs` what the last three have in place of the index
//!
//! Three things are the same in all versions (in `counted.rs` they count, too):
//!
//! * [`PlainArc`] is std's `Arc`. Its counting is std's to prove. What is ours to prove, a look at
//!   the count, happens under the index's lock, which loom sees. Loom's own `Arc` would multiply
//!   every model by the clones in a walk.
//! * `OnceLock` is std's. Loom must not switch threads while it runs something. So values are made
//!   first and then `set`.
//! * `Instant` is std's, as the type of deadlines in the public names. The protocol asks [`Stamp`]
//!   for the order of arrivals and [`Deadline`] for the end of a wait.

#[cfg(not(mutextree_lines))]
pub(crate) use std::sync::{Arc as PlainArc, OnceLock, Weak as PlainWeak};
use std::time::Instant;

#[cfg(mutextree_lines)]
pub(crate) use counted::*;
#[cfg(mutextree_loom)]
pub(crate) use modelled::*;
#[cfg(not(any(mutextree_loom, mutextree_shuttle, mutextree_lines)))]
pub(crate) use real::*;
#[cfg(mutextree_shuttle)]
pub(crate) use shuffled::*;

#[cfg(not(any(mutextree_loom, mutextree_shuttle, mutextree_lines)))]
pub(crate) use self::index::Index;

/// What an [`Index`] keeps.
pub(crate) trait Keyed {
    fn key(&self) -> &str;

    /// What the index said is the hash of the key.
    fn hash(&self) -> u64;
}

/// What time it is.
#[inline]
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[cfg(not(any(mutextree_loom, mutextree_shuttle)))]
#[cfg_attr(mutextree_lines, allow(dead_code, unused_imports, reason = "counted.rs replaces some of it"))]
mod real;

#[cfg(not(any(mutextree_loom, mutextree_shuttle, mutextree_lines)))]
mod index;

#[cfg(any(mutextree_loom, mutextree_shuttle, mutextree_lines))]
mod map;

#[cfg(not(any(mutextree_loom, mutextree_shuttle)))]
mod parker;

#[cfg(not(any(mutextree_loom, mutextree_shuttle)))]
mod rounds;

#[cfg(not(any(mutextree_loom, mutextree_shuttle)))]
mod ticks;

#[cfg(not(any(mutextree_loom, mutextree_shuttle)))]
mod timer;

#[cfg(mutextree_lines)]
pub(crate) mod counted;

#[cfg(mutextree_loom)]
mod modelled;

#[cfg(mutextree_shuttle)]
mod shuffled;

#[cfg(any(mutextree_loom, mutextree_shuttle))]
mod turns;
