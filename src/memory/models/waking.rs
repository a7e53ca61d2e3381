//! No wake-up is lost: a model in which somebody sleeps for ever is a deadlock, and loom says so.

use super::*;

/// Three lock one node in turn. Fails if a release does not wake, if a sleeper does not look again
/// after setting PARKED, if PARKED is set before the queue is locked and looked at again, if PARKED
/// stays when the queue is empty, or if PARKED goes while somebody is in the queue.
#[test]
fn three_on_one_node() {
    explore("three_on_one_node", || {
        let world = World::new(ENDLESS, &["a"]);
        let node = world.used("a");
        run([(), (), ()].map(|()| threaded!(world, node => world.lock(&node, Kind::Xs))));
        drop(node);
        world.assert_as_new();
    });
}

/// Two waiters of different kinds behind one release: one wants the node, the other something below
/// it. Fails if a waiter for something below keeps those behind it asleep, or if one that has to
/// withdraw keeps its claim while it sleeps.
#[test]
fn one_wants_the_node_one_below() {
    explore_at_most(3, "one_wants_the_node_one_below", || {
        let world = World::new(ENDLESS, &["a", "a/b"]);
        let (inner, leaf) = (world.used("a"), world.used("a/b"));
        inner.try_claim(Kind::Xn).unwrap_or_else(|_| unreachable!("nobody is there yet"));
        inner.drop_claim(Kind::Xn);
        run([
            threaded!(world, inner => world.lock(&inner, Kind::Xs)),
            threaded!(world, leaf => world.lock(&leaf, Kind::Xs)),
            threaded!(world, inner => world.lock(&inner, Kind::Xs)),
        ]);
        drop((inner, leaf));
        world.assert_as_new();
    });
}

/// Two siblings wait for one ancestor: its release wakes both. Fails if a release wakes one waiter
/// only.
#[test]
fn two_siblings_behind_the_root() {
    explore_at_most(3, "two_siblings_behind_the_root", || {
        let world = World::new(ENDLESS, &["a", "b"]);
        let (root, one, two) = (world.used("/"), world.used("a"), world.used("b"));
        root.try_claim(Kind::Xs).unwrap();
        run([
            threaded!(world, one => world.lock(&one, Kind::Xs)),
            threaded!(world, two => world.lock(&two, Kind::Xs)),
            threaded!(world, root => root.drop_claim(Kind::Xs)),
        ]);
        drop((root, one, two));
        world.assert_as_new();
    });
}

/// Two wait at the root for one node below it. The release wakes one of them, and the other follows
/// it. Fails if one that runs does not wake the one that follows it.
#[test]
fn two_for_one_node_behind_the_root() {
    explore_at_most(3, "two_for_one_node_behind_the_root", || {
        let world = World::new(ENDLESS, &["a"]);
        let (root, leaf) = (world.used("/"), world.used("a"));
        root.try_claim(Kind::Xs).unwrap();
        run([
            threaded!(world, leaf => world.lock(&leaf, Kind::Xs)),
            threaded!(world, leaf => world.lock(&leaf, Kind::Xs)),
            threaded!(world, root => { root.drop_claim(Kind::Xs); world.lock(&root, Kind::Xs) }),
        ]);
        drop((root, leaf));
        world.assert_as_new();
    });
}

/// Two readers behind a writer get in together. Fails if a shared waiter keeps the shared ones
/// behind it asleep.
#[test]
fn two_readers_behind_a_writer() {
    explore("two_readers_behind_a_writer", || {
        let world = World::new(ENDLESS, &["a"]);
        let node = world.used("a");
        node.try_claim(Kind::Xs).unwrap();
        run([
            threaded!(world, node => { take(&node, Kind::Ss); world.touch(&node, Kind::Ss) }),
            threaded!(world, node => { take(&node, Kind::Ss); world.touch(&node, Kind::Ss) }),
            threaded!(world, node => node.drop_claim(Kind::Xs)),
        ]);
        // Only now: neither waited for the other's release.
        node.drop_claim(Kind::Ss);
        node.drop_claim(Kind::Ss);
        drop(node);
        world.assert_as_new();
    });
}

/// Readers and a writer behind a writer: all get in. Fails if a release does not wake.
#[test]
fn a_reader_and_a_writer_behind_a_writer() {
    explore("a_reader_and_a_writer_behind_a_writer", || {
        let world = World::new(ENDLESS, &["a"]);
        let node = world.used("a");
        node.try_claim(Kind::Xs).unwrap();
        run([
            threaded!(world, node => world.lock(&node, Kind::Ss)),
            threaded!(world, node => world.lock(&node, Kind::Xs)),
            threaded!(world, node => { node.drop_claim(Kind::Xs); world.lock(&node, Kind::Sn) }),
        ]);
        drop(node);
        world.assert_as_new();
    });
}

/// A shared claim that drains is woken as soon as the descendant it waits for is shared, too,
/// though a writer sleeps there that came before it. Fails if a drain waits its turn.
#[test]
fn draining_past_a_waiter() {
    explore_at_most(3, "draining_past_a_waiter", || {
        let world = World::new(ENDLESS, &["a/b"]);
        let (inner, leaf) = (world.used("a"), world.used("a/b"));
        leaf.try_claim(Kind::Xs).unwrap();
        let writer = thread::spawn(threaded!(world, leaf => world.lock(&leaf, Kind::Xs)));
        run([
            threaded!(world, inner => world.lock(&inner, Kind::Ss)),
            threaded!(world, leaf => leaf.downgrade_claim(Kind::Xs)),
        ]);
        // Only now: the claim above did not wait for this, nor for the writer, which does.
        leaf.drop_claim(Kind::Ss);
        writer.join().unwrap();
        drop((inner, leaf));
        world.assert_as_new();
    });
}
