//! Tries that race. Nobody waits in these models, and nobody fails without a cause.

use super::*;

/// Two racing exclusive tries on an inner node and a leaf below it, with nobody holding anything,
/// never both fail; and never both hold. Fails if an inner try claims for good before it looks, or
/// if a try steps back for a mark above.
#[test]
fn two_racing_tries_never_both_fail() {
    explore("two_racing_tries_never_both_fail", || race(&["a", "a/b"], [Kind::Xs, Kind::Xs]));
}

/// The same of a shared try above an exclusive one. Fails if only exclusive tries are tentative.
#[test]
fn shared_try_above_exclusive_try() {
    explore("shared_try_above_exclusive_try", || race(&["a", "a/b"], [Kind::Ss, Kind::Xs]));
}

/// The same of two tries with a list each: the lower one is tentative, too. Fails if an inner try
/// claims for good before it looks.
#[test]
fn two_inner_tries() {
    explore("two_inner_tries", || race(&["/", "a"], [Kind::Xs, Kind::Xs]));
}

/// Two tries on one inner node and one below: one of the three gets its lock. Fails if tries on one
/// node do not take turns.
#[test]
fn two_tries_on_one_inner_node() {
    explore("two_tries_on_one_inner_node", || race(&["a", "a/b", "a"], [Kind::Xs; 3]));
}

/// Of two racing looks around, one above the other, one succeeds: they do not strike out each other
/// and begin anew together. Fails if the walk of a try strikes out what it meets.
#[test]
fn tries_do_not_keep_each_other_busy() {
    explore("tries_do_not_keep_each_other_busy", || {
        let world = World::new(ENDLESS, &[]);
        let (root, inner, leaf) = (world.used("/"), world.used("a"), world.used("a/b"));
        let outcomes = PlainArc::new(AtomicUsize::new(0));
        run([&root, &inner].map(|node| {
            threaded!(node, outcomes => if matches!(node.probe(Kind::Xs), Ok(true)) {
                outcomes.fetch_add(1, Plain::Relaxed);
                node.drop_claim(Kind::Xs);
            })
        }));
        assert_ne!(outcomes.load(Plain::Relaxed), 0);
        drop((root, inner, leaf));
        world.assert_as_new();
    });
}

fn race<const N: usize>(paths: &[&'static str; N], kinds: [Kind; N]) {
    let world = World::new(ENDLESS, &["a", "a/b"]);
    let leaf = world.looked_at("a/b");
    let outcomes = PlainArc::new(AtomicUsize::new(0));
    let threads = std::array::from_fn(|at| {
        let (node, kind, outcomes) = (world.node(paths[at]), kinds[at], outcomes.clone());
        threaded!(world, => {
            if world.try_lock(&node, kind).is_ok() {
                outcomes.fetch_add(1, Plain::Relaxed);
                // Held to the end, so that the other cannot succeed because this one is through.
            }
        })
    });
    run::<N>(threads);
    assert_eq!(outcomes.load(Plain::Relaxed), 1, "one of several conflicting tries succeeds");
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

/// A try from above, one from below, and a lock that waits between them: exclusion holds, and
/// nothing is left. Fails if a try is granted though it was struck out, if looking up strikes
/// nobody out, if one who has struck out does not look again, or if a try that fails leaves its
/// mark.
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

/// A fast claim below a try that has passed by already. It can be had because the leaf was not idle
/// when the try came by: somebody was in its queue. Fails if a claim that looks up goes past marks
/// above.
#[test]
fn fast_claim_behind_a_try() {
    explore("fast_claim_behind_a_try", || {
        let world = World::new(ENDLESS, &["a/b"]);
        let (inner, leaf) = (world.used("a"), world.used("a/b"));
        leaf.try_claim(Kind::Xs).unwrap();
        let mut waiter = acquire::Acquisition::new(&leaf, Kind::Xs, None);
        assert_eq!(waiter.step(), acquire::Step::Asleep);
        let granted = PlainArc::new(AtomicUsize::new(0));
        let other = thread::spawn(threaded!(world, inner, granted => if world.try_lock(&inner, Kind::Xs).is_ok() {
            granted.fetch_add(1, Plain::Relaxed);
        }));
        leaf.drop_claim(Kind::Xs);
        drop(waiter);
        if world.try_lock(&leaf, Kind::Xs).is_ok() {
            granted.fetch_add(1, Plain::Relaxed);
            other.join().unwrap();
            leaf.drop_claim(Kind::Xs);
        } else {
            other.join().unwrap();
            inner.drop_claim(Kind::Xs);
        }
        assert_eq!(granted.load(Plain::Relaxed), 1);
        drop((inner, leaf));
        world.assert_as_new();
    });
}

/// A try on an inner node against a lock of the root, which strikes it out from above. Fails if a
/// walk overlooks marks.
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

/// A try on an inner node against a lock of the same node. Fails if a claim leaves the mark that is
/// on its node.
#[test]
fn try_against_lock_here() {
    explore("try_against_lock_here", || {
        let world = World::new(ENDLESS, &["a", "a/b"]);
        let (inner, leaf) = (world.used("a"), world.used("a/b"));
        run([
            threaded!(world, inner => if world.try_lock(&inner, Kind::Xs).is_ok() { inner.drop_claim(Kind::Xs) }),
            threaded!(world, inner => world.lock(&inner, Kind::Xs)),
        ]);
        drop((inner, leaf));
        world.assert_as_new();
    });
}

/// The same against a shared try. The child is idle, so the one that looks around takes it off:
/// what was an inner node is then a leaf with a mark. Fails if a fast claim leaves the mark that is
/// on its node.
#[test]
fn fast_try_against_try_here() {
    explore("fast_try_against_try_here", || race(&["a", "a"], [Kind::Xs, Kind::Ss]));
}
