//! Locks that change, right on the scripts: requests that are sent again or late, and dead clients.

use redis::Value;

use super::{CLAIM, LEASE, SECOND, ask, fence, granted, is_held, queued, token, tree, waits};
use crate::calls::{More, Tree, int, more};
use crate::checker::check;

fn about(path: &str) -> String {
    format!("{LEASE},{CLAIM},client,2,me{path}")
}

/// The last fencing token that a client knows: what the server has; 0 if it has none.
fn known(tree: &mut Tree, token: &str) -> String {
    check(&mut tree.server, &tree.name).held.get(token).map_or(0, |record| record.number).to_string()
}

fn narrow(tree: &mut Tree, token: &str, kept: &[(&str, &str)]) -> i64 {
    let number = known(tree, token);
    let kept: Vec<(&str, String)> = kept.iter().map(|(token, path)| (*token, about(path))).collect();
    let mut args: Vec<&[u8]> = vec![token.as_bytes(), b"0", number.as_bytes()];
    kept.iter().for_each(|(token, about)| args.extend([token.as_bytes(), about.as_bytes()]));
    let reply = tree.call("narrow", &args);
    tree.finish(more("narrow", &reply));
    int(&reply[0])
}

fn widen(tree: &mut Tree, token: &str, kind: u8, path: &str) -> Vec<Value> {
    let number = known(tree, token);
    widen_of(tree, token, &number, kind, path)
}

/// By a client that knows this fencing token.
fn widen_of(tree: &mut Tree, token: &str, number: &str, kind: u8, path: &str) -> Vec<Value> {
    let (kind, about) = (kind.to_string(), about(path));
    tree.call("widen", &[token.as_bytes(), number.as_bytes(), kind.as_bytes(), about.as_bytes()])
}

fn upgrade(tree: &mut Tree, token: &str, attempt: u8, wait: bool, tombstone: u64) -> Vec<Value> {
    let number = known(tree, token);
    upgrade_of(tree, token, &number, (attempt, wait, tombstone))
}

fn upgrade_of(tree: &mut Tree, token: &str, number: &str, (attempt, wait, tombstone): (u8, bool, u64)) -> Vec<Value> {
    let (attempt, tombstone) = (attempt.to_string(), tombstone.to_string());
    let wait: &[u8] = if wait { b"1" } else { b"0" };
    let args = [token.as_bytes(), number.as_bytes(), attempt.as_bytes(), wait, tombstone.as_bytes()];
    let reply = tree.call("upgrade", &args);
    check(&mut tree.server, &tree.name);
    reply
}

fn downgrade(tree: &mut Tree, token: &str, number: &str) -> i64 {
    let reply = tree.call("downgrade", &[token.as_bytes(), number.as_bytes()]);
    tree.finish(more("downgrade", &reply));
    int(&reply[0])
}

fn kind(tree: &mut Tree, token: &str) -> u8 {
    check(&mut tree.server, &tree.name).held[token].kind
}

fn held(tree: &mut Tree) -> Vec<String> {
    check(&mut tree.server, &tree.name).held.into_keys().collect()
}

#[test]
fn a_narrow_sent_again_does_nothing_and_a_late_one_revives_nothing() {
    let mut tree = tree();
    let kept = [("two.1", "\x01a\x01b"), ("two.2", "\x01a\x01c\x01d")];
    granted(&mut tree, &ask("one.1", 1, "\x01a"));
    queued(&mut tree, &waits("three.1", 3, "\x01a\x01c"));
    queued(&mut tree, &waits("three.2", 1, "\x01a\x01x"));
    let (end, number) = (tree.end("one.1"), fence(&mut tree, "one.1"));
    for _ in 0..2 {
        assert_eq!(narrow(&mut tree, "one.1", &kept), 1);
        assert_eq!(held(&mut tree), ["three.2", "two.1", "two.2"]);
        assert_eq!((tree.end("two.1"), tree.end("two.2")), (end, end), "the rest of the lease");
        assert_eq!((fence(&mut tree, "two.1"), fence(&mut tree, "two.2")), (number, number));
    }
    tree.release(&ask("two.1", 1, kept[0].1), 0);
    assert_eq!(narrow(&mut tree, "one.1", &kept), 0, "late");
    assert_eq!(held(&mut tree), ["three.2", "two.2"]);
    assert_eq!(tree.refresh("one.1", LEASE, 0).0, -2, "a late renewal");
    tree.release(&ask("two.2", 1, kept[1].1), 0);
    assert_eq!(held(&mut tree), ["three.1", "three.2"]);
    assert_eq!(narrow(&mut tree, "one.1", &kept), 0, "late");
    assert_eq!(held(&mut tree), ["three.1", "three.2"]);
}

