//! Locks that nobody uses, and that are kept until somebody else wants them.

use std::thread;
use std::time::{Duration, Instant};

use mutextree::{LockError, LockStore, OwnedTreeMutexGuard, RedisStore};

use crate::server::{Server, new_tree_with, shared, tree_of};
use crate::{checker, tasks};

mod below;
mod growing;

const SOON: Duration = Duration::from_secs(10);
const LONG: Duration = Duration::from_secs(600);

pub(crate) fn new_tree() -> RedisStore {
    new_tree_with(|builder| builder.keep(LONG))
}

/// Another client of the same tree, which keeps nothing.
fn other(store: &RedisStore) -> RedisStore {
    let builder = RedisStore::builder(&shared().url()).heartbeat(Duration::from_secs(60));
    builder.tree(tree_of(store)).connect().unwrap()
}

/// A store that keeps, and another client; nothing of what they do is found by a heartbeat.
fn pair() -> (RedisStore, RedisStore) {
    let store = new_tree_with(|builder| builder.keep(LONG).heartbeat(Duration::from_secs(60)));
    let other = other(&store);
    (store, other)
}

/// The paths that the server has as held, in their order.
fn paths(store: &RedisStore) -> Vec<String> {
    let held = checker::check(&mut shared().connect(), &tree_of(store)).held;
    let mut paths: Vec<_> =
        held.values().map(|it| String::from_utf8_lossy(&it.path[1..]).replace('\u{1}', "/")).collect();
    paths.sort();
    paths
}

fn held(store: &RedisStore) -> usize {
    checker::check(&mut shared().connect(), &tree_of(store)).held.len()
}

fn lock(store: &RedisStore, path: &str) -> OwnedTreeMutexGuard<RedisStore> {
    store.lock(path).unwrap()
}

#[test]
fn to_take_again_what_was_taken_last_costs_no_request() {
    let server = Server::start();
    let store = RedisStore::builder(&server.url()).keep(LONG).connect().unwrap();
    lock(&store, "a/b").unlock().unwrap();
    let before = server.calls();
    let mut token = 0;
    for _ in 0..1000 {
        let guard = lock(&store, "a/b");
        assert!(guard.is_held() && guard.fencing_token() > token);
        token = guard.fencing_token();
        guard.unlock().unwrap();
    }
    assert_eq!(server.calls(), before);
}

#[test]
fn without_it_each_lock_is_given_back() {
    let server = Server::start();
    let store = RedisStore::connect(&server.url()).unwrap();
    lock(&store, "a/b").unlock().unwrap();
    let before = server.calls();
    lock(&store, "a/b").unlock().unwrap();
    assert_eq!(server.calls(), before + 2);
}

#[test]
fn a_waiter_has_it_recalled_on_its_node_above_and_below() {
    for path in ["a/b", "a", "a/b/c", "/"] {
        let (store, other) = pair();
        let guard = lock(&store, "a/b");
        let token = guard.fencing_token();
        drop(guard);
        assert_eq!(held(&store), 1);
        let began = Instant::now();
        let guard = lock(&other, path);
        assert!(guard.fencing_token() > token && began.elapsed() < SOON);
    }
}

#[test]
fn a_try_is_not_refused_by_what_nobody_uses() {
    let (store, other) = pair();
    for path in ["a/b", "a", "a/b/c"] {
        lock(&store, "a/b").unlock().unwrap();
        other.try_lock(path).unwrap().unlock().unwrap();
        thread::sleep(Duration::from_millis(1)); // and the node cools
    }
    lock(&store, "x").unlock().unwrap();
    assert_eq!(held(&store), 1);
    assert!(!other.mutex("x").unwrap().is_locked());
    assert_eq!(held(&store), 0);
}

#[test]
fn a_try_is_refused_by_what_is_in_use_and_is_told_by_whom() {
    let (store, other) = pair();
    let _guard = store.mutex("a").unwrap().owner("backup").lock_owned().unwrap();
    let error = other.try_lock("a/b").unwrap_err();
    let LockError::WouldBlock { blocker } = &error else { panic!("{error}") };
    assert_eq!(blocker.owner().unwrap().as_str(), "backup");
    assert!(other.mutex("a").unwrap().is_locked());
    // From now on the server knows.
    let before = Instant::now();
    for _ in 0..20 {
        other.try_lock("a").unwrap_err();
    }
    assert!(before.elapsed() < Duration::from_secs(3), "twenty recalls would take four seconds");
}

#[test]
fn what_is_kept_is_not_in_the_way_of_its_own_store() {
    let store = new_tree();
    for path in ["a/b", "a/c"] {
        lock(&store, path).unlock().unwrap();
    }
    store.try_lock("a").unwrap().unlock().unwrap();
    store.mutex("a").unwrap().shared().try_lock().unwrap().unlock().unwrap();
    lock(&store, "x/y").unlock().unwrap();
    let set = mutextree::TreeMutexSet::new([store.mutex("x").unwrap(), store.mutex("y").unwrap()]).unwrap();
    set.try_lock().unwrap().unlock().unwrap();
}

#[test]
fn what_is_recalled_while_in_use_goes_back_with_its_guard() {
    let (store, other) = pair();
    let guard = lock(&store, "a");
    thread::scope(|scope| {
        let waiter = scope.spawn(|| lock(&other, "a/b").fencing_token());
        while checker::check(&mut shared().connect(), &tree_of(&store)).waits.is_empty() {}
        let token = guard.fencing_token();
        guard.unlock().unwrap();
        assert!(waiter.join().unwrap() > token);
    });
    assert_eq!(held(&store), 0);
}

