//! Commands as the redis crate writes them.

use super::*;

fn theirs(words: &[&[u8]]) -> Vec<u8> {
    let mut command = redis::Cmd::new();
    words.iter().for_each(|word| _ = command.arg(*word));
    command.get_packed_command()
}

#[test]
fn as_the_redis_crate_writes_them() {
    let many: Vec<&[u8]> = vec![b"key"; 1234];
    for words in [&[b"PING" as &[u8]][..], &[b"SET", b"", b"\r\n\xff", &[b'x'; 1000]], &many] {
        assert_eq!(command(words), theirs(words));
    }
}

#[test]
fn numbers_are_their_digits() {
    for number in [0, 7, 10, 123_456_789, u64::MAX] {
        let mut bytes = Vec::new();
        start(&mut bytes, 1);
        push_number(&mut bytes, number);
        assert_eq!(bytes, theirs(&[number.to_string().as_bytes()]));
    }
}
