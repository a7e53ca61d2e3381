use super::super::agenda::Room;
use super::super::calls::More;
use super::super::samples::{
    MS, Name, ROOM, TIMING, acquisition, agenda, down, granted, in_the_way, later, path, queued, unsure, with_lease,
};
use super::*;
use std::time::Duration;

const LEASE: u64 = TIMING.lease;
/// The claim window.
const WINDOW: u64 = 350 * MS;

/// What a call asks for: whether it may queue is the seventh argument.
fn may_queue(acquisition: &Acquisition<Name>, now: u64) -> bool {
    let (call, _) = acquisition.call(&TIMING, now);
    let words = String::from_utf8(call.words).unwrap();
    match words.split("\r\n").nth(13) {
        Some("1") => true,
        Some("0") => false,
        other => panic!("{other:?} in {words:?}"),
    }
}

fn begun(may_wait: MayWait, now: u64) -> (Acquisition<Name>, Agenda<Name>) {
    let (mut acquisition, mut agenda) = (acquisition(may_wait), agenda());
    acquisition.begin(now, false, &mut agenda);
    (acquisition, agenda)
}

fn error(step: Step) -> LockError {
    match step {
        Step::Over(Err(error)) => error,
        step => panic!("{step:?}"),
    }
}

fn is_given_back(agenda: &mut Agenda<Name>) -> bool {
    let rest = Room { heartbeats: false, ..ROOM };
    !agenda.take(2 * LEASE, rest).releases.is_empty()
}

#[test]
fn a_grant_counts_from_before_its_request_was_sent() {
    let (mut acquisition, mut agenda) = begun(MayWait::No, 1);
    let step = acquisition.answered(granted(7), 100 * MS, 600 * MS, &TIMING, &mut agenda);
    assert!(matches!(step, Step::Over(Ok(()))));
    assert_eq!((acquisition.lock().deadline(), acquisition.lock().fencing_token()), (100 * MS + LEASE, 7));
}

#[test]
fn a_grant_whose_answer_took_longer_than_the_lease_is_lost() {
    let (mut acquisition, mut agenda) = begun(MayWait::No, 1);
    acquisition.answered(granted(7), 100 * MS, 2 * LEASE, &TIMING, &mut agenda);
    assert!(!acquisition.lock().is_held(2 * LEASE));
}

#[test]
fn a_message_counts_from_the_last_answer_that_said_it_waits() {
    let (mut acquisition, mut agenda) = begun(MayWait::Until(NEVER), 1);
    let step = acquisition.answered(queued(5), 100 * MS, 110 * MS, &TIMING, &mut agenda);
    assert!(matches!(step, Step::Wait));
    assert!(acquisition.told(News::Granted(9), 200 * MS, &TIMING, &mut agenda));
    assert_eq!(acquisition.lock().deadline(), 100 * MS + WINDOW);
}

#[test]
fn a_lease_shorter_than_the_claim_window_ends_first() {
    let timing = Timing { lease: WINDOW / 2, ..TIMING };
    let lock = Arc::new(Lock::new(1, "c1", path(), None, timing.lease));
    let (request, waits) = (Request::default(), MayWait::Until(NEVER));
    let mut acquisition = Acquisition::new(Target::new(path()), lock, &request, waits, "waiter", "c1", &timing);
    let mut agenda = Agenda::new(timing);
    acquisition.begin(1, false, &mut agenda);
    acquisition.answered(queued(5), 100 * MS, 110 * MS, &timing, &mut agenda);
    assert!(acquisition.told(News::Granted(9), 120 * MS, &timing, &mut agenda));
    // A request of before that arrives now claims the lock, and with that begins a lease.
    assert_eq!(acquisition.lock().deadline(), 100 * MS + timing.lease);
}

#[test]
fn a_message_is_not_believed_if_it_is_late_or_about_an_earlier_grant() {
    let (mut acquisition, mut agenda) = begun(MayWait::Until(NEVER), 1);
    acquisition.answered(queued(5), 100 * MS, 110 * MS, &TIMING, &mut agenda);
    assert!(!acquisition.told(News::Granted(5), 120 * MS, &TIMING, &mut agenda), "from before it arrived");
    let nearly_over = 100 * MS + WINDOW * 3 / 4 + 1;
    let mut in_time = begun(MayWait::Until(NEVER), 1);
    in_time.0.answered(queued(5), 100 * MS, 110 * MS, &TIMING, &mut in_time.1);
    assert!(in_time.0.told(News::Granted(6), nearly_over - 1, &TIMING, &mut in_time.1));
    assert!(!acquisition.told(News::Granted(9), nearly_over, &TIMING, &mut agenda));
    assert!(!acquisition.lock().is_held(nearly_over));
    assert!(!acquisition.told(News::Ask, 120 * MS, &TIMING, &mut agenda));
}

