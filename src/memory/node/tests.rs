//! The layout that the figures rest on, and what a node shows of itself.

use super::super::tree::Tree;
use super::*;
use crate::{Backend, MemoryStore, ToTreePath};
use std::time::Duration;

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

/// Two threads that resolve a new path at once both make a node; the second one is given the first
/// one's.
#[test]
fn one_path_has_one_node() {
    let tree = Tree::new(Duration::ZERO);
    let make = |name: usize| Entry(Node::below(&tree.root, name.to_string().parse().unwrap()));
    for name in 0..5000 {
        let (first, second) = (make(name), make(name));
        assert!(tree.index.get_or_insert(first.clone()).1, "nobody has made it before");
        let (found, is_new) = tree.index.get_or_insert(second);
        assert!(!is_new && PlainArc::ptr_eq(&found.0, &first.0));
    }
}
