//! The scripts, called directly: what a clock that was set back, clients that died, late requests
//! and small limits do to them. The random programs (`programs.rs`) have the rest.

mod breaking;
mod changes;
mod clock;
mod grace;
mod order;
mod sets;

use redis::Value;

use crate::calls::{Ask, Limits, More, Tree, int, more};
use crate::checker::check;

const SECOND: u64 = 1_000_000;
const HOUR: u64 = 3_600 * SECOND;
const CLAIM: u64 = 7 * SECOND;
const LEASE: u64 = 30 * SECOND;

const NODE: &str = "\x01a\x01b";

fn tree() -> Tree {
    Tree::new(Limits::AsShipped, CLAIM)
}

fn ask<'a>(token: &'a str, kind: u8, path: &'a str) -> Ask<'a> {
    Ask { token, kind, path, lease: LEASE, wait: false, fast: true }
}

fn slow<'a>(token: &'a str, kind: u8, path: &'a str) -> Ask<'a> {
    Ask { fast: false, ..ask(token, kind, path) }
}

fn waits<'a>(token: &'a str, kind: u8, path: &'a str) -> Ask<'a> {
    Ask { wait: true, ..ask(token, kind, path) }
}

fn token(number: usize) -> String {
    format!("dead.{number:x}")
}

/// The fencing token of a lock that must be granted.
fn granted(tree: &mut Tree, asked: &Ask<'_>) -> u64 {
    let reply = tree.acquire(asked);
    assert_eq!(int(&reply[0]), 1, "{asked:?}: {reply:?}");
    int(&reply[1]).unsigned_abs()
}

fn queued(tree: &mut Tree, asked: &Ask<'_>) -> u64 {
    let reply = tree.acquire(asked);
    assert_eq!(int(&reply[0]), 2, "{asked:?}: {reply:?}");
    int(&reply[5]).unsigned_abs()
}

/// The fencing token of a lock that is held, from its record.
fn fence(tree: &mut Tree, token: &str) -> u64 {
    check(&mut tree.server, &tree.name).held[token].number
}

fn is_held(tree: &mut Tree, token: &str) -> bool {
    check(&mut tree.server, &tree.name).held.contains_key(token)
}

// -------------------------------------------------------------------------------- after a crash

/// Locks of a process that died, each on a path of its own.
fn crashed(tree: &mut Tree, kind: u8, many: usize) {
    for at in 0..many {
        granted(tree, &ask(&token(at), kind, &format!("\x01dead\x01n{at}")));
    }
    assert_eq!(tree.expire_all(), many);
}

#[test]
fn a_waiter_that_asks_after_its_time_was_up_has_its_turn() {
    for wait in [true, false] {
        let mut tree = tree();
        granted(&mut tree, &ask("holder.1", 1, NODE));
        queued(&mut tree, &waits("waiter.1", 1, NODE));
        for at in 0..100 {
            granted(&mut tree, &ask(&token(at), 1, &format!("\x01dead\x01n{at}")));
        }
        // Of these the call takes away sixteen, and then the holder, as that is in the way: so it
        // is the waiter's turn.
        assert_eq!(tree.expire_all(), 102);
        granted(&mut tree, &Ask { wait, ..ask("waiter.1", 1, NODE) });
        assert!(is_held(&mut tree, "waiter.1"));
    }
}

#[test]
fn dead_locks_elsewhere_stop_nobody() {
    let mut tree = tree();
    crashed(&mut tree, 1, 300);
    // On the long way, of which each takes some of them away and says that there is more.
    for at in 0..3 {
        let (name, path) = (token(1000 + at), format!("\x01live\x01n{at}"));
        let reply = tree.acquire(&slow(&name, 1, &path));
        assert_eq!((int(&reply[0]), &reply[2]), (1, &Value::Int(1)));
        assert_eq!(tree.call("inspect", &[b"1", path.as_bytes()]), [Value::Int(1), Value::Int(1)]);
        assert_eq!(tree.call("inspect", &[b"1", b"\x01free"]), [Value::Int(0), Value::Int(1)]);
    }
    // And on one of their paths, whose turn to be taken away comes last.
    let reply = tree.acquire(&ask("live.1", 1, "\x01dead\x01n255"));
    assert_eq!((int(&reply[0]), &reply[2]), (1, &Value::Int(1)));
    assert!(check(&mut tree.server, &tree.name).held.len() > 100, "they have not all been waited for");
    assert!(tree.tidy() <= 1 + 300 / 64);
    assert_eq!(check(&mut tree.server, &tree.name).held.len(), 4);
}

