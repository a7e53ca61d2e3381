use super::*;
use crate::redis::protocol::samples::{MS, TIMING};
use crate::request::Scope;

#[cfg(mutextree_shuttle)]
mod models;

pub(super) const EXCLUSIVE: Kind = Kind { mode: Mode::Exclusive, scope: Scope::Subtree };
pub(super) const SHARED: Kind = Kind { mode: Mode::Shared, scope: Scope::Subtree };
pub(super) const IDLE: u64 = 500 * MS;

pub(super) fn target(path: &str) -> Target {
    Target::new(path.parse().unwrap())
}

/// A lock that was granted at once at this time, with the fencing token 100.
fn held(keep: &Keep, number: u64, path: &str, kind: Kind, now: u64) -> Arc<Lock> {
    let lock =
        Lock::new(number, "k1", path.parse().unwrap(), None, TIMING.lease).with_recalls(keep.recalled(&target(path)));
    lock.set_kind(keys::number(kind));
    lock.granted(100, now + TIMING.lease, true);
    Arc::new(lock)
}

pub(super) fn kept(keep: &Keep, number: u64, path: &str, kind: Kind, now: u64) -> Arc<Lock> {
    let lock = held(keep, number, path, kind, now);
    assert!(keep.keep(&lock, &target(path), kind, now));
    lock
}

pub(super) fn take(keep: &Keep, path: &str, kind: Kind, now: u64) -> Found {
    keep.take(&target(path), kind, None, &TIMING, now)
}

fn numbers(locks: &[Arc<Lock>]) -> Vec<u64> {
    let mut numbers: Vec<_> = locks.iter().map(|lock| lock.number).collect();
    numbers.sort_unstable();
    numbers
}

pub(super) fn may_keep(keep: &Keep, lock: &Lock, kind: Kind, now: u64) -> bool {
    let target = Target::new(lock.path.clone());
    keep.of(target.text()).may_keep(lock, &target, kind, now)
}

pub(super) fn recall(keep: &Keep, path: &str, kind: Kind, now: u64) -> Vec<u64> {
    numbers(&keep.recall(&path.parse().unwrap(), kind, now).back)
}

#[test]
fn what_was_let_go_of_is_lent_to_whoever_wants_the_same() {
    let keep = Keep::new(IDLE);
    kept(&keep, 1, "a/b", EXCLUSIVE, MS);
    for (path, kind) in [("a", EXCLUSIVE), ("a/b/c", EXCLUSIVE), ("a/b", SHARED)] {
        assert!(matches!(take(&keep, path, kind, 2 * MS), Found::Nothing), "{path}");
    }
    let owner = Owner::from("somebody");
    assert!(matches!(keep.take(&target("a/b"), EXCLUSIVE, Some(&owner), &TIMING, 2 * MS), Found::Nothing));
    let Found::It(lock) = take(&keep, "a/b", EXCLUSIVE, 2 * MS) else { panic!("it is kept") };
    assert_eq!((lock.number, lock.fencing_token()), (1, 101));
    // One user at a time (K1).
    assert!(matches!(take(&keep, "a/b", EXCLUSIVE, 2 * MS), Found::Nothing));
    assert_eq!(keep.count(), 0);
}

/// Two threads that lock nodes of their own seldom meet.
#[test]
#[cfg(not(mutextree_shuttle))]
fn nodes_of_two_users_are_mostly_in_different_parts() {
    let parts =
        |user: &str| (0..64).map(|it| parts::part_of(target(&format!("org/{user}/{it}")).text())).collect::<Vec<_>>();
    let (one, other) = (parts("0"), parts("1"));
    let common = one.iter().filter(|part| other.contains(part)).count();
    assert!(common <= 64 / 5, "{common} of 64 nodes are in parts that the other one uses");
}

#[test]
fn a_recall_takes_what_is_in_conflict_and_nothing_else() {
    let keep = Keep::new(IDLE);
    for (number, path) in [(1, "/"), (2, "a"), (3, "a/b"), (4, "a/b/c"), (5, "a/bc"), (6, "b")] {
        kept(&keep, number, path, SHARED, MS);
    }
    assert!(recall(&keep, "a/b", SHARED, MS).is_empty());
    assert_eq!(recall(&keep, "a/b", EXCLUSIVE, MS), [1, 2, 3, 4]);
    let node_only = Kind { scope: Scope::Node, ..EXCLUSIVE };
    kept(&keep, 7, "a/x/y", EXCLUSIVE, MS);
    assert!(recall(&keep, "a/x", node_only, MS).is_empty());
    assert_eq!(recall(&keep, "/", EXCLUSIVE, MS), [5, 6, 7]);
    assert_eq!(keep.count(), 0);
}

