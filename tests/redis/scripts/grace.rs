//! A grace period: the scripts themselves, as clients call them that find another server.

use super::*;

/// A client of a server with this name.
fn client(tree: &mut Tree, server: &str) {
    tree.believes = server.repeat(40);
}

/// How long a grace period is open, as hello says: for a server with this history, which has been
/// up for so long. `knew`: whether the client held something in the tree before.
fn hello(tree: &mut Tree, history: &str, earlier: &str, node: &str, up: u64, knew: bool) -> u64 {
    let [history, earlier, node] = [history, earlier, node].map(|name| name.repeat(40));
    let (up, length, knew) = (up.to_string(), LEASE.to_string(), u8::from(knew).to_string());
    let args = [&history, &earlier, &node, &up, &length, &knew].map(|text| text.as_bytes());
    int(&tree.call("hello", &args)[0]) as u64
}

/// A tree that knows the server `a`, and a client of it.
fn greeted() -> Tree {
    let mut tree = tree();
    client(&mut tree, "a");
    assert_eq!(hello(&mut tree, "h", "0", "", HOUR, false), 0);
    tree
}

/// The same, when the client has found the server `b`, which was started anew.
fn with_a_period() -> Tree {
    let mut tree = greeted();
    granted(&mut tree, &ask("zero.1", 1, NODE)); // the fast paths want a tree that was used
    assert_eq!(int(&tree.release(&ask("zero.1", 1, NODE), 0)[0]), 1);
    client(&mut tree, "b");
    assert_eq!(hello(&mut tree, "i", "0", "", 0, true), LEASE);
    tree
}

/// A renewal by a client with a period: what is held, so that it can be put back.
fn renew(tree: &mut Tree, token: &str, kind: u8, fence: u64, path: &str) -> i64 {
    renew_as(tree, token, "0", kind, fence, path)
}

/// The same of one that was raised.
fn renew_raised(tree: &mut Tree, token: &str, kind: u8, fence: u64, path: &str) -> i64 {
    renew_as(tree, token, &format!("0,{fence}"), kind, fence, path)
}

fn renew_as(tree: &mut Tree, token: &str, version: &str, kind: u8, fence: u64, path: &str) -> i64 {
    let (lease, kind, fence) = (LEASE.to_string(), kind.to_string(), fence.to_string());
    let about = format!("{LEASE},{CLAIM},client,2,me{path}");
    let args = [token, &lease, version, &kind, &fence, path, &about].map(str::as_bytes);
    int(&tree.call("refresh", &args)[1])
}

/// The same of one that waits.
fn heartbeat(tree: &mut Tree, token: &str, path: &str) -> i64 {
    let about = format!("{LEASE},{CLAIM},client,2,me{path}");
    let args = [token, "0", "0", "0", "0", path, &about].map(str::as_bytes);
    int(&tree.call("refresh", &args)[1])
}

/// Ends the period: its end is moved into the past.
fn end(tree: &mut Tree) {
    let (nodes, now) = (tree.key("n"), tree.time());
    let known = format!("{},{}", tree.believes, now - 1);
    redis::cmd("HSET").arg(nodes).arg("server").arg(known).exec(&mut tree.server).unwrap();
}

#[test]
fn a_server_that_was_not_greeted_does_nothing() {
    let mut tree = greeted();
    granted(&mut tree, &ask("one.1", 1, NODE));
    client(&mut tree, "b");
    let calls: [(&str, &[&[u8]]); 4] = [
        ("tidy", &[]),
        ("refresh", &[b"one.1", b"5", b"0", b"1", b"7", NODE.as_bytes(), b""]),
        ("downgrade", &[b"one.1", b"0"]),
        ("acquire", &[b"two.1", b"1", b"\x01c", b"5", b"5,5,two,0,\x01c", b"0"]),
    ];
    for (script, args) in calls {
        let error = tree.try_call(script, args).unwrap_err();
        assert_eq!(error.code(), Some("HELLO"), "{script}: {error}");
    }
    assert_eq!(check(&mut tree.server, &tree.name).held.len(), 1);
    assert!(hello(&mut tree, "i", "0", "", 0, true) > 0);
    assert_eq!(renew(&mut tree, "one.1", 1, 7, NODE), -1);
}

