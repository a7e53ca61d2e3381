use super::*;
use crate::redis::protocol::samples::{MS, TIMING, held};

const LEASE: u64 = TIMING.lease;

#[test]
fn a_lock_is_held_until_its_deadline_and_never_again() {
    let lock = held(1, 0);
    assert!(lock.is_held(LEASE - 1));
    assert!(!lock.is_held(LEASE));
    assert!(!lock.is_held(1), "what was seen to be lost stays lost");
    assert!(!lock.renewed(lock.epoch(), 2 * LEASE, 1), "also if an answer comes late");
    assert!(!lock.was_set(1, 2 * LEASE, true, 1));
}

#[test]
fn a_late_answer_finds_the_loss_though_nobody_looked() {
    let lock = held(1, 0);
    let version = lock.epoch();
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
    let renewal = lock.epoch();
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
    assert!(lock.renewed(lock.epoch(), 800 * MS + LEASE, 810 * MS));
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
    let version = lock.epoch();
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

/// The server alone knows whether it is held, and a request for it may still be under way.
#[test]
fn a_detached_lock_is_what_the_server_says() {
    let lock = Lock::detached("c2.7", "a".parse().unwrap(), LEASE);
    assert!(lock.is_detached() && !held(1, 0).is_detached());
    assert!(lock.is_unsure() && !held(1, 0).is_unsure());
    assert_eq!((&*lock.token, lock.longest(), lock.is_held(0)), ("c2.7", LEASE, false));
    lock.attached(9, 50 * MS);
    assert!(lock.is_held(50 * MS - 1) && !lock.renews());
    assert_eq!(lock.fencing_token(), 9);
    assert!(!lock.is_held(50 * MS));
    lock.attached(9, 80 * MS);
    assert!(lock.is_held(60 * MS), "it was held all the time, and another process prolonged it");
    lock.attached(9, 0);
    assert!(!lock.is_held(1));
}

#[test]
fn a_lock_of_this_client_has_its_name_and_number() {
    let lock = Lock::new(31, "c1", "a".parse().unwrap(), None, LEASE);
    assert_eq!((&*lock.token, lock.longest(), lock.deadline()), ("c1.1f", LEASE, 0));
}

#[test]
fn a_waiter_is_as_alive_as_its_youngest_answer_says() {
    let lock = held(1, 0);
    lock.waits(5);
    lock.waits(3);
    lock.arrived(7);
    assert_eq!((lock.waited_at(), lock.arrival()), (5, 7));
}

#[test]
fn what_renewed_itself_is_told_once() {
    let lock = held(1, 0);
    assert!(lock.renews() && lock.stop_renewing());
    assert!(!lock.renews() && !lock.stop_renewing());
    lock.lose();
    assert!(!lock.is_held(0));
}

#[test]
fn a_lock_that_was_refreshed_is_renewed_as_before() {
    let lock = held(1, 0);
    let version = lock.begin_to_set(LEASE, 10 * MS);
    assert!(lock.was_set(version, 10 * MS + LEASE, true, 20 * MS));
    assert!(lock.renewed(lock.epoch(), 300 * MS + LEASE, 310 * MS));
    assert_eq!(lock.deadline(), 300 * MS + LEASE);
}

#[test]
fn what_was_set_to_end_is_not_renewed_by_an_answer_that_was_on_its_way() {
    let lock = held(1, 0);
    let version = lock.begin_to_set(2 * LEASE, 10 * MS);
    let renewal = lock.epoch();
    assert!(lock.was_set(version, 10 * MS + 2 * LEASE, false, 20 * MS));
    assert!(lock.renewed(renewal, 20 * MS + 3 * LEASE, 30 * MS));
    assert_eq!(lock.deadline(), 10 * MS + 2 * LEASE);
}

/// The server that answered a renewal of before may not know of it.
#[test]
fn a_renewal_of_before_it_was_raised_does_not_make_the_deadline_later() {
    let lock = held(1, 0);
    let before = lock.epoch();
    lock.became_exclusive(200);
    assert!(lock.renewed(before, 2 * LEASE, MS));
    assert_eq!(lock.deadline(), LEASE);
    let moved = lock.moved_to(lock.path.clone(), 300);
    assert!(moved.renewed(lock.epoch(), 2 * LEASE, MS));
    assert_eq!(moved.deadline(), LEASE);
    assert!(moved.renewed(moved.epoch(), 2 * LEASE, MS));
    assert_eq!((moved.deadline(), moved.raised_to()), (2 * LEASE, Some(300)));
}
