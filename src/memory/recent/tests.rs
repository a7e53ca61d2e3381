//! What is found again, and what is kept for it.

use std::time::Duration;

use super::super::MemoryNode;
use super::super::reclaim::SLACK;
use super::super::tree::Tree;
use super::*;
use crate::path::ToTreePath;
use crate::{LockStore, MemoryStore};

fn tree() -> Tree {
    Tree::new(Duration::ZERO)
}

fn find(tree: &Tree, path: impl ToTreePath) -> PlainArc<Node> {
    tree.resolve(path.to_path_ref().unwrap())
}

/// What the table of this thread has: each test has a thread of its own.
fn kept() -> Vec<String> {
    let alive = |place: &Place| Some(place.node.as_ref()?.upgrade()?.path.to_string());
    TABLE.with_borrow(|table| table.0.iter().flatten().filter_map(alive).collect())
}

fn room() -> usize {
    TABLE.with_borrow(|table| table.0.len() * WAYS)
}

#[test]
fn what_is_found_twice_is_found_without_the_index() {
    let tree = tree();
    let node = find(&tree, "a/b");
    assert!(kept().is_empty() && tree.recall("a/b").is_none(), "it was made just now");
    assert!(PlainArc::ptr_eq(&node, &find(&tree, "a/b")));
    assert_eq!(kept(), ["a/b"]);
    assert!(PlainArc::ptr_eq(&node, &find(&tree, "a/b")));
    assert!(PlainArc::ptr_eq(&node, &tree.recall("a/b").unwrap()));
    assert!(std::thread::scope(|scope| scope.spawn(|| tree.recall("a/b").is_none()).join().unwrap()));
}

#[test]
fn one_thread_keeps_so_many_nodes_and_no_more() {
    let tree = tree();
    let paths: Vec<String> = (0..4 * MOST).map(|n| format!("a/{n}")).collect();
    for path in paths.iter().chain(&paths) {
        assert_eq!(find(&tree, path).path.to_string(), *path);
    }
    assert!((MOST / 2..=MOST).contains(&kept().len()), "{} of {MOST}", kept().len());
}

/// Names as they come: those that differ in one character do not keep each other out.
#[test]
fn a_thread_finds_again_what_there_is_room_for() {
    for (count, of) in [(64, "org/team/project/file"), (128, "n"), (128, "0123456789"), (200, "a/b/c/d/e/f/g/h/i/j")] {
        let tree = tree();
        let paths: Vec<String> = (0..count).flat_map(|n| [format!("{of}{n}"), format!("{n}/{of}")]).collect();
        (0..2).for_each(|_| paths.iter().for_each(|path| drop(find(&tree, path))));
        let known = paths.iter().filter(|path| tree.recall(path).is_some()).count();
        let least = if count > 128 { 3 * paths.len() / 4 } else { 9 * paths.len() / 10 };
        assert!(known >= least, "{known} of {} such as {}", paths.len(), paths[1]);
    }
}

/// A tree of few nodes needs a small table.
#[test]
fn there_is_room_for_twice_as_many_as_there_are() {
    let tree = tree();
    let mut rooms = Vec::new();
    for n in 0..2 * MOST {
        let path = format!("a/{n}");
        (0..2).for_each(|_| drop(find(&tree, &path)));
        rooms.push(room());
    }
    assert_eq!((rooms[0], rooms[100], rooms[2 * MOST - 1]), (LEAST, 256, MOST));
    assert!(rooms.is_sorted());
}

/// What is in a table is idle if nobody else has it. Once it is removed, its path has another node.
#[test]
fn a_table_keeps_no_node() {
    let tree = tree();
    (0..2).for_each(|_| drop(find(&tree, "a/b")));
    let used = find(&tree, "c");
    drop(find(&tree, "c"));
    assert_eq!(kept().len(), 2);
    tree.sweep();
    assert_eq!((kept(), tree.node_count()), (vec!["c".into()], 2));
    assert!(PlainArc::ptr_eq(&used, &tree.recall("c").unwrap()));
    assert!(tree.recall("a/b").is_none());
    let (node, again) = (find(&tree, "a/b"), find(&tree, "a/b"));
    assert!(PlainArc::ptr_eq(&node, &again) && PlainArc::ptr_eq(&node, &tree.recall("a/b").unwrap()));
}

#[test]
fn a_table_keeps_no_tree() {
    let tree = MemoryStore::new().tree;
    let shared = PlainArc::downgrade(&tree.shared);
    (0..2).for_each(|_| drop(find(&tree, "a/b")));
    drop(tree);
    assert!(shared.upgrade().is_none() && kept().is_empty());
}

#[test]
fn each_tree_has_nodes_of_its_own() {
    let trees = [tree(), tree()];
    for _ in 0..2 {
        let [one, other] = trees.each_ref().map(|tree| find(tree, "a/b"));
        assert!(!PlainArc::ptr_eq(&one, &other));
    }
    let [one, other] = trees.each_ref().map(|tree| tree.recall("a/b").unwrap());
    assert!(!PlainArc::ptr_eq(&one, &other));
}

/// Keys that look like a text are no text for their path: the text is another path's, or none.
#[test]
fn a_text_finds_the_path_that_it_is_read_as() {
    let store = MemoryStore::new();
    let special = store.mutex(["a/b", "c"]).unwrap();
    let (text, dots) = (special.path().as_key().to_owned(), store.mutex(["a", ".", "b"]).unwrap());
    for _ in 0..3 {
        let held = (store.lock(special.path()).unwrap(), store.lock(dots.path()).unwrap());
        assert!(special.is_locked() && dots.is_locked());
        assert_eq!(store.try_lock(text.as_str()).unwrap().path().depth(), 4, "`{text}` is another path");
        assert!(store.try_lock("a/./b").is_err_and(|error| matches!(error, crate::LockError::Path(_))));
        assert!(store.try_lock("").is_err_and(|error| matches!(error, crate::LockError::Path(_))));
        drop(held);
    }
    for same in ["a/b", "/a/b", "a/b/", "/a/b/"] {
        let held = store.lock("a/b").unwrap();
        assert!(store.try_lock(same).is_err_and(|error| matches!(error, crate::LockError::WouldBlock { .. })));
        drop(held);
    }
}

#[test]
fn keys_of_any_length_are_told_apart() {
    let tree = tree();
    let long = "x".repeat(100);
    for length in 1..=2 * SHORT {
        let one = &long[..length];
        let other = format!("{}y", &one[1..]);
        let nodes = [find(&tree, one), find(&tree, &*other)];
        drop((find(&tree, one), find(&tree, &*other)));
        let again = [tree.recall(one).unwrap(), tree.recall(&other).unwrap()];
        assert!(nodes.iter().zip(&again).all(|(one, other)| PlainArc::ptr_eq(one, other)), "{length}");
        assert!(!PlainArc::ptr_eq(&nodes[0], &nodes[1]), "{length}");
    }
}

/// A survivor that is given up counts as gone, though a table has it. So the next sweep is due in
/// time.
#[test]
fn one_that_only_a_table_has_is_idle() {
    let tree = tree();
    let paths: Vec<String> = (0..16 * MOST).map(|n| format!("a/{n}")).collect();
    let handles: Vec<_> = paths.iter().map(|path| MemoryNode::new(find(&tree, path))).collect();
    handles.iter().for_each(|handle| drop(handle.0.enrol())); // as if each had been locked
    tree.sweep();
    for (path, handle) in paths.iter().zip(handles) {
        drop((find(&tree, path), handle));
    }
    assert!(tree.node_count() <= 2 * 2 + SLACK, "{} nodes", tree.node_count());
}
