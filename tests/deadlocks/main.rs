//! Are deadlocks named, each one and no other, in memory? Over Redis: `redis/deadlocks.rs`.

#[macro_use]
#[path = "../common/mod.rs"]
mod common;

/// What is particular to the store in memory.
mod memory;
/// Threads at random, against an oracle that knows who holds and who waits.
mod random;

use mutextree::MemoryStore;
use std::time::Duration;

/// First come, first served.
fn store() -> MemoryStore {
    MemoryStore::builder().patience(Duration::ZERO).deadlock_detection(true).build()
}

mod shapes {
    circles!(crate::store());
}
