//! Other locks, each used in the way that is fastest for it. The line of each says what it is for
//! and what it leaves out.
//!
//! * `peers/flat.rs`: one lock, or one a path, without a tree
//! * `peers/readers.rs`: one lock that all read
//! * `peers/tree.rs`: locks with a tree

mod flat;
mod readers;
mod tree;

pub use flat::{InsertRemove, MapOfMutexes, ParkingLot, PoolOwned, PoolStatic, Std};
pub use readers::{FlatTwoStep, MostlyParkingLot, ReadParkingLot, ReadSharded, ReadStd};
pub use tree::{Bolt, Chain, Glock, glock_line};
