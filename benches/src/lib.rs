//! What the criterion benches and the table have in common: who is measured, and where in the tree.
//!
//! * `subject.rs`: [`Subject`], one lock + unlock of whatever kind, and [`Site`], the paths that are locked
//! * `ours.rs`: mutextree, on a handle and by path
//! * `peers.rs`: the others

pub mod ours;
pub mod peers;
mod subject;

pub use subject::{Round, Site, Subject};
