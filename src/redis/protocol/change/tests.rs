use super::*;
use crate::redis::protocol::samples::{MS, TIMING, down, held, later, lock, path, unsure};

fn target() -> Target {
    Target::new(path())
}

fn narrow(of: &Arc<Lock>) -> Narrow {
    let kept = vec![(lock(2), target()), (lock(3), target())];
    Narrow::new(of, kept, "c1", &TIMING, 200 * MS).unwrap()
}

fn yes() -> Answered {
    Answered { yes: Some(true), is_recalled: false, raised: None, more: More::None }
}

fn upgrade(of: &Arc<Lock>, deadline: u64) -> Upgrade {
    Upgrade::new(of, &target(), deadline, 200 * MS)
}

fn by() -> InTheWay {
    crate::redis::protocol::samples::in_the_way(None)
}

#[test]
fn what_is_kept_has_the_token_and_the_rest_of_the_lease() {
    let old = held(1, 100 * MS);
    let mut narrow = narrow(&old);
    let Outcome::Done(kept) = narrow.answered(Ok(&yes()), false) else { panic!("it is done") };
    assert_eq!(kept.len(), 2);
    for lock in kept {
        assert_eq!((lock.deadline(), lock.fencing_token()), (1000 * MS, 100));
        assert!(lock.renews());
    }
}

#[test]
fn what_may_have_been_narrowed_is_given_back_whole() {
    let old = held(1, 100 * MS);
    let mut it = narrow(&old);
    assert!(matches!(it.answered(Err(unsure()), false), Outcome::Again));
    assert!(matches!(it.answered(Err(down()), false), Outcome::Failed(_)));
    let release = it.left().expect("the first request may have done it");
    let tokens: Vec<_> = release.locks().map(|lock| &*lock.token).collect();
    assert_eq!(tokens, ["c1.1", "c1.2", "c1.3"]);
    assert!(release.locks().all(|lock| lock.is_unsure()), "each leaves a tombstone");

    let mut it = narrow(&old);
    assert!(matches!(it.answered(Err(down()), false), Outcome::Again));
    assert!(matches!(it.answered(Err(down()), false), Outcome::Failed(_)));
    assert!(it.left().is_none(), "nothing was sent");
}

#[test]
fn a_widened_lock_is_the_same_on_another_node() {
    let old = held(1, 100 * MS);
    let kind = Kind::default();
    let top = Target::new("a".parse().unwrap());
    let mut widen = Widen::new(&old, &top, kind, "c1", &TIMING);
    let granted = Ok(Changed::Granted { fencing_token: 200, more: More::None });
    let (Some(Got::It(moved)), _) = widen.answered(granted, 400 * MS, false) else { panic!("it is done") };
    assert_eq!((&*moved.token, moved.number, moved.path.to_string()), ("c1.1", 1, "a".into()));
    assert_eq!((moved.fencing_token(), moved.deadline()), (200, 1000 * MS));
    assert!(moved.renews());
    // Without an answer it is what it was, and its release goes the long way.
    let mut widen = Widen::new(&old, &top, kind, "c1", &TIMING);
    assert!(widen.answered(Err(unsure()), 400 * MS, false).0.is_none());
    assert!(matches!(widen.answered(Err(down()), 400 * MS, false).0, Some(Got::Failed(_))));
    assert!(old.is_unsure() && old.fencing_token() == 100);
}

/// The server may have it for a little longer, and say who is in the way.
#[test]
fn what_is_over_is_not_blocked() {
    let old = held(1, 100 * MS);
    let mut widen = Widen::new(&old, &target(), Kind::default(), "c1", &TIMING);
    assert!(matches!(widen.answered(Ok(Changed::Blocked(by())), 400 * MS, false).0, Some(Got::Blocked(_))));
    let end = old.deadline();
    for refused in [Changed::Blocked(by()), Changed::Kept(by())] {
        assert!(matches!(widen.answered(Ok(refused), end, false).0, Some(Got::NotHeld)));
    }
    assert!(matches!(widen.answered(Err(down()), end, true).0, Some(Got::NotHeld)));
}

#[test]
fn a_message_of_an_earlier_grant_is_not_believed() {
    let lock = held(1, 100 * MS);
    let upgrade = upgrade(&lock, NEVER);
    assert!(!upgrade.told(100, 300 * MS));
    assert!(!upgrade.told(99, 300 * MS));
    assert!(upgrade.told(101, 300 * MS));
    assert_eq!((lock.fencing_token(), lock.deadline()), (101, 1000 * MS), "its end stays");
    assert!(!upgrade.told(102, 1000 * MS), "its time is up");
}

#[test]
fn it_asks_again_as_often_as_it_would_beat() {
    let lock = held(1, 100 * MS);
    let mut it = upgrade(&lock, NEVER);
    let (next, _) = it.answered(Ok(Changed::Queued(by())), 200 * MS, 210 * MS, &TIMING);
    assert!(matches!(next, Next::Wait(until) if until == 310 * MS), "{next:?}");
    // No later than its own time, and not for a lock that is lost.
    let mut it = upgrade(&lock, 250 * MS);
    let (next, _) = it.answered(Ok(Changed::Queued(by())), 200 * MS, 210 * MS, &TIMING);
    assert!(matches!(next, Next::Wait(until) if until == 250 * MS), "{next:?}");
    let (next, _) = it.answered(Ok(Changed::Queued(by())), 200 * MS, 1000 * MS, &TIMING);
    assert!(matches!(next, Next::Over(Got::NotHeld)), "{next:?}");
}

