//! Conflicting locks exclude each other; others do not even wait.

use super::*;

/// Siblings never meet: tries on two of them both succeed, from the first use on. Fails if a look
/// up takes a sibling's traces for a conflict.
#[test]
fn siblings_run_together() {
    explore("siblings_run_together", || {
        let world = World::new(ENDLESS, &["a/1", "a/2"]);
        let (one, two) = (world.node("a/1"), world.node("a/2"));
        run([one, two].map(|node| {
            threaded!(world, node => {
                world.try_lock(&node, Kind::Xs).unwrap();
                node.drop_claim(Kind::Xs);
                world.try_lock(&node, Kind::Xs).unwrap();
                node.drop_claim(Kind::Xs);
            })
        }));
        world.assert_as_new();
    });
}

/// An inner node and a leaf below it, both locked twice, exclude each other, whoever comes first.
/// Fails if nobody looks down, or if a claim is taken off without releasing what was written under
/// it.
#[test]
fn ancestor_against_descendant() {
    explore("ancestor_against_descendant", || {
        let world = World::new(ENDLESS, &["a/b"]);
        let (inner, leaf) = (world.node("a"), world.node("a/b"));
        run([
            threaded!(world, leaf => { world.lock(&leaf, Kind::Xs); world.lock(&leaf, Kind::Xs) }),
            threaded!(world, inner => { world.lock(&inner, Kind::Xs); world.lock(&inner, Kind::Xs) }),
        ]);
        drop((inner, leaf));
        world.assert_as_new();
    });
}

/// The same without the fast path. Fails if a conflict found by looking up is ignored.
#[test]
fn ancestor_against_descendant_slowly() {
    explore("ancestor_against_descendant_slowly", || {
        let world = World::new(ENDLESS, &["a/b"]);
        let (inner, leaf) = (world.node("a"), world.node("a/b"));
        run([
            threaded!(world, leaf => { world.lock_slowly(&leaf, Kind::Xs); world.lock_slowly(&leaf, Kind::Xs) }),
            threaded!(world, inner => { world.lock_slowly(&inner, Kind::Xs); world.lock_slowly(&inner, Kind::Xs) }),
        ]);
        drop((inner, leaf));
        world.assert_as_new();
    });
}

/// Root, inner node and leaf, all exclusive: three on one chain. Fails if a look up stops at the
/// parent, or if a walk enters no inner node.
#[test]
fn three_on_one_chain() {
    explore_at_most(3, "three_on_one_chain", || {
        let world = World::new(ENDLESS, &["a/b"]);
        let nodes = [world.used("/"), world.used("a"), world.used("a/b")];
        run(nodes.map(|node| threaded!(world, node => world.lock(&node, Kind::Xs))));
        world.assert_as_new();
    });
}

/// A shared lock on an inner node excludes an exclusive one below, and not a shared one. Fails if a
/// shared claim does not keep out exclusive ones below, if the fast path of a shared claim does not
/// look down, or if two shared claims conflict.
#[test]
fn shared_inner_exclusive_leaf() {
    explore("shared_inner_exclusive_leaf", || {
        let world = World::new(ENDLESS, &["a/b"]);
        let (inner, leaf) = (world.used("a"), world.used("a/b"));
        run([
            threaded!(world, inner => world.lock(&inner, Kind::Ss)),
            threaded!(world, leaf => { world.lock(&leaf, Kind::Xs); world.lock(&leaf, Kind::Ss) }),
        ]);
        let both = [world.try_lock(&inner, Kind::Ss), world.try_lock(&leaf, Kind::Ss)];
        assert_eq!(both, [Ok(()), Ok(())]);
        inner.drop_claim(Kind::Ss);
        leaf.drop_claim(Kind::Ss);
        drop((inner, leaf));
        world.assert_as_new();
    });
}

/// Readers and a writer on one node. Fails if an exclusive claim does not look at the shared ones
/// on its node, or if the fast path of a shared claim looks for nothing on its node.
#[test]
fn readers_and_a_writer() {
    explore("readers_and_a_writer", || {
        let world = World::new(ENDLESS, &["a"]);
        let node = world.used("a");
        run([Kind::Ss, Kind::Sn, Kind::Xs].map(|kind| threaded!(world, node => world.lock(&node, kind))));
        drop(node);
        world.assert_as_new();
    });
}

