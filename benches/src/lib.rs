//! What the criterion benches, the table and the page of plots share: which locks are measured,
//! where in the tree, and how.
//!
//! * `subject.rs`: [`Subject`], one lock + unlock of whatever kind, and [`Site`], the paths that
//!   are locked
//! * `ours.rs`: mutextree, on a handle and by path
//! * `peers.rs`: other locks
//! * `measure.rs`: how to compare on a machine that is not quiet
//! * `scaling.rs`: how much more two threads do than one
//! * `changing.rs`: held locks that are narrowed, and upgraded
//! * `sets.rs`: several locks at once, ours and others
//! * `workload.rs`: what threads do with locks
//! * `redis.rs`: a Redis server, and other locks on it; `kept.rs`: locks that a process keeps
//! * `unit.rs`, `machine.rs`: figures and what they were taken on, as text

pub mod changing;
#[cfg(feature = "redis")]
pub mod kept;
pub mod machine;
pub mod measure;
pub mod ours;
pub mod peers;
#[cfg(feature = "redis")]
pub mod redis;
pub mod scaling;
pub mod sets;
mod subject;
pub mod unit;
pub mod workload;

pub use subject::{Round, Site, Subject};
