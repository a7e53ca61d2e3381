//! The layout that the figures rest on, and what a node shows of itself.

use super::*;
use crate::{LockStore, MemoryStore, ToTreePath};

#[test]
fn a_node_is_one_cache_line_of_its_own() {
    assert_eq!((size_of::<Node>(), align_of::<Node>()), (64, 64));
}

#[test]
fn a_node_and_a_store_show_what_they_are() {
    let store = MemoryStore::new();
    let node = store.resolve("a/b".to_path_ref().unwrap());
    assert!(format!("{node:?}").contains("a/b"));
    assert!(format!("{store:?}").contains("nodes: 3"));
}
