//! `CLEAR`: a claim that finds it does not look up, and whoever claims above comes by.

use super::*;

/// A leaf without `CLEAR`, with one reader; and an inner node that last was locked by somebody who
/// did not cover the leaf.
fn read_leaf_without_clear(world: &World) -> (PlainArc<Node>, PlainArc<Node>) {
    let (inner, leaf) = (world.used("a"), world.used("a/b"));
    leaf.try_claim(Kind::Ss).unwrap();
    inner.try_claim(Kind::Ss).unwrap();
    inner.drop_claim(Kind::Ss);
    // Loom lets a SeqCst load see nothing older than the last SeqCst store that follows another. So
    // the last store here is of a release, which is none.
    inner.try_claim(Kind::Xn).unwrap();
    inner.drop_claim(Kind::Xn);
    assert_eq!(leaf.word.load(Ordering::SeqCst) & CLEAR, 0, "a walk has come by");
    (inner, leaf)
}

/// A reader below becomes a writer while another reads above. A walk does not un-enrol the leaf,
/// which was in use: so the two have nothing but their looks to find each other by. Fails if there
/// is no fence between claim and looks, or if a claim without CLEAR does not look up.
#[test]
fn look_up_against_walk() {
    explore("look_up_against_walk", || {
        let world = World::new(ENDLESS, &["a/b"]);
        let (inner, leaf) = read_leaf_without_clear(&world);
        run([
            threaded!(world, inner => world.lock(&inner, Kind::Ss)),
            threaded!(world, leaf => { leaf.drop_claim(Kind::Ss); world.lock(&leaf, Kind::Xs) }),
        ]);
        drop((inner, leaf));
        world.assert_as_new();
    });
}

/// The same if the leaf has CLEAR at first. Fails if a walk leaves CLEAR, if a walk looks at the
/// word before it takes CLEAR off, or if a fast claim does not expect CLEAR.
#[test]
fn fast_claim_against_walk() {
    explore("fast_claim_against_walk", || {
        let world = World::new(ENDLESS, &["a/b"]);
        let (inner, leaf) = (world.used("a"), world.used("a/b"));
        leaf.try_claim(Kind::Ss).unwrap();
        run([
            threaded!(world, leaf => {
                leaf.drop_claim(Kind::Ss);
                for _ in 0..2 {
                    if world.try_lock(&leaf, Kind::Xs).is_ok() { leaf.drop_claim(Kind::Xs) }
                }
            }),
            threaded!(world, inner => world.lock(&inner, Kind::Ss)),
        ]);
        drop((inner, leaf));
        world.assert_as_new();
    });
}

/// A second reader of the leaf sets CLEAR while a walk comes by. Fails if CLEAR is set without the
/// list's lock, or if CLEAR is set by a look from before the lock.
#[test]
fn clear_set_against_walk() {
    explore("clear_set_against_walk", || {
        let world = World::new(ENDLESS, &["a/b"]);
        let (inner, leaf) = read_leaf_without_clear(&world);
        run([
            threaded!(world, inner => world.lock(&inner, Kind::Ss)),
            threaded!(world, leaf => {
                let another = leaf.claim_looking(Kind::Ss);
                leaf.drop_claim(Kind::Ss);
                if another { leaf.drop_claim(Kind::Ss) }
                if world.try_lock(&leaf, Kind::Xs).is_ok() { leaf.drop_claim(Kind::Xs) }
            }),
        ]);
        drop((inner, leaf));
        world.assert_as_new();
    });
}

/// While the root is held a leaf is not had, though it is enrolled: its first try, which failed,
/// has seen to that. Fails if a child is admitted as CLEAR without a look, if CLEAR outlives
/// ENROLLED, if a look for CLEAR stops at the parent, or if a claim that looks up stops at the
/// parent.
#[test]
fn tries_below_a_held_root() {
    explore("tries_below_a_held_root", || {
        let world = World::new(ENDLESS, &["a/b"]);
        let (root, leaf) = (world.node("/"), world.used("a/b"));
        root.try_claim(Kind::Xs).unwrap();
        run([
            threaded!(world, leaf => for _ in 0..2 {
                if world.try_lock(&leaf, Kind::Xs).is_ok() { leaf.drop_claim(Kind::Xs) }
            }),
            threaded!(world, root => { world.touch(&root, Kind::Xs); root.drop_claim(Kind::Xs) }),
        ]);
        drop((root, leaf));
        world.assert_as_new();
    });
}

