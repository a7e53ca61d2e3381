//! Locks below one that is kept: taken without a request, and exchanged for locks of their own when
//! somebody else wants a part.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use mutextree::{LockError, LockStore, OwnedTreeMutexGuard, RedisStore};

use super::{LONG, SOON, held, lock, other, pair, paths};
use crate::proxy::Proxy;
use crate::server::{Server, new_tree_with, shared, tree_of};
use crate::{checker, tasks};

/// A store that keeps `a`, and another client. Only messages tell anybody anything.
fn kept() -> (RedisStore, RedisStore) {
    let (store, other) = pair();
    lock(&store, "a").unlock().unwrap();
    (store, other)
}

#[test]
fn a_process_in_its_kept_node_holds_up_nobody_beside_it() {
    let (store, other) = kept();
    let theirs = lock(&other, "b");
    let (ready, is_ready) = mpsc::channel();
    thread::scope(|scope| {
        let waits = scope.spawn(|| {
            let _inside = lock(&store, "a/x");
            ready.send(()).unwrap();
            lock(&store, "b").fencing_token()
        });
        is_ready.recv().unwrap();
        let token = theirs.fencing_token();
        // No two locks of theirs are in conflict, but for the one that each waits for in turn.
        drop(lock(&other, "a/z"));
        drop(theirs);
        assert!(waits.join().unwrap() > token);
    });
    assert_eq!(store.kept_locks().exchanges, 1);
}

#[test]
fn to_lock_below_what_is_kept_costs_no_request() {
    let server = Server::start();
    let store = RedisStore::builder(&server.url()).keep(LONG).connect().unwrap();
    let first = lock(&store, "a");
    let mut token = first.fencing_token();
    drop(first);
    let before = server.calls();
    for _ in 0..100 {
        let exclusive = lock(&store, "a/x");
        let shared: Vec<_> =
            (0..2).map(|_| store.mutex("a/y").unwrap().shared().owner("reader").lock_owned().unwrap()).collect();
        let node = store.mutex("a").unwrap().node_only().lock_owned().unwrap();
        for guard in [&exclusive, &shared[0], &shared[1], &node] {
            assert!(guard.is_held() && guard.fencing_token() > token);
            assert!(guard.remaining().is_some_and(|left| !left.is_zero()));
            token = guard.fencing_token();
        }
        exclusive.unlock().unwrap();
    }
    assert!(lock(&store, "a").fencing_token() > token);
    drop(tasks::locked(&store, "a/x/y"));
    assert_eq!(server.calls(), before);
    assert_eq!((store.kept_locks().kept, store.kept_locks().hits), (1, 402));
}

#[test]
fn a_try_beside_what_is_held_below_has_it_and_one_at_it_is_told_by_whom() {
    let (store, other) = kept();
    let inside = store.mutex("a/x").unwrap().owner("backup").lock_owned().unwrap();
    let reader = store.mutex("a/y").unwrap().shared().lock_owned().unwrap();
    other.try_lock("a/z").unwrap().unlock().unwrap();
    other.mutex("a/y").unwrap().shared().try_lock().unwrap().unlock().unwrap();
    for path in ["a/x", "a", "a/x/y"] {
        let LockError::WouldBlock { blocker } = other.try_lock(path).unwrap_err() else { panic!("{path}") };
        assert_eq!(blocker.owner().unwrap().as_str(), "backup", "{path}");
    }
    assert_eq!(paths(&store).len(), 2);
    assert!(inside.is_held() && reader.is_held());
    inside.unlock().unwrap();
    reader.unlock().unwrap();
    other.try_lock("a").unwrap().unlock().unwrap();
    assert_eq!(held(&store), 0);
}

/// The server says late that it is a lock of its own by now.
#[test]
fn what_is_let_go_while_it_is_exchanged_is_in_nobodys_way() {
    for of_task in [false, true] {
        let proxy = Proxy::start(shared().port());
        let tree = tree_of(&new_tree_with(|builder| builder));
        let store = RedisStore::builder(&proxy.url()).tree(&tree).keep(LONG).connect().unwrap();
        let other = other(&store);
        lock(&store, "a").unlock().unwrap();
        let inside = if of_task { tasks::locked(&store, "a/x") } else { lock(&store, "a/x") };
        proxy.delay_answers(Duration::from_millis(250));
        drop(lock(&other, "a/z"));
        proxy.delay_answers(Duration::ZERO);
        drop(inside);
        // A thread is back when it is. What a task let go is waited for in this process.
        let asks = if of_task { &store } else { &other };
        drop(asks.try_lock("a/x").unwrap());
    }
}

