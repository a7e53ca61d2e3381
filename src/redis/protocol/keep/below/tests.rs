use super::super::Keep;
use super::super::tests::{EXCLUSIVE, IDLE, SHARED, kept, may_keep, recall, take, target};
use super::*;
use crate::redis::error::{Failure, RedisStoreError};
use crate::redis::protocol::calls::{More, Released};
use crate::redis::protocol::exchange::Outcome;
use crate::redis::protocol::samples::{MS, TIMING};

const NODE: Kind = Kind { mode: Mode::Exclusive, scope: Scope::Node };

fn below(keep: &Keep, number: u64, path: &str, kind: Kind, now: u64) -> Found {
    below_host(keep, number, path, kind, now).0
}

/// And the lock above, if it is its first guest.
fn below_host(keep: &Keep, number: u64, path: &str, kind: Kind, now: u64) -> (Found, Option<Arc<Lock>>) {
    let new = || Lock::new(number, "k1", path.parse().unwrap(), None, TIMING.lease);
    let mut above = None;
    let found = keep.take_below((&target(path), kind), &TIMING, now, new, |_, host| above = host.cloned());
    (found, above)
}

fn guest(keep: &Keep, number: u64, path: &str, kind: Kind, now: u64) -> Arc<Lock> {
    match below(keep, number, path, kind, now) {
        Found::It(lock) => lock,
        other => panic!("{path}: {other:?}"),
    }
}

/// `a` is kept, with number 1 and token 100.
fn host() -> (Keep, Arc<Lock>) {
    let keep = Keep::new(IDLE);
    let lock = kept(&keep, 1, "a", EXCLUSIVE, MS);
    (keep, lock)
}

fn leave(keep: &Keep, lock: &Lock, now: u64) -> Left {
    keep.leave(lock, &Target::new(lock.path.clone()), true, now, |left| left)
}

fn one_exchange(keep: &Keep) -> Exchange {
    let mut begun = keep.begun();
    assert_eq!(begun.len(), 1);
    begun.pop().unwrap()
}

fn unsure() -> Failure {
    Failure::Unsure(RedisStoreError::Config("a test".into()))
}

#[test]
fn what_a_kept_lock_covers_is_taken_below_it_by_several() {
    let (keep, host) = host();
    let one = guest(&keep, 2, "a/x", EXCLUSIVE, 2 * MS);
    let (Found::It(two), None) = below_host(&keep, 3, "a/y", SHARED, 2 * MS) else { panic!("a second") };
    guest(&keep, 4, "a/y/z", SHARED, 2 * MS);
    guest(&keep, 5, "a", NODE, 2 * MS);
    // Nobody in conflict, and nobody beside it.
    for (path, kind) in [("a/x", SHARED), ("a/x/y", EXCLUSIVE), ("a", SHARED), ("a/y", EXCLUSIVE), ("a/y", NODE)] {
        assert!(matches!(below(&keep, 9, path, kind, 2 * MS), Found::Nothing), "{path}");
    }
    for path in ["/", "b", "ab"] {
        assert!(matches!(below(&keep, 9, path, SHARED, 2 * MS), Found::Nothing), "{path}");
    }
    // Each has a token of its own, and its host's end (K8, K9).
    assert_eq!((one.fencing_token(), two.fencing_token(), host.fencing_token()), (101, 102, 104));
    assert!(one.is_below() && one.deadline() == host.deadline() && one.token != host.token);
    // Nobody has the host itself meanwhile (K7), and it is not kept without a user.
    assert!(matches!(take(&keep, "a", EXCLUSIVE, 2 * MS), Found::Nothing));
    assert_eq!((keep.count(), keep.next()), (0, None));
    assert!(!keep.has(&host.token, &host.path) && keep.is_host(&host.token, &host.path));
    assert!(keep.idle(2 * MS + IDLE).is_empty());
}

#[test]
fn nothing_is_taken_below_what_covers_nothing_there() {
    let keep = Keep::new(IDLE);
    kept(&keep, 1, "a", NODE, MS);
    kept(&keep, 2, "b", SHARED, MS);
    for path in ["a/x", "b/x"] {
        assert!(matches!(below(&keep, 9, path, SHARED, 2 * MS), Found::Nothing), "{path}");
    }
}

