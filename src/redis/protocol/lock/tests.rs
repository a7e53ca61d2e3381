use super::*;
use crate::redis::protocol::samples::{MS, TIMING, held};

const LEASE: u64 = TIMING.lease;

#[test]
fn a_lock_is_held_until_its_deadline_and_never_again() {
    let lock = held(1, 0);
    assert!(lock.is_held(LEASE - 1));
    assert!(!lock.is_held(LEASE));
    assert!(!lock.is_held(1), "what was seen to be lost stays lost");
    assert!(!lock.renewed(lock.version(), 2 * LEASE, 1), "also if an answer comes late");
    assert!(!lock.was_set(1, 2 * LEASE, true, 1));
}

#[test]
fn a_late_answer_finds_the_loss_though_nobody_looked() {
    let lock = held(1, 0);
    let version = lock.version();
    assert!(!lock.renewed(version, 2 * LEASE, LEASE), "nobody looked before");
    assert!(!lock.is_held(1));
}

#[test]
fn a_shorter_lease_is_believed_before_the_request_is_sent() {
    let lock = held(1, 0);
    let version = lock.begin_to_set(10 * MS, 5 * MS);
    assert!(lock.is_held(14 * MS) && !held(2, 0).renews_after_short());
    assert_eq!(lock.deadline(), 15 * MS);
    // The answer to a second try counts from that one.
    assert!(lock.was_set(version, 18 * MS, false, 14 * MS));
    assert_eq!(lock.deadline(), 18 * MS);
}

impl Lock {
    fn renews_after_short(&self) -> bool {
        self.begin_to_set(1, 0);
        self.renews()
    }
}

#[test]
fn a_longer_lease_is_believed_with_the_answer_only() {
    let lock = held(1, 0);
    let version = lock.begin_to_set(10 * LEASE, 5 * MS);
    assert_eq!(lock.deadline(), LEASE);
    assert!(lock.renews(), "it must not be lost while the answer is on its way");
    assert!(lock.was_set(version, 5 * MS + 10 * LEASE, false, 6 * MS));
    assert_eq!((lock.deadline(), lock.renews()), (5 * MS + 10 * LEASE, false));
    assert_eq!(lock.longest(), 10 * LEASE, "so long the server may hold it");
}

#[test]
fn a_renewal_counts_only_if_no_request_that_sets_the_end_began_since() {
    let lock = held(1, 0);
    let renewal = lock.version();
    let version = lock.begin_to_set(10 * MS, 5 * MS);
    assert!(lock.renewed(renewal, 6 * MS + LEASE, 7 * MS), "it is held");
    assert_eq!(lock.deadline(), 15 * MS);
    assert!(lock.was_set(version, 15 * MS, false, 8 * MS));
    assert!(lock.renewed(renewal, 6 * MS + LEASE, 9 * MS));
    assert_eq!(lock.deadline(), 15 * MS);
}

#[test]
fn an_answer_that_is_late_does_not_undo_the_renewals_since_its_request() {
    let lock = held(1, 0);
    let version = lock.begin_to_set(LEASE, 5 * MS);
    assert!(lock.renewed(lock.version(), 800 * MS + LEASE, 810 * MS));
    assert!(lock.was_set(version, 5 * MS + LEASE, true, 6 * MS + LEASE));
    assert_eq!(lock.deadline(), 800 * MS + LEASE);
}

#[test]
fn of_two_requests_that_set_the_end_the_younger_counts() {
    let lock = held(1, 0);
    let (first, second) = (lock.begin_to_set(5 * LEASE, 0), lock.begin_to_set(10 * MS, 0));
    assert!(lock.was_set(first, 5 * LEASE, false, 1), "it is held");
    assert_eq!(lock.deadline(), 10 * MS);
    assert!(lock.was_set(second, 10 * MS, false, 1));
    assert_eq!(lock.deadline(), 10 * MS);
}

#[test]
fn a_renewal_never_makes_the_deadline_earlier() {
    let lock = held(1, 0);
    let version = lock.version();
    assert!(lock.renewed(version, 300 * MS + LEASE, 400 * MS));
    assert!(lock.renewed(version, 100 * MS + LEASE, 400 * MS), "an answer that overtook another");
    assert_eq!(lock.deadline(), 300 * MS + LEASE);
}

#[test]
fn a_token_is_told_from_a_path_and_from_a_name() {
    assert!(is_token("0a1b.1f") && is_token(&held(17, 0).token));
    for text in ["", ".", "tick", "\x01a", "0a1b", "0a1b.", ".1f", "0a1b.1f.2", "xyz.1"] {
        assert!(!is_token(text), "{text:?}");
    }
}
