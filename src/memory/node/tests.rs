//! The layout that the figures rest on, and what a node shows of itself.

use super::super::tree::Tree;
use super::*;
use crate::{Backend, LockStore, MemoryStore, ToTreePath};
use std::future::Future;
use std::task::{Context, Waker};
use std::time::Duration;

/// Wherever the allocator puts them, among other things. That no other node has a part of a word's
/// line holds for each block that begins at a multiple of 16.
#[test]
fn a_word_has_a_cache_line_of_its_own() {
    let (store, mut others) = (MemoryStore::new(), Vec::new());
    let nodes: Vec<_> = (0..2000_usize)
        .map(|n| {
            others.push(vec![0_u8; n % 150]); // as a program has things of its own
            store.resolve(["a", "b", &n.to_string()].as_slice().to_path_ref().unwrap()).0.clone()
        })
        .collect();
    let blocks = nodes
        .iter()
        .map(|node| std::ptr::from_ref(&**node).addr() - 16..std::ptr::from_ref(&**node).addr() + size_of::<Node>());
    let mut starts = [false; 4];
    for (node, block) in nodes.iter().zip(blocks) {
        assert_eq!(block.start % 16, 0, "what the layout expects of an allocator");
        let word = std::ptr::from_ref(&node.word).addr();
        let (line, ends) = (word / 64 * 64, block.end.next_multiple_of(16));
        assert!(block.start <= line && line + 64 <= ends, "the line {line:#x} is not within {block:#x?}");
        starts[block.start % 64 / 16] = true;
    }
    assert!(starts.iter().filter(|start| **start).count() > 1, "blocks begin anywhere in a line");
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
    let make = |name: usize| {
        let name = name.to_string();
        Node::below(&tree.root, name.parse().unwrap(), tree.index.hash(&name))
    };
    for name in 0..5000 {
        let (first, second) = (make(name), make(name));
        assert!(tree.index.get_or_insert(first.clone()).1, "nobody has made it before");
        let (found, is_new) = tree.index.get_or_insert(second);
        assert!(!is_new && PlainArc::ptr_eq(&found, &first));
    }
}

/// What a crowd of children, waiters or records took is given back when the crowd has gone.
#[test]
fn lists_shrink_with_the_crowd() {
    const CROWD: usize = 1000;
    let store = MemoryStore::new();
    let node = store.resolve("a".to_path_ref().unwrap());
    let node = &node.0;
    let room = || {
        let slow = node.cold().slow.lock();
        [slow.kids.capacity(), slow.queue.capacity(), slow.records.capacity()]
    };
    let children: Vec<_> = (0..CROWD).map(|at| store.lock(["a", &at.to_string()]).unwrap()).collect();
    let shared = store.mutex("a").unwrap().shared().node_only().owner("one of many");
    let mut held: Vec<_> = (0..CROWD).map(|_| shared.lock_owned().unwrap()).collect();
    let mutex = store.mutex("a").unwrap();
    let mut waiting: Vec<_> = (0..CROWD).map(|_| Box::pin(mutex.lock_async())).collect();
    for wait in &mut waiting {
        assert!(wait.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    assert!(room().iter().all(|room| *room >= CROWD));
    let last = held.pop();
    waiting.drain(1..);
    drop((children, held));
    store.shrink_to_fit();
    assert!(room().iter().all(|room| *room <= 64), "{:?}", room());
    drop((waiting, last));
}
