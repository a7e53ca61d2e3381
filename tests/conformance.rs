//! Every store keeps every promise: the suite in `common/conformance`, one line a store. The store
//! over Redis has its line in `redis/main.rs`, which needs a server.

#[macro_use]
mod common;

use common::naive::NaiveStore;
use mutextree::MemoryStore;

conformance!(naive, NaiveStore::default);
conformance!(memory, MemoryStore::new);
conformance!(changing naive_changing, NaiveStore::default);
conformance!(changing memory_changing, MemoryStore::new);
conformance!(passing naive_passing, NaiveStore::default);
conformance!(passing memory_passing, MemoryStore::new);
