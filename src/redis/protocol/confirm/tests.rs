use super::super::samples::{MS, TIMING, down, found, held, lock};
use super::*;
use crate::redis::error::RedisStoreError;

const TWO: Replicas = Replicas { count: 2, time: 100 * MS };

type Round = Result<(Vec<Refreshed>, u64), Failure>;

/// A batch of grants of these names, each of so many locks, with these times.
fn batch(all: &[(&'static str, u64, u64)]) -> Batch<&'static str> {
    let mut batch = Batch::default();
    for &(name, locks, until) in all {
        batch.add((0..locks).map(|number| held(number + 1, 0)).collect(), until, name);
    }
    batch
}

fn round(states: &[Found], acknowledged: u64) -> Round {
    Ok((vec![found(states).unwrap()], acknowledged))
}

fn told(batch: &mut Batch<&'static str>, round: Round, now: u64) -> Vec<String> {
    batch.answered(round, &TWO, now).into_iter().map(|(name, verdict)| format!("{name} {verdict:?}")).collect()
}

#[test]
fn as_many_replicas_as_wanted_confirm_all() {
    let mut batch = batch(&[("a", 1, 100 * MS), ("b", 2, 50 * MS)]);
    assert_eq!(told(&mut batch, round(&[Found::Held; 3], 2), MS), ["a Confirmed", "b Confirmed"]);
    assert!(batch.is_empty());
}

/// C4: the first whose time is up is told how many there were; the others are asked about again.
#[test]
fn who_has_time_left_is_asked_about_again() {
    let mut batch = batch(&[("a", 1, 100 * MS), ("b", 1, 50 * MS)]);
    assert_eq!(batch.milliseconds(20 * MS), 30);
    assert_eq!(told(&mut batch, round(&[Found::Held; 2], 1), 50 * MS), ["b TooFew(1)"]);
    assert_eq!(batch.milliseconds(50 * MS), 50);
    assert_eq!(told(&mut batch, round(&[Found::Held], 1), 60 * MS), [""; 0]);
    assert_eq!(told(&mut batch, round(&[Found::Held], 2), 90 * MS), ["a Confirmed"]);
}

#[test]
fn what_the_server_does_not_have_is_not_confirmed() {
    let mut batch = batch(&[("a", 2, 100 * MS), ("b", 1, 100 * MS)]);
    let states = [Found::Held, Found::Lost, Found::Held];
    assert_eq!(told(&mut batch, round(&states, 2), MS), ["a Lost", "b Confirmed"]);
    // An answer that is too short is about nobody that it does not name.
    let mut batch = super::tests::batch(&[("a", 1, 100 * MS), ("b", 1, 100 * MS)]);
    assert_eq!(told(&mut batch, round(&[Found::Held], 2), MS), ["a Confirmed", "b Lost"]);
}

#[test]
fn a_failure_is_told_once_the_time_is_up_or_at_once_if_it_is_final() {
    let mut batch = batch(&[("a", 1, 100 * MS), ("b", 1, 50 * MS)]);
    assert_eq!(told(&mut batch, Err(down()), MS), [""; 0]);
    assert_eq!(batch.pause(), 0);
    assert_eq!(told(&mut batch, Err(down()), 50 * MS).len(), 1);
    assert!(batch.pause() > 0);
    let refused = Failure::Refused(RedisStoreError::Protocol("no WAIT".into()));
    assert_eq!(told(&mut batch, Err(refused), 51 * MS).len(), 1);
    assert!(batch.is_empty());
}

/// A time of zero would be for ever.
#[test]
fn the_server_is_never_asked_to_wait_for_ever() {
    let batch = batch(&[("a", 1, 5 * MS)]);
    assert_eq!([batch.milliseconds(5 * MS), batch.milliseconds(900 * MS)], [1, 1]);
}

#[test]
fn a_grant_waits_for_replicas_as_long_as_its_caller_and_no_longer_than_is_set() {
    assert_eq!(TWO.until(u64::MAX, 7), 7 + 100 * MS);
    assert_eq!(TWO.until(7 + 60 * MS, 7), 7 + 60 * MS);
    assert_eq!(TWO.until(7, 7), 7 + GRACE);
}

/// A lease that was asked for is not made longer by it.
#[test]
fn it_renews_what_renews_itself_and_touches_the_rest() {
    let length = |renews| {
        let mut batch = Batch::default();
        let lock = lock(1);
        lock.granted(100, TIMING.lease, renews);
        batch.add(vec![lock], 0, "a");
        let [call] = &batch.calls(&TIMING)[..] else { panic!() };
        let words = String::from_utf8(call.words.clone()).unwrap();
        words.lines().nth(5).unwrap().to_owned()
    };
    assert_eq!([length(true), length(false)], [TIMING.lease.to_string(), "1".to_owned()]);
}

#[test]
fn very_many_go_in_several_calls() {
    assert_eq!(batch(&[("a", 300, 0)]).calls(&TIMING).len(), 2);
}
