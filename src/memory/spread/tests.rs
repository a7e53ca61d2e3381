//! Readers that sit are readers like all others.

use std::thread;
use std::time::Instant;

use super::super::seats::SEATS;
use super::*;
use crate::path::ToTreePath;
use crate::{LockError, LockStore, MemoryStore, OwnedTreeMutexGuard, TreeMutex};

/// A shared handle of `a/b` in a store where that node is spread.
fn spread_handle(made: impl Fn(TreeMutex) -> TreeMutex) -> (MemoryStore, TreeMutex) {
    let store = MemoryStore::new();
    let handle = made(store.mutex("a/b").unwrap().shared());
    spread(&store, &handle);
    (store, handle)
}

fn node(store: &MemoryStore) -> PlainArc<Node> {
    store.tree.resolve("a/b".to_path_ref().unwrap())
}

fn spread(store: &MemoryStore, handle: &TreeMutex) {
    let (reader, node) = (handle.lock().unwrap(), node(store));
    for kind in SHARED.into_iter().filter(|kind| kind.count(node.word.load(Ordering::SeqCst)) > 0) {
        node.spread(kind);
    }
    drop(reader);
    assert!(is_spread(store));
}

fn is_spread(store: &MemoryStore) -> bool {
    node(store).word.load(Ordering::SeqCst) & SPREAD != 0
}

/// How many readers sit.
fn sitting(store: &MemoryStore) -> usize {
    let node = node(store);
    SHARED.iter().map(|kind| Seats::of_all().with(node.claim_in_seat(*kind)).count()).sum()
}

fn assert_free(store: &MemoryStore) {
    assert_eq!(sitting(store), 0);
    for path in ["/", "a", "a/b", "a/b/c"] {
        assert!(!store.mutex(path).unwrap().is_locked(), "{path}");
        drop(store.try_lock(path).unwrap());
    }
}

/// So many guards that sit. Another test's may have the seats of this thread's line for a moment.
fn that_sit<const N: usize>(store: &MemoryStore, handle: &TreeMutex) -> [OwnedTreeMutexGuard; N] {
    loop {
        let guards = [(); N].map(|()| handle.lock_owned().unwrap());
        if sitting(store) == N {
            return guards;
        }
        drop(guards);
        thread::yield_now();
    }
}

fn one_that_sits(store: &MemoryStore, handle: &TreeMutex) -> OwnedTreeMutexGuard {
    let [guard] = that_sit(store, handle);
    guard
}

#[test]
fn they_keep_out_what_conflicts_and_nothing_else() {
    for node_only in [false, true] {
        let (store, handle) = spread_handle(|handle| if node_only { handle.node_only() } else { handle });
        let refused = |path: &str| {
            let (reader, by) = (one_that_sits(&store, &handle), store.try_lock(path));
            drop(reader);
            matches!(by, Err(LockError::WouldBlock { blocker }) if blocker.path().to_string() == "a/b")
        };
        let paths = ["/", "a", "a/b", "a/b/c", "a/c"];
        for (path, conflicts) in paths.into_iter().zip([true, true, true, !node_only, false]) {
            assert_eq!(refused(path), conflicts, "{path}");
            node(&store).cold().slow.lock().gathered = None;
            if !is_spread(&store) {
                spread(&store, &handle);
            }
        }
        assert_free(&store);
    }
}

#[test]
fn a_listing_shows_them() {
    let (store, handle) = spread_handle(|handle| handle);
    let readers: [_; 3] = that_sit(&store, &handle);
    assert_eq!(store.locks().unwrap().len(), 3);
    assert!(store.mutex("a").unwrap().is_locked());
    drop(readers);
    assert_eq!(store.locks().unwrap().len(), 0);
    assert_free(&store);
}

#[test]
fn more_of_them_than_seats_are_counted() {
    let (store, handle) = spread_handle(|handle| handle);
    let readers: Vec<_> = (0..SEATS + 9).map(|_| handle.lock().unwrap()).collect();
    assert!(sitting(&store) < SEATS, "one thread has a line of them");
    assert_eq!(store.locks().unwrap().len(), readers.len());
    assert_eq!(sitting(&store), 0, "who looks has gathered");
    let half = readers.len() / 2;
    let mut readers = readers;
    let left = readers.split_off(half);
    drop(readers);
    assert!(store.try_lock("a/b").is_err());
    drop(left);
    assert_free(&store);
}

#[test]
fn another_thread_lets_go_of_one() {
    let (store, handle) = spread_handle(|handle| handle);
    let guard = one_that_sits(&store, &handle);
    thread::scope(|scope| scope.spawn(|| drop(guard)).join().unwrap());
    assert_free(&store);
}

