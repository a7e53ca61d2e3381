//! What the accounts say, and what a sweep leaves.

use super::super::MemoryNode;
use super::super::word::Kind;
use super::*;
use crate::path::ToTreePath;
use std::time::Duration;

/// Counted one by one, in several orders: a sweep is due as soon as the bound of the header asks
/// for it, and no sooner.
#[test]
fn a_sweep_is_due_by_the_bound() {
    for survivors in [0, 5] {
        for (first_new, first_gone) in [(0, 0), (10, 0), (0, 10), (SLACK, 0), (0, SLACK / 2), (SLACK / 2, SLACK / 8)] {
            for step_gone in [0, 1, 2] {
                let accounts = Accounts::new();
                accounts.survivors.store(survivors, Ordering::Relaxed);
                let (mut new, mut gone) = (first_new, first_gone);
                (0..first_new).for_each(|_| accounts.count_new());
                accounts.count_gone(first_gone);
                loop {
                    let due = new + 2 * gone > survivors + SLACK;
                    assert_eq!(accounts.is_due(), due, "{new} new, {gone} gone, {survivors} survivors");
                    if due {
                        break;
                    }
                    if step_gone == 0 {
                        accounts.count_new();
                        new += 1;
                    } else {
                        accounts.count_gone(step_gone);
                        gone += step_gone;
                    }
                }
            }
        }
    }
}

/// That a sweep leaves these many, and knows it.
#[track_caller]
fn swept(tree: &Tree, left: usize) {
    tree.sweep();
    let accounts = &tree.shared.accounts;
    let known = [&accounts.survivors, &accounts.new, &accounts.gone].map(|number| number.load(Ordering::Relaxed));
    assert_eq!((tree.index.len(), known), (left, [left, 0, 0]));
}

fn handle(tree: &Tree, path: impl ToTreePath) -> MemoryNode {
    MemoryNode::new(tree.resolve(path.to_path_ref().unwrap()))
}

/// Locks it once, so that it is enrolled.
fn used(tree: &Tree, path: impl ToTreePath) -> MemoryNode {
    let node = handle(tree, path);
    node.0.try_claim(Kind::Xs).unwrap();
    node.0.drop_claim(Kind::Xs);
    node
}

#[test]
fn a_sweep_counts_what_it_leaves() {
    let tree = Tree::new(Duration::ZERO);
    swept(&tree, 0);
    // Below the root, below a node that stays, below one that goes; used or only resolved.
    let names = ["a", "b", "c", "d", "e"];
    let many: Vec<_> = ["stays", "goes"]
        .iter()
        .flat_map(|above| names.map(|name| [used(&tree, [above, name]), handle(&tree, [above, &*name.repeat(2)])]))
        .chain(names.map(|name| [used(&tree, name), handle(&tree, name.repeat(2))]))
        .collect();
    let kept = [handle(&tree, "stays/a"), handle(&tree, "b"), handle(&tree, "cc")];
    assert_eq!(tree.index.len(), 2 + 3 * 10);
    drop(many);
    swept(&tree, 4);
    // Survivors that go, beside some that are new.
    let new = [used(&tree, "new/a"), handle(&tree, "new/b")];
    drop(kept);
    swept(&tree, 3);
    drop(new);
    swept(&tree, 0);
}

/// One survivor that goes may have been what kept all those above it.
#[test]
fn a_survivor_counts_when_its_last_handle_goes() {
    let tree = Tree::new(Duration::ZERO);
    let gone = || tree.shared.accounts.gone.load(Ordering::Relaxed);
    let kept = used(&tree, "a/b/c");
    drop(used(&tree, "a/b/new"));
    swept(&tree, 3);
    let clone = kept.clone();
    let more = [clone.clone(), clone.clone()];
    drop(more);
    assert_eq!(gone(), 0, "there are others");
    drop((clone, kept));
    assert_eq!(gone(), 3);
    drop(handle(&tree, "a/b/c"));
    assert_eq!(gone(), 3, "it has been counted");
    drop(handle(&tree, "new"));
    assert_eq!(gone(), 3, "it is no survivor");
    swept(&tree, 0);
}

/// What a due sweep leaves of nodes that nobody uses: those that had children, once, and what is
/// above them.
#[test]
fn a_due_sweep_keeps_what_had_children_until_the_next() {
    let tree = Tree::new(Duration::ZERO);
    let accounts = &tree.shared.accounts;
    let sweep = || {
        accounts.due.store(true, Ordering::Relaxed);
        let left = tree.node_count() - 1;
        let known = [&accounts.survivors, &accounts.new, &accounts.gone].map(|number| number.load(Ordering::Relaxed));
        (left, known)
    };
    let held = used(&tree, "held/a");
    for n in 0..10 {
        ["a/b", "a/c/d", "e"].iter().for_each(|above| drop(used(&tree, format!("{above}/{n}"))));
    }
    // `a/b`, `a/c/d` and `e` had nothing but leaves. Above them are `a` and `a/c`.
    assert_eq!(sweep(), (2 + 5, [2, 5, 0]));
    drop(used(&tree, "a/b/again"));
    assert_eq!(sweep(), (2 + 3, [2, 3, 0]), "`a/b`, `a/c`, which had `a/c/d`, and `a`");
    assert_eq!(sweep(), (2 + 1, [2, 1, 0]), "`a`, which had these");
    assert_eq!(sweep(), (2, [2, 0, 0]));
    drop(held);
    assert_eq!(sweep(), (1, [0, 1, 0]));
    assert_eq!(sweep(), (0, [0, 0, 0]));
    drop(used(&tree, "a/b/c"));
    swept(&tree, 0);
}

#[test]
fn a_due_sweep_keeps_so_many_and_no_more() {
    let tree = Tree::new(Duration::ZERO);
    let handles: Vec<_> = (0..2 * KEPT).map(|n| used(&tree, format!("a/{n}/leaf"))).collect();
    swept(&tree, 1 + 2 * handles.len());
    drop(handles); // so a sweep is due
    let left = tree.node_count() - 1;
    assert!((KEPT - 3..=KEPT).contains(&left), "{left} of {KEPT}");
}
