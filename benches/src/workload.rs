//! What threads do with locks, other than one lock + unlock after the other.
//!
//! * `workload/after_readers.rs`: a node that others have just read
//! * `workload/one_node.rs`: several threads want the same node
//! * `workload/storm.rs`: many threads hold leaves, and one wants a node above them
//! * `workload/stream.rs`: each path once

pub mod after_readers;
pub mod one_node;
pub mod storm;
pub mod stream;
