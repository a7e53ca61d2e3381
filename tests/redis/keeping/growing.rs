//! A lock on a node that comes in place of many that are kept below it, and goes when somebody else
//! wants a part.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use mutextree::{LockError, LockStore, RedisStore};

use super::{LONG, SOON, lock, pair, paths};
use crate::server::{Server, new_tree_with, shared, tree_of};
use crate::{checker, tasks};

/// As many locks have to be kept below a node.
const MANY: usize = 128;

/// Takes children of `a`, from one up to another, one after the other.
fn walk(store: &RedisStore, children: std::ops::Range<usize>) {
    children.for_each(|n| lock(store, &format!("a/{n}")).unlock().unwrap());
}

/// A store that was granted `a` in place of what it kept below, and another client. Only messages
/// tell anybody anything.
fn grown() -> (RedisStore, RedisStore) {
    let (store, other) = pair();
    walk(&store, 0..MANY + 1);
    assert_eq!((store.kept_locks().grown, paths(&store)), (1, vec!["a".to_owned()]));
    (store, other)
}

#[test]
fn after_many_children_of_a_node_further_ones_cost_no_request() {
    let server = Server::start();
    let store = RedisStore::builder(&server.url()).keep(LONG).connect().unwrap();
    walk(&store, 0..MANY);
    let before = server.calls();
    let last = lock(&store, "a/0").fencing_token();
    assert_eq!((server.calls(), store.kept_locks().kept), (before, MANY));
    let mut token = lock(&store, "a/new").fencing_token();
    let after = server.calls();
    assert!(after - before <= 2, "one request, and once more as the server has not seen the script before");
    assert!(token > last);
    for n in 0..200 {
        let guard = lock(&store, &format!("a/{n}/deep"));
        assert!(guard.is_held() && guard.fencing_token() > token);
        token = guard.fencing_token();
        guard.unlock().unwrap();
    }
    assert_eq!(server.calls(), after);
    let counted = store.kept_locks();
    assert_eq!((counted.grown, counted.kept, counted.recalls), (1, 1, 0));
    assert!(store.locks().unwrap().is_empty());
}

#[test]
fn tasks_have_nodes_grown_as_threads_do() {
    let store = new_tree_with(|builder| builder.keep(LONG));
    (0..=MANY).for_each(|n| drop(tasks::locked(&store, &format!("a/{n}"))));
    assert_eq!((store.kept_locks().grown, paths(&store)), (1, vec!["a".to_owned()]));
    let misses = store.kept_locks().misses;
    drop(tasks::locked(&store, "a/new"));
    assert_eq!(store.kept_locks().misses, misses);
}

#[test]
fn a_task_that_is_gone_leaves_nothing_below_what_was_grown() {
    for is_told in [true, false] {
        let (store, other) = pair();
        walk(&store, 0..MANY);
        let mut task = tasks::lock(&store, "a/new");
        assert!(task.poll().is_none());
        while is_told && store.kept_locks().grown == 0 {}
        drop(task);
        other.try_lock("a/new").unwrap().unlock().unwrap();
        assert!(paths(&store).iter().all(|path| path != "a/new" && path != "a"));
    }
}

#[test]
fn a_grown_lock_shrinks_to_what_is_held_when_somebody_wants_a_part() {
    let (store, other) = grown();
    let guards = [lock(&store, "a/x"), lock(&store, "a/y")];
    // Neither a waiter nor a try has to wait for more than what is held, or is refused by less.
    let their_token = lock(&other, "a/0").fencing_token();
    assert!(guards.iter().all(|guard| guard.is_held() && guard.fencing_token() < their_token));
    assert_eq!(paths(&store), ["a/x", "a/y"]);
    assert!(matches!(other.try_lock("a/x"), Err(LockError::WouldBlock { .. })));
    guards.into_iter().for_each(|guard| guard.unlock().unwrap());
    // Not grown again for a while: each is kept by itself, as they are taken.
    walk(&store, 0..2 * MANY);
    assert_eq!(store.kept_locks().grown, 1);
    assert_eq!(paths(&store).len(), 2 * MANY);
}

#[test]
fn a_try_is_not_refused_by_what_was_grown() {
    for path in ["a/7", "a/new", "a", "/"] {
        let (_store, other) = grown();
        other.try_lock(path).unwrap().unlock().unwrap();
    }
    let (store, other) = grown();
    let _inside = lock(&store, "a/x");
    other.try_lock("a/7").unwrap().unlock().unwrap();
}