/// A kept lock becomes what is held below it.
#[test]
fn an_exchange_serves_who_waits_beside_what_is_held_and_sent_again_does_nothing() {
    let mut tree = tree();
    granted(&mut tree, &ask("one.1", 1, "\x01a"));
    queued(&mut tree, &waits("three.1", 1, "\x01a\x01z"));
    queued(&mut tree, &waits("three.2", 3, "\x01a\x01x\x01y"));
    let (end, last) = (tree.end("one.1"), fence(&mut tree, "one.1") + 1);
    let (number, about) = (last.to_string(), about("\x01a\x01x"));
    let arguments = ["one.1", &number, "0", "two.1", "1", &number, &about].map(str::as_bytes);
    for was_there in [1, 0] {
        let reply = tree.call("exchange", &arguments);
        tree.finish(more("exchange", &reply));
        assert_eq!((int(&reply[0]), int(&reply[3])), (was_there, 1));
        assert_eq!(held(&mut tree), ["three.1", "two.1"]);
        assert_eq!((tree.end("two.1"), fence(&mut tree, "two.1")), (end, last));
        assert!(fence(&mut tree, "three.1") > last);
    }
}

/// Locks below a node become one on it.
#[test]
fn to_grow_takes_what_is_named_and_only_where_nothing_else_is() {
    let mut tree = tree();
    granted(&mut tree, &ask("one.1", 1, "\x01a\x01x"));
    granted(&mut tree, &ask("one.2", 4, "\x01a"));
    granted(&mut tree, &ask("one.3", 1, "\x01a\x01y\x01z"));
    granted(&mut tree, &ask("one.4", 1, "\x01b"));
    queued(&mut tree, &waits("three.1", 1, "\x01b"));
    let (last, lease, about) = ((fence(&mut tree, "one.3") + 5).to_string(), LEASE.to_string(), about("\x01a"));
    let words = |names: &[&'static str]| {
        let mut words = vec!["two.1", "\x01a", &lease, &about];
        names.iter().for_each(|name| words.extend([name, &*last]));
        words.iter().map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>()
    };
    let grow = |tree: &mut Tree, names: &[&'static str]| {
        let words = words(names);
        tree.call("grow", &words.iter().map(|word| &**word).collect::<Vec<_>>())
    };
    // One that is not named.
    assert_eq!(int(&grow(&mut tree, &["one.1", "one.2"])[0]), 0);
    assert_eq!(held(&mut tree), ["one.1", "one.2", "one.3", "one.4"]);
    // One who waits.
    queued(&mut tree, &waits("three.2", 3, "\x01a\x01x"));
    assert_eq!(int(&grow(&mut tree, &["one.1", "one.2", "one.3"])[0]), 0);
    tree.release(&waits("three.2", 3, "\x01a\x01x"), 0);
    // One that is gone is no more in the way than one that is named.
    let first = grow(&mut tree, &["one.1", "one.2", "one.3", "one.9"]);
    assert_eq!(int(&first[0]), 1);
    assert!(fence(&mut tree, "two.1") > last.parse().unwrap());
    assert_eq!(held(&mut tree), ["one.4", "two.1"]);
    assert_eq!(grow(&mut tree, &["one.1", "one.2", "one.3"]), first, "sent again");
    tree.release(&ask("two.1", 1, "\x01a"), LEASE);
    assert_eq!(int(&grow(&mut tree, &[])[0]), 4, "late");
    assert_eq!(held(&mut tree), ["one.4"]);
}

#[test]
fn a_widen_sent_again_is_the_same_and_takes_away_the_dead() {
    let mut tree = tree();
    granted(&mut tree, &ask("one.1", 4, "\x01a\x01b"));
    granted(&mut tree, &ask("dead.1", 1, "\x01a\x01x"));
    assert_eq!(int(&widen(&mut tree, "one.1", 3, "\x01a")[0]), 0);
    assert!(tree.expire("dead.1"));
    let first = widen(&mut tree, "one.1", 3, "\x01a");
    assert_eq!(int(&first[0]), 1);
    assert_eq!(widen(&mut tree, "one.1", 3, "\x01a"), first);
    assert_eq!(fence(&mut tree, "one.1"), int(&first[1]).unsigned_abs());
    tree.release(&ask("one.1", 3, "\x01a"), LEASE);
    assert_eq!(int(&widen(&mut tree, "one.1", 3, "\x01a")[0]), 4, "late");
    assert_eq!(held(&mut tree), [""; 0]);
}

