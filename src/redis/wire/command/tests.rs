//! Commands as the redis crate writes them.

use super::Command;

fn theirs(words: &[&[u8]]) -> Vec<u8> {
    let mut command = redis::Cmd::new();
    words.iter().for_each(|word| {
        command.arg(*word);
    });
    command.get_packed_command()
}

#[test]
fn as_the_redis_crate_writes_them() {
    assert_eq!(Command::new("PING").bytes(), theirs(&[b"PING"]));
    let mut command = Command::with_capacity("SET", 0);
    command.arg("").arg(b"\r\n\xff").arg(vec![b'x'; 1000]);
    assert_eq!(command.bytes(), theirs(&[b"SET", b"", b"\r\n\xff", &[b'x'; 1000]]));
    let mut many = Command::new("MGET");
    for _ in 0..1233 {
        many.arg("key");
    }
    let mut words: Vec<&[u8]> = vec![b"MGET"];
    words.resize(1234, b"key");
    assert_eq!(many.bytes(), theirs(&words));
}

#[test]
fn numbers_are_their_digits() {
    for number in [0, 7, -7, 10, 123_456_789, -100, i64::MAX, i64::MIN] {
        assert_eq!(Command::new("X").number(number).bytes(), theirs(&[b"X", number.to_string().as_bytes()]));
    }
}

#[test]
fn bytes_can_be_had_more_than_once() {
    let mut command = Command::new("GET");
    assert_eq!(command.bytes(), theirs(&[b"GET"]));
    command.arg("key");
    assert_eq!(command.bytes(), theirs(&[b"GET", b"key"]));
    assert_eq!(command.bytes(), theirs(&[b"GET", b"key"]));
}
