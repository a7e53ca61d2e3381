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
