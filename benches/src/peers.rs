//! The others, each used the way that is fastest for it. What they are for, and what they leave
//! out, is in each one's line.
//!
//! * `peers/flat.rs`: one lock, or one a path, that knows of no tree
//! * `peers/tree.rs`: locks that do

mod flat;
mod tree;

pub use flat::{InsertRemove, MapOfMutexes, ParkingLot, PoolOwned, PoolStatic, Std};
pub use tree::{Bolt, Chain, Glock, glock_line};
