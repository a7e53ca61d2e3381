use super::super::calls::More;
use super::super::samples::{MS, TIMING, down, found, held, lock, path, unsure};
use super::*;
use crate::request::Kind;

const LEASE: u64 = TIMING.lease;

fn answered(refresh: &mut Refresh, all: &[Found], sent: u64, now: u64) -> Outcome<()> {
    refresh.answered(found(all).as_ref().map_err(Failure::clone), sent, now, false)
}

#[test]
fn a_refresh_counts_from_before_the_try_that_was_answered() {
    let lock = held(1, 0);
    let mut refresh = Refresh::new(&lock, LEASE, true, 10 * MS).unwrap();
    assert!(matches!(refresh.answered(Err(unsure()), 10 * MS, 100 * MS, false), Outcome::Again));
    assert!(matches!(answered(&mut refresh, &[Found::Held], 100 * MS, 110 * MS), Outcome::Done(())));
    assert_eq!((lock.deadline(), lock.renews()), (100 * MS + LEASE, true));
}

#[test]
fn a_refresh_that_fails_leaves_the_earlier_of_both_deadlines() {
    let lock = held(1, 0);
    let mut refresh = Refresh::new(&lock, 300 * MS, false, 10 * MS).unwrap();
    assert!(matches!(refresh.answered(Err(unsure()), 10 * MS, 100 * MS, false), Outcome::Again));
    assert!(matches!(refresh.answered(Err(unsure()), 100 * MS, 200 * MS, false), Outcome::Failed(_)));
    assert_eq!(lock.deadline(), 310 * MS, "the first try may have been the one that was carried out");
    let long = held(2, 0);
    let mut refresh = Refresh::new(&long, 10 * LEASE, false, 10 * MS).unwrap();
    assert!(matches!(refresh.answered(Err(down()), 10 * MS, 20 * MS, true), Outcome::Failed(_)));
    assert_eq!((long.deadline(), long.renews()), (LEASE, true));
}

#[test]
fn a_refresh_is_not_tried_again_once_its_own_time_has_come() {
    let lock = held(1, 0);
    let mut refresh = Refresh::new(&lock, 5 * MS, false, 10 * MS).unwrap();
    assert!(matches!(refresh.answered(Err(unsure()), 10 * MS, 20 * MS, false), Outcome::Failed(_)));
    assert!(Refresh::new(&lock, LEASE, true, 20 * MS).is_none(), "it is not held any more");
}

#[test]
fn what_ends_as_it_was_asked_to_is_no_error() {
    let lock = held(1, 0);
    let mut refresh = Refresh::new(&lock, 0, false, 10 * MS).unwrap();
    assert!(!lock.is_held(10 * MS));
    assert!(matches!(answered(&mut refresh, &[Found::Held], 10 * MS, 11 * MS), Outcome::Done(())));
    assert!(!lock.is_held(11 * MS));
}

/// It was lost before: the old lease ended first, or somebody else said so.
#[test]
fn what_ended_otherwise_than_asked_is_not_held() {
    let lock = held(1, 0);
    let mut refresh = Refresh::new(&lock, 5 * MS, false, 10 * MS).unwrap();
    assert!(matches!(answered(&mut refresh, &[Found::Held], 10 * MS, LEASE), Outcome::NotHeld));
    let lock = held(2, 0);
    let mut refresh = Refresh::new(&lock, LEASE, true, 10 * MS).unwrap();
    lock.lose();
    assert!(matches!(answered(&mut refresh, &[Found::Held], 10 * MS, 20 * MS), Outcome::NotHeld));
}

#[test]
fn a_late_answer_brings_nothing_back() {
    let lock = held(1, 0);
    let mut refresh = Refresh::new(&lock, LEASE, true, LEASE - MS).unwrap();
    assert!(matches!(answered(&mut refresh, &[Found::Held], LEASE - MS, LEASE + MS), Outcome::NotHeld));
    assert!(!lock.is_held(1));
}

#[test]
fn a_refresh_of_what_the_server_does_not_know_is_not_held() {
    for all in [&[Found::Lost][..], &[Found::Waits(1)], &[]] {
        let lock = held(1, 0);
        let mut refresh = Refresh::new(&lock, LEASE, true, MS).unwrap();
        assert!(matches!(answered(&mut refresh, all, MS, 2 * MS), Outcome::NotHeld), "{all:?}");
        assert!(!lock.is_held(2 * MS));
    }
}

#[test]
fn a_downgrade_without_an_answer_may_be_done() {
    let lock = held(1, 0);
    let yes = Answered { yes: Some(true), is_recalled: false, raised: None, more: More::None };
    let mut sure = Downgrade::new(&lock);
    assert!(matches!(sure.answered(Err(down()), false), Outcome::Again));
    assert!(!sure.may_be_done());
    assert!(matches!(sure.answered(Ok(&yes), false), Outcome::Done(())));
    let mut unknown = Downgrade::new(&lock);
    assert!(matches!(unknown.answered(Err(unsure()), false), Outcome::Again));
    assert!(matches!(unknown.answered(Err(down()), false), Outcome::Failed(_)));
    assert!(unknown.may_be_done(), "one of the tries may have been carried out");
}

