use super::*;
use crate::redis::protocol::samples::path;

const NAMES: [&str; 6] = ["a", "a-b", "\0", "\u{1}", "\u{2}0", "ä/\u{2}\u{3}"];

fn target(components: &[&str]) -> Target {
    Target::new(components.to_tree_path().unwrap())
}

#[test]
fn the_keys_of_a_tree_share_a_hash_tag() {
    let keys = Keys::new("t");
    assert_eq!(keys.all(), ["{t}:n", "{t}:e", "{t}:l", "{t}:w", "{t}:wl", "{t}:wn", "{t}:mb:"]);
    assert_eq!(keys.mailbox("c1"), "{t}:mb:c1");
}

#[test]
fn a_path_as_the_scripts_want_it() {
    assert_eq!(target(&[]).text(), b"");
    assert_eq!(target(&["a", "bc"]).text(), b"\x01a\x01bc");
    assert_eq!(target(&["\0\u{1}\u{2}\u{3}"]).text(), b"\x01\x020\x021\x022\x03");
    assert_eq!(Target::new(path()).path, path());
}

#[test]
fn a_path_comes_back_as_it_was() {
    for one in NAMES {
        for other in NAMES {
            let components = [one, other];
            let target = target(&components);
            assert_eq!(decode(target.text()), Some(target.path.clone()), "{components:?}");
        }
    }
    assert_eq!(decode(b""), Some(TreePath::root()));
}

/// Nothing but what is below a path sorts between `p\x01` and `p\x02`.
#[test]
fn what_is_below_sorts_within_a_range() {
    for name in NAMES {
        let (above, below, beside) = (target(&["a"]), target(&["a", name]), target(&[&format!("a{name}")]));
        let range = [above.text(), b"\x01"].concat()..[above.text(), b"\x02"].concat();
        assert!(range.contains(&below.text().to_vec()), "{name:?}");
        // What begins with an escaped byte has the escape there, which is the end of the range.
        assert!(!range.contains(&beside.text().to_vec()), "{name:?}");
    }
}

#[test]
fn what_no_client_has_written_is_no_path() {
    for text in [&b"a"[..], b"a\x01b", b"\x01\x02", b"\x01a\x02 ", b"\x01\xff", b"\x01", b"\x01a\x01"] {
        assert_eq!(decode(text), None, "{text:?}");
    }
}

#[test]
fn the_nodes_from_the_root_down() {
    let chain = |components: &[&str]| -> Vec<Vec<u8>> { target(components).chain().map(<[u8]>::to_vec).collect() };
    assert_eq!(chain(&[]), [b""]);
    assert_eq!(chain(&["a"]), [&b""[..], b"\x01a"]);
    assert_eq!(chain(&["a", "bc", "d"]), [&b""[..], b"\x01a", b"\x01a\x01bc", b"\x01a\x01bc\x01d"]);
}

/// All together have a kilobyte at most.
#[test]
fn the_nodes_of_a_long_path_are_not_sent() {
    let (long, fits, too_long) = ("x".repeat(199), "x".repeat(23), "x".repeat(24));
    assert_eq!(target(&[&long, &long, &fits]).chain().count(), 4); // 200, 400 and 424 bytes
    assert_eq!(target(&[&long, &long, &too_long]).chain().count(), 0);
}

#[test]
fn kinds_have_numbers() {
    let kinds = [
        Kind::new(Mode::Exclusive, Scope::Subtree),
        Kind::new(Mode::Exclusive, Scope::Node),
        Kind::new(Mode::Shared, Scope::Subtree),
        Kind::new(Mode::Shared, Scope::Node),
    ];
    assert_eq!(kinds.map(number), [1, 2, 3, 4]);
    assert_eq!(
        [0, 1, 2, 3, 4, 5].map(kind),
        [None, Some(kinds[0]), Some(kinds[1]), Some(kinds[2]), Some(kinds[3]), None]
    );
}
