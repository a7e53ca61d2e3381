use super::*;

#[test]
fn messages_tell_of_grants_and_of_broken_ones() {
    assert_eq!(parse(b"c0ffee.1f,1234"), Some((31, Message::Granted(1234))));
    assert_eq!(parse(b"c0ffee.1f,-1234"), Some((31, Message::Broken(1234))));
    for text in
        [&b""[..], b"c0ffee.1f", b"c0ffee.1f,", b"c0ffee.1f,--1", b"c0ffee.x,1", b"1,1", b"c.1,1,2", b"c.1,\xff"]
    {
        assert_eq!(parse(text), None, "{text:?}");
    }
}