#[test]
fn a_waiter_gets_its_turn_when_they_leave() {
    let (store, handle) = spread_handle(|handle| handle);
    let guard = one_that_sits(&store, &handle);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| drop(store.lock("a").unwrap()));
        while store.snapshot().unwrap().waiters().count() == 0 {
            thread::yield_now();
        }
        drop(guard);
        waiter.join().unwrap();
    });
    assert_free(&store);
}

#[test]
fn one_has_a_token_like_all_others() {
    let (store, handle) = spread_handle(|handle| handle);
    let before = store.lock("a").unwrap().fencing_token();
    spread_again(&store, &handle);
    let guard = one_that_sits(&store, &handle);
    // Two threads ask at once: it has one token.
    let ask = |guard: &OwnedTreeMutexGuard| guard.fencing_token();
    let tokens = thread::scope(|scope| [(); 2].map(|()| scope.spawn(|| ask(&guard))).map(|asks| asks.join().unwrap()));
    let token = tokens[0];
    assert!(token > before && tokens == [token; 2] && guard.is_held());
    drop(guard);
    assert!(store.lock("a").unwrap().fencing_token() > token);
    assert_free(&store);
}

fn spread_again(store: &MemoryStore, handle: &TreeMutex) {
    node(store).cold().slow.lock().gathered = None;
    spread(store, handle);
}

/// A lease, another scope, another mode: what asks more of a lock has it counted first.
#[test]
fn one_may_change_like_all_others() {
    let (store, handle) = spread_handle(|handle| handle);
    let changes: [fn(OwnedTreeMutexGuard) -> Vec<OwnedTreeMutexGuard>; 5] = [
        |guard| {
            guard.refresh_for(Duration::from_secs(60)).unwrap();
            vec![guard]
        },
        |guard| guard.narrow(["a/b/c", "a/b/d"]).unwrap(),
        |guard| vec![guard.try_widen("a").unwrap()],
        |mut guard| {
            guard.try_upgrade().unwrap();
            vec![guard]
        },
        |mut guard| {
            guard.try_upgrade_for(Duration::from_secs(60)).unwrap();
            guard.downgrade().unwrap();
            vec![guard]
        },
    ];
    for change in changes {
        // One that stays would be in an upgrade's way.
        let changed = change(one_that_sits(&store, &handle));
        assert_eq!((sitting(&store), store.locks().unwrap().len()), (0, changed.len()));
        assert!(store.try_lock("/").is_err() && changed.iter().all(OwnedTreeMutexGuard::is_held));
        drop(changed);
        assert_free(&store);
        spread_again(&store, &handle);
    }
}

#[test]
fn one_that_is_left_behind_is_found_again() {
    let (store, handle) = spread_handle(|handle| handle);
    let lease = one_that_sits(&store, &handle).into_lease().unwrap();
    assert!(store.try_lock("a/b").is_err() && sitting(&store) == 0);
    store.resume("a/b", lease.token()).unwrap().release().unwrap();
    assert_free(&store);
}

/// As long as one reads, no other becomes exclusive.
#[test]
fn they_are_in_the_way_of_an_upgrade() {
    for path in ["a", "a/b", "a/b/c"] {
        let (store, handle) = spread_handle(|handle| handle);
        let mut reader = store.mutex(path).unwrap().shared().lock_owned().unwrap();
        let other = handle.lock_owned().unwrap();
        assert!(reader.try_upgrade().is_err() && reader.is_held(), "{path}");
        drop(other);
        reader.try_upgrade().unwrap();
        drop(reader);
        assert_free(&store);
    }
}

#[test]
fn a_node_that_was_gathered_rests() {
    let (store, handle) = spread_handle(|handle| handle);
    let reader = handle.lock().unwrap();
    // Once this thread was quick enough.
    loop {
        let begun = Instant::now();
        node(&store).gather();
        node(&store).spread(Kind::Ss);
        let was_spread = is_spread(&store);
        if begun.elapsed() < REST {
            assert!(!was_spread);
            break;
        }
    }
    drop(reader);
    spread_again(&store, &handle);
}

#[test]
fn a_spread_node_is_reclaimed() {
    let (store, handle) = spread_handle(|handle| handle);
    let guard = one_that_sits(&store, &handle);
    drop(handle);
    store.shrink_to_fit();
    assert_eq!((store.node_count(), sitting(&store)), (3, 1));
    drop(guard);
    store.shrink_to_fit();
    assert_eq!(store.node_count(), 1);
}
