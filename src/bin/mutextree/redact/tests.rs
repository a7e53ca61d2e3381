use super::redacted;

#[test]
fn passwords_are_left_out() {
    for (text, expected) in [
        ("nothing here", "nothing here"),
        ("redis://host/1", "redis://host/1"),
        ("redis://ann:secret@host:1/2", "redis://ann:***@host:1/2"),
        ("redis://:secret@host", "redis://:***@host"),
        ("'rediss://ann:se:c/r@et@host' is no path", "'rediss://ann:***@host' is no path"),
        ("unix:///tmp/s?db=1&pass=secret&user=ann", "unix:///tmp/s?db=1&pass=***&user=ann"),
        ("a redis://:x@h b redis://:y@h c", "a redis://:***@h b redis://:***@h c"),
    ] {
        assert_eq!(redacted(text), expected);
    }
}