/// The fast paths look only at what is in their way. Still, what a dead client left where nobody
/// asks goes at some time: now and then an acquisition looks after that.
#[test]
fn a_dead_lock_that_is_in_nobodys_way_goes() {
    let mut tree = tree();
    crashed(&mut tree, 1, 1);
    for at in 0.. {
        granted(&mut tree, &ask("live.1", 1, NODE));
        tree.release(&ask("live.1", 1, NODE), 0);
        if tree.end(&token(0)).is_none() {
            break;
        }
        assert!(at < 1000, "a thousand acquisitions went by it");
    }
}

#[test]
fn what_is_in_the_way_goes_a_bounded_number_a_call() {
    for (kind, asks) in [(1, 1), (1, 3), (3, 1), (2, 1)] {
        let mut tree = tree();
        crashed(&mut tree, kind, 300);
        let mut left = 300;
        loop {
            let reply = tree.acquire(&ask("live.1", asks, "\x01dead"));
            let still = check(&mut tree.server, &tree.name).held.len();
            match int(&reply[0]) {
                3 => {
                    // Its path is that of one that was found, and its time is up.
                    let Value::BulkString(path) = &reply[1] else { panic!("{reply:?}") };
                    assert!(path.starts_with(b"\x01dead\x01n"), "{reply:?}");
                    assert!(int(&reply[3]) <= 0 && reply[4] == Value::Int(1), "{reply:?}");
                    assert!((left - 64 - 16..=left - 64).contains(&still), "from {left} to {still}");
                    left = still;
                }
                code => {
                    assert_eq!(code, 1, "{reply:?}");
                    assert!(left <= 64 + 16, "{left} in one call");
                    break;
                }
            }
        }
        assert_eq!(check(&mut tree.server, &tree.name).held.len(), 1);
    }
}

/// One that lives is in the way, in front of or behind many that are dead.
#[test]
fn dead_ones_in_the_way_do_not_hide_a_live_one() {
    for live in ["\x01dead\x01a", "\x01dead\x01z"] {
        let mut tree = tree();
        crashed(&mut tree, 1, 100);
        granted(&mut tree, &ask("live.1", 2, live));
        let mut calls = 0;
        let reply = loop {
            let reply = tree.acquire(&ask("live.2", 1, "\x01dead"));
            calls += 1;
            if int(&reply[0]) != 3 {
                break reply;
            }
        };
        assert_eq!((int(&reply[0]), &reply[1]), (0, &Value::BulkString(live.into())));
        assert!(calls <= 2 && is_held(&mut tree, "live.1"));
    }
}

#[test]
fn dead_waiters_are_in_nobodys_way() {
    for kind in [1, 3] {
        let mut tree = tree();
        granted(&mut tree, &ask("live.1", 2, NODE));
        for at in 0..200 {
            queued(&mut tree, &waits(&token(at), kind, NODE));
        }
        (0..200).for_each(|at| assert!(tree.expire(&token(at))));
        // The holder stays in the way; after it the dead are.
        assert_eq!(int(&tree.acquire(&slow("live.2", kind, NODE))[0]), 0);
        let arrival = queued(&mut tree, &waits("live.3", kind, NODE));
        let reply = tree.release(&slow("live.1", 2, NODE), 0);
        assert_ne!(more("release", &reply), More::Nothing);
        // A dead waiter's turn is for nothing: nobody waits for its claim.
        tree.finish(more("release", &reply));
        tree.tidy();
        assert!(fence(&mut tree, "live.3") > arrival);
        assert_eq!(tree.messages().len(), 1, "the dead are sent none");
        assert_eq!(check(&mut tree.server, &tree.name).ends.len(), 1);
    }
}

