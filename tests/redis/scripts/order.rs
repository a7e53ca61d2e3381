//! Who came first gets in first, whichever way the release goes.

use super::*;

/// Where requests are made: above a node, on it, below it.
const PATHS: [&str; 3] = ["\x01a", NODE, "\x01a\x01b\x01c"];

/// Every kind of lock on each of these paths.
fn requests() -> impl Iterator<Item = (&'static str, u8)> {
    PATHS.into_iter().flat_map(|path| (1..=4).map(move |kind| (path, kind)))
}

/// Pairs of requests that keep each other out, on a tree that holds nothing else.
fn conflicting() -> Vec<[(&'static str, u8); 2]> {
    let mut tree = tree();
    let mut pairs = Vec::new();
    for one in requests() {
        granted(&mut tree, &ask("one.1", one.1, one.0));
        for other in requests() {
            let asked = ask("two.2", other.1, other.0);
            match int(&tree.acquire(&asked)[0]) {
                0 => pairs.push([one, other]),
                _ => _ = tree.release(&asked, 0),
            }
        }
        tree.release(&ask("one.1", one.1, one.0), 0);
    }
    pairs
}

/// Behind an exclusive lock on a node, of either scope. A hand-over in place of that lock is the
/// fast way, and must not be taken where somebody else is first in line.
#[test]
fn who_came_first_gets_in_first() {
    let pairs = conflicting();
    assert!(pairs.len() > 60, "{} pairs", pairs.len());
    let mut tree = tree();
    for held in [1, 2] {
        for [first, second] in &pairs {
            granted(&mut tree, &ask("held.0", held, NODE));
            let mut arrive = |token, &(path, kind): &(&str, u8)| int(&tree.acquire(&waits(token, kind, path))[0]);
            let (waited, waits_too) = (arrive("one.1", first) == 2, arrive("two.2", second) == 2);
            assert!(waits_too, "{second:?} did not wait behind {first:?}");
            let reply = tree.release(&ask("held.0", held, NODE), 0);
            tree.finish(more("release", &reply));
            let told = tree.messages();
            let behind = format!("{second:?} after {first:?}, behind kind {held}: {told:?}");
            assert!(is_held(&mut tree, "one.1") && !is_held(&mut tree, "two.2"), "{behind}");
            assert_eq!(told.len(), usize::from(waited), "{behind}");
            for (token, (path, kind)) in [("one.1", first), ("two.2", second)] {
                assert!(is_held(&mut tree, token), "{behind}");
                let reply = tree.release(&ask(token, *kind, path), 0);
                tree.finish(more("release", &reply));
            }
            tree.messages();
        }
    }
}

/// One that leaves the queue, be it by a last request or by a release, was all that kept out the
/// one behind it.
#[test]
fn who_gives_up_lets_the_next_one_in() {
    let pairs = conflicting();
    let conflict = |one, other| pairs.contains(&[one, other]);
    let mut tree = tree();
    let mut tried = 0;
    for [first, second] in &pairs {
        for held in requests().filter(|&held| conflict(held, *first) && !conflict(held, *second)) {
            for asks in [true, false] {
                granted(&mut tree, &ask("held.0", held.1, held.0));
                queued(&mut tree, &waits("one.1", first.1, first.0));
                queued(&mut tree, &waits("two.2", second.1, second.0));
                let gives_up = ask("one.1", first.1, first.0);
                if asks {
                    assert_eq!(int(&tree.acquire(&gives_up)[0]), 0);
                } else {
                    tree.release(&gives_up, 0);
                }
                let what = format!("{second:?} behind {first:?}, which waited for {held:?}; asks: {asks}");
                assert!(is_held(&mut tree, "two.2") && !is_held(&mut tree, "one.1"), "{what}");
                tree.release(&ask("two.2", second.1, second.0), 0);
                tree.release(&ask("held.0", held.1, held.0), 0);
                tree.messages();
                tried += 1;
            }
        }
    }
    assert!(tried > 100, "{tried}");
}