#[test]
fn readers_keep_and_a_writer_has_all_of_them_recalled() {
    let (one, writer) = pair();
    let two = RedisStore::builder(&shared().url()).keep(LONG).tree(tree_of(&one)).connect().unwrap();
    for store in [&one, &two] {
        store.mutex("a").unwrap().shared().lock().unwrap().unlock().unwrap();
    }
    assert_eq!(held(&one), 2);
    let began = Instant::now();
    writer.lock("a").unwrap().unlock().unwrap();
    assert!(began.elapsed() < SOON);
}

#[test]
fn a_shared_lock_becomes_exclusive_though_others_keep_theirs() {
    let (store, other) = pair();
    for wait in [false, true] {
        store.mutex("a").unwrap().shared().lock().unwrap().unlock().unwrap();
        let mut guard = other.mutex("a").unwrap().shared().lock_owned().unwrap();
        let upgraded = if wait { guard.try_upgrade_for(SOON) } else { guard.try_upgrade() };
        upgraded.unwrap();
    }
}

#[test]
fn tokens_rise_when_a_lent_lock_becomes_more_or_outlives_its_guard() {
    let store = new_tree();
    let shared = store.mutex("a").unwrap();
    drop(shared.lock_owned().unwrap());
    let mut guard = shared.lock_owned().unwrap();
    let token = guard.fencing_token();
    guard.downgrade().unwrap();
    guard.try_upgrade().unwrap();
    assert!(guard.fencing_token() > token);
    drop(guard);
    drop(lock(&store, "b"));
    let guard = lock(&store, "b");
    let token = guard.fencing_token();
    let lease = guard.into_lease().unwrap();
    let lease = lease.into_guard();
    assert_eq!(lease.fencing_token(), token);
    lease.unlock().unwrap();
}

#[test]
fn what_is_kept_is_not_listed_as_held() {
    let store = new_tree();
    drop(lock(&store, "a"));
    assert_eq!(held(&store), 1);
    assert!(store.locks().unwrap().is_empty());
    let _guard = lock(&store, "a");
    assert_eq!(store.locks().unwrap().len(), 1);
}

#[test]
fn it_goes_back_after_a_while_and_when_the_store_is_dropped() {
    let store = new_tree_with(|builder| builder.keep(Duration::from_millis(50)));
    let began = Instant::now();
    drop(lock(&store, "a"));
    while held(&store) > 0 {
        assert!(began.elapsed() < SOON);
    }
    let store = new_tree();
    let mutex = store.mutex("b").unwrap();
    drop(mutex.lock().unwrap());
    drop(lock(&store, "c"));
    assert_eq!(held(&store), 2);
    let looks = other(&store);
    drop(store);
    assert_eq!(held(&looks), 0);
    // A handle that outlives the store keeps nothing.
    drop(mutex.lock().unwrap());
    assert_eq!(held(&looks), 0);
}

#[test]
fn a_connection_that_is_cut_is_a_recall_of_everything() {
    let server = Server::start();
    let store = RedisStore::builder(&server.url()).keep(LONG).connect().unwrap();
    drop(lock(&store, "a"));
    let () = redis::cmd("CLIENT")
        .arg("KILL")
        .arg("TYPE")
        .arg("normal")
        .arg("SKIPME")
        .arg("yes")
        .query(&mut server.connect())
        .unwrap();
    // Though nobody wants it, as far as is known here: what others said may have been lost.
    let began = Instant::now();
    while !checker::check(&mut server.connect(), &tree_of(&store)).held.is_empty() {
        assert!(began.elapsed() < SOON);
    }
    assert_eq!(store.kept_locks().kept, 0);
}

#[test]
fn what_is_kept_is_counted() {
    let (store, other) = pair();
    assert_eq!(other.kept_locks(), mutextree::KeptLocks::default());
    for _ in 0..3 {
        lock(&store, "a").unlock().unwrap();
    }
    let counted = store.kept_locks();
    assert_eq!((counted.kept, counted.hits, counted.misses, counted.recalls), (1, 2, 1, 0));
    lock(&other, "a").unlock().unwrap();
    let counted = store.kept_locks();
    assert!(counted.recalls >= 1, "{counted:?}");
    assert_eq!((counted.kept, counted.given_back), (0, 1));
}

#[test]
fn tokens_rise_though_the_clock_was_set_back() {
    let (store, other) = pair();
    let mut token = 0;
    for _ in 0..50_000 {
        token = lock(&store, "a").fencing_token();
    }
    // As if the server's clock had been set back by an hour.
    let hour: i64 = 3_600_000_000;
    let () = redis::cmd("HINCRBY")
        .arg(format!("{{{}}}:n", tree_of(&store)))
        .arg("offset")
        .arg(-hour)
        .query(&mut shared().connect())
        .unwrap();
    assert!(lock(&other, "a").fencing_token() > token);
}

#[test]
fn tasks_keep_as_threads_do() {
    let store = new_tree();
    for _ in 0..3 {
        drop(tasks::locked(&store, "a"));
    }
    assert_eq!(store.kept_locks().hits, 2);
    lock(&store, "a").unlock().unwrap();
    assert_eq!((store.kept_locks().hits, held(&store)), (3, 1));
}
