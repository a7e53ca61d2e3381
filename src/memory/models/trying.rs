//! Tries that race. Nobody waits in these models, and nobody fails without a cause.

use super::*;

/// Two racing exclusive tries on an inner node and a leaf below it, with nobody holding anything, never both fail; and never both hold.
/// Fails if the inner try claims firmly (`tentative.rs`: `How::FirmIfLeaf` as `How::Firm`).
#[test]
fn two_racing_tries_never_both_fail() {
    explore("two_racing_tries_never_both_fail", || {
        for kinds in [[Kind::Xs, Kind::Xs]] {
            race(&["a", "a/b"], kinds);
        }
    });
}

/// The same of a shared try above an exclusive one. Fails if only exclusive tries are tentative.
#[test]
fn shared_try_above_exclusive_try() {
    explore("shared_try_above_exclusive_try", || race(&["a", "a/b"], [Kind::Ss, Kind::Xs]));
}

/// The same of two tries with a list each: the lower one is tentative, too. Fails if the walk of a try strikes out what it meets, as the upper one and the lower one then
/// strike out each other and each finds the other's new mark.
#[test]
fn two_inner_tries() {
    explore("two_inner_tries", || race(&["/", "a"], [Kind::Xs, Kind::Xs]));
}

/// Two tries on one inner node: one gets it. Fails if a try gives up because it finds another's mark.
#[test]
fn two_tries_on_one_inner_node() {
    explore("two_tries_on_one_inner_node", || race(&["a", "a"], [Kind::Xs, Kind::Xs]));
}

fn race(paths: &[&'static str; 2], kinds: [Kind; 2]) {
    let world = World::new(ENDLESS, &["a", "a/b"]);
    let leaf = world.used("a/b");
    let outcomes = PlainArc::new(AtomicUsize::new(0));
    let threads = [0, 1].map(|at| {
        let (node, kind, outcomes) = (world.node(paths[at]), kinds[at], outcomes.clone());
        threaded!(world, => {
            if world.try_lock(&node, kind).is_ok() {
                outcomes.fetch_add(1, Plain::Relaxed);
                // Held to the end, so that the other cannot succeed because this one is through.
            }
        })
    });
    run(threads);
    assert_eq!(outcomes.load(Plain::Relaxed), 1, "one of two conflicting tries succeeds");
    for (path, kind) in paths.iter().zip(kinds) {
        let node = world.node(path);
        if node.word.load(Ordering::SeqCst) & kind.unit() != 0 {
            node.drop_claim(kind);
            break;
        }
    }
    drop(leaf);
    world.assert_as_new();
}

/// A try from above, one from below, and a lock that waits between them: exclusion holds, and nothing is left. Fails if granting does not check
/// that the mark is still there.
#[test]
fn try_against_lock_below() {
    explore("try_against_lock_below", || {
        let world = World::new(ENDLESS, &["a/b"]);
        let (inner, leaf) = (world.used("a"), world.used("a/b"));
        run([
            threaded!(world, inner => if world.try_lock(&inner, Kind::Xs).is_ok() { inner.drop_claim(Kind::Xs) }),
            threaded!(world, leaf => world.lock(&leaf, Kind::Xs)),
            threaded!(world, inner => if world.try_lock(&inner, Kind::Ss).is_ok() { inner.drop_claim(Kind::Ss) }),
        ]);
        drop((inner, leaf));
        world.assert_as_new();
    });
}

/// A try on an inner node against a lock of the root, which strikes it out from above. Fails if the walk overlooks marks.
#[test]
fn try_against_lock_above() {
    explore("try_against_lock_above", || {
        let world = World::new(ENDLESS, &["a", "a/b"]);
        let (root, inner, leaf) = (world.used("/"), world.used("a"), world.used("a/b"));
        run([
            threaded!(world, inner => if world.try_lock(&inner, Kind::Xs).is_ok() { inner.drop_claim(Kind::Xs) }),
            threaded!(world, root => world.lock(&root, Kind::Xs)),
        ]);
        drop((root, inner, leaf));
        world.assert_as_new();
    });
}
