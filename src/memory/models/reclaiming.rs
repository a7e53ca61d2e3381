//! Sweeps against look-ups: nobody ever has a node that the index has not.

use super::*;

/// Two look up the same path and lock it, while a third sweeps: they exclude each other. Fails if a
/// sweep removes a node without looking at its references.
#[test]
fn sweep_against_resolve() {
    explore_at_one_less("sweep_against_resolve", || {
        let world = World::new(ENDLESS, &["a"]);
        drop(world.used("a"));
        run([
            threaded!(world, => { let node = world.node("a"); world.lock(&node, Kind::Xs) }),
            threaded!(world, => { let node = world.node("a"); world.lock(&node, Kind::Xs) }),
            threaded!(world, => world.tree.sweep()),
        ]);
        world.assert_as_new();
    });
}

/// A handle's node survives a sweep, and its lock is found by a lock on the root. Fails if a sweep
/// un-enrols without looking whether the node is idle.
#[test]
fn sweep_against_holder() {
    explore("sweep_against_holder", || {
        let world = World::new(ENDLESS, &["a/b"]);
        let (root, leaf) = (world.node("/"), world.used("a/b"));
        run([
            threaded!(world, leaf => { world.lock(&leaf, Kind::Xs); drop(leaf) }),
            threaded!(world, root => world.lock(&root, Kind::Xs)),
            threaded!(world, => world.tree.sweep()),
        ]);
        drop((root, leaf));
        world.assert_as_new();
    });
}
