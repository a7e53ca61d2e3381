//! Breaking a lock, and listing who holds and who waits: the scripts themselves.

use super::*;

#[test]
fn a_late_request_revives_nothing_that_was_broken() {
    let mut tree = tree();
    let fence = granted(&mut tree, &ask("hangs.1", 1, NODE));
    queued(&mut tree, &waits("next.1", 1, "\x01a"));
    for (path, fence) in [("\x01a", fence), (NODE, fence + 1)] {
        assert_eq!(tree.break_lock("hangs.1", path, fence), (false, More::Nothing), "another lock is meant");
    }
    assert!(is_held(&mut tree, "hangs.1"));
    assert_eq!(tree.break_lock("hangs.1", NODE, fence), (true, More::Nothing));
    assert!(is_held(&mut tree, "next.1"), "handed over");
    let next = super::fence(&mut tree, "next.1");
    assert_eq!(tree.messages(), [format!("next.1,{next}"), format!("hangs.1,-{fence}")]);
    assert_eq!(tree.break_lock("hangs.1", NODE, fence), (false, More::Nothing), "sent again");

    // All that its holder may have under way.
    for version in [-1, 0, 1] {
        assert_eq!(tree.refresh("hangs.1", LEASE, version).0, -2);
    }
    assert_eq!(int(&tree.acquire(&ask("hangs.1", 1, NODE))[0]), 4, "the tombstone");
    assert_eq!(int(&tree.call("downgrade", &[b"hangs.1", b"0"])[0]), 0);
    assert_eq!(int(&tree.call("detached", &[b"hangs.1", NODE.as_bytes(), b"1", b"0", b"0"])[0]), 0);
    let left = tree.end("hangs.1").unwrap() - tree.time();
    assert!((LEASE - SECOND..=LEASE).contains(&left), "{left}");
    assert_eq!(int(&tree.release(&ask("hangs.1", 1, NODE), 0)[0]), 0);
    assert_eq!(tree.end("hangs.1"), None, "nothing is left of it");
}

#[test]
fn only_what_is_held_is_broken() {
    let mut tree = tree();
    granted(&mut tree, &ask("one.1", 1, NODE));
    queued(&mut tree, &waits("two.1", 1, NODE));
    for token in ["two.1", "unknown.1"] {
        assert_eq!(tree.break_lock(token, NODE, 0), (false, More::Nothing));
    }
    assert_eq!(check(&mut tree.server, &tree.name).waits.len(), 1, "it waits still");
    // One that has expired goes, and does not count as held.
    assert!(tree.expire("one.1"));
    assert_eq!(tree.break_lock("one.1", NODE, 0), (false, More::Nothing));
    assert!(is_held(&mut tree, "two.1"));
    // One without a guard has nobody to be told.
    let detach: [&[u8]; 5] = [b"two.1", NODE.as_bytes(), b"1", b"0", b"0"];
    assert_eq!(int(&tree.call("detached", &detach)[0]), 1);
    tree.messages();
    assert_eq!(tree.break_lock("two.1", NODE, 0), (true, More::Nothing));
    assert!(tree.messages().is_empty());
    assert_eq!(int(&tree.call("detached", &detach)[0]), 0);
}

#[test]
fn a_listing_tells_who_holds_and_who_waits() {
    let mut tree = tree();
    let fence = granted(&mut tree, &ask("one.1", 1, NODE));
    granted(&mut tree, &ask("other.1", 1, "\x01other"));
    let arrival = queued(&mut tree, &waits("two.1", 3, "\x01a"));
    queued(&mut tree, &waits("three.1", 2, "\x01a\x01b\x01c"));
    queued(&mut tree, &waits("dead.1", 2, "\x01a"));
    tree.expire("dead.1");

    let lines = tree.list("", true);
    let short = |line: &crate::calls::Line| (String::from_utf8(line.token.clone()).unwrap(), line.held, line.kind);
    let expected = [("three.1", false, 2), ("two.1", false, 3), ("one.1", true, 1), ("other.1", true, 1)];
    let mut listed: Vec<_> = lines.iter().map(short).collect();
    listed.sort_by_key(|(token, held, _)| (*held, token.clone()));
    assert_eq!(listed, expected.map(|(token, held, kind)| (token.to_owned(), held, kind)));
    let (held, waits) = (&lines[2], lines.iter().find(|line| line.token == b"two.1").unwrap());
    assert_eq!((held.number, waits.number), (fence as i64, arrival as i64));
    assert_eq!((&*held.owner, &*held.client, &*held.path), (&b"me"[..], &b"client"[..], NODE.as_bytes()));
    assert!((0..SECOND as i64).contains(&held.age) && (0..SECOND as i64).contains(&waits.age), "{lines:?}");
    assert!((LEASE as i64 - SECOND as i64..=LEASE as i64).contains(&held.left), "{held:?}");

    // What matters to one path: above, on and below it.
    let tokens = |tree: &mut Tree, path| -> Vec<String> {
        tree.list(path, true).iter().map(short).map(|(token, ..)| token).collect()
    };
    assert_eq!(tokens(&mut tree, "\x01other\x01x"), ["other.1"]);
    assert_eq!(tokens(&mut tree, "\x01a\x01x"), ["two.1"]);
    assert_eq!(tokens(&mut tree, NODE), ["two.1", "three.1", "one.1"]);
}

#[test]
fn a_long_listing_takes_several_calls() {
    let mut tree = Tree::new(Limits::Small, CLAIM);
    let held: Vec<String> = (0..5).map(token).collect();
    held.iter().for_each(|name| _ = granted(&mut tree, &ask(name, 3, NODE)));
    let waiting: Vec<String> = (10..15).map(token).collect();
    waiting.iter().for_each(|name| _ = queued(&mut tree, &waits(name, 1, "\x01a")));
    let reply = tree.call("list", &[b"1", b"", b"1", b""]);
    assert_eq!(reply.len(), 1 + 2 * 10, "two a call");
    for path in ["", "\x01a", NODE, "\x01a\x01b\x01c"] {
        let tokens: Vec<_> =
            tree.list(path, true).into_iter().map(|line| String::from_utf8(line.token).unwrap()).collect();
        assert_eq!(tokens[..5], waiting, "in the order of arrival");
        assert_eq!(tokens[5..], held);
    }
}