/// What each server is, and whether it may have forgotten anything.
#[test]
fn which_servers_open_a_period() {
    let is_open = |left: u64| left > LEASE - SECOND;
    // A restart, with whatever data; a replica that took over; the same node of a cluster.
    for (history, earlier, node, was) in
        [("h", "0", "", ""), ("i", "h", "", ""), ("i", "0", "n", "n"), ("i", "h", "m", "n")]
    {
        let mut tree = tree();
        client(&mut tree, "a");
        hello(&mut tree, "h", "0", was, HOUR, false);
        client(&mut tree, "b");
        assert!(is_open(hello(&mut tree, history, earlier, node, HOUR, true)), "{history} {earlier} {node}");
        assert!(is_open(hello(&mut tree, history, earlier, node, HOUR, true)), "said again");
    }
    // The slot moved to another node.
    let mut tree = tree();
    client(&mut tree, "a");
    hello(&mut tree, "h", "0", "n", HOUR, false);
    client(&mut tree, "b");
    assert_eq!(hello(&mut tree, "i", "0", "m", HOUR, true), 0);
    // A tree that knows no server: new, or lost.
    for (up, knew, earlier, left) in [
        (HOUR, false, "0", 0),
        (HOUR, true, "0", LEASE),
        (HOUR, false, "h", LEASE),
        (10 * SECOND, false, "0", LEASE - 10 * SECOND),
    ] {
        let mut tree = super::tree();
        client(&mut tree, "b");
        assert_eq!(hello(&mut tree, "i", earlier, "", up, knew), left, "up for {up}, {knew}, {earlier}");
    }
}

#[test]
fn nothing_new_is_granted_until_it_is_over() {
    let mut tree = with_a_period();
    for ask in [ask("one.1", 1, NODE), slow("one.1", 1, NODE)] {
        let refused = tree.acquire(&ask);
        assert_eq!(int(&refused[0]), 0, "{refused:?}");
        assert!(int(&refused[3]) as u64 > LEASE - SECOND, "how long it lasts: {refused:?}");
    }
    queued(&mut tree, &waits("one.1", 1, NODE));
    // What is given back is not handed over. And one that has no period of its own sees it.
    assert_eq!(renew(&mut tree, "old.1", 2, 7, NODE), -1);
    queued(&mut tree, &waits("two.1", 2, NODE));
    assert_eq!(int(&tree.release(&ask("old.1", 2, NODE), 0)[0]), 1);
    tree.believes.clear();
    assert_eq!(int(&tree.acquire(&ask("three.1", 1, "\x01c"))[0]), 0);
    assert!(!is_held(&mut tree, "one.1") && !is_held(&mut tree, "two.1"));
    client(&mut tree, "b");
    end(&mut tree);
    assert!(heartbeat(&mut tree, "one.1", NODE) < -2, "its heartbeat serves it");
    assert_eq!(int(&tree.acquire(&ask("three.1", 1, "\x01c"))[0]), 1);
}

/// The server has lost its data, so that the tree has no time yet; or the data is old.
#[test]
fn a_period_has_its_length_when_the_clock_is_set_back() {
    for is_old in [false, true] {
        let mut tree = if is_old { greeted() } else { tree() };
        client(&mut tree, "b");
        assert_eq!(hello(&mut tree, "i", "0", "", 0, true), LEASE);
        tree.clock_was_ahead(HOUR);
        let left = hello(&mut tree, "i", "0", "", 0, true);
        assert!((LEASE - SECOND..=LEASE).contains(&left), "{left}");
    }
}