#[test]
fn an_upgrade_is_handed_over_with_a_message_and_its_lease_stays() {
    for kind in [3, 4] {
        let mut tree = tree();
        let reader = ask("two.1", kind, "\x01a");
        granted(&mut tree, &ask("one.1", kind, "\x01a"));
        granted(&mut tree, &reader);
        let end = tree.end("one.1");
        assert_eq!(int(&upgrade(&mut tree, "one.1", 1, true, 0)[0]), 2);
        assert_eq!(int(&upgrade(&mut tree, "one.1", 1, true, 0)[0]), 2, "sent again");
        queued(&mut tree, &waits("three.1", kind, "\x01a"));
        tree.release(&reader, 0);
        let number = fence(&mut tree, "one.1");
        assert_eq!(tree.messages(), [format!("one.1,{number}")]);
        assert_eq!(tree.end("one.1"), end);
        assert_eq!(held(&mut tree), ["one.1"]);
        let again = upgrade(&mut tree, "one.1", 1, true, 0);
        assert_eq!((int(&again[0]), int(&again[1]).unsigned_abs()), (1, number), "the same grant");
        tree.release(&ask("one.1", kind - 2, "\x01a"), 0);
        assert_eq!(held(&mut tree), ["three.1"]);
    }
}

/// A reader that came before the upgrade does not get in, either.
#[test]
fn an_upgrade_goes_before_all_others() {
    let mut tree = tree();
    granted(&mut tree, &ask("one.1", 3, "\x01a"));
    granted(&mut tree, &ask("two.1", 3, "\x01a"));
    queued(&mut tree, &waits("writer.1", 1, "\x01a"));
    queued(&mut tree, &waits("reader.1", 3, "\x01a\x01b"));
    assert_eq!(int(&upgrade(&mut tree, "one.1", 1, true, 0)[0]), 2);
    tree.release(&ask("writer.1", 1, "\x01a"), 0);
    assert_eq!(held(&mut tree), ["one.1", "two.1"], "the writer gave up");
    tree.release(&ask("two.1", 3, "\x01a"), 0);
    assert_eq!(held(&mut tree), ["one.1"]);
    let number = known(&mut tree, "one.1");
    assert_eq!(downgrade(&mut tree, "one.1", &number), 1);
    assert_eq!(held(&mut tree), ["one.1", "reader.1"]);
}

#[test]
fn a_late_attempt_does_nothing_and_a_new_one_does() {
    let mut tree = tree();
    granted(&mut tree, &ask("one.1", 3, "\x01a"));
    granted(&mut tree, &ask("two.1", 3, "\x01a"));
    assert_eq!(int(&upgrade(&mut tree, "one.1", 1, true, 0)[0]), 2);
    queued(&mut tree, &waits("three.1", 3, "\x01a"));
    assert_eq!(int(&upgrade(&mut tree, "one.1", 1, false, LEASE)[0]), 0, "it leaves");
    assert_eq!(held(&mut tree), ["one.1", "three.1", "two.1"]);
    assert_eq!(int(&upgrade(&mut tree, "one.1", 1, true, 0)[0]), 4, "late");
    for other in ["two.1", "three.1"] {
        tree.release(&ask(other, 3, "\x01a"), 0);
    }
    assert_eq!(int(&upgrade(&mut tree, "one.1", 1, true, 0)[0]), 4, "late");
    assert_eq!(check(&mut tree.server, &tree.name).held["one.1"].kind, 3);
    assert_eq!(int(&upgrade(&mut tree, "one.1", 2, true, 0)[0]), 1);
}

/// The tombstone of an attempt lasts, though the next one waits, and is given up surely.
#[test]
fn the_next_attempt_does_not_bring_back_a_late_one() {
    let mut tree = tree();
    granted(&mut tree, &ask("one.1", 3, "\x01a"));
    granted(&mut tree, &ask("two.1", 3, "\x01a"));
    assert_eq!(int(&upgrade(&mut tree, "one.1", 1, false, LEASE)[0]), 0, "given up, and it may be under way");
    assert_eq!(int(&upgrade(&mut tree, "one.1", 2, true, 0)[0]), 2);
    assert_eq!(int(&upgrade(&mut tree, "one.1", 1, true, 0)[0]), 4, "late");
    assert_eq!(int(&upgrade(&mut tree, "one.1", 2, false, 0)[0]), 0, "given up surely");
    assert_eq!(int(&upgrade(&mut tree, "one.1", 1, true, 0)[0]), 4, "late");
    tree.release(&ask("two.1", 3, "\x01a"), 0);
    assert_eq!(int(&upgrade(&mut tree, "one.1", 1, true, 0)[0]), 4, "late");
    assert_eq!(kind(&mut tree, "one.1"), 3);
    // A shorter tombstone does not shorten it.
    let end = tree.end("one.1~");
    granted(&mut tree, &ask("two.1", 3, "\x01a"));
    assert_eq!(int(&upgrade(&mut tree, "one.1", 3, false, SECOND)[0]), 0);
    assert_eq!(tree.end("one.1~"), end);
    assert_eq!(int(&upgrade(&mut tree, "one.1", 3, true, 0)[0]), 4, "late");
}

