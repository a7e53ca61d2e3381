//! Enrolment against walks: whoever holds something is found.

use super::*;

/// A leaf's first lock, which enrols it and perhaps its parent, against two walks from the root,
/// which un-enrol. Fails if a claim does not expect ENROLLED, if a claim that looks up does not
/// expect ENROLLED, if a child is admitted to a parent that is not enrolled any more, if a node
/// with children is un-enrolled, if a child is pushed without KIDS, or if a child is on the list
/// before KIDS is set.
#[test]
fn first_lock_against_walk() {
    explore("first_lock_against_walk", || {
        let world = World::new(ENDLESS, &["a/b"]);
        let (root, inner, leaf) = (world.node("/"), world.used("a"), world.node("a/b"));
        run([
            threaded!(world, leaf => world.lock(&leaf, Kind::Xs)),
            threaded!(world, root => world.lock(&root, Kind::Xs)),
            threaded!(world, root => world.lock(&root, Kind::Xs)),
        ]);
        drop((root, inner, leaf));
        world.assert_as_new();
    });
}

/// The same of shared locks. Fails if a claim that looks up does not expect ENROLLED.
#[test]
fn first_shared_lock_against_walk() {
    explore("first_shared_lock_against_walk", || {
        let world = World::new(ENDLESS, &["a/b"]);
        let (root, leaf) = (world.node("/"), world.node("a/b"));
        run([
            threaded!(world, leaf => { world.lock(&leaf, Kind::Ss); world.lock(&leaf, Kind::Ss) }),
            threaded!(world, root => { world.lock(&root, Kind::Xs); world.lock(&root, Kind::Xs) }),
        ]);
        drop((root, leaf));
        world.assert_as_new();
    });
}

/// Two threads use one new name for the first time. Fails if a child that somebody else has
/// admitted is pushed again.
#[test]
fn two_first_locks() {
    explore("two_first_locks", || {
        let world = World::new(ENDLESS, &["a/b"]);
        run([(), ()].map(|()| threaded!(world, => { let leaf = world.node("a/b"); world.lock(&leaf, Kind::Xs) })));
        world.assert_as_new();
    });
}

/// A second child is enrolled while a walk un-enrols the first and then their parent. Fails if a
/// removal does not clear KIDS, or if KIDS is cleared while there is a child.
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

/// A walk without a claim, which asks whether the root is locked, un-enrols nobody who holds: a
/// lock on the root finds the leaf afterwards. Fails if a claimed node is un-enrolled.
#[test]
fn asking_against_a_lock() {
    explore("asking_against_a_lock", || {
        let world = World::new(ENDLESS, &["a/b"]);
        let (root, leaf) = (world.node("/"), world.used("a/b"));
        run([
            threaded!(world, leaf => world.lock(&leaf, Kind::Xs)),
            threaded!(world, root => { root.in_the_way_of(Kind::Xs); world.lock(&root, Kind::Xs) }),
        ]);
        drop((root, leaf));
        world.assert_as_new();
    });
}

/// A walk that has waited at an inner node looks below it, too. Fails if a walk stops at what it
/// has waited for.
#[test]
fn walk_enters_what_it_has_waited_for() {
    explore("walk_enters_what_it_has_waited_for", || {
        let world = World::new(ENDLESS, &["a", "a/b"]);
        let (root, inner, leaf) = (world.node("/"), world.used("a"), world.used("a/b"));
        inner.try_claim(Kind::Xn).unwrap();
        leaf.try_claim(Kind::Xs).unwrap();
        run([
            threaded!(world, inner => inner.drop_claim(Kind::Xn)),
            threaded!(world, leaf => { world.touch(&leaf, Kind::Xs); leaf.drop_claim(Kind::Xs) }),
            threaded!(world, root => world.lock(&root, Kind::Xs)),
        ]);
        drop((root, inner, leaf));
        world.assert_as_new();
    });
}

/// A walk that waits at one child of three goes on where it was, while a sweep takes another off
/// the list. Fails if a walk skips the one that a removal has moved.
#[test]
fn walk_goes_on_after_waiting() {
    explore_at_most(3, "walk_goes_on_after_waiting", || {
        let world = World::new(ENDLESS, &["1", "2", "3"]);
        let (root, children) = (world.node("/"), ["1", "2", "3"].map(|path| world.used(path)));
        children.iter().for_each(|child| child.try_claim(Kind::Xs).unwrap());
        let walk = threaded!(world, root => world.lock(&root, Kind::Xs));
        let [first, middle, last] = children;
        let others = threaded!(world, => {
            middle.drop_claim(Kind::Xs);
            drop(middle);
            world.tree.sweep();
            last.drop_claim(Kind::Xs);
            world.touch(&first, Kind::Xs);
            first.drop_claim(Kind::Xs);
        });
        run([walk, others]);
        drop(root);
        world.assert_as_new();
    });
}
