//! Answers out of bytes, however they were cut.

use proptest::prelude::*;

use super::{Answer, DEEPEST, Inbox, LONGEST, LONGEST_LINE, Malformed};
use crate::redis::value::Value;

fn add(inbox: &mut Inbox, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let room = inbox.room();
        let count = room.len().min(bytes.len());
        room[..count].copy_from_slice(&bytes[..count]);
        inbox.add(count);
        bytes = &bytes[count..];
    }
}

/// All answers in some bytes that come in pieces of this size.
fn read(bytes: &[u8], piece: usize) -> Result<Vec<Answer>, Malformed> {
    let (mut inbox, mut answers) = (Inbox::default(), Vec::new());
    for piece in bytes.chunks(piece) {
        add(&mut inbox, piece);
        while let Some(answer) = inbox.next()? {
            answers.push(answer);
        }
    }
    Ok(answers)
}

fn one(bytes: &[u8]) -> Result<Vec<Answer>, Malformed> {
    read(bytes, bytes.len())
}

#[test]
fn each_kind() {
    for (bytes, value) in [
        ("+OK\r\n", Ok(Value::Text("OK".into()))),
        ("+\r\n", Ok(Value::Text(String::new()))),
        ("-ERR it failed\r\n", Err("ERR it failed".into())),
        (":-12\r\n", Ok(Value::Int(-12))),
        ("$3\r\na\r\n\r\n", Ok(Value::Bytes(b"a\r\n".into()))),
        ("$0\r\n\r\n", Ok(Value::Bytes(Vec::new()))),
        ("$-1\r\n", Ok(Value::Nil)),
        ("*-1\r\n", Ok(Value::Nil)),
        ("*0\r\n", Ok(Value::List(Vec::new()))),
        (
            "*3\r\n:1\r\n*2\r\n$1\r\nx\r\n*0\r\n$-1\r\n",
            Ok(Value::List(vec![
                Value::Int(1),
                Value::List(vec![Value::Bytes(b"x".into()), Value::List(Vec::new())]),
                Value::Nil,
            ])),
        ),
        ("*3\r\n:1\r\n-ERR inside\r\n:2\r\n", Err("ERR inside".into())),
    ] {
        for piece in 1..=bytes.len() {
            let expected = vec![value.clone(), Ok(Value::Int(7))];
            assert_eq!(read(format!("{bytes}:7\r\n").as_bytes(), piece), Ok(expected), "{bytes:?} by {piece}");
        }
    }
}

#[test]
fn limits() {
    let line = |length| format!("+{}\r\n", "x".repeat(length));
    assert!(one(line(LONGEST_LINE).as_bytes()).is_ok());
    assert!(one(line(LONGEST_LINE + 1).as_bytes()).is_err());
    assert!(one(&line(LONGEST_LINE + 2).as_bytes()[..LONGEST_LINE + 2]).is_err(), "before its end is there");
    let deep = |depth| "*1\r\n".repeat(depth) + ":1\r\n";
    assert!(one(deep(DEEPEST).as_bytes()).is_ok());
    assert!(one(deep(DEEPEST + 1).as_bytes()).is_err());
    assert!(one(format!("${LONGEST}\r\n").as_bytes()).is_err(), "before any of it is there");
    assert!(one(b"*1048577\r\n").is_err());
    assert!(one(b"*1000000\r\n").is_ok());
    assert!(one(b"*2\r\n*600000\r\n*600000\r\n").is_err(), "together they are too many");
}

#[test]
fn a_buffer_that_was_long_is_given_back() {
    let mut inbox = Inbox::default();
    let long = format!("${}\r\n{}\r\n", LONGEST / 2, "x".repeat(LONGEST / 2));
    add(&mut inbox, long.as_bytes());
    assert!(inbox.buffer.len() > LONGEST / 2);
    inbox.next().unwrap().unwrap().unwrap();
    assert!(inbox.buffer.len() < LONGEST / 2);
    assert!(!inbox.has_more());
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Nil),
        any::<i64>().prop_map(Value::Int),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Value::Bytes),
        "[a-zA-Z ]{0,12}".prop_map(Value::Text),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| prop::collection::vec(inner, 0..6).prop_map(Value::List))
}

fn write(value: &Value, to: &mut Vec<u8>) {
    match value {
        Value::Nil => to.extend_from_slice(b"$-1\r\n"),
        Value::Int(number) => to.extend_from_slice(format!(":{number}\r\n").as_bytes()),
        Value::Text(text) => to.extend_from_slice(format!("+{text}\r\n").as_bytes()),
        Value::Bytes(bytes) => {
            to.extend_from_slice(format!("${}\r\n", bytes.len()).as_bytes());
            to.extend_from_slice(bytes);
            to.extend_from_slice(b"\r\n");
        }
        Value::List(list) => {
            to.extend_from_slice(format!("*{}\r\n", list.len()).as_bytes());
            list.iter().for_each(|element| write(element, to));
        }
    }
}

proptest! {
    #[test]
    fn what_was_written_is_read(values in prop::collection::vec(any_value(), 1..5), piece in 1_usize..50) {
        let mut bytes = Vec::new();
        values.iter().for_each(|value| write(value, &mut bytes));
        prop_assert_eq!(read(&bytes, piece), Ok(values.into_iter().map(Ok).collect::<Vec<_>>()));
    }

    /// Where the redis crate reads something else than we do, the bytes are no RESP2.
    #[test]
    fn nonsense_neither_panics_nor_differs(bytes in "([*$:+-]([0-9-]{1,3}|[a-z]{0,3})\r?\n?){0,8}", piece in 1_usize..9) {
        let ours = read(bytes.as_bytes(), piece);
        if let (Ok(answers), Ok(theirs)) = (&ours, redis::parse_redis_value(bytes.as_bytes()))
            && let Some(Ok(first)) = answers.first()
        {
            prop_assert!(is_same(first, &theirs), "{:?} {:?}", first, theirs);
        }
        prop_assert_eq!(ours.is_ok(), read(bytes.as_bytes(), 1).is_ok());
    }
}

fn is_same(ours: &Value, theirs: &redis::Value) -> bool {
    match (ours, theirs) {
        (Value::Nil, redis::Value::Nil) => true,
        (Value::Int(ours), redis::Value::Int(theirs)) => ours == theirs,
        (Value::Bytes(ours), redis::Value::BulkString(theirs)) => ours == theirs,
        (Value::Text(ours), redis::Value::SimpleString(theirs)) => ours == theirs,
        (Value::List(ours), redis::Value::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(ours, theirs)| is_same(ours, theirs))
        }
        _ => false,
    }
}
