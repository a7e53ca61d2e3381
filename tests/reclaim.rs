//! Memory is bounded by what is in use, and nothing that is in use is ever reclaimed.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use common::asking::{Asking, asking};
use mutextree::{LockStore, MemoryStore};

/// What `node_count` may exceed twice the nodes in use by.
const CONSTANT: usize = 4096;

/// That no more nodes are kept than `in_use`, the root among them, allows.
#[track_caller]
fn assert_bounded(store: &MemoryStore, in_use: usize) {
    let (count, most) = (store.node_count(), 2 * in_use + CONSTANT);
    assert!(count <= most, "{count} nodes while {in_use} are in use: at most {most} are allowed");
}

/// Locks so many paths once that nobody has used before, two levels below `name`.
fn use_paths(store: &MemoryStore, name: &str, count: usize, mut then: impl FnMut(usize)) {
    for at in 0..count {
        drop(store.lock([name, &(at % 97).to_string(), &at.to_string()]).unwrap());
        then(at);
    }
}

#[test]
fn a_million_paths_locked_once() {
    let store = MemoryStore::new();
    use_paths(&store, "many", 1_000_000, |at| {
        if at % 1000 == 0 {
            assert_bounded(&store, 4); // the root, `many`, the parent, the leaf
        }
    });
    store.shrink_to_fit();
    assert_eq!(store.node_count(), 1);
}

/// Most of those that the last sweep left are given up, and hardly anything is new.
#[test]
fn handles_given_up_after_a_sweep() {
    let (store, kept) = (MemoryStore::new(), 2_000);
    let mut handles: Vec<_> = (0..20_000).map(|at| store.mutex(at.to_string()).unwrap()).collect();
    store.shrink_to_fit();
    assert_eq!(store.node_count(), 1 + handles.len());
    handles.truncate(kept);
    assert_bounded(&store, 1 + kept);
}

#[test]
fn paths_used_in_every_other_way() {
    let store = MemoryStore::new();
    let held = store.lock("x").unwrap();
    for at in 0..20_000 {
        let name = at.to_string();
        drop(store.mutex(["handle", &name]).unwrap());
        assert!(store.mutex(["x", &name]).unwrap().try_lock().is_err());
        assert!(store.mutex(["x", "y", &name]).unwrap().try_lock_for(Duration::ZERO).is_err());
        assert!(!store.mutex(["asked", &name]).unwrap().is_locked());
        drop(store.mutex(["a", &name, "b"]).unwrap().shared().node_only().lock().unwrap());
        if at % 100 == 0 {
            drop(store.mutex("a").unwrap().lock().unwrap()); // looks down upon all that were used
            assert_bounded(&store, 5);
        }
    }
    drop(held);
    store.shrink_to_fit();
    assert_eq!(store.node_count(), 1);
}

