//! Enrolment against walks: whoever holds something is found.

use super::*;

/// A leaf's first lock, which enrols it and its parent, against the root's walks, which un-enrol. Fails if a claim does not expect `ENROLLED`, if
/// `admit` does not check that the parent still is, or if un-enrolling ignores `KIDS`.
#[test]
fn first_lock_against_walk() {
    explore("first_lock_against_walk", || {
        let world = World::new(ENDLESS, &["a/b"]);
        let (root, leaf) = (world.node("/"), world.node("a/b"));
        run([
            threaded!(world, leaf => { world.lock(&leaf, Kind::Xs); world.lock(&leaf, Kind::Xs) }),
            threaded!(world, root => { world.lock(&root, Kind::Xs); world.lock(&root, Kind::Xs) }),
        ]);
        drop((root, leaf));
        world.assert_as_new();
    });
}

/// A second child is enrolled while a walk un-enrols the first and then their parent. Fails if a removal does not clear `KIDS`,
/// or clears it while there is a child.
#[test]
fn two_children_against_walk() {
    explore_at_most(3, "two_children_against_walk", || {
        let world = World::new(ENDLESS, &["a/1", "a/2"]);
        let (root, one, two) = (world.node("/"), world.used("a/1"), world.node("a/2"));
        run([
            threaded!(world, one => world.lock(&one, Kind::Xs)),
            threaded!(world, two => world.lock(&two, Kind::Xs)),
            threaded!(world, root => world.lock(&root, Kind::Xs)),
        ]);
        drop((root, one, two));
        world.assert_as_new();
    });
}

/// A walk that waits at one child of three goes on where it was, while another comes and goes. Fails if it goes on from the front, or skips the
/// one that a removal moved.
#[test]
fn walk_goes_on_after_waiting() {
    explore_at_most(3, "walk_goes_on_after_waiting", || {
        let world = World::new(ENDLESS, &["1", "2", "3"]);
        let nodes = ["1", "2", "3"].map(|path| world.used(path));
        let (root, first, last) = (world.node("/"), nodes[0].clone(), nodes[2].clone());
        run([
            threaded!(world, first => world.lock(&first, Kind::Xs)),
            threaded!(world, last => world.lock(&last, Kind::Xs)),
            threaded!(world, root => world.lock(&root, Kind::Xs)),
        ]);
        drop((root, first, last, nodes));
        world.assert_as_new();
    });
}