/// One dead waiter first in line costs those behind it nothing, on both ways.
#[test]
fn the_turn_of_a_dead_waiter_is_passed_over() {
    for fast in [true, false] {
        let mut tree = tree();
        let asked = |token, wait| Ask { fast, wait, ..ask(token, 1, NODE) };
        granted(&mut tree, &asked("live.1", false));
        queued(&mut tree, &asked("dead.1", true));
        queued(&mut tree, &asked("live.2", true));
        assert!(tree.expire("dead.1"));
        let reply = tree.release(&asked("live.1", false), 0);
        assert_eq!(reply[1], Value::Nil, "nothing is left to do");
        assert!(is_held(&mut tree, "live.2") && !is_held(&mut tree, "dead.1"));
        assert!(tree.end("live.2").unwrap() > tree.time() + CLAIM / 2);
    }
}

/// A waiter that asks takes away what is in its way, and has it if that was all.
#[test]
fn a_waiter_gets_past_the_dead_by_asking_or_by_its_heartbeat() {
    for by_heartbeat in [true, false] {
        let mut tree = tree();
        granted(&mut tree, &ask("dead.1", 1, NODE));
        queued(&mut tree, &waits("dead.2", 1, NODE));
        queued(&mut tree, &waits("dead.3", 1, "\x01a"));
        queued(&mut tree, &waits("live.1", 1, NODE));
        // Dead ones elsewhere, which ended before, are more than such a call takes aside.
        for at in 0..100 {
            granted(&mut tree, &ask(&token(100 + at), 4, "\x01elsewhere"));
        }
        (0..100).for_each(|at| assert!(tree.expire(&token(100 + at))));
        let end = tree.time() - 1;
        for dead in ["dead.1", "dead.2", "dead.3"] {
            let mut set = redis::cmd("ZADD");
            () = set.arg(tree.key("e")).arg(end).arg(dead).query(&mut tree.server).unwrap();
        }
        if by_heartbeat {
            let (found, more) = tree.refresh("live.1", 0, 0);
            assert!(found < -2 && more == More::Expired, "{found}: granted");
        } else {
            let reply = tree.acquire(&waits("live.1", 1, NODE));
            assert_eq!((int(&reply[0]), &reply[2]), (1, &Value::Int(1)));
        }
        let held = check(&mut tree.server, &tree.name).held;
        assert!(held.contains_key("live.1") && !held.contains_key("dead.1") && held.len() > 50);
    }
}

// ----------------------------------------------------------------------------------- hand-overs

/// An exclusive hand-over may use up what a call may grant, and readers come after it.
#[test]
fn a_call_grants_no_more_than_its_limit() {
    let mut tree = tree();
    granted(&mut tree, &ask("live.1", 1, "\x01a"));
    for at in 0..64 {
        queued(&mut tree, &waits(&format!("one.{at:x}"), 1, &format!("\x01a\x01n{at:02}")));
    }
    for at in 0..200 {
        queued(&mut tree, &waits(&format!("two.{at:x}"), 3, "\x01a\x01zz"));
    }
    let before = check(&mut tree.server, &tree.name).held.len();
    let mut more = more("release", &tree.release(&ask("live.1", 1, "\x01a"), 0));
    let mut held = before - 1;
    while let More::HandOver(at) = more {
        let now = check(&mut tree.server, &tree.name).held.len();
        assert!(now - held <= 64, "{} in one call", now - held);
        held = now;
        let at: Vec<&[u8]> = at.iter().map(Vec::as_slice).collect();
        more = More::read(&tree.call("handover", &at)[0]);
    }
    assert_eq!(check(&mut tree.server, &tree.name).held.len(), 264);

    assert!(check(&mut tree.server, &tree.name).waits.is_empty());
}

/// Nor does it look at more nodes, if nobody there can be served.
#[test]
fn a_call_visits_no_more_than_its_limit() {
    let mut tree = tree();
    granted(&mut tree, &ask("live.1", 3, "\x01a"));
    for at in 0..200 {
        let path = format!("\x01a\x01n{at:03}");
        granted(&mut tree, &ask(&format!("one.{at:x}"), 3, &path));
        queued(&mut tree, &waits(&format!("two.{at:x}"), 1, &path));
    }
    let reply = tree.release(&ask("live.1", 3, "\x01a"), 0);
    let More::HandOver(at) = more("release", &reply) else { panic!("{reply:?}") };
    let at: Vec<&[u8]> = at.iter().map(Vec::as_slice).collect();
    assert_eq!(tree.call("handover", &at), [Value::Nil], "the rest is fewer");
    assert_eq!(check(&mut tree.server, &tree.name).waits.len(), 200);
}

