//! Every store keeps every promise: one suite, a line a store.

mod common;
#[path = "common/conformance/mod.rs"]
#[macro_use]
mod conformance;

use common::naive::NaiveStore;
use mutextree::MemoryStore;

conformance!(naive, NaiveStore::default);
conformance!(memory, MemoryStore::new);
