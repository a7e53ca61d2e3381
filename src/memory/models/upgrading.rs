//! Shared locks that become exclusive.

use super::*;
use crate::memory::upgrade::{Failed, try_upgrade, upgrade};

/// Makes the shared lock exclusive, waits for that, uses and releases it.
fn upgrade_and_use(world: &World, node: &PlainArc<Node>, shared: Kind) {
    upgrade(node, shared, None, None, None, |_| {}).unwrap();
    world.touch(node, shared.upgraded());
    node.drop_claim(shared.upgraded());
}

/// The lock on `a` is shared by somebody who makes it exclusive, while another shares `other`.
fn upgrade_against_a_reader(name: &'static str, other: &'static str, prepare: fn(&World)) {
    explore(name, move || {
        let world = World::new(ENDLESS, &["a"]);
        prepare(&world);
        let (held, asked) = (world.used("a"), world.node(other));
        take(&held, Kind::Ss);
        run([
            threaded!(world, held => upgrade_and_use(&world, &held, Kind::Ss)),
            threaded!(world, asked => {
                take(&asked, Kind::Ss);
                // It reads all that is in the way of the exclusive lock.
                world.cells[0].1.with(|_| ());
                asked.drop_claim(Kind::Ss);
            }),
        ]);
        drop((held, asked));
        world.assert_as_new();
    });
}

/// A reader of the same node comes at any time. Fails if an upgrade does not wait for readers of
/// its node.
#[test]
fn upgrade_against_a_reader_here() {
    upgrade_against_a_reader("upgrade_against_a_reader_here", "a", |_| {});
}

/// Two readers of the same node come at any time, one perhaps when the other leaves. Fails if an
/// upgrade sets no bit while it waits.
#[test]
fn upgrade_against_two_readers() {
    explore("upgrade_against_two_readers", || {
        let world = World::new(ENDLESS, &["a"]);
        let node = world.used("a");
        take(&node, Kind::Ss);
        run([
            threaded!(world, node => upgrade_and_use(&world, &node, Kind::Ss)),
            threaded!(world, node => world.lock(&node, Kind::Ss)),
            threaded!(world, node => world.lock(&node, Kind::Ss)),
        ]);
        drop(node);
        world.assert_as_new();
    });
}

/// A reader below comes at any time. Fails if an upgrade does not look down.
#[test]
fn upgrade_against_a_reader_below() {
    upgrade_against_a_reader("upgrade_against_a_reader_below", "a/b", |world| {
        world.used("a/b");
    });
}

/// A reader above comes at any time. Fails if an upgrade does not look up.
#[test]
fn upgrade_against_a_reader_above() {
    upgrade_against_a_reader("upgrade_against_a_reader_above", "/", |_| {});
}

/// Two share one node and both want to be exclusive: one of them is told, lets go, and then the
/// other one gets through. Fails if upgrades are not registered.
#[test]
fn two_upgrades() {
    explore("two_upgrades", || {
        let world = World::new(ENDLESS, &["a"]);
        let node = world.used("a");
        let through = PlainArc::new(AtomicUsize::new(0));
        run([(), ()].map(|()| {
            take(&node, Kind::Ss);
            threaded!(world, node, through => match upgrade(&node, Kind::Ss, None, None, None, |_| {}) {
                Ok(_) => {
                    through.fetch_add(1, Plain::Relaxed);
                    world.touch(&node, Kind::Xs);
                    node.drop_claim(Kind::Xs);
                }
                Err(Failed::Upgrading(..)) => node.drop_claim(Kind::Ss),
                Err(failed) => unreachable!("{failed:?}"),
            })
        }));
        assert_ne!(through.load(Plain::Relaxed), 0);
        drop(node);
        world.assert_as_new();
    });
}

/// A writer waits for what is above, with its claim, and the upgrade passes it. Fails if an upgrade
/// waits for exclusive claims above.
#[test]
fn upgrade_passes_a_writer() {
    explore("upgrade_passes_a_writer", || {
        let world = World::new(ENDLESS, &["a"]);
        let (root, held) = (world.used("/"), world.used("a"));
        take(&held, Kind::Ss);
        run([
            threaded!(world, root => world.lock(&root, Kind::Xs)),
            threaded!(world, held => upgrade_and_use(&world, &held, Kind::Ss)),
        ]);
        drop((root, held));
        world.assert_as_new();
    });
}