/// A request to change a lock that was raised since it was sent does nothing. If its client lives,
/// and does not know yet, it is told to what.
#[test]
fn what_a_lock_was_before_it_was_raised_is_not_changed() {
    let mut tree = tree();
    granted(&mut tree, &ask("one.1", 3, "\x01a\x01b"));
    let shared = known(&mut tree, "one.1");
    assert_eq!(int(&upgrade(&mut tree, "one.1", 1, true, 0)[0]), 1);
    let exclusive = known(&mut tree, "one.1");
    // It would be shared, and its holder believe otherwise.
    let reply = widen_of(&mut tree, "one.1", &shared, 3, "\x01a");
    assert_eq!((int(&reply[0]), int(&reply[1]).to_string()), (7, exclusive.clone()), "{reply:?}");
    assert_eq!(kind(&mut tree, "one.1"), 1);
    // Wider, and it stays that wide.
    assert_eq!(int(&widen(&mut tree, "one.1", 1, "\x01a")[0]), 1);
    assert_eq!(int(&widen_of(&mut tree, "one.1", &exclusive, 1, "\x01a\x01b")[0]), 7);
    let wide = known(&mut tree, "one.1");
    let reply = tree.call("downgrade", &[b"one.1", exclusive.as_bytes()]);
    assert_eq!((int(&reply[0]), int(&reply[2]).to_string()), (2, wide.clone()), "{reply:?}");
    assert_eq!(kind(&mut tree, "one.1"), 1);
    // An upgrade, too: it is shared again.
    assert_eq!(downgrade(&mut tree, "one.1", &wide), 1);
    assert_eq!(int(&widen_of(&mut tree, "one.1", &wide, 1, "")[0]), 4);
    assert_eq!(int(&upgrade_of(&mut tree, "one.1", &shared, (1, true, 0))[0]), 7);
    assert_eq!(kind(&mut tree, "one.1"), 3);
    assert_eq!(int(&upgrade_of(&mut tree, "one.1", &wide, (2, true, 0))[0]), 1);
}

/// A server with older data has a lock as less than its holder was told. Whatever the holder asks
/// for finds that it is lost, and nothing of it stays.
#[test]
fn what_was_raised_and_is_not_is_lost() {
    type Asks = fn(&mut Tree, &str) -> bool;
    let asks: [(&str, Asks); 7] = [
        ("a renewal", |tree, number| {
            let (lease, version) = (LEASE.to_string(), format!("0,{number}"));
            int(&tree.call("refresh", &[b"one.1", lease.as_bytes(), version.as_bytes()])[1]) == -2
        }),
        ("a refresh_for", |tree, number| {
            let (lease, version) = (LEASE.to_string(), format!("3,{number}"));
            int(&tree.call("refresh", &[b"one.1", lease.as_bytes(), version.as_bytes()])[1]) == -2
        }),
        ("a release", |tree, number| {
            int(&tree.call("release_set", &[b"0", format!("one.1,{number}").as_bytes()])[0]) == 0
        }),
        ("a downgrade", |tree, number| downgrade(tree, "one.1", number) == 0),
        ("an upgrade", |tree, number| int(&upgrade_of(tree, "one.1", number, (1, true, 0))[0]) == 4),
        ("a widen", |tree, number| int(&widen_of(tree, "one.1", number, 3, "\x01a")[0]) == 4),
        ("a narrow", |tree, number| {
            let about = about("\x01a\x01b");
            int(&tree.call("narrow", &[b"one.1", b"0", number.as_bytes(), b"part.1", about.as_bytes()])[0]) == 0
        }),
    ];
    for (what, ask_it) in asks {
        let mut tree = tree();
        let number = granted(&mut tree, &ask("one.1", 3, "\x01a\x01b"));
        queued(&mut tree, &waits("two.1", 1, "\x01a\x01b"));
        assert!(ask_it(&mut tree, &(number + 1).to_string()), "{what} finds it lost");
        assert_eq!(held(&mut tree), ["two.1"], "after {what}");
    }
}