#[test]
fn a_host_that_the_last_guest_leaves_is_kept_as_before() {
    let (keep, host) = host();
    let (one, two) = (guest(&keep, 2, "a/x", EXCLUSIVE, 2 * MS), guest(&keep, 3, "a/y", EXCLUSIVE, 2 * MS));
    let left = leave(&keep, &one, 3 * MS);
    assert!(left.is_all && left.host.is_none());
    guest(&keep, 4, "a/x", SHARED, 3 * MS);
    let left = leave(&keep, &two, 3 * MS);
    assert!(left.is_all && left.host.is_none());
    let three = guest(&keep, 5, "a/x", SHARED, 3 * MS);
    assert!(!leave(&keep, &two, 3 * MS).is_all, "it has left");
    leave(&keep, &three, 4 * MS);
    let four = guest(&keep, 6, "a/z", SHARED, 4 * MS);
    let last = keep.of(target("a").text()).kept[target("a").text()][0]
        .guests
        .iter()
        .find(|it| it.lock.number == 4)
        .unwrap()
        .lock
        .clone();
    leave(&keep, &four, 5 * MS);
    let left = leave(&keep, &last, 5 * MS);
    assert!(left.is_all && left.host.is_some_and(|left| left.number == host.number));
    assert_eq!((keep.count(), keep.next()), (1, Some(5 * MS + IDLE)));
    let Found::It(lock) = take(&keep, "a", EXCLUSIVE, 6 * MS) else { panic!("it is kept") };
    assert_eq!((lock.number, lock.fencing_token()), (1, 106));
    assert!(!lock.is_unused() && keep.keep(&lock, &target("a"), EXCLUSIVE, 6 * MS));
}

#[test]
fn a_guest_lasts_as_long_as_its_host() {
    let (keep, host) = host();
    let one = guest(&keep, 2, "a/x", EXCLUSIVE, 2 * MS);
    let (end, later) = (host.deadline(), host.deadline() + 5 * MS);
    assert!(host.renewed(0, later, 3 * MS));
    assert_eq!((one.deadline(), one.latest_deadline()), (end, later));
    assert!(one.is_held(end) && one.deadline() == later);
    // Lost with it, and for good.
    assert!(!one.is_held(later) && host.deadline() == 0 && one.latest_deadline() == 0);
    assert!(!leave(&keep, &one, later).is_all);
    // And when it is found to be gone before that, or is broken.
    type Loss = fn(&Keep, &Lock);
    let losses: [Loss; 2] = [|keep, host| keep.lost(host), |keep, _| keep.broken(1, 100)];
    for loss in losses {
        let (keep, host) = self::host();
        let one = guest(&keep, 2, "a/x", EXCLUSIVE, 2 * MS);
        loss(&keep, &host);
        assert!(!one.is_held(2 * MS) && !leave(&keep, &one, 2 * MS).is_all);
        assert!(matches!(below(&keep, 3, "a/y", EXCLUSIVE, 2 * MS), Found::Nothing));
        assert!(keep.begun().is_empty());
    }
}

#[test]
fn nothing_is_taken_below_what_is_nearly_over() {
    let (keep, host) = host();
    let late = host.deadline() - TIMING.lease / 4;
    assert!(matches!(below(&keep, 2, "a/x", EXCLUSIVE, late), Found::Spent(_)));
    assert_eq!(keep.count(), 0);
    let (keep, _) = self::host();
    guest(&keep, 2, "a/x", EXCLUSIVE, late - 1);
    assert!(matches!(below(&keep, 3, "a/y", EXCLUSIVE, late), Found::Nothing));
}

#[test]
fn guests_have_one_token_a_microsecond_at_the_most() {
    let (keep, _) = host();
    guest(&keep, 2, "a/x", SHARED, MS + 1);
    assert!(matches!(below(&keep, 3, "a/y", SHARED, MS + 1), Found::Soon));
    guest(&keep, 3, "a/y", SHARED, MS + 2);
}

#[test]
fn as_many_are_below_one_lock_as_one_call_exchanges() {
    let (keep, _) = host();
    for number in 0..MOST_GUESTS as u64 {
        guest(&keep, 2 + number, &format!("a/{number}"), EXCLUSIVE, 2 * MS);
    }
    assert!(matches!(below(&keep, 99, "a/x", EXCLUSIVE, 2 * MS), Found::Nothing));
}

