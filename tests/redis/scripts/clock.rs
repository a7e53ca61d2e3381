//! The server's clock was ahead once, and has been set back.

use redis::cmd;

use super::*;

/// A tree whose server's clock was an hour ahead until now.
fn clock_set_back() -> Tree {
    let mut tree = tree();
    granted(&mut tree, &ask("first.0", 1, "\x01first"));
    tree.clock_was_ahead(HOUR);
    tree
}

#[test]
fn tokens_rise_when_the_clock_was_set_back() {
    let mut tree = clock_set_back();
    let mut last = check(&mut tree.server, &tree.name).tick;
    let mut rises = |number: u64, what: &str| {
        assert!(number > last, "{what}: {number} after {last}");
        last = number;
    };
    for fast in [true, false, true] {
        for kind in 1..=4 {
            // Both ways of an acquisition, and both of a hand-over: the second of one kind takes
            // the first one's place, and several of another kind are served.
            let asked = |token, kind, wait| Ask { token, kind, path: NODE, lease: LEASE, wait, fast };
            rises(granted(&mut tree, &asked("one.1", kind, false)), "acquire");
            let other = if kind <= 2 { kind } else { kind - 2 };
            rises(queued(&mut tree, &asked("two.2", other, true)), "arrival");
            rises(queued(&mut tree, &asked("three.3", 4, true)), "arrival");
            rises(queued(&mut tree, &asked("four.4", 3, true)), "arrival");
            tree.release(&asked("one.1", kind, false), 0);
            rises(fence(&mut tree, "two.2"), "hand-over");
            tree.release(&asked("two.2", other, false), 0);
            rises(fence(&mut tree, "four.4").min(fence(&mut tree, "three.3")), "hand-over to readers");
            tree.release(&asked("three.3", 4, false), 0);
            tree.release(&asked("four.4", 3, false), 0);
        }
    }
}

/// The fast paths' turns of the same, with nobody else in the queue.
#[test]
fn a_fast_hand_over_draws_a_greater_token() {
    let mut tree = clock_set_back();
    for round in 0..20 {
        if round % 5 == 4 {
            tree.clock_was_ahead(HOUR);
        }
        let tick = check(&mut tree.server, &tree.name).tick;
        let first = granted(&mut tree, &ask("one.1", 1, NODE));
        let arrival = queued(&mut tree, &waits("two.2", 1, NODE));
        if round % 5 == 2 {
            tree.clock_was_ahead(HOUR);
        }
        let last = check(&mut tree.server, &tree.name).tick;
        tree.release(&ask("one.1", 1, NODE), 0);
        let second = fence(&mut tree, "two.2");
        assert!(tick < first && first < arrival && arrival <= last && last < second);
        tree.release(&ask("two.2", 1, NODE), 0);
    }
}

#[test]
fn a_lease_is_its_length_when_the_clock_was_set_back() {
    for fast in [true, false] {
        let mut tree = clock_set_back();
        for at in 0..20 {
            let (name, path) = (format!("one.{at:x}"), format!("\x01n{at}"));
            let asked = Ask { fast, ..ask(&name, 1, &path) };
            let from = tree.time();
            granted(&mut tree, &asked);
            let (to, end) = (tree.time(), tree.end(&name).unwrap());
            assert!((from + LEASE..=to + LEASE).contains(&end), "{} from now", end.saturating_sub(from));
            // Handed over, of either kind, it has a claim.
            let next = format!("two.{at:x}");
            queued(&mut tree, &Ask { fast, ..waits(&next, 1 + at % 4, &path) });
            if at % 3 == 2 {
                tree.clock_was_ahead(HOUR); // the release is the first to see it
            }
            let from = tree.time();
            tree.release(&asked, 0);
            let (to, end) = (tree.time(), tree.end(&next).unwrap());
            assert!((from + CLAIM..=to + CLAIM).contains(&end), "{} from now", end.saturating_sub(from));
        }
    }
}

/// It was set back by a little, and has caught up since. The tree's time is still ahead of it.
#[test]
fn a_lease_is_its_length_when_the_clock_has_caught_up() {
    fn caught_up(tree: &mut Tree) {
        let tick = check(&mut tree.server, &tree.name).tick;
        loop {
            let (seconds, micros): (u64, u64) = redis::cmd("TIME").query(&mut tree.server).unwrap();
            if seconds * SECOND + micros > tick {
                return;
            }
        }
    }
    let mut tree = tree();
    granted(&mut tree, &ask("first.0", 1, "\x01first"));
    tree.clock_was_ahead(SECOND / 10);
    granted(&mut tree, &ask("first.1", 1, "\x01other")); // which finds that out
    for at in 0..3 {
        let (one, two) = (format!("one.{at:x}"), format!("two.{at:x}"));
        caught_up(&mut tree);
        let from = tree.time();
        granted(&mut tree, &ask(&one, 1, NODE));
        assert!(tree.end(&one).unwrap() >= from + LEASE);
        queued(&mut tree, &waits(&two, 1, NODE));
        caught_up(&mut tree);
        let from = tree.time();
        tree.release(&ask(&one, 1, NODE), 0);
        assert!(tree.end(&two).unwrap() >= from + CLAIM);
        tree.release(&ask(&two, 1, NODE), 0);
    }
}