/// The heartbeats of many in one call have one limit, too. An exclusive lock comes when it has just
/// been reached, and readers after that.
#[test]
fn many_heartbeats_grant_no_more_than_the_limit() {
    let mut tree = tree();
    granted(&mut tree, &ask("live.1", 1, "\x01a"));
    let mut names = Vec::new();
    for (path, kind, many) in [("\x01a\x01a", 3, 128), ("\x01a\x01b", 1, 1), ("\x01a\x01c", 3, 100)] {
        for _ in 0..many {
            names.push(format!("two.{:x}", names.len()));
            queued(&mut tree, &waits(names.last().unwrap(), kind, path));
        }
    }
    // Nobody goes on where this one stops: its client has died.
    let reply = tree.release(&ask("live.1", 1, "\x01a"), 0);
    assert!(matches!(more("release", &reply), More::HandOver(_)));
    assert_eq!(check(&mut tree.server, &tree.name).held.len(), 64);
    let args: Vec<&[u8]> = names.iter().flat_map(|name| [name.as_bytes(), b"0", b"0"]).collect();
    let reply = tree.call("refresh", &args);
    assert_eq!(check(&mut tree.server, &tree.name).held.len(), 128);
    tree.finish(More::read(&reply[0]));
    assert_eq!(check(&mut tree.server, &tree.name).held.len(), 229);
}

/// With small limits a release serves one of the readers. Its client dies. The others' heartbeats
/// serve them, and not only when something has expired.
#[test]
fn heartbeats_go_on_with_what_a_dead_client_left_undone() {
    let mut tree = Tree::new(Limits::Small, CLAIM);
    granted(&mut tree, &ask("live.1", 1, NODE));
    let readers: Vec<String> = (0..5).map(|at| format!("two.{at:x}")).collect();
    for name in &readers {
        queued(&mut tree, &waits(name, 3, NODE));
    }
    let reply = tree.release(&slow("live.1", 1, NODE), 0);
    assert!(matches!(more("release", &reply), More::HandOver(_)));
    for name in &readers {
        let _ = tree.refresh(name, 0, 0);
    }
    assert_eq!(check(&mut tree.server, &tree.name).held.len(), 5);
}

/// Or they ask. A waiter that came later is not in their way.
#[test]
fn asking_goes_on_with_what_a_dead_client_left_undone() {
    let mut tree = Tree::new(Limits::Small, CLAIM);
    granted(&mut tree, &ask("live.1", 1, NODE));
    for name in ["two.1", "two.2", "two.3"] {
        queued(&mut tree, &waits(name, 3, NODE));
    }
    for (name, path) in [("later.1", "\x01a"), ("later.2", NODE)] {
        queued(&mut tree, &waits(name, 1, path));
    }
    let reply = tree.release(&slow("live.1", 1, NODE), 0);
    assert!(matches!(more("release", &reply), More::HandOver(_)));
    for name in ["two.1", "two.2", "two.3"] {
        granted(&mut tree, &waits(name, 3, NODE));
    }
}

/// The answer to a request that was cancelled says nothing of work that is left, so none is.
#[test]
fn a_late_request_leaves_nobody_behind() {
    let mut tree = Tree::new(Limits::Small, CLAIM);
    granted(&mut tree, &ask("dead.1", 1, NODE));
    for name in ["two.1", "two.2", "two.3"] {
        queued(&mut tree, &waits(name, 3, NODE));
    }
    tree.release(&ask("late.1", 1, NODE), LEASE);
    assert!(tree.expire("dead.1"));
    assert_eq!(tree.acquire(&ask("late.1", 1, NODE)), [Value::Int(4)]);
    let held = check(&mut tree.server, &tree.name).held;
    assert!(held.contains_key("dead.1") || held.len() == 3, "some are served, and some are not");
}

#[test]
fn a_mailbox_goes_away() {
    for fast in [true, false] {
        let mut tree = tree();
        granted(&mut tree, &ask("live.1", 1, NODE));
        queued(&mut tree, &waits("dead.1", 1, NODE));
        tree.release(&Ask { fast, ..ask("live.1", 1, NODE) }, 0);
        let left: i64 = redis::cmd("PTTL").arg(tree.key("mb:client")).query(&mut tree.server).unwrap();
        assert!((1..=60_000).contains(&left), "{left}");
    }
}