/// A reader drains above, for another lock of the one who upgrades. Fails if a shared waiter drains
/// while an upgrade is pending, or if an upgrade leaves shared waiters asleep with their claim.
#[test]
fn upgrade_passes_a_reader_that_drains() {
    explore("upgrade_passes_a_reader_that_drains", || {
        let world = World::new(ENDLESS, &["a"]);
        let (root, held, other) = (world.used("/"), world.used("a"), world.used("b"));
        take(&held, Kind::Sn);
        take(&other, Kind::Xs);
        run([
            threaded!(world, root => world.lock(&root, Kind::Ss)),
            threaded!(world, held, other => {
                upgrade_and_use(&world, &held, Kind::Sn);
                other.drop_claim(Kind::Xs);
            }),
        ]);
        drop((root, held, other));
        world.assert_as_new();
    });
}

/// It gives up, and the reader that waited behind it gets in while its own lock is shared. Fails if
/// an upgrade that gives up keeps its bit, or if an upgrade that ends wakes nobody.
#[test]
fn upgrade_gives_up() {
    explore("upgrade_gives_up", || {
        let world = World::new(ENDLESS, &["a"]);
        let node = world.used("a");
        let deadline = Deadline::new();
        take(&node, Kind::Ss);
        take(&node, Kind::Ss);
        run([
            threaded!(world, node, deadline => {
                let result = upgrade(&node, Kind::Ss, None, None, Some(&deadline), |_| {});
                assert!(matches!(result, Err(Failed::InTheWay(_))));
            }),
            threaded!(world, node => world.lock(&node, Kind::Ss)),
            threaded!(world, deadline => deadline.pass()),
        ]);
        node.drop_claim(Kind::Ss);
        node.drop_claim(Kind::Ss);
        drop(node);
        world.assert_as_new();
    });
}

/// A try to upgrade and a try to share a node below: one of the two succeeds, and never both. Fails
/// if a try to upgrade looks at nothing.
#[test]
fn try_upgrade_against_a_try_below() {
    explore("try_upgrade_against_a_try_below", || {
        let world = World::new(ENDLESS, &["a/b"]);
        let (held, below) = (world.used("a"), world.looked_at("a/b"));
        take(&held, Kind::Ss);
        let outcomes = PlainArc::new(AtomicUsize::new(0));
        run([
            threaded!(world, held, outcomes => if try_upgrade(&held, Kind::Ss, None).is_ok() {
                outcomes.fetch_add(1, Plain::Relaxed);
            }),
            threaded!(world, below, outcomes => if world.try_lock(&below, Kind::Ss).is_ok() {
                outcomes.fetch_add(2, Plain::Relaxed);
            }),
        ]);
        match outcomes.load(Plain::Relaxed) {
            1 => held.drop_claim(Kind::Xs),
            2 => {
                held.drop_claim(Kind::Ss);
                below.drop_claim(Kind::Ss);
            }
            other => panic!("one of the two succeeds: {other}"),
        }
        drop((held, below));
        world.assert_as_new();
    });
}

/// The same against a lock that waits if need be, and another try: the node below may be taken off
/// its list and enrolled anew. Fails if an upgrade is granted though it was struck out.
#[test]
fn try_upgrade_against_locks_below() {
    explore("try_upgrade_against_locks_below", || {
        let world = World::new(ENDLESS, &["a/b"]);
        let (held, below) = (world.used("a"), world.looked_at("a/b"));
        take(&held, Kind::Ss);
        run([
            threaded!(world, held => {
                let upgraded = try_upgrade(&held, Kind::Ss, None).is_ok();
                let kind = if upgraded { Kind::Xs } else { Kind::Ss };
                world.touch(&held, kind);
                held.drop_claim(kind);
            }),
            threaded!(world, below => world.lock(&below, Kind::Ss)),
            threaded!(world, below => if world.try_lock(&below, Kind::Sn).is_ok() { below.drop_claim(Kind::Sn) }),
        ]);
        drop((held, below));
        world.assert_as_new();
    });
}

/// A lock above is narrowed to a node with a pending upgrade, which goes on when the rest of that
/// lock has gone. Fails if a narrowing lock waits for pending upgrades.
#[test]
fn narrow_past_an_upgrade() {
    explore("narrow_past_an_upgrade", || {
        let world = World::new(ENDLESS, &["a"]);
        let (root, held) = (world.used("/"), world.used("a"));
        take(&held, Kind::Ss);
        take(&root, Kind::Ss);
        run([
            threaded!(world, root, held => {
                crate::memory::narrow::narrow(&root, &crate::memory::MemoryGrant::new(Kind::Ss), 1, &[&held]).unwrap();
                world.touch(&held, Kind::Ss);
                held.drop_claim(Kind::Ss);
            }),
            threaded!(world, held => upgrade_and_use(&world, &held, Kind::Ss)),
        ]);
        drop((root, held));
        world.assert_as_new();
    });
}
