use super::*;

#[test]
fn messages_tell_of_grants_and_of_broken_ones() {
    assert_eq!(parse(b"c0ffee.1f,1234"), Some((31, Message::Granted(1234))));
    assert_eq!(parse(b"c0ffee.1f,-1234"), Some((31, Message::Broken(1234))));
    let most = format!("c.{:x},{}", u64::MAX, u64::MAX);
    assert_eq!(parse(most.as_bytes()), Some((u64::MAX, Message::Granted(u64::MAX))));
}

#[test]
fn what_is_no_message_is_dropped() {
    for text in [
        &b""[..],
        b",",
        b"0a1b.1f",
        b"0a1b.1f,",
        b"0a1b.1f,--1",
        b"0a1b,1",
        b".1f,",
        b"1,1",
        b"c.xyz,1",
        b"c.1,x",
        b"c.1,1,2",
        b"c.1,\xff",
        b"c.1ffffffffffffffff,1",
        b"\xff.1,1",
    ] {
        assert_eq!(parse(text), None, "{text:?}");
    }
}
