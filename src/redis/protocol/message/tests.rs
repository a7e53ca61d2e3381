use super::parse;

#[test]
fn a_message_has_the_number_of_a_lock_and_a_fencing_token() {
    assert_eq!(parse(b"0a1b.1f,1234"), Some((31, 1234)));
    assert_eq!(parse(format!("c.{:x},{}", u64::MAX, u64::MAX).as_bytes()), Some((u64::MAX, u64::MAX)));
}

#[test]
fn what_is_no_message_is_dropped() {
    for text in ["", ",", "0a1b.1f", "0a1b,1", ".1f,", "c.xyz,1", "c.1,x", "c.1,-1", "c.1,2,3", "c.1ffffffffffffffff,1"]
    {
        assert_eq!(parse(text.as_bytes()), None, "{text:?}");
    }
    assert_eq!(parse(b"\xff.1,1"), None);
}