#[test]
fn a_lock_that_is_detached_is_believed_in_for_no_longer_than_is_asked_for() {
    let lock = lock(1);
    lock.granted(100, 5 * LEASE, true); // as after a hand-over, if the claim window is that long
    assert!(Detach::new(&lock, &Target::new(path()), MS).is_some());
    assert_eq!(lock.deadline(), MS + LEASE);
}

#[test]
fn a_lock_that_is_detached_renews_itself_no_more_and_starts_anew_if_it_did() {
    let lock = held(1, 0);
    let detach = Detach::new(&lock, &Target::new(path()), MS).unwrap();
    assert_eq!((detach.length, lock.renews()), (LEASE, false));
    let ends = held(2, 0);
    ends.stop_renewing();
    let detach = Detach::new(&ends, &Target::new(path()), MS).unwrap();
    assert_eq!((detach.length, ends.deadline()), (0, LEASE));
    assert!(Detach::new(&ends, &Target::new(path()), LEASE).is_none());
}

/// Its holders know less than the server does.
#[test]
fn a_detached_lock_is_refreshed_though_it_is_not_held_here() {
    let lock = Arc::new(Lock::detached("c2.7", path(), LEASE));
    let mut refresh = Refresh::of_detached(&lock, LEASE, 10 * MS);
    assert!(String::from_utf8(refresh.call(&TIMING).words).unwrap().ends_with("$6\r\n900000\r\n$2\r\n-1\r\n"));
    assert!(matches!(refresh.answered(Err(unsure()), 10 * MS, 20 * MS, false), Outcome::Again));
    assert!(matches!(answered(&mut refresh, &[Found::Held], 20 * MS, 30 * MS), Outcome::Done(())));
    assert_eq!(lock.deadline(), 20 * MS + LEASE);
    let mut refresh = Refresh::of_detached(&lock, LEASE, 40 * MS);
    assert!(matches!(answered(&mut refresh, &[Found::Lost], 40 * MS, 50 * MS), Outcome::NotHeld));
    assert!(!lock.is_held(50 * MS));
    let mut shorter = Refresh::of_detached(&Arc::new(Lock::detached("c2.7", path(), LEASE)), MS, 0);
    assert!(matches!(shorter.answered(Err(down()), 0, LEASE, true), Outcome::Failed(_)), "there is no time");
}

#[test]
fn what_the_server_does_not_know_is_neither_downgraded_nor_detached() {
    let lock = held(1, 0);
    let no = Answered { yes: Some(false), is_recalled: false, raised: None, more: More::None };
    assert!(matches!(Downgrade::new(&lock).answered(Ok(&no), false), Outcome::NotHeld));
    assert!(!lock.is_held(0));
    let lock = held(2, 0);
    let mut detach = Detach::new(&lock, &Target::new(path()), MS).unwrap();
    assert!(matches!(detach.answered(Err(down()), false), Outcome::Again));
    assert!(matches!(detach.answered(Ok(None), false), Outcome::NotHeld));
    assert!(!lock.is_held(0));
}

#[test]
fn a_failure_that_stays_one_is_told_at_once() {
    let lock = held(1, 0);
    let last = || Failure::Refused(crate::redis::RedisStoreError::Protocol("no".into()));
    assert!(matches!(Downgrade::new(&lock).answered(Err(last()), false), Outcome::Failed(_)));
    assert!(matches!(Downgrade::new(&lock).answered(Err(down()), true), Outcome::Failed(_)), "nor is there time");
}

/// A request that was given up without an answer had raised it.
#[test]
fn a_downgrade_says_what_the_server_has_drawn_when_it_asks_again() {
    let lock = held(1, 0);
    let mut downgrade = Downgrade::new(&lock);
    let raised = Answered { yes: None, is_recalled: false, raised: Some(200), more: More::None };
    assert!(matches!(downgrade.answered(Ok(&raised), false), Outcome::Again));
    assert_eq!(lock.drawn(), 200);
}

/// The server has older data: what it would let outlive its guard is less than was held.
#[test]
fn what_was_raised_and_is_not_is_not_detached() {
    let lock = held(1, 0);
    lock.became_exclusive(200);
    let mut detach = Detach::new(&lock, &Target::new(path()), MS).unwrap();
    let less = Detached { kind: Kind::default(), fencing_token: 100, lease: LEASE, left: LEASE };
    assert!(matches!(detach.answered(Ok(Some(less)), false), Outcome::NotHeld));
    assert!(!lock.is_held(MS));
}
