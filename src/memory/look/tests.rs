use std::collections::BTreeSet;

use super::super::acquire::{Acquisition, Step};
use super::*;
use crate::path::ToTreePath;
use crate::request::Owner;

fn tree() -> Tree {
    Tree::new(std::time::Duration::MAX)
}

fn node(tree: &Tree, path: &str) -> MemoryNode {
    MemoryNode::new(tree.resolve(path.to_path_ref().unwrap()))
}

fn held(snapshot: &Snapshot) -> Vec<String> {
    snapshot.holders().map(|lock| format!("{} {}", lock.path, lock.kind)).collect()
}

/// Several that drain at one place, beside locks of that kind with and without a record.
#[test]
fn claims_that_drain_are_no_locks() {
    let tree = tree();
    let (inner, leaf) = (node(&tree, "a"), node(&tree, "a/b"));
    leaf.0.try_claim(Kind::Xs).unwrap();
    inner.0.try_claim(Kind::Sn).unwrap();
    let owner = Owner::from("drains");
    let mut drain = [0, 1].map(|_| Acquisition::new(&inner.0, Kind::Ss, Some(&owner)));
    assert!(drain.iter_mut().all(|acquisition| acquisition.step() == Step::Asleep));
    let snapshot = tree.snapshot();
    assert_eq!(held(&snapshot), ["a shared, node only", "a/b exclusive, subtree"]);
    assert_eq!(snapshot.waiters().len(), 2);
    assert!(snapshot.waiters().all(|waiter| waiter.path.depth() == 1 && waiter.owner.as_ref() == Some(&owner)));
    // A record whose claim was among those counted.
    leaf.0.downgrade_claim(Kind::Xs);
    assert!(drain.iter_mut().all(|acquisition| acquisition.is_woken() && acquisition.step() == Step::Granted));
    let token = tree.shared.next_token();
    inner.0.record(token, Kind::Ss, None, Some(owner.clone()));
    let snapshot = tree.snapshot();
    let expected = ["a shared, subtree", "a shared, subtree", "a shared, node only", "a/b shared, subtree"];
    assert_eq!(held(&snapshot), expected);
    assert_eq!(snapshot.holders().filter(|lock| lock.owner.is_some()).count(), 1);
}

/// What may matter is looked at, and nothing else; but below a claim that covers all, all of it.
#[test]
fn around_a_node_is_what_matters_to_it() {
    let tree = tree();
    let paths = ["a/b", "a/b/c", "a/x/y", "z/1", "z/2"];
    let nodes = paths.map(|path| node(&tree, path));
    nodes.iter().for_each(|node| node.0.try_claim(Kind::Xn).unwrap());
    let around = |path: &str| -> BTreeSet<String> {
        node(&tree, path).0.around().iter().map(|node| node.0.path.to_string()).collect()
    };
    let set = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(around("a/b"), set(&["a/b", "a/b/c"]));
    assert_eq!(around("a/b/c/d"), set(&["a/b", "a/b/c"]));
    assert_eq!(around("a"), set(&["a/b", "a/b/c", "a/x/y"]));
    assert_eq!(around("/"), set(&paths));
    // It drains below `a/x`, so it is seen there.
    let wanted = node(&tree, "a");
    let mut drain = Acquisition::new(&wanted.0, Kind::Xs, None);
    assert_eq!(drain.step(), Step::Asleep);
    assert_eq!(around("a/b/c/d"), set(&["a", "a/b", "a/b/c", "a/x/y"]));
    let blockers = node(&tree, "a/b/c/d").0.snapshot_around();
    assert_eq!(blockers.waiters().len(), 1, "{blockers}");
    drop(drain);
}

/// A look keeps no node in use, and what it kept meanwhile counts as gone afterwards.
#[test]
fn what_was_looked_at_is_reclaimed() {
    let tree = tree();
    let nodes: Vec<_> = (0..10).map(|at| node(&tree, &format!("a/{at}"))).collect();
    nodes.iter().for_each(|node| node.0.try_claim(Kind::Xs).unwrap());
    tree.sweep(); // they survive
    assert_eq!(tree.snapshot().holders().len(), 10);
    nodes.iter().for_each(|node| node.0.drop_claim(Kind::Xs));
    assert!(tree.snapshot().is_empty());
    drop(nodes);
    tree.sweep();
    assert_eq!(tree.node_count(), 1);
}