#[test]
fn a_lease_that_was_asked_for_begins_with_the_claim() {
    let (mut acquisition, mut agenda) = (with_lease(Some(Duration::from_secs(1)), MayWait::Until(NEVER)), agenda());
    acquisition.begin(1, false, &mut agenda);
    acquisition.answered(queued(5), 1, 2, &TIMING, &mut agenda);
    assert!(!acquisition.told(News::Granted(9), 3, &TIMING, &mut agenda), "so the server is asked");
    acquisition.answered(granted(9), 4, 5, &TIMING, &mut agenda);
    assert!(!acquisition.lock().renews());
}

#[test]
fn an_acquisition_knows_until_when_it_may_wait() {
    assert_eq!(acquisition(MayWait::Until(500)).deadline(), 500);
    assert_eq!(acquisition(MayWait::No).deadline(), NEVER, "there is nothing to wait for");
}

#[test]
fn a_wait_queues_while_there_is_time_and_leaves_with_its_last_request() {
    let (mut acquisition, mut agenda) = begun(MayWait::Until(500 * MS), 1);
    assert!(may_queue(&acquisition, 1));
    acquisition.answered(queued(5), 1, 2, &TIMING, &mut agenda);
    assert!(!may_queue(&acquisition, 500 * MS));
    let (_, deadline) = acquisition.call(&TIMING, 500 * MS);
    assert_eq!(deadline, 550 * MS, "an answer may be there at once");
    let blocked = Ok(Acquired::Blocked(in_the_way(None)));
    let step = acquisition.answered(blocked, 500 * MS, 501 * MS, &TIMING, &mut agenda);
    assert!(matches!(error(step), LockError::TimedOut { .. }));
    assert!(!is_given_back(&mut agenda), "the server has taken it out of the queue");
}

#[test]
fn a_wait_whose_last_request_fails_is_told_what_was_in_the_way() {
    for failure in [unsure(), down(), later()] {
        let (mut acquisition, mut agenda) = begun(MayWait::Until(500 * MS), 1);
        acquisition.answered(queued(5), 1, 2, &TIMING, &mut agenda);
        let step = acquisition.answered(Err(failure), 500 * MS, 550 * MS, &TIMING, &mut agenda);
        assert!(matches!(error(step), LockError::TimedOut { .. }));
        assert!(is_given_back(&mut agenda), "the server may have it in its queue");
    }
}

#[test]
fn a_try_that_is_refused_asks_once_more_if_a_task_has_given_back() {
    for may_wait in [MayWait::No, MayWait::Until(0)] {
        let (mut acquisition, mut agenda) = (acquisition(may_wait), agenda());
        acquisition.begin(1, true, &mut agenda);
        let blocked = || Ok(Acquired::Blocked(in_the_way(None)));
        assert!(matches!(acquisition.answered(blocked(), 1, 2, &TIMING, &mut agenda), Step::Settle));
        assert!(matches!(acquisition.answered(blocked(), 3, 4, &TIMING, &mut agenda), Step::Over(Err(_))));
    }
}

#[test]
fn a_caller_that_does_not_wait_yet_hears_of_the_second_failure() {
    for failure in [unsure, down] {
        let (mut acquisition, mut agenda) = begun(MayWait::Until(NEVER), 1);
        assert!(matches!(acquisition.answered(Err(failure()), 1, 2, &TIMING, &mut agenda), Step::Ask));
        let step = acquisition.answered(Err(failure()), 3, 4, &TIMING, &mut agenda);
        assert!(matches!(error(step), LockError::Store(_)));
        assert_eq!(is_given_back(&mut agenda), matches!(failure(), Failure::Unsure(_)));
    }
}

