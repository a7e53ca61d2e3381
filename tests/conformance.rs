//! Every store keeps every promise: one suite, a line a store.

#[macro_use]
mod common;

use common::naive::NaiveStore;
use mutextree::MemoryStore;

conformance!(naive, NaiveStore::default);
conformance!(memory, MemoryStore::new);
