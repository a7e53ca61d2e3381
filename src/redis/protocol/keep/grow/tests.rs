use super::super::tests::{EXCLUSIVE, IDLE, SHARED, kept, recall, take, target};
use super::super::{COOLS, Found, LONGEST_COOLS};
use super::*;
use crate::redis::error::RedisStoreError;
use crate::redis::protocol::calls::More;
use crate::redis::protocol::samples::{MS, TIMING};

const FROM: usize = 3;
const NODE: Kind = Kind { mode: Mode::Shared, scope: Scope::Node };

fn keep() -> Keep {
    Keep::new(IDLE).that_grows(FROM)
}

/// Somebody is about to ask for this.
fn asks(keep: &Keep, path: &str, now: u64) -> Option<Growth> {
    let new = |target: &Target| Lock::new(100, "k1", target.path.clone(), None, TIMING.lease);
    keep.grow((&target(path), EXCLUSIVE), ("k1", &TIMING), now, new)
}

/// Three locks below `a` are kept, and somebody asks for more.
fn grows(keep: &Keep, now: u64) -> Option<Growth> {
    for (number, path) in [(1, "a/b"), (2, "a/c"), (3, "a/d/e")] {
        kept(keep, number, path, EXCLUSIVE, now);
    }
    (0..=FROM).find_map(|_| asks(keep, "a/x", now))
}

fn granted(token: u64) -> Result<Acquired, Failure> {
    Ok(Acquired::Granted { fencing_token: token, more: More::None })
}

fn refused() -> Result<Acquired, Failure> {
    Err(Failure::Later(RedisStoreError::Protocol("refused".into())))
}

fn unsure() -> Result<Acquired, Failure> {
    Err(Failure::Unsure(RedisStoreError::Protocol("no answer".into())))
}

/// The numbers of what the agenda is told of; and what it has come to.
fn answered(
    keep: &Keep,
    mut growth: Growth,
    answer: &Result<Acquired, Failure>,
    now: u64,
) -> (Vec<u64>, bool, Vec<u64>) {
    assert_eq!(growth.answered(answer, now).is_some(), matches!(answer, Err(Failure::Unsure(_))));
    let mut held = Vec::new();
    let Grown { is_kept, back } = keep.grown(growth, now, |lock| held.push(lock.number));
    let mut back: Vec<_> = back.iter().map(|lock| lock.number).collect();
    held.sort_unstable();
    back.sort_unstable();
    (held, is_kept, back)
}

#[test]
fn after_some_locks_below_it_a_node_is_asked_for_and_serves_further_ones() {
    let keep = keep();
    assert!(asks(&keep, "a/b", MS).is_none());
    kept(&keep, 9, "b/c", EXCLUSIVE, MS);
    let growth = grows(&keep, MS).expect("three are kept");
    assert_eq!(growth.target.path.to_string(), "a");
    let mut given: Vec<_> = growth.given().map(|lock| lock.number).collect();
    given.sort_unstable();
    assert_eq!(given, [1, 2, 3]);
    // In the meantime nobody has them, and they are no less kept for that.
    assert!(matches!(take(&keep, "a/b", EXCLUSIVE, 2 * MS), Found::Nothing));
    assert!(keep.has("k1.1", &"a/b".parse().unwrap()));
    let (held, is_kept, back) = answered(&keep, growth, &granted(200), 2 * MS);
    assert_eq!((held, is_kept, back), (vec![100], true, vec![]));
    assert!(!keep.has("k1.1", &"a/b".parse().unwrap()));
    assert_eq!(keep.count(), 2);
    let new = || Lock::new(101, "k1", "a/x".parse().unwrap(), None, TIMING.lease);
    let found = keep.take_below((&target("a/x"), SHARED), &TIMING, 3 * MS, new, |_, _| {});
    let Found::It(guest) = found else { panic!("it is below what was grown: {found:?}") };
    assert!(guest.fencing_token() > 200);
}

#[test]
fn a_node_is_asked_for_only_once_enough_is_kept_below_and_unused() {
    let keep = keep();
    // Not kept.
    assert!((0..10 * FROM).all(|_| asks(&keep, "a/b", MS).is_none()));
    // Kept elsewhere.
    for (number, path) in [(1, "a/b"), (2, "a/c"), (3, "ab"), (4, "b/c")] {
        kept(&keep, number, path, EXCLUSIVE, MS);
    }
    assert!((0..10 * FROM).all(|_| asks(&keep, "a/x", MS).is_none()));
    // With somebody below one of them.
    let new = || Lock::new(101, "k1", "a/c/y".parse().unwrap(), None, TIMING.lease);
    kept(&keep, 5, "a/d", EXCLUSIVE, MS);
    let found = keep.take_below((&target("a/c/y"), SHARED), &TIMING, 2 * MS, new, |_, _| {});
    assert!(matches!(found, Found::It(_)));
    assert!((0..10 * FROM).all(|_| asks(&keep, "a/x", MS).is_none()));
    // Where it is off.
    let keep = Keep::new(IDLE);
    assert!((0..10 * FROM).all(|_| grows(&keep, MS).is_none()));
}

