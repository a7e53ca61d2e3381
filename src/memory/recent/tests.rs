//! What is found again, and what is kept for it.

use std::time::Duration;

use super::super::MemoryNode;
use super::super::reclaim::SLACK;
use super::super::tree::Tree;
use super::*;
use crate::path::ToTreePath;

fn tree() -> Tree {
    Tree::new(Duration::ZERO)
}

fn find(tree: &Tree, path: &str) -> PlainArc<Node> {
    tree.resolve(path.to_path_ref().unwrap())
}

/// Whether the table of this thread has it. Another test's thread may have taken its number, and
/// its table is another then: so it looks in all.
fn has(tree: &Tree, path: &str) -> bool {
    let has = |node: &PlainArc<Node>| node.path.to_string() == path;
    tree.recent.0.iter().any(|table| table.0.lock().iter().flat_map(|(_, node)| node).any(has))
}

fn kept(tree: &Tree) -> usize {
    tree.recent.0.iter().map(|table| table.0.lock().iter().flat_map(|(_, node)| node).count()).sum()
}

#[test]
fn what_is_found_twice_is_found_without_the_index() {
    let tree = tree();
    let node = find(&tree, "a/b");
    assert!(!has(&tree, "a/b"), "it was made just now");
    assert!(PlainArc::ptr_eq(&node, &find(&tree, "a/b")) && has(&tree, "a/b"));
    assert!(PlainArc::ptr_eq(&node, &find(&tree, "a/b")));
    assert_eq!(kept(&tree), 1);
}

#[test]
fn one_thread_keeps_so_many_nodes_and_no_more() {
    let tree = tree();
    let paths: Vec<String> = (0..4 * MOST).map(|n| format!("a/{n}")).collect();
    for path in paths.iter().chain(&paths) {
        assert_eq!(find(&tree, path).path.to_string(), *path);
    }
    assert!((MOST / 2..=MOST).contains(&kept(&tree)), "{} of {MOST}", kept(&tree));
}

/// A tree of few nodes has small tables.
#[test]
fn there_is_room_for_twice_as_many_as_there_are() {
    let tree = tree();
    let room = || tree.recent.0.iter().map(|table| table.0.lock().len()).max();
    let mut rooms = Vec::new();
    for n in 0..2 * MOST {
        let path = format!("a/{n}");
        (0..2).for_each(|_| drop(find(&tree, &path)));
        rooms.push(room().unwrap_or_default());
    }
    assert_eq!((rooms[0], rooms[100], rooms[2 * MOST - 1]), (LEAST, 256, MOST));
    assert!(rooms.is_sorted());
}

#[test]
fn a_sweep_forgets() {
    let tree = tree();
    (0..2).for_each(|_| drop(find(&tree, "a/b")));
    assert_eq!(kept(&tree), 1);
    tree.sweep();
    assert_eq!((kept(&tree), tree.node_count()), (0, 1));
    let (node, again) = (find(&tree, "a/b"), find(&tree, "a/b"));
    assert!(PlainArc::ptr_eq(&node, &again));
}

#[test]
fn a_busy_table_is_passed_over() {
    let tree = tree();
    let node = find(&tree, "a/b");
    let busy: Vec<_> = tree.recent.0.iter().map(|table| table.0.lock()).collect();
    assert!(PlainArc::ptr_eq(&node, &find(&tree, "a/b")));
    drop(busy);
    assert_eq!(kept(&tree), 0);
}

/// A node that makes room for others counts as gone, if nothing else uses it. So the next sweep is
/// due in time.
#[test]
fn one_that_makes_room_may_be_idle() {
    let tree = tree();
    let paths: Vec<String> = (0..16 * MOST).map(|n| format!("a/{n}")).collect();
    let handles: Vec<_> = paths.iter().map(|path| MemoryNode::new(find(&tree, path))).collect();
    handles.iter().for_each(|handle| drop(handle.0.enrol())); // as if each had been locked
    tree.sweep();
    for (path, handle) in paths.iter().zip(handles) {
        drop((find(&tree, path), handle));
    }
    let in_use = kept(&tree) + 2;
    assert!(tree.node_count() <= 2 * in_use + SLACK, "{} nodes, {in_use} of them in use", tree.node_count());
}
