use std::time::Duration;

use super::{cut, parse_span, printable, span};

#[test]
fn spans_are_short_and_have_units() {
    for (seconds, expected) in [
        (0.0, "0 ms"),
        (0.05, "50 ms"),
        (0.44, "0.4 s"),
        (3.0, "3.0 s"),
        (42.9, "42 s"),
        (300.0, "5 min"),
        (7500.0, "2 h 5 min"),
        (400_000.0, "4 d"),
    ] {
        assert_eq!(span(Duration::from_secs_f64(seconds)), expected);
    }
}

#[test]
fn spans_are_read() {
    for (text, millis) in [("30", 30_000), ("0.5", 500), ("500ms", 500), ("5m", 300_000), ("1h 30m", 5_400_000)] {
        assert_eq!(parse_span(text), Ok(Duration::from_millis(millis)), "{text}");
    }
    for text in ["", "-1", "x", "5 parsecs", "inf", "NaN", "1e300"] {
        assert!(parse_span(text).is_err_and(|error| error.contains("seconds")), "{text}");
    }
}

#[test]
fn what_others_wrote_does_nothing_to_a_terminal() {
    assert_eq!(printable("a\x1b[2Jb\n"), "a\u{fffd}[2Jb\u{fffd}");
    assert_eq!(cut("abcdef", 4), "abc…");
    assert_eq!(cut("abcd", 4), "abcd");
}