#[test]
fn a_recall_while_a_node_is_asked_for_counts_whatever_the_answer() {
    for path in ["a/b", "a", "/", "a/q/r"] {
        let keep = keep();
        let growth = grows(&keep, MS).unwrap();
        assert!(recall(&keep, path, EXCLUSIVE, MS).is_empty());
        let (held, is_kept, back) = answered(&keep, growth, &granted(200), 2 * MS);
        assert_eq!((held, is_kept, back), (vec![], false, vec![100]), "{path}");
        assert_eq!(keep.count(), 0);
    }
    let keep = keep();
    let growth = grows(&keep, MS).unwrap();
    recall(&keep, "a/d", SHARED, MS);
    recall(&keep, "b", SHARED, MS);
    let (held, is_kept, back) = answered(&keep, growth, &refused(), 2 * MS);
    assert_eq!((held, is_kept, back), (vec![1, 2], false, vec![3]));
    assert!(matches!(take(&keep, "a/b", EXCLUSIVE, 3 * MS), Found::It(_)));
}

#[test]
fn without_an_answer_all_goes_back() {
    let keep = keep();
    let mut growth = grows(&keep, MS).unwrap();
    let release = growth.answered(&unsure(), MS).expect("it may have been granted");
    let mut back: Vec<_> = release.locks().map(|lock| (lock.number, lock.is_unsure())).collect();
    back.sort_unstable();
    assert_eq!(back, [(1, false), (2, false), (3, false), (100, true)]);
    let grown = keep.grown(growth, MS, |_| panic!("nothing is held"));
    assert!(!grown.is_kept && grown.back.is_empty());
    assert_eq!(keep.count(), 0);
    assert!(!keep.has("k1.1", &"a/b".parse().unwrap()));
}

#[test]
fn a_node_that_was_refused_is_not_asked_for_for_a_time_that_doubles() {
    let keep = keep();
    let (mut now, mut cools) = (MS, COOLS);
    for _ in 0..8 {
        let growth = grows(&keep, now).expect("it has cooled");
        answered(&keep, growth, &refused(), now);
        assert!(grows(&keep, now + cools - 1).is_none(), "{cools}");
        keep.recall_all();
        (now, cools) = (now + cools, (2 * cools).min(LONGEST_COOLS));
    }
    // Others are.
    (1..=3).for_each(|n| _ = kept(&keep, n, &format!("b/{n}"), EXCLUSIVE, now));
    assert!((0..=FROM).any(|_| asks(&keep, "b/x", now).is_some()));
}

#[test]
fn a_grown_node_that_was_recalled_cools_and_longer_than_before_unless_that_is_long_ago() {
    let keep = keep();
    let growth = grows(&keep, MS).unwrap();
    answered(&keep, growth, &granted(200), MS);
    assert_eq!(recall(&keep, "a/z", SHARED, MS), [100]);
    assert!(grows(&keep, MS + COOLS - 1).is_none());
    keep.recall_all();
    let later = MS + COOLS;
    let growth = grows(&keep, later).unwrap();
    answered(&keep, growth, &refused(), later);
    assert!(grows(&keep, later + 2 * COOLS - 1).is_none());
    keep.recall_all();
    let later = later + 2 * COOLS + 16 * COOLS;
    let growth = grows(&keep, later).unwrap();
    answered(&keep, growth, &refused(), later);
    keep.recall_all();
    assert!(grows(&keep, later + COOLS).is_some());
}

#[test]
fn a_recall_near_a_node_begins_its_count_anew() {
    for (path, is_near) in [("a/z", true), ("/", true), ("a", true), ("ab", false), ("b/a", false)] {
        let keep = keep();
        (1..=3).for_each(|n| _ = kept(&keep, n, &format!("a/{n}"), EXCLUSIVE, MS));
        assert!((0..FROM).all(|_| asks(&keep, "a/x", MS).is_none()));
        keep.recall(&path.parse().unwrap(), NODE, MS);
        assert_eq!(asks(&keep, "a/x", MS).is_none(), is_near, "{path}");
    }
}

#[test]
fn what_is_broken_while_it_is_given_is_kept_no_more() {
    let keep = keep();
    let growth = grows(&keep, MS).unwrap();
    keep.broken(2, 99);
    keep.broken(3, 100);
    let (held, _, back) = answered(&keep, growth, &refused(), 2 * MS);
    assert_eq!((held, back), (vec![1, 2], vec![3]));
}
