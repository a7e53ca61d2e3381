//! Timeouts: a deadline that passes at any moment, against whatever else happens then.

use super::*;

/// A deadline passes while the lock is released: granted or not, nothing is left, and the third one
/// gets in. Fails if one that was woken and gives up wakes nobody in its place.
#[test]
fn timeout_against_release() {
    explore_at_most(3, "timeout_against_release", || {
        let world = World::new(ENDLESS, &["a"]);
        let node = world.used("a");
        let deadline = Deadline::new();
        node.try_claim(Kind::Xs).unwrap();
        run([
            threaded!(world, node, deadline => world.lock_until(&node, Kind::Xs, &deadline)),
            threaded!(world, node => world.lock(&node, Kind::Xs)),
            threaded!(world, deadline => deadline.pass()),
            threaded!(world, node => node.drop_claim(Kind::Xs)),
        ]);
        drop(node);
        world.assert_as_new();
    });
}

/// A waiter behind one that gives up while still in the queue is woken, though nothing was
/// released: it was kept waiting by that one alone. Fails if one that gives up in the queue only
/// takes itself off it, or if one that gives up stays in the queue.
#[test]
fn behind_one_that_gives_up() {
    explore_at_most(2, "behind_one_that_gives_up", || {
        let world = World::new(ENDLESS, &["a"]);
        let node = world.used("a");
        let deadline = Deadline::new();
        // A writer has it, one more queues, and a reader behind that. Then the first is a reader,
        // and the reader in the queue waits for the second alone.
        node.try_claim(Kind::Xs).unwrap();
        run([
            threaded!(world, node, deadline => assert!(!world.lock_until(&node, Kind::Xs, &deadline))),
            threaded!(world, node => world.lock(&node, Kind::Ss)),
            threaded!(world, node, deadline => { node.downgrade_claim(Kind::Xs); deadline.pass() }),
        ]);
        node.drop_claim(Kind::Ss);
        drop(node);
        world.assert_as_new();
    });
}

/// One that drains and gives up withdraws its claim: those it kept out below get in. Fails if a
/// drain that gives up keeps its claim.
#[test]
fn a_drain_gives_up() {
    explore_at_most(3, "a_drain_gives_up", || {
        let world = World::new(ENDLESS, &["a/1", "a/2"]);
        let (inner, one, two) = (world.used("a"), world.used("a/1"), world.used("a/2"));
        let deadline = Deadline::new();
        one.try_claim(Kind::Xs).unwrap();
        run([
            threaded!(world, inner, deadline => assert!(!world.lock_until(&inner, Kind::Xs, &deadline))),
            threaded!(world, two => world.lock(&two, Kind::Xs)),
            threaded!(world, deadline => deadline.pass()),
        ]);
        one.drop_claim(Kind::Xs);
        drop((inner, one, two));
        world.assert_as_new();
    });
}

/// An acquisition that is dropped, as when its thread unwinds, leaves nothing, wherever it was:
/// those it kept out get in. Fails if dropping an acquisition does not undo it.
#[test]
fn dropped_while_draining() {
    explore("dropped_while_draining", || {
        let world = World::new(NONE, &["a/1", "a/2"]);
        let (inner, one, two) = (world.used("a"), world.used("a/1"), world.used("a/2"));
        one.try_claim(Kind::Xs).unwrap();
        run([
            threaded!(world, inner => {
                let mut acquisition = acquire::Acquisition::new(&inner, Kind::Xs, None);
                assert_eq!(acquisition.step(), acquire::Step::Asleep);
                drop(acquisition);
            }),
            threaded!(world, two => world.lock(&two, Kind::Xs)),
        ]);
        one.drop_claim(Kind::Xs);
        drop((inner, one, two));
        world.assert_as_new();
    });
}
