//! Every store keeps every promise: the suite in `common/conformance`, one line a store.

#[macro_use]
mod common;

use common::naive::NaiveStore;
use mutextree::MemoryStore;

conformance!(naive, NaiveStore::default);
conformance!(memory, MemoryStore::new);