#[test]
fn paths_locked_once_by_many_threads() {
    let store = MemoryStore::new();
    let threads = ["a", "b", "c/d", "a"].map(|name| {
        let store = store.clone();
        thread::spawn(move || use_paths(&store, name, 50_000, |_| {}))
    });
    while !threads.iter().all(|thread| thread.is_finished()) {
        assert_bounded(&store, 1 + 4 * 3);
        thread::yield_now();
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    store.shrink_to_fit();
    assert_eq!(store.node_count(), 1);
}

#[test]
fn shrink_to_fit_keeps_what_is_in_use_and_nothing_else() {
    let store = MemoryStore::new();
    let count = |expected: usize, why: &str| {
        store.shrink_to_fit();
        assert_eq!(store.node_count(), expected, "{why}");
    };
    count(1, "the root");
    use_paths(&store, "many", 1000, |_| {});
    count(1, "nobody has any of them any more");

    let handle = store.mutex("a/b/c").unwrap();
    count(4, "a handle, and what is above it");
    let clone = handle.clone().shared().node_only();
    drop(handle);
    count(4, "another handle to the same");
    let sibling = store.lock("a/b/d").unwrap();
    count(5, "a lock that is held without a handle");
    drop(clone);
    count(4, "the lock, and what is above it");
    drop(sibling);
    count(1, "nothing");

    let parent = store.mutex("p").unwrap();
    let children: Vec<_> = (0..100).map(|at| store.mutex(["p", &at.to_string()]).unwrap()).collect();
    children.iter().for_each(|child| drop(child.lock().unwrap()));
    count(102, "the root, p and its children");
    drop(parent.lock().unwrap());
    drop(parent);
    count(102, "p is above its children");
    drop(children);
    count(1, "nothing");
}

#[test]
fn a_wait_that_timed_out_keeps_no_node() {
    let store = MemoryStore::new();
    let leaf = store.lock("a/b").unwrap();
    for path in ["a", "a/b", "a/b/c", "/"] {
        let mutex = store.mutex(path).unwrap();
        assert!(mutex.try_lock_for(Duration::from_millis(5)).is_err());
    }
    store.shrink_to_fit();
    assert_eq!(store.node_count(), 3);
    drop(leaf);
    store.shrink_to_fit();
    assert_eq!(store.node_count(), 1);
}

#[test]
fn many_handles_cost_their_nodes_and_no_more() {
    let store = MemoryStore::new();
    let handles: Vec<_> = (0..100_000).map(|at| store.mutex(format!("h/{}/{at}", at % 97)).unwrap()).collect();
    let in_use = 1 + 1 + 97 + handles.len();
    assert!(store.node_count() >= in_use, "a handle has a node");
    assert_bounded(&store, in_use);
    use_paths(&store, "many", 200_000, |at| {
        if at % 1000 == 0 {
            assert_bounded(&store, in_use + 4);
        }
    });
    assert!(store.node_count() >= in_use, "a handle keeps its node");

    drop(handles);
    use_paths(&store, "few", 5000, |_| {});
    assert_bounded(&store, 4);
}

/// Everything that keeps a node in use, in the midst of a stream of other paths: were one
/// reclaimed, its lock would be on another node.
#[test]
fn what_is_in_use_is_not_lost() {
    let store = MemoryStore::new();
    let is_locked = |path: &str| store.mutex(path).unwrap().is_locked();
    let handle = store.mutex("handle/a").unwrap();
    let held = store.lock("held/a").unwrap();
    let mut reader = store.mutex("read/a").unwrap().lock_owned().unwrap();
    let blocker = store.lock("wait/a/b").unwrap();
    let [above, same, below] = ["wait/a", "wait/a/b", "wait/a/b/c"].map(|path| {
        let store = store.clone();
        asking(move || drop(store.lock(path).unwrap()))
    });

    for round in 0..5 {
        use_paths(&store, "many", 5000, |_| {});
        store.shrink_to_fit();
        for path in ["held", "held/a", "held/a/b", "read/a", "wait", "wait/a", "wait/a/b", "wait/a/b/c", "/"] {
            assert!(is_locked(path), "the lock on `{path}` was lost in round {round}");
        }
        let guard = handle.lock().unwrap();
        for path in ["handle", "handle/a", "handle/a/b"] {
            assert!(is_locked(path), "a lock by an old handle does not reach `{path}`");
        }
        drop(guard);
        let other = store.lock("handle/a").unwrap();
        assert!(handle.is_locked(), "an old handle does not see a new lock");
        drop(other);
        reader.downgrade().unwrap();
        assert!(store.mutex("read/a").unwrap().shared().try_lock().is_ok());
    }

    above.still_waits("a lock below it is held");
    drop(blocker);
    [above, same, below].into_iter().for_each(Asking::ends);
    drop((held, reader));
    assert!(!is_locked("/"));
}

/// Locks by path, without handles, while nodes are reclaimed all the time: two who hold related
/// locks at once would be noticed.
#[test]
fn reclaim_races_with_use() {
    let store = MemoryStore::new();
    let over = Arc::new(AtomicBool::new(false));
    let sweeper = {
        let (store, over) = (store.clone(), over.clone());
        asking(move || {
            while !over.load(SeqCst) {
                store.shrink_to_fit();
                thread::yield_now();
            }
        })
    };
    let inside = Arc::new(AtomicUsize::new(0));
    // Every one of these conflicts with every other one.
    let threads = ["r", "r/x", "r/x/y", "r/x/y"].map(|path| {
        let (store, inside) = (store.clone(), inside.clone());
        asking(move || {
            for _ in 0..3000 {
                let _guard = store.lock(path).unwrap();
                assert_eq!(inside.fetch_add(1, SeqCst), 0, "two are in");
                inside.fetch_sub(1, SeqCst);
            }
        })
    });
    threads.into_iter().for_each(Asking::ends);
    over.store(true, SeqCst);
    sweeper.ends();
    store.shrink_to_fit();
    assert_eq!(store.node_count(), 1);
}