/// It leaves by one request more, whose answer may be the grant.
#[test]
fn what_gives_up_may_be_granted_all_the_same() {
    for granted in [true, false] {
        let lock = held(1, 100 * MS);
        let mut it = upgrade(&lock, NEVER);
        let _ = it.answered(Err(unsure()), 200 * MS, 210 * MS, &TIMING);
        let (next, _) = it.answered(Err(unsure()), 210 * MS, 220 * MS, &TIMING);
        assert!(matches!(next, Next::Ask), "{next:?}");
        let (call, _) = it.call(&TIMING, 230 * MS);
        assert!(call.words.ends_with(b"$1\r\n0\r\n$6\r\n900000\r\n"), "it leaves, and leaves a tombstone");
        let answer =
            if granted { Changed::Granted { fencing_token: 200, more: More::None } } else { Changed::Blocked(by()) };
        let (next, _) = it.answered(Ok(answer), 230 * MS, 240 * MS, &TIMING);
        match next {
            Next::Over(Got::It(())) => assert!(granted && lock.fencing_token() == 200),
            Next::Over(Got::Failed(_)) => assert!(!granted && lock.is_held(240 * MS)),
            next => panic!("{next:?}"),
        }
    }
}

/// A server that cannot answer now is not asked in a loop without a pause.
#[test]
fn a_try_pauses_between_two_requests() {
    let lock = held(1, 100 * MS);
    let mut it = upgrade(&lock, 0);
    let _ = it.answered(Err(later()), 200 * MS, 210 * MS, &TIMING);
    let (next, _) = it.answered(Err(later()), 210 * MS, 220 * MS, &TIMING);
    assert!(matches!(next, Next::Wait(until) if until > 220 * MS), "{next:?}");
}

/// An earlier upgrade was given up, and no answer said so.
#[test]
fn the_next_attempt_leaves_a_tombstone_for_those_before_it() {
    let lock = held(1, 100 * MS);
    let mut first = upgrade(&lock, 0);
    let _ = first.answered(Err(unsure()), 200 * MS, 210 * MS, &TIMING);
    let mut next = upgrade(&lock, 0);
    let (call, _) = next.call(&TIMING, 300 * MS);
    assert!(call.words.ends_with(b"$1\r\n2\r\n$1\r\n0\r\n$6\r\n900000\r\n"), "{call:?}");
    let mut other = upgrade(&held(2, 100 * MS), 0);
    assert!(other.call(&TIMING, 300 * MS).0.words.ends_with(b"$1\r\n1\r\n$1\r\n0\r\n$1\r\n0\r\n"));
}

/// A renewal is answered while the answer to an upgrade, or the message, is under way: maybe by a
/// server that does not know of it.
#[test]
fn a_raise_is_asked_for_again_if_a_renewal_was_answered_since() {
    let granted = || Ok(Changed::Granted { fencing_token: 200, more: More::None });
    let renew = |lock: &Lock| assert!(lock.renewed(lock.epoch(), 1200 * MS, 300 * MS));

    let lock = held(1, 100 * MS);
    let mut it = upgrade(&lock, NEVER);
    let _ = it.call(&TIMING, 200 * MS);
    renew(&lock);
    let (next, _) = it.answered(granted(), 200 * MS, 310 * MS, &TIMING);
    assert!(matches!(next, Next::Ask), "{next:?}");
    assert_eq!(lock.fencing_token(), 100);
    assert!(lock.is_unsure(), "its release does not say that it is shared");
    let _ = it.call(&TIMING, 320 * MS);
    let (next, _) = it.answered(granted(), 320 * MS, 330 * MS, &TIMING);
    assert!(matches!(next, Next::Over(Got::It(()))), "{next:?}");
    assert_eq!((lock.fencing_token(), lock.raised_to()), (200, Some(200)));

    let lock = held(1, 100 * MS);
    let mut it = upgrade(&lock, NEVER);
    let _ = it.call(&TIMING, 200 * MS);
    let _ = it.answered(Ok(Changed::Queued(by())), 200 * MS, 210 * MS, &TIMING);
    renew(&lock);
    assert!(!it.told(200, 310 * MS));
    assert!(lock.is_unsure());
    let _ = it.call(&TIMING, 320 * MS);
    let _ = it.answered(Ok(Changed::Queued(by())), 320 * MS, 330 * MS, &TIMING);
    assert!(it.told(200, 340 * MS));

    let lock = held(1, 100 * MS);
    let mut widen = Widen::new(&lock, &Target::new("a".parse().unwrap()), Kind::default(), "c1", &TIMING);
    renew(&lock);
    assert!(widen.answered(granted(), 400 * MS, false).0.is_none());
    assert!(lock.is_unsure(), "its release does not say where it is");
    assert!(matches!(widen.answered(granted(), 400 * MS, false).0, Some(Got::It(_))));
}

/// A request that was given up without an answer had raised it.
#[test]
fn what_the_server_has_drawn_is_said_when_it_asks_again() {
    let raised = || Ok(Changed::Raised { fencing_token: 200, more: More::None });
    let says = |call: &Call| call.words.windows(9).any(|word| word == b"$3\r\n200\r\n");
    let lock = held(1, 100 * MS);
    let mut it = upgrade(&lock, NEVER);
    assert!(!says(&it.call(&TIMING, 200 * MS).0));
    assert!(matches!(it.answered(raised(), 200 * MS, 210 * MS, &TIMING).0, Next::Ask));
    assert!(says(&it.call(&TIMING, 220 * MS).0));
    assert_eq!((lock.fencing_token(), lock.raised_to()), (100, None), "it is believed to be what it was");
    assert!(!it.told(200, 300 * MS), "a message of what was given up");

    let lock = held(1, 100 * MS);
    let mut widen = Widen::new(&lock, &target(), Kind::default(), "c1", &TIMING);
    assert!(widen.answered(raised(), 400 * MS, false).0.is_none());
    assert!(says(&widen.call(&TIMING)));
}
