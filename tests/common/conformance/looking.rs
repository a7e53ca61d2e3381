//! Looking at who holds and who waits, and ending what somebody else holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use mutextree::{HeldLock, LockError, LockStore, Mode, Scope, Snapshot, TreePath, WaitingLock, conflicts};

use super::{assert_all_free, hold};
use crate::common::asking::{AT_MOST, Asking, asking};
use crate::common::hand::Hand;
use crate::common::kinds::{EXCLUSIVE, EXCLUSIVE_NODE, KINDS, Kind, SHARED, SHARED_NODE, SMALL_TREE, mutex};

const LONG: Duration = Duration::from_secs(3600);

/// Looks until it sees what is waited for, as somebody who has just asked may not wait yet.
#[track_caller]
fn look_until<S: LockStore>(store: &S, sees: impl Fn(&Snapshot) -> bool) -> Snapshot {
    let start = Instant::now();
    loop {
        let snapshot = store.snapshot().unwrap();
        if sees(&snapshot) {
            return snapshot;
        }
        assert!(start.elapsed() < AT_MOST, "it is never seen:\n{snapshot}");
        thread::yield_now();
    }
}

fn path(text: &str) -> TreePath {
    text.parse().unwrap()
}

fn held(lock: &HeldLock) -> (String, Kind, String) {
    (lock.path.to_string(), lock.kind, lock.owner.as_ref().map_or("", |owner| owner.as_str()).to_owned())
}

fn waiting(waiter: &WaitingLock) -> (String, Kind, String) {
    (waiter.path.to_string(), waiter.kind, waiter.owner.as_ref().map_or("", |owner| owner.as_str()).to_owned())
}

fn entry(path: &str, kind: Kind, owner: &str) -> (String, Kind, String) {
    (path.into(), kind, owner.into())
}

/// Somebody of this name who waits for a lock, and has it until told to let go.
fn waits<S: LockStore>(store: &S, path: &str, kind: Kind, owner: &str) -> Asking<Result<(), LockError>> {
    let waiters = store.snapshot().unwrap().waiters().len();
    let mutex = mutex(store, path, kind).owner(owner);
    let waiter = asking(move || mutex.lock_owned().map(drop));
    look_until(store, |snapshot| snapshot.waiters().len() == waiters + 1);
    waiter
}

pub(crate) fn what_is_held_is_seen<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    assert!(store.snapshot().unwrap().is_empty());
    let [reader, backup] = ["reader", "backup"];
    let mut guards = vec![
        mutex(&store, "a/b", SHARED).owner(reader).lock_owned().unwrap(),
        mutex(&store, "a/b", SHARED_NODE).lock_owned().unwrap(),
        mutex(&store, "/", SHARED_NODE).lock_owned().unwrap(),
        mutex(&store, "a", EXCLUSIVE_NODE).owner(backup).lease(LONG).lock_owned().unwrap(),
        mutex(&store, "b", EXCLUSIVE).owner(backup).lock_owned().unwrap(),
    ];
    let all = [
        entry("/", SHARED_NODE, ""),
        entry("a", EXCLUSIVE_NODE, backup),
        entry("a/b", SHARED, reader),
        entry("a/b", SHARED_NODE, ""),
        entry("b", EXCLUSIVE, backup),
    ];
    let mut seen: Vec<_> = store.snapshot().unwrap().holders().map(held).collect();
    seen.sort_by_key(|(path, kind, owner)| (path.clone(), kind.scope == Scope::Node, owner.clone()));
    assert_eq!(seen, all);

    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.waiters().len(), 0);
    let leased = snapshot.holders().find(|lock| lock.path == path("a")).unwrap();
    assert!(leased.remaining.is_some_and(|left| left <= LONG && left > LONG / 2), "{leased:?}");
    assert!(leased.held_for.is_some_and(|age| age < AT_MOST), "{leased:?}");
    assert_eq!(leased.fencing_token, Some(guards[3].fencing_token()));
    assert!(!leased.is_detached());

    guards[4].downgrade().unwrap();
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.below(&path("b")).holders().map(held).collect::<Vec<_>>(), [entry("b", SHARED, backup)]);
    while let Some(guard) = guards.pop() {
        guard.unlock().unwrap();
        assert_eq!(store.snapshot().unwrap().holders().len(), guards.len());
    }
    assert!(store.snapshot().unwrap().is_empty());
    let _ended = mutex(&store, "a", EXCLUSIVE).owner(reader).lease(Duration::ZERO).lock_owned().unwrap();
    assert!(store.snapshot().unwrap().is_empty(), "its lease has ended");
}

