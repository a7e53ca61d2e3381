//! Conflicting locks exclude each other; others do not even wait.

use super::*;

/// Siblings never meet: tries on two of them both succeed, from the first use on. Fails if a look up takes any word of an ancestor for a
/// conflict (`claim.rs`: `in_the_way` of `claim_fast` with `KIDS` added).
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

/// An inner node and a leaf below it, both locked twice, exclude each other, whoever comes first. Fails if the claim fence is left out, or if `look_up` or
/// the walk is.
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

/// Root, inner node and leaf, all exclusive: three on one chain. Fails if a look up stops at the parent.
#[test]
fn three_on_one_chain() {
    explore_at_most(3, "three_on_one_chain", || {
        let world = World::new(ENDLESS, &["a/b"]);
        let nodes = [world.used("/"), world.used("a"), world.used("a/b")];
        run(nodes.map(|node| threaded!(world, node => world.lock(&node, Kind::Xs))));
        world.assert_as_new();
    });
}

/// A shared lock on an inner node excludes an exclusive one below, and not a shared one. Fails if `Kind::conflicts_with` forgets that exclusive below shared
/// conflicts.
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

/// Readers and a writer on one node. Fails if a shared claim does not look at the exclusive bit, or an exclusive one not at the counts.
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

/// Node-only locks let those below alone and exclude those above. Fails if the scope is forgotten in `conflicts_with`, either way.
#[test]
fn node_only_between_root_and_leaf() {
    explore("node_only_between_root_and_leaf", || {
        let world = World::new(ENDLESS, &["a", "a/b"]);
        let (root, inner, leaf) = (world.used("/"), world.used("a"), world.used("a/b"));
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

/// Downgrading lets nobody exclusive in between, and lets the waiting reader in. Fails if it is a release and a new claim, or wakes nobody.
#[test]
fn downgrading_never_lets_go() {
    explore("downgrading_never_lets_go", || {
        let world = World::new(ENDLESS, &["a"]);
        let node = world.used("a");
        run([
            threaded!(world, node => {
                acquire::block_on(&node, Kind::Xs, None).unwrap();
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

/// A guard dropped while its thread unwinds releases like any other. Fails if `release` is skipped while panicking.
#[test]
fn released_while_unwinding() {
    explore("released_while_unwinding", || {
        let world = World::new(ENDLESS, &["a/b"]);
        let (inner, leaf) = (world.used("a"), world.used("a/b"));
        run([
            threaded!(world, leaf => {
                let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    struct Guard<'a>(&'a World, &'a PlainArc<Node>);
                    impl Drop for Guard<'_> {
                        fn drop(&mut self) {
                            self.0.touch(self.1, Kind::Xs);
                            self.1.drop_claim(Kind::Xs);
                        }
                    }
                    acquire::block_on(&leaf, Kind::Xs, None).unwrap();
                    let _guard = Guard(&world, &leaf);
                    std::panic::resume_unwind(Box::new(())); // without the message
                }));
                assert!(unwound.is_err());
            }),
            threaded!(world, inner => world.lock(&inner, Kind::Xs)),
        ]);
        drop((inner, leaf));
        world.assert_as_new();
    });
}
