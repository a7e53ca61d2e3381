//! What threads do with locks, other than one lock + unlock after the other.
//!
//! * `workload/one_node.rs`: several threads want the same one
//! * `workload/storm.rs`: many hold leaves, and somebody wants what is above them
//! * `workload/stream.rs`: each path once

pub mod one_node;
pub mod storm;
pub mod stream;
