//! The arguments of each script, as the head of its Lua file has them.

use super::super::samples::{MS, TIMING, lock, path};
use super::*;
use crate::path::ToTreePath;
use crate::redis::server::Server;
use crate::request::{Mode, Scope};

mod replies;

/// A claim window.
const CLAIM: &str = "350000";

fn target() -> Target {
    Target::new(path())
}

/// The words of a call, whose number has to be right.
fn words(call: &Call) -> Vec<String> {
    let text = std::str::from_utf8(&call.words).unwrap();
    let words: Vec<String> = text.split_terminator("\r\n").skip(1).step_by(2).map(str::to_owned).collect();
    let lengths: Vec<String> = text.split_terminator("\r\n").step_by(2).map(str::to_owned).collect();
    assert_eq!(words.len(), call.count, "{text:?}");
    assert_eq!(lengths, words.iter().map(|word| format!("${}", word.len())).collect::<Vec<_>>(), "{text:?}");
    words
}

#[track_caller]
fn assert_words(call: &Call, script: Script, expected: &[&str]) {
    assert_eq!(call.script, script);
    assert_eq!(words(call), expected);
}

#[test]
fn to_take_a_lock() {
    let lock = Lock::new(31, "c1", path(), Some("me".into()), 900 * MS);
    let about = about(&lock, &target(), "c1", &TIMING);
    assert_eq!(about, b"900000,350000,c1,2,me\x01a\x01b");
    let kind = Kind::new(Mode::Shared, Scope::Node);
    for (queue, word) in [(true, "1"), (false, "0")] {
        let call = acquire(&lock, &target(), kind, &about, queue, &TIMING);
        let own = [CLAIM, "c1.1f", "4", "\x01a\x01b", "900000", "900000,350000,c1,2,me\x01a\x01b", word];
        let fast = ["tick", "offset", "waiting", "c1.1f", "server", "", "\x01a", "\x01a\x01b"];
        assert_words(&call, Script::Acquire, &[&own[..], &fast[..]].concat());
    }
}

/// Without the nodes the fast paths are not taken, so their other fields are not sent either.
#[test]
fn a_long_path_goes_without_its_nodes() {
    let long = Target::new(["x"; 100].to_tree_path().unwrap());
    let lock = lock(1);
    assert_eq!(words(&acquire(&lock, &long, Kind::default(), b"", false, &TIMING)).len(), 7);
    assert_eq!(words(&release(&lock, Some((&long, Kind::default())), &TIMING)).len(), 5);
}

#[test]
fn to_give_one_back() {
    let lock = lock(1);
    let call = release(&lock, Some((&target(), Kind::new(Mode::Shared, Scope::Subtree))), &TIMING);
    let own = [CLAIM, "c1.1", "0", "3", "\x01a\x01b"];
    let fast = ["tick", "offset", "waiting", "c1.1", "server", "", "\x01a", "\x01a\x01b"];
    assert_words(&call, Script::Release, &[&own[..], &fast[..]].concat());
    assert_words(&release(&lock, None, &TIMING), Script::Release, &[CLAIM, "c1.1", "0", "0", ""]);
    lock.doubt();
    assert_words(&release(&lock, None, &TIMING), Script::Release, &[CLAIM, "c1.1", "900000", "0", ""]);
}

/// A length of 0 would be a heartbeat.
#[test]
fn to_set_ends() {
    let (one, two) = (lock(1), lock(2));
    let all: [(&Lock, Extent); 7] = [
        (&one, Extent::Heartbeat),
        (&two, Extent::AtLeast(5)),
        (&two, Extent::AtLeast(0)),
        (&one, Extent::Exactly { length: 7, version: 3 }),
        (&one, Extent::Exactly { length: 0, version: 4 }),
        (&two, Extent::Detached(8)),
        (&two, Extent::Detached(0)),
    ];
    let rows = ["c1.1 0 0", "c1.2 5 0", "c1.2 1 0", "c1.1 7 3", "c1.1 1 4", "c1.2 8 -1", "c1.2 1 -1"];
    let expected: Vec<&str> = std::iter::once(CLAIM).chain(rows.iter().flat_map(|row| row.split(' '))).collect();
    assert_words(&refresh(all, &TIMING), Script::Refresh, &expected);
}

