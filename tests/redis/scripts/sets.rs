//! Sets of locks, right on the scripts: requests that are sent again or late, dead clients, limits.

use redis::Value;

use super::{CLAIM, LEASE, ask, granted, is_held, queued, tree, waits};
use crate::calls::{Limits, More, Tree, int, more};
use crate::checker::check;

/// Tokens, kinds and paths.
type Members<'a> = &'a [(&'a str, u8, &'a str)];

const AB: Members<'_> = &[("set.1", 1, "\x01a"), ("set.2", 1, "\x01b\x01x")];

fn acquire(tree: &mut Tree, members: Members<'_>, wait: bool) -> Vec<Value> {
    let mut args: Vec<Vec<u8>> = vec![u8::from(wait).to_string().into()];
    for (token, kind, path) in members {
        let about = format!("{LEASE},{CLAIM},client,2,me{path}");
        args.extend([token.as_bytes().to_vec(), kind.to_string().into(), about.into()]);
    }
    let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
    tree.call("acquire_set", &args)
}

fn release(tree: &mut Tree, members: Members<'_>, tombstone: u64) -> Vec<Value> {
    let tombstone = tombstone.to_string();
    let tokens = members.iter().map(|(token, ..)| token.as_bytes());
    let args: Vec<&[u8]> = std::iter::once(tombstone.as_bytes()).chain(tokens).collect();
    tree.call("release_set", &args)
}

fn held(tree: &mut Tree) -> Vec<String> {
    check(&mut tree.server, &tree.name).held.into_keys().collect()
}

#[test]
fn sent_again_it_is_the_same_grant_and_the_same_place() {
    let mut tree = tree();
    let first = acquire(&mut tree, AB, false);
    assert_eq!(int(&first[0]), 1);
    assert_eq!(acquire(&mut tree, AB, false), first);
    let waiting: Members<'_> = &[("two.1", 1, "\x01a"), ("two.2", 3, "\x01c")];
    let place = acquire(&mut tree, waiting, true);
    assert_eq!((int(&place[0]), int(&place[6])), (2, 0), "the first member is blocked: {place:?}");
    assert_eq!(acquire(&mut tree, waiting, true)[5], place[5]);
    assert_eq!(int(&release(&mut tree, AB, 0)[0]), 1);
    assert_eq!(held(&mut tree), ["two.1", "two.2"]);
    assert_eq!(tree.messages().len(), 1, "one for the set");
    assert_eq!(int(&release(&mut tree, AB, 0)[0]), 0, "sent again it does nothing");
    assert_eq!(held(&mut tree), ["two.1", "two.2"]);
}

#[test]
fn what_was_given_back_does_not_come_back() {
    let mut tree = tree();
    acquire(&mut tree, AB, false);
    release(&mut tree, AB, LEASE);
    assert_eq!(int(&acquire(&mut tree, AB, true)[0]), 4);
    assert_eq!(held(&mut tree), [""; 0]);

    // One member was given back alone, the other one lives: a late request takes neither.
    let mut tree = super::tree();
    acquire(&mut tree, AB, false);
    release(&mut tree, &AB[1..], 0);
    assert_eq!(int(&acquire(&mut tree, AB, true)[0]), 4);
    assert_eq!(held(&mut tree), ["set.1"]);
}

/// A set is granted only when no member is blocked, whichever of them comes free first.
#[test]
fn it_is_handed_over_whole() {
    for first in [0, 1] {
        let mut tree = tree();
        let holders = [ask("one.1", 1, "\x01a\x01deep"), ask("one.2", 1, "\x01b")];
        holders.iter().for_each(|holder| _ = granted(&mut tree, holder));
        assert_eq!(int(&acquire(&mut tree, AB, true)[0]), 2);
        // Behind it, at each member.
        queued(&mut tree, &waits("three.1", 3, "\x01a"));
        queued(&mut tree, &waits("three.2", 1, "\x01b\x01x\x01y"));
        tree.release(&holders[first], 0);
        assert_eq!(held(&mut tree), [holders[1 - first].token], "nothing of it, and nobody overtakes");
        tree.release(&holders[1 - first], 0);
        assert_eq!(held(&mut tree), ["set.1", "set.2"]);
        release(&mut tree, AB, 0);
        assert_eq!(held(&mut tree), ["three.1", "three.2"]);
    }
}

