//! The layout that the figures rest on, and what a node shows of itself.

use super::super::tree::Tree;
use super::*;
use crate::{Backend, LockStore, MemoryStore, ToTreePath};
use std::future::Future;
use std::task::{Context, Waker};
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
    let make = |name: usize| Indexed(Node::below(&tree.root, name.to_string().parse().unwrap()));
    for name in 0..5000 {
        let (first, second) = (make(name), make(name));
        assert!(tree.index.get_or_insert(first.clone()).1, "nobody has made it before");
        let (found, is_new) = tree.index.get_or_insert(second);
        assert!(!is_new && PlainArc::ptr_eq(&found.0, &first.0));
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
