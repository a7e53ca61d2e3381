//! What depends on the clock: `TIME`, and the end of a mailbox.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mutextree_sim::simulator::emulation::testing::Emulated;
use redis::Value;

use crate::server::Server;

const PUSH: &str = "redis.call('RPUSH', KEYS[1], 'message') return redis.call('PEXPIRE', KEYS[1], ARGV[1])";
const POP: &str = "return redis.call('BLMPOP', '0', '1', KEYS[1], 'LEFT')";

/// A real one's is told by the system's clock, an emulated one's by what it is told.
#[test]
fn both_tell_the_time_in_the_same_form() {
    let (mut server, mut emulated) = (Server::start(), Emulated::default());
    let text = "return redis.call('TIME')";
    let now = || u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later").as_micros());
    let before = now().expect("a time");
    let real = server.eval(text, &[], &[]).expect("a time");
    let after = now().expect("a time");
    // The form is the same if what the real one says is what the emulated one says at that time.
    let Value::Array(parts) = &real else { panic!("{real:?} is no list") };
    let part = |at: usize| match &parts[at] {
        Value::BulkString(digits) => String::from_utf8_lossy(digits).parse::<u64>().expect("a number"),
        other => panic!("{other:?} is no string"),
    };
    let time = part(0) * 1_000_000 + part(1);
    assert!((before..=after).contains(&time), "{time} is not in {before} to {after}");
    assert_eq!(emulated.eval(text, &[], &[], time), Ok(real));
    let early = Value::Array(vec![Value::BulkString(b"7".to_vec()), Value::BulkString(b"42".to_vec())]);
    assert_eq!(emulated.eval(text, &[], &[], 7_000_042), Ok(early));
}

/// Through its last millisecond a key is there. The real server's clock goes on: so how long its
/// key was there is known from both sides only.
#[test]
fn a_mailbox_ends_at_its_time() {
    let (mut server, mut emulated) = (Server::start(), Emulated::default());
    let keys = ["mailbox".to_owned()];
    let begin = 5_000_000;
    let there = Ok(Value::Array(vec![
        Value::BulkString(b"mailbox".to_vec()),
        Value::Array(vec![Value::BulkString(b"message".to_vec())]),
    ]));

    for (passed, message) in
        [(0, true), (49_999, true), (50_000, true), (50_999, true), (51_000, false), (90_000, false)]
    {
        assert_eq!(emulated.eval(PUSH, &keys, &[b"50"], begin), Ok(Value::Int(1)));
        let answer = emulated.eval(POP, &keys, &[], begin + passed);
        assert_eq!(answer, if message { there.clone() } else { Ok(Value::Nil) }, "after {passed} microseconds");
        assert!(emulated.contents().is_empty());

        assert_eq!(emulated.eval(PUSH, &keys, &[b"50"], begin), Ok(Value::Int(1)));
        let messages = emulated.pop_messages("mailbox", 10, begin + passed);
        assert_eq!(messages.len(), usize::from(message), "after {passed} microseconds");
        assert!(emulated.contents().is_empty());
    }

    let began = Instant::now();
    assert_eq!(server.eval(PUSH, &keys, &[b"50"]), Ok(Value::Int(1)));
    let pushed = Instant::now();
    loop {
        let asked = began.elapsed();
        let there = !server.contents().is_empty();
        if !there {
            assert!(pushed.elapsed() + Duration::from_millis(1) > Duration::from_millis(50), "it went early");
            break;
        }
        assert!(asked < Duration::from_secs(5), "it never goes");
    }
    assert_eq!(server.eval(POP, &keys, &[]), Ok(Value::Nil));
    assert_eq!(server.eval(PUSH, &keys, &[b"60000"]), Ok(Value::Int(1)));
    assert_eq!(server.eval(POP, &keys, &[]), there);
    assert_eq!(server.eval(PUSH, &keys, &[b"0"]), Ok(Value::Int(1)), "it ends at once");
    assert_eq!(server.eval(POP, &keys, &[]), Ok(Value::Nil));
    assert_eq!(emulated.eval(PUSH, &keys, &[b"0"], begin), Ok(Value::Int(1)));
    assert!(emulated.contents().is_empty());
}
