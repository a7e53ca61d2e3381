//! Gates: without patience, so that whoever has waited once closes them.

use super::*;

/// A leaf and its parent, locked over and over: gates close and open, and nobody sleeps for ever
/// behind one. Fails if opening a gate wakes nobody, if an opened gate leaves its bit, or if one
/// that is granted leaves its gates closed.
#[test]
fn gates_open_again() {
    explore_at_most(3, "gates_open_again", || {
        let world = World::new(NONE, &["a/b"]);
        let (inner, leaf) = (world.used("a"), world.used("a/b"));
        run([
            threaded!(world, inner => { world.lock(&inner, Kind::Xs); world.lock(&inner, Kind::Xs) }),
            threaded!(world, leaf => world.lock(&leaf, Kind::Xs)),
            threaded!(world, inner => world.lock(&inner, Kind::Ss)),
        ]);
        drop((inner, leaf));
        world.assert_as_new();
    });
}

/// Three on one node who all close gates against each other: the oldest passes. Fails if a gate
/// binds those who are older than the one who closed it, or if a gate binds the one who closed it.
#[test]
fn the_oldest_passes_all_gates() {
    explore_at_most(3, "the_oldest_passes_all_gates", || {
        let world = World::new(NONE, &["a"]);
        let node = world.used("a");
        run([Kind::Xs, Kind::Ss, Kind::Xs].map(|kind| threaded!(world, node => world.lock(&node, kind))));
        drop(node);
        world.assert_as_new();
    });
}

/// One that closed a gate and gives up opens it. Fails if one that gives up leaves its gates
/// closed.
#[test]
fn a_gate_is_opened_by_giving_up() {
    explore_at_most(2, "a_gate_is_opened_by_giving_up", || {
        let world = World::new(NONE, &["a"]);
        let node = world.used("a");
        let deadline = Deadline::new();
        node.try_claim(Kind::Ss).unwrap();
        run([
            threaded!(world, node, deadline => assert!(!world.lock_until(&node, Kind::Xs, &deadline))),
            threaded!(world, node => world.lock(&node, Kind::Ss)),
            threaded!(world, deadline => deadline.pass()),
        ]);
        node.drop_claim(Kind::Ss);
        drop(node);
        world.assert_as_new();
    });
}

/// A waiter that is overtaken in its sleep has its gates closed by whoever goes through the queue,
/// and opens them in the end. Fails if a gate that is closed for a sleeper is not noted with it, or
/// if an opened gate stays on the node's list.
#[test]
fn an_overtaken_sleeper_closes_gates() {
    explore_at_most(2, "an_overtaken_sleeper_closes_gates", || {
        let world = World::new(UNTIL_THE_NEXT, &["a"]);
        let node = world.used("a");
        node.try_claim(Kind::Ss).unwrap();
        run([
            threaded!(world, node => world.lock(&node, Kind::Xs)),
            threaded!(world, node => {
                // One that comes and goes: it looks through the queue when it leaves.
                let mut passing = acquire::Acquisition::new(&node, Kind::Xn, None);
                assert_eq!(passing.step(), acquire::Step::Asleep);
                drop(passing);
                node.drop_claim(Kind::Ss);
            }),
        ]);
        drop(node);
        world.assert_as_new();
    });
}

/// The same if it gives up. Fails if one that gives up leaves its gates closed.
#[test]
fn an_overtaken_sleeper_gives_up() {
    explore_at_most(2, "an_overtaken_sleeper_gives_up", || {
        let world = World::new(UNTIL_THE_NEXT, &["a"]);
        let node = world.used("a");
        let deadline = Deadline::new();
        node.try_claim(Kind::Ss).unwrap();
        run([
            threaded!(world, node, deadline => assert!(!world.lock_until(&node, Kind::Xs, &deadline))),
            threaded!(world, node, deadline => {
                let mut passing = acquire::Acquisition::new(&node, Kind::Xn, None);
                assert_eq!(passing.step(), acquire::Step::Asleep);
                drop(passing);
                deadline.pass();
            }),
        ]);
        node.drop_claim(Kind::Ss);
        drop(node);
        world.assert_as_new();
    });
}
