//! Longer reads: how to use the crate, how it works inside, and what checks it.
//!
//! They are the pages of the folder `docs` in the repository.
//!
//! * [`command`]: the command `mutextree`, for scripts and for people
//! * [`patterns`]: renaming, a job for a whole tenant, several locks at once
//! * [`tasks`]: locks in async code
//! * [`distributed`]: locks across machines: setups, times, fencing tokens, errors
//! * [`algorithm`]: the store in memory, with the glossary and the numbered invariants
//! * [`redis`]: the store over Redis, with its own invariants
//! * [`observability`]: what the features `tracing` and `metrics` show
//! * [`proof`]: what checks each promise, and how far that was run

// A page links to another by the other's file name, which is what a code host follows. In rustdoc a
// page's first lines give the same labels another target: of two definitions the first one counts.

#[doc = include_str!("../docs/command.md")]
pub mod command {}

#[doc = include_str!("../docs/patterns.md")]
pub mod patterns {}

/// [several]: patterns#several-locks-at-once
///
#[doc = include_str!("../docs/async.md")]
pub mod tasks {}

/// [redis]: redis
/// [crate]: crate#what-is-promised
/// [tasks]: tasks#over-redis
///
#[doc = include_str!("../docs/distributed.md")]
pub mod distributed {}

#[doc = include_str!("../docs/algorithm.md")]
pub mod algorithm {}

/// [algorithm]: algorithm
/// [glossary]: algorithm#glossary
///
#[doc = include_str!("../docs/redis.md")]
pub mod redis {}

#[doc = include_str!("../docs/observability.md")]
pub mod observability {}

/// [crate]: crate#what-is-promised
/// [algorithm]: algorithm#invariants
/// [redis]: redis#invariants
///
#[doc = include_str!("../docs/proof.md")]
pub mod proof {}
