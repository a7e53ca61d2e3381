use std::time::Duration;

use mutextree::{LockStore, RedisStore};

use crate::common::asking::{AT_MOST, asking};
use crate::seen::{Seen, Shown};
use crate::server::{new_tree, new_tree_with, shared, tree_of};

/// A store that keeps, and another client of its tree; no heartbeat says anything again.
fn pair() -> (RedisStore, RedisStore) {
    let beat = Duration::from_secs(60);
    let store = new_tree_with(|builder| builder.keep(Duration::from_secs(600)).heartbeat(beat));
    let other = RedisStore::builder(&shared().url()).heartbeat(beat).tree(tree_of(&store)).connect().unwrap();
    (store, other)
}

fn requests(seen: &mut Seen, outcome: &str) -> u64 {
    seen.count("mutextree_kept_requests_total", &[("outcome", outcome)])
}

fn recalls(seen: &mut Seen, outcome: &str) -> u64 {
    seen.count("mutextree_kept_recalls_total", &[("outcome", outcome)])
}

fn returns(seen: &mut Seen) -> Vec<f64> {
    seen.times("mutextree_kept_return_seconds", &[])
}

/// The first recall with this outcome, once it is counted and told. It may come twice: a waiter
/// says again what it wants once its client hears messages.
fn recall(seen: &mut Seen, outcome: &str) -> Shown {
    let told = |seen: &Seen| seen.events("mutextree::recall").into_iter().find(|it| it.fields["outcome"] == outcome);
    seen.until("a recall is counted and told", |seen| recalls(seen, outcome) >= 1 && told(seen).is_some());
    told(seen).unwrap()
}

#[test]
fn a_hit_and_a_miss_are_counted() {
    let (mut seen, (store, other)) = (Seen::from_now(), pair());
    for _ in 0..3 {
        drop(store.lock("a").unwrap());
    }
    drop(store.mutex("c").unwrap().lease(AT_MOST).lock_owned().unwrap()); // never kept
    drop(other.lock("b").unwrap());
    drop(new_tree().lock("a").unwrap());
    assert_eq!((requests(&mut seen, "hit"), requests(&mut seen, "miss")), (2, 1));
    assert_eq!(seen.acquisitions("redis", "acquired"), 6);
}

#[test]
fn a_recall_of_what_nobody_uses_is_told_and_its_return_is_timed() {
    let (mut seen, (store, other)) = (Seen::from_now(), pair());
    for path in ["a/1", "a/2", "b"] {
        drop(store.lock(path).unwrap());
    }
    assert!(seen.events("mutextree::recall").is_empty());
    drop(other.mutex("a").unwrap().shared().lock().unwrap());
    let event = recall(&mut seen, "given_back");
    assert_eq!(event.level, tracing::Level::DEBUG);
    event.says(&[("path", "a"), ("mode", "shared"), ("scope", "subtree"), ("store", "redis")]);
    event.says(&[("given_back", "2"), ("in_use", "0")]);
    seen.until("the return is timed", |seen| returns(seen).len() == 1);
    assert!(returns(&mut seen)[0] > 0.0 && returns(&mut seen)[0] < AT_MOST.as_secs_f64());
    assert_eq!(store.kept_locks().given_back, 2);
    // Whoever has recalled it has waited, and says no more than that.
    assert_eq!(seen.only_wait().fields["path"], "a");
    assert_eq!(recalls(&mut seen, "in_use"), 0);
}

#[test]
fn a_growth_is_counted() {
    let (mut seen, (store, _)) = (Seen::from_now(), pair());
    let growths = |seen: &mut Seen| seen.count("mutextree_kept_growths_total", &[]);
    for n in 0..128 {
        drop(store.lock(format!("a/{n}")).unwrap());
    }
    assert_eq!((growths(&mut seen), requests(&mut seen, "miss")), (0, 128));
    drop(store.lock("a/128").unwrap());
    drop(store.lock("a/129").unwrap());
    assert_eq!((growths(&mut seen), requests(&mut seen, "hit")), (1, 1));
    assert_eq!(store.kept_locks().grown, 1);
}

#[test]
fn a_recall_of_what_is_in_use_is_told() {
    let (mut seen, (store, other)) = (Seen::from_now(), pair());
    let guard = store.lock("a").unwrap();
    let waits = asking(move || drop(other.lock("a/b").unwrap()));
    let event = recall(&mut seen, "in_use");
    event.says(&[("path", "a/b"), ("mode", "exclusive"), ("given_back", "0"), ("in_use", "1")]);
    drop(guard);
    waits.ends();
    assert!(returns(&mut seen).is_empty(), "it has gone back as any lock does");
}

#[test]
fn an_exchange_is_told_counted_and_timed() {
    let (mut seen, (store, other)) = (Seen::from_now(), pair());
    drop(store.lock("a").unwrap());
    let below = store.lock("a/x").unwrap();
    assert_eq!(requests(&mut seen, "hit"), 1);
    drop(other.lock("a/y").unwrap());
    recall(&mut seen, "exchanged").says(&[("given_back", "0"), ("exchanged", "1"), ("in_use", "0")]);
    seen.until("the exchange is timed", |seen| returns(seen).len() == 1);
    assert_eq!(seen.count("mutextree_kept_exchanges_total", &[]), 1);
    drop(below);
}
