//! Nodes of a tree that is gone.

use super::*;
use crate::path::ToTreePath;
use std::time::Duration;

fn below(node: &PlainArc<Node>, path: &str) -> PlainArc<Node> {
    node.resolve_near(path.to_path_ref().unwrap())
}

#[test]
fn one_path_is_one_node_before_and_after() {
    let tree = Tree::shared_new(Duration::ZERO, None);
    let (a, known) = (below(&tree.root, "a"), below(&tree.root, "a/b"));
    let found = below(&a, "a/b");
    assert!(PlainArc::ptr_eq(&found, &known) && PlainArc::ptr_eq(&below(&a, "a"), &a));
    drop(tree);
    assert!(PlainArc::ptr_eq(&below(&a, "a/b"), &known) && PlainArc::ptr_eq(&below(&a, "a"), &a));
    let new = below(&a, "a/c/d/e");
    assert_eq!(new.path.to_string(), "a/c/d/e");
    assert_eq!(new.depth(), 4);
    assert!(PlainArc::ptr_eq(&below(&a, "a/c/d"), new.parent().unwrap()));
    assert!(PlainArc::ptr_eq(&new.ancestors()[2], &a), "its ancestors are those that are there");
    assert!(PlainArc::ptr_eq(&below(&a, "a/c/d/e"), &new));
    assert!(PlainArc::ptr_eq(&below(&new, "a"), &a), "and upwards");
    assert!(below(&new, "/").path.is_root());
}

#[test]
fn what_has_died_is_forgotten() {
    let tree = Tree::shared_new(Duration::ZERO, None);
    let a = below(&tree.root, "a");
    drop(tree);
    for at in 0..1000 {
        below(&a, &format!("a/{at}"));
        let orphans = a.shared().home.orphans.lock();
        assert!(orphans.as_ref().unwrap().nodes.len() <= 70, "after {at}");
    }
}

/// A store that is dropped takes its idle nodes with it, also those on the list of their parent.
#[test]
fn idle_nodes_go_with_their_tree() {
    let tree = Tree::shared_new(Duration::ZERO, None);
    let leaf = below(&tree.root, "a/b");
    leaf.enrol();
    let nodes = [&leaf, leaf.parent().unwrap()].map(PlainArc::downgrade);
    drop((leaf, tree));
    assert!(nodes.iter().all(|node| node.upgrade().is_none()));
}
