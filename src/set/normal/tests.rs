use std::time::Duration;

use super::*;
use crate::memory::MemoryStore;
use crate::mutex::TreeMutex;
use crate::store::LockStore;

/// A member as text: `x` exclusive, `s` shared, `n` for the node only, then the path.
fn mutex(store: &MemoryStore, text: &str) -> TreeMutex {
    let (how, path) = text.split_once(' ').unwrap();
    let mut mutex = store.mutex(path).unwrap();
    if how.contains('s') {
        mutex = mutex.shared();
    }
    if how.contains('n') {
        mutex = mutex.node_only();
    }
    mutex
}

fn member(mutex: TreeMutex) -> Member<MemoryStore> {
    let (node, request, _) = mutex.into_parts();
    Member { node, request }
}

fn text(member: &Member<MemoryStore>) -> String {
    let kind = member.request.kind;
    let mode = if kind.mode == Mode::Shared { "s" } else { "x" };
    let scope = if kind.scope == Scope::Node { "n" } else { "" };
    format!("{mode}{scope} {}", MemoryStore::path(&member.node))
}

#[test]
fn what_is_covered_is_absorbed() {
    let table: &[(&[&str], &[&str])] = &[
        (&["x a"], &["x a"]),
        (&["x b", "x a"], &["x a", "x b"]),
        (&["x a", "x a"], &["x a"]),
        (&["s a", "s a"], &["s a"]),
        // The stronger mode and the wider scope, on one path.
        (&["s a", "x a"], &["x a"]),
        (&["xn a", "s a"], &["x a"]),
        (&["sn a", "s a"], &["s a"]),
        (&["sn a", "xn a"], &["xn a"]),
        // Below a subtree.
        (&["x a", "x a/b"], &["x a"]),
        (&["s a", "x a/b"], &["x a"]),
        (&["s a", "xn a/b/c"], &["x a"]),
        (&["s a", "s a/b"], &["s a"]),
        (&["x a", "s a/b", "x a/b/c", "x a/d"], &["x a"]),
        (&["x /", "s b"], &["x /"]),
        // A lock on the node alone covers nothing below.
        (&["xn a", "x a/b"], &["xn a", "x a/b"]),
        (&["sn a", "s a/b", "x a/b/c"], &["sn a", "x a/b"]),
        (&["xn a", "xn a/b", "x a/b/c"], &["xn a", "xn a/b", "x a/b/c"]),
        // Made wider by another on its path, it does.
        (&["x a/b", "sn a", "s a"], &["x a"]),
        // Names that only begin alike.
        (&["x a", "x ab", "x a!", "x a/b"], &["x a", "x a!", "x ab"]),
    ];
    let store = MemoryStore::new();
    for (given, left) in table {
        let orders = [given.to_vec(), given.iter().rev().copied().collect()];
        for order in orders {
            let members = order.iter().map(|text| member(mutex(&store, text))).collect();
            let texts: Vec<_> = form(members).unwrap().iter().map(text).collect();
            assert_eq!(texts, *left, "of {order:?}");
        }
    }
}

#[test]
fn the_shorter_lease_and_the_first_owner_are_left() {
    let store = MemoryStore::new();
    let (short, long) = (Duration::from_secs(1), Duration::from_secs(2));
    let all = [
        mutex(&store, "s a").lease(long),
        mutex(&store, "s a/b").lease(short).owner("second"),
        mutex(&store, "s a/c").owner("third"),
        mutex(&store, "s d").owner("own"),
        mutex(&store, "s d/e").owner("other").lease(long),
        mutex(&store, "s f"),
    ];
    let left = form(all.into_iter().map(member).collect()).unwrap();
    let leases: Vec<_> = left.iter().map(|member| member.request.lease).collect();
    assert_eq!(leases, [Some(short), Some(long), None]);
    let owners: Vec<_> = left.iter().map(|member| member.request.owner.as_ref().map(|owner| owner.as_str())).collect();
    assert_eq!(owners, [Some("second"), Some("own"), None]);
}

#[test]
fn what_makes_no_sense_is_named() {
    let error = form(Vec::<Member<MemoryStore>>::new()).unwrap_err();
    assert!(matches!(error, LockError::InvalidInput(InvalidInput::EmptySet)));
    let (one, other) = (MemoryStore::new(), MemoryStore::new());
    let two = vec![member(mutex(&one, "x b")), member(mutex(&one.clone(), "x c")), member(mutex(&other, "x a"))];
    let error = form(two).unwrap_err();
    let text = "`a` is in another tree than the first member: a set of locks is taken in one tree";
    assert_eq!(error.to_string(), text);
    assert_eq!(error.path().map(ToString::to_string).as_deref(), Some("a"));
}