pub(crate) fn who_waits_is_seen_in_order<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let guard = mutex(&store, "a/b", EXCLUSIVE).owner("holder").lock_owned().unwrap();
    let waiters = [
        waits(&store, "a/b/c", EXCLUSIVE, "first"),
        waits(&store, "a/b", SHARED, "second"),
        waits(&store, "a/b/c", SHARED_NODE, "third"),
        waits(&store, "a/b", EXCLUSIVE_NODE, "fourth"),
    ];
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.holders().map(held).collect::<Vec<_>>(), [entry("a/b", EXCLUSIVE, "holder")]);
    let expected = [
        entry("a/b/c", EXCLUSIVE, "first"),
        entry("a/b", SHARED, "second"),
        entry("a/b/c", SHARED_NODE, "third"),
        entry("a/b", EXCLUSIVE_NODE, "fourth"),
    ];
    assert_eq!(snapshot.waiters().map(waiting).collect::<Vec<_>>(), expected);
    for waiter in snapshot.waiters() {
        assert_eq!(waiter.behind.as_ref().unwrap().to_string(), "`a/b`, held by holder");
        assert!(waiter.waited.is_some_and(|waited| waited < AT_MOST), "{waiter:?}");
    }
    let nodes: Vec<_> = snapshot.nodes().map(|node| (node.holders().len(), node.waiters().len())).collect();
    assert_eq!(nodes, [(1, 2), (0, 2)], "a/b and a/b/c");

    drop(guard);
    waiters.into_iter().for_each(|waiter| waiter.ends().unwrap());
    assert!(store.snapshot().unwrap().is_empty());
    assert_all_free(&store);
}

/// A lock on an inner node that waits for one below it is no lock yet, and those that come later
/// are behind it.
pub(crate) fn who_waits_for_what_is_below_holds_nothing_yet<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let reader = mutex(&store, "a", SHARED_NODE).owner("reader").lock_owned().unwrap();
    let leaf = mutex(&store, "a/b/c", EXCLUSIVE).owner("leaf").lock_owned().unwrap();
    let inner = waits(&store, "a", SHARED, "inner");
    let late = waits(&store, "a/x", EXCLUSIVE, "late");
    let snapshot = store.snapshot().unwrap();
    let expected = [entry("a", SHARED_NODE, "reader"), entry("a/b/c", EXCLUSIVE, "leaf")];
    assert_eq!(snapshot.holders().map(held).collect::<Vec<_>>(), expected, "\n{snapshot}");
    let behind: Vec<_> = snapshot.waiters().map(|waiter| waiter.behind.as_ref().unwrap().to_string()).collect();
    assert_eq!(behind, ["`a/b/c`, held by leaf", "`a`, waited for by inner"], "\n{snapshot}");
    drop(leaf);
    inner.ends().unwrap();
    late.ends().unwrap();
    drop(reader);
    assert!(store.snapshot().unwrap().is_empty());
}

pub(crate) fn tasks_are_seen<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let guard = hold(&store, "a", EXCLUSIVE);
    let task = mutex(&store, "a/b", EXCLUSIVE).owner("task");
    let mut waiter = Hand::new(async move { task.lock_owned_async().await });
    assert!(waiter.poll().is_none());
    let snapshot = look_until(&store, |snapshot| snapshot.waiters().len() == 1);
    assert_eq!(snapshot.waiters().map(waiting).collect::<Vec<_>>(), [entry("a/b", EXCLUSIVE, "task")]);
    drop(waiter);
    look_until(&store, |snapshot| snapshot.waiters().len() == 0);
    drop(guard);
    assert!(store.snapshot().unwrap().is_empty());
}

/// Each lock that is in the way, and no other: as the conflict table says.
pub(crate) fn blockers_are_who_is_in_the_way<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let _held = [
        mutex(&store, "a", SHARED_NODE).owner("a").lock_owned().unwrap(),
        mutex(&store, "a/x", EXCLUSIVE).owner("a/x").lock_owned().unwrap(),
        mutex(&store, "a/y", SHARED).owner("a/y").lock_owned().unwrap(),
        mutex(&store, "b", EXCLUSIVE_NODE).owner("b").lock_owned().unwrap(),
    ];
    let waiters = [waits(&store, "b", SHARED, "waiter"), waits(&store, "a/x", SHARED_NODE, "another")];
    let snapshot = store.snapshot().unwrap();
    for asked in SMALL_TREE {
        for kind in KINDS {
            let (mutex, wanted) = (mutex(&store, asked, kind), path(asked));
            let holders = snapshot.holders().filter(|lock| conflicts((&wanted, kind), (&lock.path, lock.kind)));
            let waiters = snapshot.waiters().filter(|waiter| conflicts((&wanted, kind), (&waiter.path, waiter.kind)));
            let expected: Vec<_> = holders.map(held).chain(waiters.map(waiting)).collect();
            let blockers = mutex.blockers().unwrap();
            let found: Vec<_> = blockers
                .iter()
                .map(|blocker| blocker.held().map(held).or(blocker.waiting().map(waiting)).unwrap())
                .collect();
            assert_eq!(found, expected, "{kind} on {asked}");
            // What would be refused, is refused for one of them.
            let is_refused = mutex.try_lock().is_err_and(|error| {
                let by = error.blocking_path().unwrap();
                assert!(blockers.iter().any(|blocker| blocker.path() == by), "{kind} on {asked}: {error}");
                true
            });
            assert!(is_refused || blockers.iter().all(|blocker| blocker.held().is_none()), "{kind} on {asked}");
        }
    }
    drop(_held);
    waiters.into_iter().for_each(|waiter| waiter.ends().unwrap());
}