/// A leaf is enrolled, and tried twice, while the root is locked: its second try finds `CLEAR` or
/// does not. Fails if there is no fence between enrolling and the look for CLEAR.
#[test]
fn enrolling_against_a_lock() {
    explore("enrolling_against_a_lock", || {
        let world = World::new(ENDLESS, &["a/b"]);
        let (root, inner, leaf) = (world.node("/"), world.used("a"), world.node("a/b"));
        inner.try_claim(Kind::Sn).unwrap(); // so that it is not un-enrolled
        for kind in [Kind::Ss, Kind::Xn] {
            // The first takes off its `CLEAR`, the second is for loom, as above.
            root.try_claim(kind).unwrap();
            root.drop_claim(kind);
        }
        run([
            threaded!(world, leaf => for _ in 0..2 {
                if world.try_lock(&leaf, Kind::Xs).is_ok() { leaf.drop_claim(Kind::Xs) }
            }),
            threaded!(world, root => world.lock(&root, Kind::Ss)),
        ]);
        inner.drop_claim(Kind::Sn);
        drop((root, inner, leaf));
        world.assert_as_new();
    });
}

/// A leaf is enrolled while a try looks around above, and is not had once that is granted. Fails if
/// a mark above does not keep CLEAR from being set.
#[test]
fn enrolling_below_a_try() {
    explore("enrolling_below_a_try", || {
        let world = World::new(ENDLESS, &["a", "a/b"]);
        let (inner, other, leaf) = (world.used("a"), world.used("a/c"), world.node("a/b"));
        let granted = PlainArc::new(AtomicUsize::new(0));
        run([
            threaded!(world, leaf => for _ in 0..2 {
                if world.try_lock(&leaf, Kind::Xs).is_ok() { leaf.drop_claim(Kind::Xs) }
            }),
            threaded!(world, inner, granted => if world.try_lock(&inner, Kind::Xs).is_ok() {
                granted.store(1, Plain::Relaxed); // and kept
            }),
        ]);
        if granted.load(Plain::Relaxed) == 1 {
            inner.drop_claim(Kind::Xs);
        }
        drop((inner, other, leaf));
        world.assert_as_new();
    });
}

/// Once an inner lock waits for one holder below, nobody new gets anything below: it is not
/// overtaken by those it has not come to yet. Fails if a lock waits before it has taken off every
/// CLEAR.
#[test]
fn no_newcomer_below_one_that_drains() {
    explore("no_newcomer_below_one_that_drains", || {
        let world = World::new(ENDLESS, &["a/1", "a/2", "a/2/x"]);
        let (inner, leaves) = (world.used("a"), ["a/1", "a/2", "a/2/x"].map(|path| world.used(path)));
        let [one, two, deep] = &leaves;
        one.try_claim(Kind::Xs).unwrap();
        two.try_claim(Kind::Xn).unwrap();
        deep.try_claim(Kind::Xs).unwrap();
        let mut drain = acquire::Acquisition::new(&inner, Kind::Xs, None);
        assert_eq!(drain.step(), acquire::Step::Asleep);
        for (leaf, kind) in leaves.iter().zip([Kind::Xs, Kind::Xn, Kind::Xs]) {
            leaf.drop_claim(kind);
            assert_eq!(world.try_lock(leaf, kind), Err("a".into()));
        }
        while drain.step() == acquire::Step::Asleep {
            assert!(drain.is_woken());
        }
        world.touch(&inner, Kind::Xs);
        inner.drop_claim(Kind::Xs);
        drop(drain);
        drop((inner, leaves));
        world.assert_as_new();
    });
}