/// What was raised may be known as less to a server with older data.
#[test]
fn to_say_what_a_lock_was_raised_to() {
    let lock = lock(1);
    lock.granted(7, 5, true);
    lock.became_exclusive(77);
    let all: [(&Lock, Extent); 3] =
        [(&lock, Extent::AtLeast(5)), (&lock, Extent::Exactly { length: 7, version: 3 }), (&lock, Extent::Detached(8))];
    let rows = [CLAIM, "c1.1", "5", "0,77", "c1.1", "7", "3,77", "c1.1", "8", "-1"];
    assert_words(&refresh(all, &TIMING), Script::Refresh, &rows);
    assert_words(&downgrade(&lock, &TIMING), Script::Downgrade, &[CLAIM, "c1.1", "77"]);
    assert_words(&release_set([&lock].into_iter(), &TIMING), Script::ReleaseSet, &[CLAIM, "0", "c1.1,77"]);
}

/// A server that has forgotten what is held learns all of it from a renewal; and of what waits, or
/// was given back, nothing.
#[test]
fn to_set_ends_with_a_grace_period() {
    let timing = Timing { grace: 900 * MS, ..TIMING };
    let (held, waits, given_back) = (lock(1), lock(2), lock(3));
    for lock in [&held, &given_back] {
        lock.set_kind(2);
        lock.granted(77, 5, true);
    }
    waits.set_kind(1);
    given_back.set_kind(0);
    let all = [(&*held, Extent::AtLeast(5)), (&*waits, Extent::Heartbeat), (&*given_back, Extent::AtLeast(6))];
    let ends = [CLAIM, "c1.1", "5", "0", "c1.2", "0", "0", "c1.3", "6", "0"];
    let about = "900000,350000,c1,0,\x01a\x01b";
    let path = "\x01a\x01b";
    let claims = ["2", "77", path, about, "0", "0", path, about, "0", "77", path, about];
    assert_words(&refresh(all, &timing), Script::Refresh, &[&ends[..], &claims[..]].concat());
}

#[test]
fn to_say_hello() {
    let [run, history, earlier, node] = ["r", "h", "e", "n"].map(|letter| letter.repeat(40));
    let server = Server { run, history: history.clone(), earlier: earlier.clone(), node: node.clone(), up: 3 };
    let timing = Timing { grace: 900 * MS, ..TIMING };
    let call = hello(&server, true, &timing);
    assert_words(&call, Script::Hello, &[CLAIM, &history, &earlier, &node, "3", "900000", "1"]);
    let Greeted(left) = Greeted::from_answer(Ok(Value::List(vec![Value::Int(5)]))).unwrap();
    assert_eq!(left, 5);
}

#[test]
fn what_else_is_asked() {
    let lock = lock(1);
    assert_words(&downgrade(&lock, &TIMING), Script::Downgrade, &[CLAIM, "c1.1", "0"]);
    let node = Kind::new(Mode::Exclusive, Scope::Node);
    assert_words(&inspect(&target(), node, &TIMING), Script::Inspect, &[CLAIM, "2", "\x01a\x01b"]);
    let attached = [CLAIM, "c1.9", "\x01a\x01b", "0", "0", "0"];
    assert_words(&attach("c1.9", &target(), &TIMING), Script::Detached, &attached);
    let detached = [CLAIM, "c1.1", "\x01a\x01b", "1", "5", "6"];
    assert_words(&detach(&lock, &target(), 5, 6, &TIMING), Script::Detached, &detached);
    assert_words(
        &list(&target(), true, &Cursor::default(), &TIMING),
        Script::List,
        &[CLAIM, "1", "\x01a\x01b", "1", ""],
    );
    assert_words(&break_lock("c1.1", &target(), 7, &TIMING), Script::Break, &[CLAIM, "c1.1", "\x01a\x01b", "7"]);
    assert_words(&probe("c1"), Script::Probe, &["c1"]);
}

#[test]
fn what_is_left_to_do() {
    assert!(More::None.call(&TIMING).is_none());
    assert_words(&More::Tidy.call(&TIMING).unwrap(), Script::Tidy, &[CLAIM]);
    let more = More::HandOver { path: b"\x01a".to_vec(), below: 1, cursor: b"\x01a\x01b".to_vec() };
    assert_words(&more.call(&TIMING).unwrap(), Script::HandOver, &[CLAIM, "\x01a", "1", "\x01a\x01b"]);
}