#[test]
fn what_is_recalled_while_in_use_is_not_kept() {
    let keep = Keep::new(IDLE);
    let lock = held(&keep, 1, "a/b", EXCLUSIVE, MS);
    recall(&keep, "b", EXCLUSIVE, MS);
    assert!(may_keep(&keep, &lock, EXCLUSIVE, MS), "that was another node");
    recall(&keep, "a", SHARED, MS);
    assert!(!keep.keep(&lock, &target("a/b"), EXCLUSIVE, MS));
    // Also if more recalls have come than are remembered.
    let lock = held(&keep, 2, "x", EXCLUSIVE, MS);
    for _ in 0..=REMEMBERED {
        recall(&keep, "b", EXCLUSIVE, MS);
    }
    assert!(!keep.keep(&lock, &target("x"), EXCLUSIVE, MS));
    let lock = held(&keep, 3, "y", EXCLUSIVE, MS);
    keep.recall_all();
    assert!(!keep.keep(&lock, &target("y"), EXCLUSIVE, MS));
}

#[test]
fn a_recall_after_it_was_lent_counts_as_well() {
    let keep = Keep::new(IDLE);
    kept(&keep, 1, "a", EXCLUSIVE, MS);
    let Found::It(lock) = take(&keep, "a", EXCLUSIVE, 2 * MS) else { panic!("it is kept") };
    recall(&keep, "a", EXCLUSIVE, 3 * MS);
    assert!(!keep.keep(&lock, &target("a"), EXCLUSIVE, 4 * MS));
}

#[test]
fn a_lent_lock_is_kept_again_whatever_came_before_it_was_lent() {
    let keep = Keep::new(IDLE);
    let node_only = Kind { mode: Mode::Exclusive, scope: Scope::Node };
    let lock = held(&keep, 1, "a", node_only, MS);
    for _ in 0..=REMEMBERED {
        recall(&keep, "b", EXCLUSIVE, MS);
    }
    assert!(!may_keep(&keep, &lock, node_only, MS));
    kept(&keep, 2, "a", SHARED, 2 * COOLS);
    for _ in 0..=REMEMBERED {
        recall(&keep, "b", EXCLUSIVE, 2 * COOLS);
    }
    let Found::It(lock) = take(&keep, "a", SHARED, 2 * COOLS) else { panic!("it is kept") };
    assert!(keep.keep(&lock, &target("a"), SHARED, 2 * COOLS));
}

#[test]
fn a_recalled_node_is_not_kept_for_a_time_that_doubles() {
    let keep = Keep::new(IDLE);
    let mut now = MS;
    for cools in [COOLS, 2 * COOLS, 4 * COOLS] {
        kept(&keep, 1, "a", EXCLUSIVE, now);
        assert_eq!(recall(&keep, "a", EXCLUSIVE, now), [1]);
        let later = now + cools - 1;
        let lock = held(&keep, 2, "a", EXCLUSIVE, later);
        assert!(!keep.keep(&lock, &target("a"), EXCLUSIVE, later));
        now += cools;
    }
    // Others are.
    kept(&keep, 3, "b", EXCLUSIVE, now);
}

#[test]
fn only_what_was_granted_at_once_is_kept() {
    let keep = Keep::new(IDLE);
    type Change = fn(&Arc<Lock>);
    let changes: [(&str, Change); 5] = [
        ("it waited", |lock| lock.arrived(7)),
        ("a request is in doubt", |lock| lock.doubt()),
        ("its end was set", |lock| _ = lock.begin_to_set(2 * TIMING.lease, MS)),
        ("it was to become exclusive", |lock| _ = lock.next_upgrade()),
        ("it became something else", |lock| lock.never_keep()),
    ];
    for (what, change) in changes {
        let lock = held(&keep, 1, "a", SHARED, MS);
        assert!(may_keep(&keep, &lock, SHARED, MS));
        change(&lock);
        assert!(!keep.keep(&lock, &target("a"), SHARED, MS), "{what}");
    }
    let lock = held(&keep, 1, "a", EXCLUSIVE, MS);
    lock.became_shared();
    assert!(!keep.keep(&lock, &target("a"), SHARED, MS), "a user of before was exclusive");
    let lock = held(&keep, 1, "a", SHARED, MS);
    assert!(!keep.keep(&lock, &target("a"), EXCLUSIVE, MS), "the server has it as another kind");
    assert!(!keep.keep(&lock, &target("a"), SHARED, MS + TIMING.lease), "it is over");
}