#[test]
fn given_up_it_leaves_every_queue_and_those_behind_go_on() {
    for wait_is_over in [true, false] {
        let mut tree = tree();
        granted(&mut tree, &ask("one.1", 1, "\x01a"));
        acquire(&mut tree, AB, true);
        queued(&mut tree, &waits("three.1", 1, "\x01b"));
        if wait_is_over {
            assert_eq!(int(&acquire(&mut tree, AB, false)[0]), 0);
        } else {
            release(&mut tree, AB, LEASE);
        }
        assert!(is_held(&mut tree, "three.1"));
        assert!(check(&mut tree.server, &tree.name).waits.is_empty());
    }
}

/// A client dies with a set in the queue: it stands in nobody's way, at no member.
#[test]
fn a_dead_set_is_in_nobodys_way() {
    let mut tree = tree();
    granted(&mut tree, &ask("one.1", 1, "\x01a"));
    acquire(&mut tree, AB, true);
    assert!(tree.expire("set.1"));
    granted(&mut tree, &ask("two.1", 1, "\x01b"));
    assert!(check(&mut tree.server, &tree.name).waits.is_empty());
    // Its turn is for nothing.
    let mut tree = super::tree();
    granted(&mut tree, &ask("one.1", 1, "\x01a"));
    acquire(&mut tree, AB, true);
    queued(&mut tree, &waits("two.1", 1, "\x01a"));
    assert!(tree.expire("set.1"));
    tree.release(&ask("one.1", 1, "\x01a"), 0);
    assert_eq!(held(&mut tree), ["two.1"]);
    assert_eq!(tree.messages().len(), 1, "the dead are sent none");
}

/// Part of a grant whose time is up was taken away: neither a heartbeat nor a late claim makes half
/// a set of it.
#[test]
fn half_of_a_set_whose_time_is_up_comes_to_nothing() {
    let heartbeat: [&[u8]; 6] = [b"set.1", b"0", b"-2", b"set.2", b"0", b"0"];
    for gone in [0, 1] {
        let mut tree = tree();
        granted(&mut tree, &ask("one.1", 1, "\x01a"));
        acquire(&mut tree, AB, true);
        tree.release(&ask("one.1", 1, "\x01a"), 0);
        let reply = tree.call("refresh", &heartbeat);
        assert!(int(&reply[1]) < -2 && reply[1] == reply[2], "{reply:?}");
        let others: Vec<String> = (0..100).map(super::token).collect();
        others.iter().for_each(|other| _ = granted(&mut tree, &ask(other, 4, "\x01elsewhere")));
        release(&mut tree, &AB[gone..=gone], 0);
        others.iter().for_each(|other| assert!(tree.expire(other)));
        let mut set = redis::cmd("ZADD");
        let end = tree.time() - 1;
        () = set.arg(tree.key("e")).arg(end).arg(AB[1 - gone].0).query(&mut tree.server).unwrap();
        let reply = tree.call("refresh", &heartbeat);
        assert_eq!(reply[1..], [Value::Int(-2), Value::Int(-2)]);
        assert!(tree.end(AB[1 - gone].0).unwrap() <= end, "it is not revived");
        let reply = acquire(&mut tree, AB, true);
        assert_eq!(int(&reply[0]), 1, "it asks anew: {reply:?}");
        assert!(is_held(&mut tree, "set.1") && is_held(&mut tree, "set.2"));
    }
}

/// A server with older data has what is held still in its queue. The renewal finds it lost, and
/// nothing of it stays.
#[test]
fn a_renewal_of_what_waits_finds_it_lost() {
    for (length, version) in [(b"30000000", b"0"), (b"30000000", b"1")] {
        let mut tree = tree();
        granted(&mut tree, &ask("one.1", 1, "\x01a"));
        acquire(&mut tree, AB, true);
        queued(&mut tree, &waits("two.1", 1, "\x01b"));
        let reply = tree.call("refresh", &[b"set.1", length, version, b"set.2", length, version]);
        assert_eq!(reply[1..], [Value::Int(-2), Value::Int(-2)]);
        assert_eq!(held(&mut tree), ["one.1", "two.1"], "whom it kept out is served");
        assert!(check(&mut tree.server, &tree.name).waits.is_empty());
    }
}