#[test]
fn a_server_that_is_not_ready_is_asked_again_for_as_long_as_a_call_may_take() {
    let (mut acquisition, mut agenda) = begun(MayWait::Until(NEVER), 1);
    let mut pauses = Vec::new();
    let mut now = 1;
    while now <= TIMING.timeout {
        match acquisition.answered(Err(later()), now, now, &TIMING, &mut agenda) {
            Step::Ask => now += 1,
            Step::Pause(pause) => {
                pauses.push(pause / MS);
                now += pause;
            }
            step => panic!("{step:?}"),
        }
    }
    assert_eq!(pauses[..5], [40, 80, 160, 320, 500]);
    let last = 1 + TIMING.timeout; // it began at 1
    assert!(matches!(acquisition.answered(Err(later()), last, last, &TIMING, &mut agenda), Step::Pause(_)));
    let step = acquisition.answered(Err(later()), now + 1, now + 1, &TIMING, &mut agenda);
    assert!(matches!(error(step), LockError::Store(_)));
}

#[test]
fn a_waiter_sits_out_a_lease_without_a_server_and_no_longer() {
    let (mut acquisition, mut agenda) = begun(MayWait::Until(NEVER), 1);
    acquisition.answered(queued(5), 100 * MS, 110 * MS, &TIMING, &mut agenda);
    let end = 100 * MS + LEASE;
    for _ in 0..5 {
        let step = acquisition.answered(Err(unsure()), end - 1, end, &TIMING, &mut agenda);
        assert!(matches!(step, Step::Ask | Step::Pause(_)), "{step:?}");
    }
    assert!(!acquisition.told(News::Silent, end, &TIMING, &mut agenda));
    let (_, deadline) = acquisition.call(&TIMING, end);
    assert_eq!(deadline, end + 50 * MS, "a silent server gets one more request, and not much time");
    let step = acquisition.answered(Err(unsure()), end, end + 50 * MS, &TIMING, &mut agenda);
    assert!(matches!(error(step), LockError::Store(_)));
    assert!(is_given_back(&mut agenda));
}

#[test]
fn a_caller_waits_for_the_clearing_of_what_is_dead_as_long_as_it_has_time() {
    let clearing = || Ok(Acquired::Clearing(in_the_way(None)));
    let (mut acquisition, mut agenda) = begun(MayWait::No, 1);
    assert!(matches!(acquisition.answered(clearing(), 1, 2, &TIMING, &mut agenda), Step::Ask));
    let step = acquisition.answered(clearing(), 40 * MS, 51 * MS, &TIMING, &mut agenda);
    assert!(matches!(error(step), LockError::WouldBlock { .. }));
    assert_eq!(agenda.take(60 * MS, ROOM).more, Some(More::Tidy), "the keeper goes on");

    let (mut acquisition, mut agenda) = begun(MayWait::Until(20 * MS), 1);
    assert!(matches!(acquisition.answered(clearing(), 1, 19 * MS, &TIMING, &mut agenda), Step::Ask));
    let step = acquisition.answered(clearing(), 19 * MS, 20 * MS, &TIMING, &mut agenda);
    assert!(matches!(error(step), LockError::TimedOut { .. }));
}

#[test]
fn what_nobody_wants_any_more_is_given_back_if_the_server_may_know_it() {
    let (acquisition, mut agenda) = begun(MayWait::Until(NEVER), 1);
    assert!(acquisition.give_up(&mut agenda).is_none(), "it was never sent");
    let (mut acquisition, mut agenda) = begun(MayWait::Until(NEVER), 1);
    acquisition.answered(Err(unsure()), 1, 2, &TIMING, &mut agenda);
    assert!(acquisition.give_up(&mut agenda).is_some());
    let (mut acquisition, mut agenda) = begun(MayWait::Until(NEVER), 1);
    acquisition.answered(queued(5), 1, 2, &TIMING, &mut agenda);
    assert!(acquisition.give_up(&mut agenda).is_some());
    assert!(agenda.waiter(1).is_none());
}

#[test]
fn what_was_broken_before_it_was_claimed_is_not_held() {
    let (mut acquisition, mut agenda) = begun(MayWait::Until(NEVER), 1);
    acquisition.answered(queued(5), 100 * MS, 110 * MS, &TIMING, &mut agenda);
    let step = acquisition.answered(Ok(Acquired::Cancelled(More::None)), 200 * MS, 210 * MS, &TIMING, &mut agenda);
    assert!(matches!(error(step), LockError::NotHeld { .. }));
    assert!(agenda.take(2 * LEASE, ROOM).is_empty(), "nothing is left to do");
}