pub(crate) fn what_is_broken_is_lost<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let hangs = mutex(&store, "a", SHARED).owner("hangs").lease(LONG).lock_owned().unwrap();
    let works = mutex(&store, "a", SHARED).owner("works").lease(LONG).lock_owned().unwrap();
    let waiter = waits(&store, "a/b", EXCLUSIVE, "waiter");
    let find = |owner: &str| {
        let locks = store.locks().unwrap();
        locks.into_iter().find(|lock| lock.owner.as_ref().is_some_and(|its| its.as_str() == owner)).unwrap()
    };
    let seen = find("hangs");
    assert!(store.break_lock(&seen).unwrap());
    assert!(!store.break_lock(&seen).unwrap(), "it has ended");
    assert_eq!(store.locks().unwrap().iter().map(held).collect::<Vec<_>>(), [entry("a", SHARED, "works")]);
    assert!(works.is_held());
    works.refresh().unwrap();
    waiter.still_waits("the other lock is held");
    assert!(matches!(hangs.refresh(), Err(LockError::NotHeld { .. })), "nothing revives it");
    assert!(!hangs.is_held());
    assert!(matches!(hangs.unlock(), Err(LockError::NotHeld { .. })));

    assert!(store.break_lock(&find("works")).unwrap());
    waiter.ends().unwrap(); // handed over
    assert!(matches!(works.unlock(), Err(LockError::NotHeld { .. })));
    assert_all_free(&store);
    // One that has come since is another one.
    let _next = mutex(&store, "a", SHARED).owner("hangs").lease(LONG).lock_owned().unwrap();
    assert!(!store.break_lock(&seen).unwrap());
    assert_eq!(store.locks().unwrap().len(), 1);
}

/// Under load no look at a node shows two locks that conflict, what is held all the time is always
/// there, and in the end there is nothing.
pub(crate) fn under_load_each_node_is_true<S: LockStore>(make: impl Fn() -> S) {
    const LOOKS: usize = 200;
    let store = make();
    let steady = mutex(&store, "c", SHARED).lock_owned().unwrap();
    let named = mutex(&store, "c/d", SHARED).owner("steady").lock_owned().unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let workers = [0, 1, 2, 3, 4, 5].map(|seed| {
        let (store, over) = (store.clone(), over.clone());
        asking(move || {
            let mut draw = fastrand::Rng::with_seed(seed);
            while !over.load(SeqCst) {
                use_a_lock(&store, &mut draw, seed);
            }
        })
    });
    let mut busy = 0;
    for _ in 0..LOOKS {
        let snapshot = store.snapshot().unwrap();
        busy += usize::from(snapshot.holders().len() > 2);
        for node in snapshot.nodes() {
            let holders = node.holders();
            let conflict = |at: usize| {
                let one = &holders[at];
                holders[..at].iter().any(|other| conflicts((&one.path, one.kind), (&other.path, other.kind)))
            };
            assert!(!(1..holders.len()).any(conflict), "\n{snapshot}");
        }
        let is_seen = |lock| snapshot.holders().map(held).any(|seen| seen == lock);
        let is_steady = is_seen(entry("c", SHARED, "")) && is_seen(entry("c/d", SHARED, "steady"));
        assert!(is_steady, "what is held all the time is missing\n{snapshot}");
        thread::yield_now();
    }
    over.store(true, SeqCst);
    workers.into_iter().for_each(Asking::ends);
    assert!(busy > 0, "nobody was ever seen at work");
    drop((steady, named));
    assert!(store.snapshot().unwrap().is_empty());
    assert_all_free(&store);
}

/// Takes some lock in some way, and gives it back. Below `c` none that keeps out shared ones.
fn use_a_lock<S: LockStore>(store: &S, draw: &mut fastrand::Rng, worker: u64) {
    let path = draw.choice(["a", "a/x", "a/x/1", "a/y", "b", "c", "c/d/e"]).unwrap();
    let mut kind = draw.choice(KINDS).unwrap();
    if path.starts_with('c') {
        kind.mode = Mode::Shared;
    }
    let mut mutex = mutex(store, path, kind);
    if draw.bool() {
        mutex = mutex.owner(format!("worker {worker}"));
    }
    let guard = match draw.u8(0..3) {
        0 => mutex.try_lock(),
        1 => mutex.try_lock_for(Duration::from_millis(1)),
        _ => mutex.lock(),
    };
    if let Ok(mut guard) = guard {
        thread::yield_now();
        if draw.bool() {
            guard.downgrade().unwrap();
        }
        thread::yield_now();
    }
}