/// Node-only locks let those below alone and exclude those above. Fails if a lock on the node alone
/// counts for those below, or if a lock on the node alone is not kept out from above.
#[test]
fn node_only_between_root_and_leaf() {
    explore("node_only_between_root_and_leaf", || {
        let world = World::new(ENDLESS, &["a", "a/b"]);
        let (root, inner, leaf) = (world.used("/"), world.used("a"), world.looked_at("a/b"));
        inner.try_claim(Kind::Xn).unwrap();
        world.try_lock(&leaf, Kind::Xs).unwrap();
        leaf.drop_claim(Kind::Xs);
        inner.drop_claim(Kind::Xn);
        run([
            threaded!(world, inner => world.lock(&inner, Kind::Xn)),
            threaded!(world, root => world.lock(&root, Kind::Ss)),
            threaded!(world, leaf => world.lock(&leaf, Kind::Sn)),
        ]);
        drop((root, inner, leaf));
        world.assert_as_new();
    });
}

/// A lock on the node alone is had while somebody holds what is below. Fails if a lock on the node
/// alone looks down.
#[test]
fn node_only_above_a_holder() {
    explore("node_only_above_a_holder", || {
        let world = World::new(ENDLESS, &["a", "a/b"]);
        let (inner, leaf) = (world.used("a"), world.used("a/b"));
        leaf.try_claim(Kind::Xs).unwrap();
        run([Kind::Xn, Kind::Sn].map(|kind| threaded!(world, inner => world.lock(&inner, kind))));
        leaf.drop_claim(Kind::Xs);
        drop((inner, leaf));
        world.assert_as_new();
    });
}

/// Downgrading lets nobody exclusive in between. Fails if downgrading is a release and a new claim.
#[test]
fn downgrading_never_lets_go() {
    explore("downgrading_never_lets_go", || {
        let world = World::new(ENDLESS, &["a"]);
        let node = world.used("a");
        run([
            threaded!(world, node => {
                take(&node, Kind::Xs);
                world.touch(&node, Kind::Xs);
                node.downgrade_claim(Kind::Xs);
                world.touch(&node, Kind::Ss);
                // Nobody exclusive had the lock between the two.
                assert_eq!(node.word.load(Ordering::SeqCst) & Kind::Xs.unit(), 0);
                node.drop_claim(Kind::Ss);
            }),
            threaded!(world, node => world.lock(&node, Kind::Xs)),
            threaded!(world, node => world.lock(&node, Kind::Ss)),
        ]);
        drop(node);
        world.assert_as_new();
    });
}

/// Downgrading lets waiting readers in. Fails if downgrading wakes nobody.
#[test]
fn downgrading_wakes_readers() {
    explore("downgrading_wakes_readers", || {
        let world = World::new(ENDLESS, &["a", "a/b"]);
        let (inner, leaf) = (world.used("a"), world.used("a/b"));
        inner.try_claim(Kind::Xs).unwrap();
        run([
            threaded!(world, inner => world.lock(&inner, Kind::Ss)),
            threaded!(world, leaf => world.lock(&leaf, Kind::Ss)),
            threaded!(world, inner => inner.downgrade_claim(Kind::Xs)),
        ]);
        // Only now: the readers did not wait for this.
        inner.drop_claim(Kind::Ss);
        drop((inner, leaf));
        world.assert_as_new();
    });
}

/// Releases as a guard does that is dropped while its thread unwinds.
fn release_by_unwinding(world: &World, node: &PlainArc<Node>) {
    struct Guard<'a>(&'a World, &'a PlainArc<Node>);
    impl Drop for Guard<'_> {
        fn drop(&mut self) {
            self.0.touch(self.1, Kind::Xs);
            self.1.drop_claim(Kind::Xs);
        }
    }
    let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _guard = Guard(world, node);
        std::panic::resume_unwind(Box::new(())); // without the message
    }));
    assert!(unwound.is_err());
}

/// A guard dropped while its thread unwinds releases like any other, and wakes who waits. Fails if
/// a claim is not taken off while unwinding.
#[test]
fn released_while_unwinding() {
    explore("released_while_unwinding", || {
        let world = World::new(ENDLESS, &["a/b"]);
        let leaf = world.used("a/b");
        // The other one takes no mutex meanwhile: see `Mutex` in `sync/modelled.rs`.
        run([
            threaded!(world, leaf => if leaf.claim_fast(Kind::Xs) { release_by_unwinding(&world, &leaf) }),
            threaded!(world, leaf => if leaf.claim_fast(Kind::Xs) {
                world.touch(&leaf, Kind::Xs);
                leaf.drop_claim(Kind::Xs);
            }),
        ]);
        take(&leaf, Kind::Xs);
        let mut waiter = acquire::Acquisition::new(&leaf, Kind::Xs, None);
        assert_eq!(waiter.step(), acquire::Step::Asleep);
        release_by_unwinding(&world, &leaf);
        assert!(waiter.is_woken());
        assert_eq!(waiter.step(), acquire::Step::Granted);
        leaf.drop_claim(Kind::Xs);
        drop(waiter);
        drop(leaf);
        world.assert_as_new();
    });
}