#[test]
fn a_recall_has_a_host_exchanged_for_its_guests() {
    for (path, kind) in [("a/z", EXCLUSIVE), ("a/x", SHARED), ("/", SHARED), ("a", NODE)] {
        let (keep, host) = host();
        let one = guest(&keep, 2, "a/x", EXCLUSIVE, 2 * MS);
        let two = guest(&keep, 3, "a/y", SHARED, 2 * MS);
        host.renewed(0, host.deadline() + MS, 2 * MS);
        assert!(recall(&keep, path, kind, 3 * MS).is_empty(), "{path}");
        // From now on nobody comes, and each has an end of its own (K10, K4).
        assert!(matches!(below(&keep, 9, "a/z", SHARED, 3 * MS), Found::Nothing));
        assert!(!one.is_below() && one.deadline() == host.deadline());
        assert!(keep.exchange(&one) && keep.is_exchanging(&[1]) && keep.is_host(&host.token, &host.path));
        assert_eq!((keep.exchange_around(&target("a/y/z")), keep.exchange_around(&target("b"))), (vec![1], vec![]));
        let exchange = one_exchange(&keep);
        let done = keep.exchanged(&exchange, &[true, true], 4 * MS, |done| done);
        assert_eq!(done.own.iter().map(|lock| lock.number).collect::<Vec<_>>(), [2, 3]);
        assert!(done.back.is_empty() && one.renews() && one.is_held(4 * MS) && two.is_held(4 * MS));
        assert!(!keep.is_exchanging(&[1]) && !keep.is_host(&host.token, &host.path));
        assert!(!keep.exchange(&one) && !leave(&keep, &one, 4 * MS).is_all);
        assert!(!keep.keep(&one, &target("a/x"), EXCLUSIVE, 4 * MS), "somebody may wait for it");
        assert!(!may_keep(&keep, &host, EXCLUSIVE, 4 * MS), "the node cools");
    }
    let (keep, _) = host();
    guest(&keep, 2, "a/x", EXCLUSIVE, 2 * MS);
    recall(&keep, "b", EXCLUSIVE, 3 * MS);
    assert!(keep.begun().is_empty(), "that was another node");
    assert!(keep.recall_all().is_empty() && keep.begun().len() == 1);
}

#[test]
fn who_leaves_during_the_exchange_is_given_back_after_it() {
    let (keep, _) = host();
    let one = guest(&keep, 2, "a/x", EXCLUSIVE, 2 * MS);
    let two = guest(&keep, 3, "a/y", EXCLUSIVE, 2 * MS);
    let three = guest(&keep, 4, "a/z", EXCLUSIVE, 2 * MS);
    assert!(keep.exchange(&one));
    let exchange = one_exchange(&keep);
    assert!(leave(&keep, &two, 3 * MS).is_all);
    let done = keep.exchanged(&exchange, &[true, true, false], 4 * MS, |done| done);
    assert_eq!(done.own.iter().map(|lock| lock.number).collect::<Vec<_>>(), [2]);
    assert_eq!(done.back.iter().map(|lock| lock.number).collect::<Vec<_>>(), [3]);
    assert!(!three.is_held(4 * MS), "the server does not have it");
}

#[test]
fn an_exchange_is_sent_until_it_is_answered_or_its_lease_is_over() {
    let (keep, host) = host();
    let one = guest(&keep, 2, "a/x", EXCLUSIVE, 2 * MS);
    keep.exchange(&one);
    let mut exchange = one_exchange(&keep);
    let Outcome::Again(at) = exchange.answered(Err(unsure()), 3 * MS) else { panic!("it is held") };
    assert!(at > 3 * MS && !one.is_unsure());
    let each = vec![true];
    let released = Released { found: true, more: More::None, born: None, each };
    let Outcome::Done(found) = exchange.answered(Ok(&released), 3 * MS) else { panic!("it was answered") };
    assert_eq!(found, [true]);
    let Outcome::Over(release) = exchange.answered(Err(unsure()), host.deadline()) else { panic!("it is over") };
    assert_eq!(release.locks().map(|lock| lock.number).collect::<Vec<_>>(), [1, 2]);
    assert!(one.is_unsure() && host.is_unsure());
    let done = keep.exchanged(&exchange, &[], host.deadline(), |done| done);
    assert!(done.own.is_empty() && done.back.is_empty() && one.deadline() == 0);
}

#[test]
fn a_lock_below_that_was_lost_is_not_revived_by_an_answer() {
    let (keep, host) = host();
    let one = guest(&keep, 2, "a/x", EXCLUSIVE, 2 * MS);
    keep.exchange(&one);
    let exchange = one_exchange(&keep);
    let end = host.deadline();
    assert!(!one.is_held(end));
    let done = keep.exchanged(&exchange, &[true], end, |done| done);
    assert!(done.own.is_empty() && done.back.len() == 1 && !one.is_held(end));
}