#[test]
fn what_was_forgotten_is_put_back_while_it_lasts() {
    let mut tree = with_a_period();
    assert_eq!(renew(&mut tree, "one.1", 1, 77, NODE), -1);
    assert!(is_held(&mut tree, "one.1"));
    assert_eq!(super::fence(&mut tree, "one.1"), 77);
    assert_eq!(renew(&mut tree, "two.1", 2, 78, "\x01a\x01b\x01c"), -2, "in conflict with what was put back");
    assert_eq!(renew(&mut tree, "three.1", 4, 79, "\x01a"), -1, "no conflict");
    // A renewal that comes after the release puts nothing back.
    assert_eq!(int(&tree.release(&ask("one.1", 1, NODE), 0)[0]), 1);
    assert_eq!(renew(&mut tree, "one.1", 1, 77, NODE), -2);
    // Nor does one that comes after the release of a set, or after the lock was narrowed.
    assert_eq!(renew(&mut tree, "set.1", 1, 81, "\x01e"), -1);
    assert_eq!(int(&tree.call("release_set", &[b"0", b"set.1", b"forgotten.1"])[0]), 1);
    assert_eq!(renew(&mut tree, "set.1", 1, 81, "\x01e"), -2);
    assert_eq!(renew(&mut tree, "wide.1", 1, 82, "\x01f"), -1);
    assert_eq!(int(&tree.call("narrow", &[b"wide.1", b"0", b"82"])[0]), 1);
    assert_eq!(renew(&mut tree, "wide.1", 1, 82, "\x01f"), -2);
    end(&mut tree);
    assert_eq!(renew(&mut tree, "four.1", 1, 80, "\x01d"), -2, "it is over");
}

/// The tree has older data, in which the lock was still waited for.
#[test]
fn one_that_waited_in_older_data_is_put_back_as_held() {
    let mut tree = with_a_period();
    queued(&mut tree, &waits("two.1", 1, "\x01a"));
    assert_eq!(renew(&mut tree, "two.1", 1, 77, "\x01a"), -1);
    let found = check(&mut tree.server, &tree.name);
    assert_eq!((found.held.len(), found.waits.len()), (1, 0));
}

/// The tree has older data, in which the lock was not yet upgraded, or widened.
#[test]
fn what_was_raised_is_put_back_as_that_if_nothing_is_in_its_way() {
    for (kind, path) in [(1, "\x01a\x01b"), (3, "\x01a")] {
        for blocked in [false, true] {
            let mut tree = with_a_period();
            assert_eq!(renew(&mut tree, "one.1", 3, 7, "\x01a\x01b"), -1);
            if blocked {
                let (its, at) = if kind == 1 { (3, "\x01a\x01b\x01c") } else { (2, "\x01a") };
                assert_eq!(renew(&mut tree, "two.1", its, 8, at), -1);
            }
            let renewed = renew_raised(&mut tree, "one.1", kind, 77, path);
            let found = check(&mut tree.server, &tree.name);
            if blocked {
                assert_eq!(renewed, -2);
                assert!(!found.held.contains_key("one.1"), "and it goes");
                continue;
            }
            assert_eq!(renewed, -1);
            let it = &found.held["one.1"];
            assert_eq!((it.kind, &*it.path, it.number), (kind, path.as_bytes(), 77));
            assert_eq!(renew_raised(&mut tree, "one.1", kind, 77, path), -1, "sent again");
        }
    }
}

/// An upgrade waits in older data. Its lock was made exclusive since.
#[test]
fn an_upgrade_that_waited_in_older_data_goes_with_its_lock() {
    let mut tree = with_a_period();
    assert_eq!(renew(&mut tree, "one.1", 3, 7, "\x01a"), -1);
    assert_eq!(renew(&mut tree, "two.1", 3, 8, "\x01a"), -1);
    assert_eq!(int(&tree.call("upgrade", &[b"one.1", b"7", b"1", b"1", b"0"])[0]), 2);
    assert_eq!(int(&tree.release(&ask("two.1", 3, "\x01a"), 0)[0]), 1);
    assert_eq!(renew_raised(&mut tree, "one.1", 1, 77, "\x01a"), -1);
    let found = check(&mut tree.server, &tree.name);
    assert_eq!((found.held["one.1"].kind, found.waits.len()), (1, 0));
}