#[test]
fn what_is_nearly_over_is_not_lent() {
    let keep = Keep::new(IDLE);
    kept(&keep, 1, "a", EXCLUSIVE, MS);
    let late = MS + TIMING.lease - TIMING.lease / 4;
    assert!(matches!(take(&keep, "a", EXCLUSIVE, late), Found::Spent(_)));
    assert_eq!(keep.count(), 0);
}

#[test]
fn each_exclusive_user_has_the_next_token_and_no_more_than_one_a_microsecond() {
    let keep = Keep::new(IDLE);
    let lock = kept(&keep, 1, "a", EXCLUSIVE, MS);
    assert!(!lock.was_lent());
    for token in 101..110 {
        let now = MS + token - 100;
        assert!(matches!(take(&keep, "a", EXCLUSIVE, now - 1), Found::Soon));
        assert!(matches!(take(&keep, "a", EXCLUSIVE, now), Found::It(_)));
        assert_eq!(lock.fencing_token(), token);
        assert!(lock.was_lent() && lock.has_had(token) && lock.has_had(100) && !lock.has_had(token + 1));
        assert!(keep.keep(&lock, &target("a"), EXCLUSIVE, now));
    }
    // A thousandth fewer, as the server's clock may be the slower one.
    let lock = kept(&keep, 2, "b", EXCLUSIVE, MS);
    for _ in 0..2 * MS - 2 * MS / 1000 {
        assert_eq!(lock.lend(true, 0, u64::MAX, 3 * MS), Lend::Yes);
    }
    assert_eq!(lock.lend(true, 0, u64::MAX, 3 * MS), Lend::Soon);
    let lock = kept(&keep, 3, "c", SHARED, MS);
    assert!(matches!(take(&keep, "c", SHARED, MS), Found::It(_)));
    assert_eq!(lock.fencing_token(), 100);
}

#[test]
fn tokens_that_may_not_be_its_own_are_not_lent() {
    let keep = Keep::new(IDLE);
    let lock = kept(&keep, 1, "a", EXCLUSIVE, MS);
    let most = TIMING.claim_window() / 2;
    for _ in 0..most {
        assert_eq!(lock.lend(true, 0, most, MS + 2 * most), Lend::Yes);
    }
    assert!(matches!(take(&keep, "a", EXCLUSIVE, MS + 400 * MS), Found::Spent(_)));
}

#[test]
fn what_was_broken_is_not_lent() {
    let keep = Keep::new(IDLE);
    kept(&keep, 1, "a", EXCLUSIVE, MS);
    keep.broken(1, 99);
    keep.broken(2, 100);
    assert_eq!(keep.count(), 1);
    keep.broken(1, 100);
    assert!(matches!(take(&keep, "a", EXCLUSIVE, 2 * MS), Found::Nothing));
}

#[test]
fn what_nobody_uses_goes_back_after_a_while() {
    let keep = Keep::new(IDLE);
    assert_eq!(keep.next(), None);
    kept(&keep, 1, "a", EXCLUSIVE, 10 * MS);
    kept(&keep, 2, "b", EXCLUSIVE, 20 * MS);
    assert_eq!(keep.next(), Some(10 * MS + IDLE));
    assert!(keep.idle(10 * MS + IDLE - 1).is_empty());
    assert_eq!(numbers(&keep.idle(10 * MS + IDLE)), [1]);
    assert_eq!(keep.next(), Some(20 * MS + IDLE));
    assert_eq!(numbers(&keep.end()), [2]);
    let lock = held(&keep, 3, "c", EXCLUSIVE, 20 * MS);
    assert!(!keep.keep(&lock, &target("c"), EXCLUSIVE, 20 * MS), "the store is gone");
}