/// Its client has died: its place is over after a claim window, its lock after its lease.
#[test]
fn a_dead_upgrade_is_in_nobodys_way() {
    for lock_is_dead in [false, true] {
        let mut tree = tree();
        granted(&mut tree, &ask("dead.1", 3, "\x01a"));
        granted(&mut tree, &ask("two.1", 3, "\x01a\x01b"));
        assert_eq!(int(&upgrade(&mut tree, "dead.1", 1, true, 0)[0]), 2);
        assert!(tree.end("dead.1^").unwrap() <= tree.time() + CLAIM);
        if lock_is_dead {
            assert!(tree.expire("dead.1"));
        } else {
            assert!(tree.expire("dead.1^"));
        }
        // Another one may upgrade, but for the lock; and readers get in.
        let code = int(&upgrade(&mut tree, "two.1", 1, false, 0)[0]);
        assert_eq!(code, i64::from(lock_is_dead));
        let now = if lock_is_dead { vec!["two.1"] } else { vec!["dead.1", "two.1"] };
        assert_eq!(held(&mut tree), now);
        assert!(check(&mut tree.server, &tree.name).waits.is_empty());
    }
}

/// The turn of a dead upgrade: what it kept out comes in, at other nodes, too.
#[test]
fn the_turn_of_a_dead_upgrade_is_passed_over() {
    let mut tree = tree();
    granted(&mut tree, &ask("dead.1", 3, "\x01a\x01b"));
    granted(&mut tree, &ask("two.1", 3, "\x01a\x01b"));
    assert_eq!(int(&upgrade(&mut tree, "dead.1", 1, true, 0)[0]), 2);
    for (name, path) in [("above.1", "\x01a"), ("here.1", "\x01a\x01b"), ("below.1", "\x01a\x01b\x01c")] {
        queued(&mut tree, &waits(name, 3, path));
    }
    // More that is dead elsewhere than the release looks at.
    let others: Vec<String> = (0..100).map(token).collect();
    others.iter().for_each(|other| _ = granted(&mut tree, &ask(other, 4, "\x01elsewhere")));
    others.iter().for_each(|other| assert!(tree.expire(other)));
    assert!(tree.expire("dead.1^"));
    let reply = tree.release(&ask("two.1", 3, "\x01a\x01b"), 0);
    assert!(matches!(more("release", &reply), More::HandOver(_) | More::Expired | More::Nothing));
    tree.finish(more("release", &reply));
    for name in ["above.1", "here.1", "below.1"] {
        assert!(is_held(&mut tree, name), "{name}");
    }
    assert_eq!(check(&mut tree.server, &tree.name).held["dead.1"].kind, 3);
}

#[test]
fn what_ends_a_lock_ends_its_upgrade() {
    let end: [fn(&mut Tree); 3] = [
        |tree| _ = tree.release(&ask("one.1", 3, "\x01a"), 0),
        |tree| _ = tree.break_lock("one.1", "\x01a", 0),
        |tree| _ = narrow(tree, "one.1", &[("part.1", "\x01a\x01b")]),
    ];
    for end in end {
        let mut tree = tree();
        granted(&mut tree, &ask("one.1", 3, "\x01a"));
        granted(&mut tree, &ask("two.1", 3, "\x01a"));
        assert_eq!(int(&upgrade(&mut tree, "one.1", 1, true, 0)[0]), 2);
        queued(&mut tree, &waits("three.1", 3, "\x01a"));
        end(&mut tree);
        assert!(is_held(&mut tree, "three.1"));
        assert!(check(&mut tree.server, &tree.name).waits.is_empty());
        assert_eq!(int(&upgrade(&mut tree, "one.1", 1, true, 0)[0]), 4);
    }
}

#[test]
fn a_second_upgrade_is_refused() {
    for path in ["\x01a", "\x01a\x01b", ""] {
        let mut tree = tree();
        granted(&mut tree, &ask("one.1", 3, "\x01a"));
        granted(&mut tree, &ask("two.1", 3, path));
        assert_eq!(int(&upgrade(&mut tree, "one.1", 1, true, 0)[0]), 2);
        let reply = upgrade(&mut tree, "two.1", 1, true, 0);
        assert_eq!((int(&reply[0]), &reply[1]), (5, &Value::BulkString(b"\x01a".into())));
        // It goes, and the first has its turn.
        tree.release(&ask("two.1", 3, path), 0);
        assert_eq!(int(&upgrade(&mut tree, "one.1", 1, true, 0)[0]), 1);
    }
}