/// The turn of the dead set comes in the call of the renewal, and some of it is taken away.
#[test]
fn a_renewal_revives_no_part_of_a_set_whose_time_is_up() {
    for first in [0, 1] {
        let mut tree = Tree::new(Limits::Small, CLAIM);
        granted(&mut tree, &ask("one.1", 1, "\x01a"));
        acquire(&mut tree, AB, true);
        assert!(tree.expire("one.1") && tree.expire("set.1"));
        let mut renewal: [[&[u8]; 3]; 2] = [[b"set.1", b"30000000", b"0"], [b"set.2", b"30000000", b"0"]];
        renewal.rotate_left(first);
        let reply = tree.call("refresh", &renewal.concat());
        assert_eq!(reply[1..], [Value::Int(-2), Value::Int(-2)], "in whichever order");
        tree.tidy();
        assert_eq!(held(&mut tree), [""; 0]);
    }
}

/// Readers behind sets that have to stay are served, and no call does more than its limit.
#[test]
fn readers_behind_sets_that_stay_are_served() {
    for limits in [Limits::AsShipped, Limits::Small] {
        let mut tree = Tree::new(limits, CLAIM);
        granted(&mut tree, &ask("one.1", 1, "\x01a"));
        granted(&mut tree, &ask("one.2", 1, "\x01b"));
        for at in 0..150 {
            let (one, two) = (format!("set.{:x}", 2 * at), format!("set.{:x}", 2 * at + 1));
            acquire(&mut tree, &[(&one, 3, "\x01a"), (&two, 3, "\x01b\x01x")], true);
        }
        queued(&mut tree, &waits("two.1", 3, "\x01a"));
        let reply = tree.release(&ask("one.1", 1, "\x01a"), 0);
        let mut more = more("release", &reply);
        let mut calls = 0;
        while let More::HandOver(at) = more {
            let at: Vec<&[u8]> = at.iter().map(Vec::as_slice).collect();
            more = More::read(&tree.call("handover", &at)[0]);
            calls += 1;
            assert!(calls < 200, "each call gets further");
        }
        assert!(calls > 0, "it is more than one call does");
        assert_eq!(held(&mut tree), ["one.2", "two.1"]);
    }
}

/// The fast path of a release leaves a set to the long way.
#[test]
fn a_set_that_is_first_in_line_is_not_handed_half() {
    let mut tree = tree();
    granted(&mut tree, &ask("one.1", 1, "\x01a"));
    granted(&mut tree, &ask("one.2", 1, "\x01b\x01x"));
    acquire(&mut tree, AB, true);
    tree.release(&ask("one.1", 1, "\x01a"), 0);
    assert_eq!(held(&mut tree), ["one.2"]);
    let lines = tree.list("", true);
    let waiting: Vec<_> = lines.iter().filter(|line| !line.held).map(|line| (&*line.path, line.kind)).collect();
    assert_eq!(waiting, [(&b"\x01a"[..], 1), (&b"\x01b\x01x"[..], 1)]);
    assert_eq!(tree.list("\x01b\x01x\x01deep", true).iter().filter(|line| !line.held).count(), 1);
}

/// Also when a call stops there, and another one goes on.
#[test]
fn nobody_passes_a_set_that_stays() {
    let mut tree = Tree::new(Limits::Small, CLAIM);
    granted(&mut tree, &ask("one.1", 1, "\x01a"));
    granted(&mut tree, &ask("one.2", 1, "\x01b"));
    acquire(&mut tree, AB, true);
    queued(&mut tree, &waits("two.1", 1, "\x01a"));
    let reply = tree.release(&ask("one.1", 1, "\x01a"), 0);
    tree.finish(more("release", &reply));
    assert_eq!(held(&mut tree), ["one.2"]);
}
