//! What each reply is read as; and that an answer that no script gives is an error.

use super::listing::Entry;
use super::*;
use crate::backend::HeldLock;
use std::time::Duration;

/// Elements of a reply.
enum E {
    I(i64),
    T(&'static str),
    Nil,
    L(&'static [E]),
}
use E::{I, L, Nil, T};

fn value(element: &E) -> Value {
    match element {
        I(number) => Value::Int(*number),
        T(text) => Value::Bytes(text.as_bytes().to_vec()),
        Nil => Value::Nil,
        L(elements) => Value::List(elements.iter().map(value).collect()),
    }
}

fn read<R: Reply>(elements: &[E]) -> Result<R, Failure> {
    R::from_answer(Ok(Value::List(elements.iter().map(value).collect())))
}

fn good<R: Reply>(elements: &[E]) -> R {
    read(elements).unwrap_or_else(|failure| panic!("{failure:?}"))
}

/// As long as it is, it is needed, and nothing in it is of another sort.
fn assert_all_needed<R: Reply + std::fmt::Debug>(elements: &'static [E]) {
    good::<R>(elements);
    for at in 0..elements.len() {
        let cut = read::<R>(&elements[..at]);
        assert!(matches!(cut, Err(Failure::Refused(RedisStoreError::Protocol(_)))), "up to {at}: {cut:?}");
        let mut odd: Vec<Value> = elements.iter().map(value).collect();
        odd[at] = Value::Text("odd".into());
        let odd = R::from_answer(Ok(Value::List(odd)));
        assert!(odd.is_err(), "odd at {at}: {odd:?}");
    }
}

const HAND_OVER: E = L(&[T("\x01a"), I(1), T("\x01a\x01b")]);

fn hand_over() -> More {
    More::HandOver { path: b"\x01a".to_vec(), below: 1, cursor: b"\x01a\x01b".to_vec() }
}

#[test]
fn of_work_that_is_left() {
    for (element, more) in [(Nil, More::None), (I(1), More::Tidy), (HAND_OVER, hand_over())] {
        assert_eq!(good::<More>(&[element]), more);
    }
    assert_all_needed::<More>(&[HAND_OVER]);
    for odd in [T("1"), L(&[]), L(&[T("\x01a"), I(-1), T("")]), L(&[T("\x01a"), I(1)])] {
        assert!(read::<More>(&[odd]).is_err());
    }
}

#[test]
fn of_an_acquisition() {
    const BLOCKED: [E; 5] = [I(0), T("\x01a"), T("me"), I(-1), Nil];
    const WAITS: [E; 6] = [I(2), T("\x01a"), T(""), I(70), HAND_OVER, I(5)];
    const CLEARING: [E; 5] = [I(3), T(""), T("me"), I(0), I(1)];
    const GRANTED: [E; 3] = [I(1), I(7), I(1)];
    assert_all_needed::<Acquired>(&BLOCKED);
    assert_all_needed::<Acquired>(&WAITS);
    assert_all_needed::<Acquired>(&CLEARING);
    assert_all_needed::<Acquired>(&GRANTED);
    let Acquired::Granted { fencing_token: 7, more: More::Tidy } = good(&GRANTED) else { panic!() };
    let Acquired::Blocked(by) = good(&BLOCKED) else { panic!() };
    assert_eq!((by.path.to_string().as_str(), by.owner, by.left, by.more), ("a", Some("me".into()), None, More::None));
    let Acquired::Queued { by, arrival: 5 } = good(&WAITS) else { panic!() };
    assert_eq!((by.path.to_string().as_str(), by.owner, by.left, by.more), ("a", None, Some(70), hand_over()));
    let Acquired::Clearing(by) = good(&CLEARING) else { panic!() };
    assert_eq!((by.path, by.left, by.more), (TreePath::root(), Some(0), More::Tidy));
    assert!(matches!(good(&[I(4)]), Acquired::Cancelled(More::None)));
    for odd in [&[I(5)][..], &[I(-1)], &[I(1), I(-1), Nil], &[I(0), T("a"), T(""), I(0), Nil]] {
        assert!(read::<Acquired>(odd).is_err());
    }
}

#[test]
fn of_a_release() {
    const FOUND: [E; 3] = [I(1), I(1), I(9)];
    let released: Released = good(&FOUND);
    assert_eq!((released.found, released.more, released.born), (true, More::Tidy, Some(9)));
    // The fast paths say nothing of the past, and a tree that remembers nothing says 0.
    for said in [&[I(0), Nil][..], &[I(0), Nil, I(0)]] {
        let released: Released = good(said);
        assert_eq!((released.found, released.more, released.born), (false, More::None, None));
    }
    assert!(read::<Released>(&[I(1)]).is_err() && read::<Released>(&[Nil, Nil]).is_err());
}

#[test]
fn of_ends_that_were_set() {
    const ALL: [E; 8] = [Nil, I(-1), I(-2), I(-3), I(i64::MIN), I(0), I(70), I(-1)];
    assert_all_needed_but_the_end(&ALL);
    let refreshed: Refreshed = good(&ALL);
    let expected = [
        Found::Held,
        Found::Lost,
        Found::Granted(3),
        Found::Granted(1 << 63),
        Found::Waits(0),
        Found::Waits(70),
        Found::Held,
    ];
    assert_eq!((refreshed.more, &*refreshed.found), (More::None, &expected[..]));
    assert!(good::<Refreshed>(&[I(1)]).found.is_empty());
}

/// A reply about no token is one, too.
fn assert_all_needed_but_the_end(elements: &[E]) {
    assert!(read::<Refreshed>(&[]).is_err());
    for at in 0..elements.len() {
        let mut odd: Vec<Value> = elements.iter().map(value).collect();
        odd[at] = Value::Text("odd".into());
        assert!(Refreshed::from_answer(Ok(Value::List(odd))).is_err(), "odd at {at}");
    }
}

#[test]
fn of_a_yes_or_a_no() {
    const YES: [E; 2] = [I(1), HAND_OVER];
    assert_all_needed::<Answered>(&YES);
    for (said, yes) in [(0, Some(false)), (1, Some(true)), (3, None)] {
        let answered: Answered = good(&[I(said), I(1)]);
        assert_eq!((answered.yes, answered.more), (yes, More::Tidy));
    }
    assert!(read::<Answered>(&[I(2), Nil]).is_err());
}

#[test]
fn of_a_lock_that_outlives_its_guard() {
    const THERE: [E; 5] = [I(1), I(4), I(7), I(900), I(80)];
    assert_all_needed::<Option<Detached>>(&THERE);
    let there: Option<Detached> = good(&THERE);
    let there = there.unwrap();
    assert_eq!(there.kind, Kind::new(Mode::Shared, Scope::Node));
    assert_eq!((there.fencing_token, there.lease, there.left), (7, 900, 80));
    assert!(good::<Option<Detached>>(&[I(0)]).is_none());
    assert!(read::<Option<Detached>>(&[I(1), I(9), I(7), I(900), I(80)]).is_err(), "there is no kind 9");
}

#[test]
fn of_a_listing() {
    const HELD: [E; 11] = [Nil, I(1), T("\x01a"), I(1), T("me"), T("c1"), T("c1.2"), I(7), I(2_000_000), I(70), I(1)];
    for at in (2..HELD.len()).chain([0]) {
        assert!(read::<Listed>(&HELD[..at]).is_err(), "up to {at}");
    }
    let held: Listed = good(&HELD);
    assert!(held.next.is_none());
    let [Entry::Held(lock)] = &*held.entries else { panic!("{held:?}") };
    let mut one = HeldLock::new("a".parse().unwrap(), Kind::default());
    (one.owner, one.client, one.fencing_token) = (Some("me".into()), Some("c1".into()), Some(7));
    (one.held_for, one.remaining) = (Some(Duration::from_secs(2)), Some(Duration::from_micros(70)));
    (one.name, one.may_be_kept) = (lock.name.clone(), true);
    assert_eq!(*lock, one);
    let waits: Listed =
        good(&[L(&[I(2), T("next")]), I(0), T(""), I(4), T(""), T("c1"), T("c1.3"), I(9), I(1_000_000), I(5), I(0)]);
    assert!(waits.next.is_some());
    let [Entry::Waiting { token, arrival: 9, lock }] = &*waits.entries else { panic!("{waits:?}") };
    assert_eq!(
        (&**token, lock.waited, lock.kind),
        ("c1.3", Some(Duration::from_secs(1)), Kind::new(Mode::Shared, Scope::Node))
    );
    // Its record names no client: it outlived its guard, and its token is for anybody.
    let kept: Listed = good(&[Nil, I(1), T(""), I(1), T(""), T(""), T("c1.4"), I(7), I(0), I(70), I(0)]);
    let [Entry::Held(lock)] = &*kept.entries else { panic!("{kept:?}") };
    assert_eq!(lock.token, Some("c1.4".into()));
    assert!(good::<Listed>(&[Nil]).entries.is_empty());
}

#[test]
fn of_commands_that_are_denied() {
    assert_eq!(good::<Denied>(&[T("HSET"), T("ZADD")]).0, ["HSET", "ZADD"]);
    assert!(good::<Denied>(&[]).0.is_empty());
    assert!(read::<Denied>(&[I(1)]).is_err());
}

#[test]
fn what_is_no_reply_is_an_error_and_an_error_stays_one() {
    for odd in [Value::Nil, Value::Int(1), Value::Text("OK".into()), Value::Bytes(vec![])] {
        assert!(matches!(More::from_answer(Ok(odd)), Err(Failure::Refused(RedisStoreError::Protocol(_)))));
    }
    assert_eq!(More::from_answer(Err(Failure::NoScript)), Err(Failure::NoScript));
}
