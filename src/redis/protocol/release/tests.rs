use super::super::calls::More;
use super::super::samples::{TIMING, down, held, later, lock, path, unsure};
use super::*;
use crate::redis::protocol::script::Script;

fn released(found: bool, born: Option<u64>) -> Released {
    Released { found, more: More::None, born, each: Vec::new() }
}

fn release() -> Release {
    Release::of_held(held(1, 0), Target::new(path()), Kind::default(), true)
}

fn was_held(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Done { was_held } => was_held,
        outcome => panic!("{outcome:?}"),
    }
}

#[test]
fn a_lock_that_the_server_does_not_find_was_lost() {
    assert!(was_held(release().answered(Ok(&released(true, None)), false)));
    assert!(!was_held(release().answered(Ok(&released(false, Some(1))), false)));
}

#[test]
fn after_a_lost_answer_not_found_is_what_the_first_try_did() {
    let mut release = release();
    assert!(matches!(release.answered(Err(unsure()), false), Outcome::Again));
    assert!(was_held(release.answered(Ok(&released(false, Some(100))), false)));
}

#[test]
fn a_server_that_forgot_has_not_released_it() {
    for born in [None, Some(101)] {
        let mut release = release();
        assert!(matches!(release.answered(Err(unsure()), false), Outcome::Again));
        assert!(!was_held(release.answered(Ok(&released(false, born)), false)), "{born:?}");
    }
}

#[test]
fn a_try_that_did_not_run_has_released_nothing() {
    let mut release = release();
    assert!(matches!(release.answered(Err(down()), false), Outcome::Again));
    assert!(!was_held(release.answered(Ok(&released(false, Some(1))), false)));
}

#[test]
fn the_second_failure_is_told_and_one_without_hope() {
    let mut twice = release();
    assert!(matches!(twice.answered(Err(later()), false), Outcome::Again));
    assert!(matches!(twice.answered(Err(later()), false), Outcome::Failed(_)));
    assert!(matches!(release().answered(Err(down()), true), Outcome::Failed(_)));
    assert!(matches!(release().answered(Err(Failure::NoScript), false), Outcome::Failed(_)));
}

#[test]
fn a_tombstone_is_left_where_a_request_may_be_under_way() {
    let words = |lock: Arc<Lock>| {
        let call = Release::of_unwanted(lock).call(&TIMING);
        String::from_utf8(call.words).unwrap()
    };
    assert!(!words(lock(1)).contains(&TIMING.lease.to_string()));
    let doubtful = lock(1);
    doubtful.doubt();
    assert!(words(doubtful).contains(&TIMING.lease.to_string()));
    // A waiter is queued for its claim window, however short its lease.
    let short = Arc::new(Lock::new(1, "c1", path(), None, 0));
    short.doubt();
    assert!(words(short).contains("350000"));
}

#[test]
fn what_was_raised_is_given_back_as_that() {
    let release = release();
    assert_eq!(release.call(&TIMING).script, Script::Release);
    release.lock.became_exclusive(200);
    assert_eq!(release.call(&TIMING).script, Script::ReleaseSet);
}