/// What a client that died holds ends after its lease, and not when the clock has caught up.
#[test]
fn time_goes_on_when_the_clock_was_set_back() {
    let mut tree = clock_set_back();
    let short = |token| Ask { lease: SECOND / 5, ..ask(token, 1, NODE) };
    granted(&mut tree, &short("dead.1"));
    let refused = tree.acquire(&ask("live.1", 1, NODE));
    assert_eq!(int(&refused[0]), 0);
    let left = int(&refused[3]);
    assert!((0..=200_000).contains(&left), "{left}");
    let began = std::time::Instant::now();
    while int(&tree.acquire(&ask("live.1", 1, NODE))[0]) != 1 {
        assert!(began.elapsed().as_secs() < 5, "a lease of 200 ms");
    }
    assert!(began.elapsed().as_micros() + 20_000 > left.unsigned_abs().into(), "not before its end");

    // The same when it goes by others' clean-up, and is looked at by others.
    granted(&mut tree, &Ask { path: "\x01other", ..short("dead.2") });
    assert_eq!(int(&tree.call("inspect", &[b"1", b"\x01other"])[0]), 1);
    let listed = tree.list("", true);
    assert_eq!(listed.len(), 3, "{listed:?}");
    let attached = tree.call("detached", &[b"live.1", NODE.as_bytes(), b"1", b"0", b"0"]);
    assert!((1..=LEASE as i64).contains(&int(&attached[4])), "{attached:?}");
    while is_held(&mut tree, "dead.2") {
        assert!(began.elapsed().as_secs() < 10, "a lease of 200 ms");
        tree.tidy();
    }
    assert_eq!(int(&tree.call("inspect", &[b"1", b"\x01other"])[0]), 0);
    assert_eq!(tree.list("", true).len(), 2);
}

/// A heartbeat, too, is good for a claim from now, and a dead waiter goes.
#[test]
fn heartbeats_count_from_now_when_the_clock_was_set_back() {
    let mut tree = clock_set_back();
    tree.claim = SECOND / 5;
    granted(&mut tree, &ask("live.1", 1, NODE));
    let arrival = queued(&mut tree, &waits("live.2", 1, NODE));
    queued(&mut tree, &waits("dead.1", 1, NODE));
    let began = std::time::Instant::now();
    loop {
        let from = tree.time();
        let (left, more) = tree.refresh("live.2", 0, 0);
        assert!(left >= 0, "it waits");
        tree.finish(more);
        assert!(tree.end("live.2").unwrap() >= from + tree.claim);
        if tree.end("dead.1").is_none() {
            break;
        }
        assert!(began.elapsed().as_secs() < 5, "a claim of 200 ms");
    }
    assert_eq!(queued(&mut tree, &waits("live.2", 1, NODE)), arrival);
}

/// A renewal is remembered as a time that was, though it draws no token: else the leases that were
/// renewed since the last grant would all last longer by that time when the clock is set back.
#[test]
fn what_was_renewed_lasts_no_longer_when_the_clock_is_set_back() {
    let mut tree = tree();
    granted(&mut tree, &ask("one.1", 1, NODE));
    let before = tree.time();
    for version in [0, 7] {
        let now = tree.time();
        tree.refresh("one.1", LEASE, version);
        assert!(check(&mut tree.server, &tree.name).tick >= now);
    }
    queued(&mut tree, &waits("two.2", 1, NODE));
    let now = tree.time();
    tree.refresh("two.2", 0, 0);
    assert!(check(&mut tree.server, &tree.name).tick >= now && now > before);
}

/// The token of a later user leads the tick as far as the time has gone on since the lock's own
/// token, and so only if that is of this tree's time. Otherwise leases would end early.
#[test]
fn a_token_of_before_the_data_was_lost_leads_the_time_nowhere() {
    let mut tree = tree();
    let own = granted(&mut tree, &ask("one.1", 1, NODE));
    let tick = |tree: &mut Tree| -> u64 { cmd("HGET").arg(tree.key("n")).arg("tick").query(&mut tree.server).unwrap() };
    let in_use = |tree: &mut Tree, token: u64| tree.call("in_use", &[b"one.1", token.to_string().as_bytes()]);
    in_use(&mut tree, own + 5);
    assert_eq!(tick(&mut tree), own + 5);

    // Claimed again, with a token of an hour later, after the clock was set back.
    let record: String = cmd("HGET").arg(tree.key("n")).arg("one.1").query(&mut tree.server).unwrap();
    let later = own + 5 + HOUR;
    let record = record.replace(&(own + 5).to_string(), &later.to_string());
    let () = cmd("HSET").arg(tree.key("n")).arg("one.1").arg(record).query(&mut tree.server).unwrap();
    in_use(&mut tree, later + 5);
    assert_eq!(tick(&mut tree), own + 5);
}