// ------------------------------------------------------------------------- who sets an end, when

/// A client that dies between being handed a lock and taking it costs a claim window, counted from
/// its last heartbeat. A client that lives and has not heard of it hears, and keeps it.
#[test]
fn a_heartbeat_after_the_grant_begins_the_claim_window_anew() {
    let mut tree = tree();
    granted(&mut tree, &ask("live.1", 1, NODE));
    queued(&mut tree, &waits("two.2", 1, NODE));
    tree.release(&ask("live.1", 1, NODE), 0);
    let end = tree.end("two.2").unwrap();
    let fence = i64::try_from(fence(&mut tree, "two.2")).unwrap();
    let before = tree.time();
    assert_eq!(tree.refresh("two.2", 0, 0).0, -fence, "the fencing token");
    let now = tree.end("two.2").unwrap();
    assert!(end < now && (before + CLAIM..=tree.time() + CLAIM).contains(&now));
    // A claim is what starts the lease.
    let now = tree.time();
    granted(&mut tree, &waits("two.2", 1, NODE));
    assert!(tree.end("two.2").unwrap() >= now + LEASE);
}

/// What was sent before a `refresh_for` and arrives after it does not end the lock before the time
/// that its holder was told.
#[test]
fn a_late_request_does_not_shorten_a_lease() {
    let mut tree = tree();
    granted(&mut tree, &ask("one.1", 1, NODE));
    assert_eq!(tree.refresh("one.1", HOUR, 5).0, -1);
    let end = tree.end("one.1");
    assert_eq!(tree.refresh("one.1", LEASE, 0).0, -1, "a renewal");
    assert_eq!(tree.refresh("one.1", SECOND, 4).0, -1, "an earlier refresh_for");
    assert_eq!(granted(&mut tree, &ask("one.1", 1, NODE)), fence(&mut tree, "one.1"), "the first request");
    let detached = tree.call("detached", &[b"one.1", NODE.as_bytes(), b"1", b"1000000", b"4"]);
    assert_eq!(int(&detached[0]), 1, "an earlier detach");
    assert_eq!(tree.end("one.1"), end);
    granted(&mut tree, &ask("one.1", 1, NODE));
    let again = tree.call("detached", &[b"one.1", NODE.as_bytes(), b"1", b"1000000", b"6"]);
    assert_eq!(int(&again[0]), 1, "a detach sent again");
    assert_eq!(tree.end("one.1"), end);

    // Only who holds a detached lock sets its end whatever is stored.
    granted(&mut tree, &ask("two.2", 1, "\x01other"));
    let end = tree.end("two.2");
    assert_eq!(tree.refresh("two.2", HOUR, -1).0, -2);
    assert_eq!(tree.end("two.2"), end);
    let now = tree.time();
    assert_eq!(tree.refresh("one.1", SECOND, -1).0, -1);
    assert!(tree.end("one.1").unwrap() <= tree.time() + SECOND && tree.end("one.1").unwrap() >= now + SECOND);
}

#[test]
fn what_is_over_is_not_shown_and_cannot_be_taken_up() {
    let mut tree = tree();
    granted(&mut tree, &ask("one.1", 1, NODE));
    let args: [&[u8]; 5] = [b"one.1", NODE.as_bytes(), b"1", b"0", b"0"];
    assert_eq!(int(&tree.call("detached", &args)[0]), 1);
    assert_eq!(tree.list("", false).len(), 1);
    // So much has expired before it that nobody takes it away.
    let names: Vec<String> = (0..100).map(token).collect();
    names.iter().for_each(|name| _ = granted(&mut tree, &ask(name, 4, "\x01elsewhere")));
    names.iter().for_each(|name| assert!(tree.expire(name)));
    assert!(tree.expire("one.1"));
    assert!(tree.list("", false).is_empty());
    assert_eq!(int(&tree.call("detached", &args)[0]), 0);
    for version in [-1, 0, 9] {
        assert_eq!(tree.refresh("one.1", LEASE, version).0, -2);
    }
    assert!(is_held(&mut tree, "one.1"), "it is there");
}