#[test]
fn threads_of_the_same_process_meet_below_as_anywhere() {
    let (store, _) = kept();
    let guard = lock(&store, "a/x");
    assert!(matches!(store.try_lock("a/x"), Err(LockError::WouldBlock { .. })));
    thread::scope(|scope| {
        let waiter = scope.spawn(|| lock(&store, "a/x").fencing_token());
        while checker::check(&mut shared().connect(), &tree_of(&store)).waits.is_empty() {}
        let token = guard.fencing_token();
        guard.unlock().unwrap();
        assert!(waiter.join().unwrap() > token);
    });
}

#[test]
fn tokens_rise_across_an_exchange_though_the_clock_was_set_back() {
    let (store, other) = kept();
    let stays = lock(&store, "a/y");
    let mut token = 0;
    for _ in 0..50_000 {
        token = lock(&store, "a/x").fencing_token();
    }
    // As if the server's clock had been set back by an hour.
    let () = redis::cmd("HINCRBY")
        .arg(format!("{{{}}}:n", tree_of(&store)))
        .arg("offset")
        .arg(-3_600_000_000_i64)
        .query(&mut shared().connect())
        .unwrap();
    assert!(lock(&other, "a/x").fencing_token() > token);
    assert!(stays.is_held());
}

#[test]
fn what_is_held_below_can_become_all_that_others_can() {
    let (store, other) = kept();
    let mut guard = lock(&store, "a/x");
    guard.refresh_for(Duration::from_secs(60)).unwrap();
    assert!(guard.remaining().unwrap() > Duration::from_secs(31));
    guard.downgrade().unwrap();
    drop(other.mutex("a/x").unwrap().shared().try_lock().unwrap());
    guard.try_upgrade().unwrap();
    drop(guard);
    type Guard = OwnedTreeMutexGuard<RedisStore>;
    type Change = fn(Guard) -> Vec<Guard>;
    let changes: [(Change, &[&str]); 4] = [
        (|guard| guard.narrow(["a/x/1", "a/x/2"]).unwrap(), &["a/x/1", "a/x/2"]),
        (|guard| vec![guard.try_widen("a").unwrap()], &["a"]),
        (|guard| vec![guard.into_lease().unwrap().into_guard()], &["a/x"]),
        (|guard| guard.refresh().map(|()| vec![guard]).unwrap(), &["a/x"]),
    ];
    for (change, are) in changes {
        let (store, other) = kept();
        let guards = change(lock(&store, "a/x"));
        assert_eq!(guards.iter().map(|guard| guard.path().to_string()).collect::<Vec<_>>(), are);
        assert!(guards.iter().all(|guard| guard.is_held()));
        assert!(other.try_lock(are[0]).is_err());
        drop(guards);
        drop(other.mutex("a").unwrap().node_only().try_lock().unwrap());
    }
}

#[test]
fn a_list_shows_what_is_held_below_and_each_can_be_broken() {
    let (store, operator) = kept();
    let told = store.lost_locks();
    let _one = store.mutex("a/x").unwrap().owner("one").lock_owned().unwrap();
    let two = store.mutex("a/y").unwrap().owner("two").lock_owned().unwrap();
    let listed = store.locks().unwrap();
    let owners: Vec<_> = listed.iter().map(|lock| lock.owner.as_ref().unwrap().as_str()).collect();
    assert_eq!(owners, ["one", "two"]);
    assert!(operator.break_lock(&listed[1]).unwrap());
    assert_eq!(told.recv_timeout(SOON).unwrap().path.to_string(), "a/y");
    assert!(!two.is_held());
    assert_eq!(store.locks().unwrap().len(), 1);
}

#[test]
fn to_break_what_is_kept_ends_all_below_and_each_is_told() {
    let (store, operator) = kept();
    let told = store.lost_locks();
    let guards = [lock(&store, "a/x"), lock(&store, "a/y")];
    let seen = operator.locks().unwrap();
    assert!(seen[0].may_be_kept);
    assert!(operator.break_lock(&seen[0]).unwrap());
    let mut lost = [0; 2].map(|_| told.recv_timeout(SOON).unwrap().path.to_string());
    lost.sort();
    assert_eq!(lost, ["a/x", "a/y"]);
    for guard in guards {
        assert!(!guard.is_held());
        assert!(matches!(guard.unlock(), Err(LockError::NotHeld { .. })));
    }
    operator.try_lock("a").unwrap().unlock().unwrap();
}

#[test]
fn what_is_held_below_outlives_leases_and_the_store() {
    let lease = Duration::from_millis(300);
    let store = new_tree_with(|builder| builder.keep(LONG).lease(lease));
    let looks = other(&store);
    lock(&store, "a").unlock().unwrap();
    let guard = lock(&store, "a/x");
    let began = Instant::now();
    while began.elapsed() < 3 * lease {
        assert!(guard.is_held());
        thread::sleep(Duration::from_millis(20));
    }
    // The last handle of the store goes: nothing is kept any more.
    drop(store);
    assert_eq!(paths(&looks), ["a/x"]);
    assert!(guard.is_held());
    guard.unlock().unwrap();
    assert_eq!(held(&looks), 0);
}