#[test]
fn nothing_is_grown_where_somebody_else_is_or_waits() {
    for path in ["a/z", "a", "/"] {
        let (store, other) = pair();
        let node_only = other.mutex(path).unwrap().shared().node_only();
        let theirs = if path == "a/z" { other.lock(path).unwrap() } else { node_only.lock_owned().unwrap() };
        walk(&store, 0..3 * MANY);
        // A lock that is for the node above alone is in no one's way here.
        assert_eq!(store.kept_locks().grown, u64::from(path == "/"), "{path}");
        assert!(theirs.is_held());
    }
    let (store, other) = pair();
    let ours = lock(&store, "b");
    thread::scope(|scope| {
        let set = mutextree::TreeMutexSet::new([other.mutex("a/z").unwrap(), other.mutex("b").unwrap()]).unwrap();
        scope.spawn(move || drop(set.lock()));
        while checker::check(&mut shared().connect(), &tree_of(&store)).waits.is_empty() {}
        walk(&store, 0..3 * MANY);
        assert_eq!(store.kept_locks().grown, 0);
        drop(ours);
    });
}

#[test]
fn what_this_process_holds_below_a_node_keeps_it_from_growing() {
    let (store, _) = pair();
    let inside = lock(&store, "a/x");
    walk(&store, 0..3 * MANY);
    assert_eq!(store.kept_locks().grown, 0);
    assert!(inside.is_held());
    inside.unlock().unwrap();
    // What was kept there still is.
    let misses = store.kept_locks().misses;
    walk(&store, 0..3 * MANY);
    assert_eq!(store.kept_locks().misses, misses);
}

#[test]
fn two_processes_that_stride_through_children_take_the_node_from_each_other_once() {
    let one = new_tree_with(|builder| builder.keep(LONG));
    let two = RedisStore::builder(&shared().url()).keep(LONG).tree(tree_of(&one)).connect().unwrap();
    walk(&one, 0..MANY + 1);
    assert_eq!(one.kept_locks().grown, 1);
    for n in 0..100 {
        let store = if n % 2 == 0 { &one } else { &two };
        lock(store, &format!("a/stride {n}")).unlock().unwrap();
    }
    let counted = [one.kept_locks(), two.kept_locks()];
    assert_eq!(counted.map(|it| it.grown), [1, 0], "{counted:?}");
    assert!(counted.iter().all(|it| it.recalls <= 2), "{counted:?}");
    // All but the first two: one below what was grown, and the one that had that recalled.
    assert_eq!(paths(&one).len(), 98);
}

#[test]
fn whoever_is_below_a_grown_lock_is_told_of_its_loss() {
    let server = Server::start();
    let lease = Duration::from_millis(600);
    let store = RedisStore::builder(&server.url()).keep(LONG).lease(lease).connect().unwrap();
    walk(&store, 0..MANY + 1);
    let told = store.lost_locks();
    let guards = [lock(&store, "a/x"), lock(&store, "a/y")];
    let () = redis::cmd("FLUSHALL").query(&mut server.connect()).unwrap();
    let mut lost = [0; 2].map(|_| told.recv_timeout(SOON).unwrap().path.to_string());
    lost.sort();
    assert_eq!(lost, ["a/x", "a/y"]);
    assert!(guards.iter().all(|guard| !guard.is_held()));
}

#[test]
fn tokens_rise_when_a_node_grows_though_the_clock_was_set_back() {
    let (store, _) = pair();
    walk(&store, 0..MANY);
    let mut token = 0;
    for _ in 0..50_000 {
        token = lock(&store, "a/0").fencing_token();
    }
    // As if the server's clock had been set back by an hour.
    let () = redis::cmd("HINCRBY")
        .arg(format!("{{{}}}:n", tree_of(&store)))
        .arg("offset")
        .arg(-3_600_000_000_i64)
        .query(&mut shared().connect())
        .unwrap();
    assert!(lock(&store, "a/new").fencing_token() > token);
    assert_eq!(store.kept_locks().grown, 1);
}

#[test]
fn a_waiter_of_this_process_is_served_while_a_node_grows() {
    let (store, other) = pair();
    walk(&store, 0..MANY);
    let (done, is_done) = mpsc::channel();
    thread::scope(|scope| {
        for n in 0..4 {
            let (store, done) = (&store, done.clone());
            scope.spawn(move || {
                for round in 0..50 {
                    lock(store, &format!("a/{}", MANY - 8 + (n + round) % 12)).unlock().unwrap();
                }
                done.send(()).unwrap();
            });
        }
        (0..4).for_each(|_| is_done.recv_timeout(SOON).unwrap());
    });
    drop(other.try_lock("a").unwrap());
}
