//! Readers that sit, and requests that gather them.

use super::*;
use crate::memory::{grant, upgrade};

/// Claims as the store does, by a seat if the node is spread: what the grant has in place of a
/// token.
fn claim(node: &PlainArc<Node>, kind: Kind) -> u64 {
    node.claim_in_crowd(kind).unwrap_or_else(|| {
        take(node, kind);
        0
    })
}

/// Ends a claim that was made like that.
fn end(node: &PlainArc<Node>, kind: Kind, at: u64) {
    if at == 0 { node.drop_claim(kind) } else { grant::release(node, at, kind).unwrap() }
}

/// The same of one that sits.
fn sit(node: &PlainArc<Node>, kind: Kind) -> u64 {
    let at = claim(node, kind);
    assert_ne!(at, 0, "there is a seat");
    at
}

/// A reader: locks, uses, unlocks.
fn read(world: &World, node: &PlainArc<Node>, kind: Kind) {
    let at = claim(node, kind);
    world.touch(node, kind);
    end(node, kind, at);
}

/// Lets readers of this kind sit.
fn spread(node: &PlainArc<Node>, kind: Kind) {
    take(node, kind);
    node.spread(kind);
    node.drop_claim(kind);
}

/// A spread node where nobody sits.
fn spread_node(world: &World, path: &str, kind: Kind) -> PlainArc<Node> {
    let node = world.used(path);
    spread(&node, kind);
    assert_ne!(node.word.load(Ordering::SeqCst) & kind.spread(), 0, "it is spread");
    node
}

/// A reader and a writer of a spread node. Fails if the reader does not look once more after it has
/// taken its seat, if a gathering closes no gates, or if a reader that may not stay claims anew
/// though its claim has been counted.
#[test]
fn a_reader_that_sits_against_a_writer() {
    explore("a_reader_that_sits_against_a_writer", || {
        let world = World::new(ENDLESS, &["a"]);
        let node = spread_node(&world, "a", Kind::Ss);
        run([
            threaded!(world, node => read(&world, &node, Kind::Ss)),
            threaded!(world, node => world.lock(&node, Kind::Xs)),
        ]);
        drop(node);
        world.assert_as_new();
    });
}

/// A reader lets others sit, and leaves, when a writer is about to sleep because of its claim.
/// Fails if a waiter goes to sleep without a gathering.
#[test]
fn spread_before_a_writer_sleeps() {
    explore("spread_before_a_writer_sleeps", || {
        let world = World::new(ENDLESS, &["a"]);
        let node = world.used("a");
        run([threaded!(world, node => spread(&node, Kind::Ss)), threaded!(world, node => world.lock(&node, Kind::Xs))]);
        drop(node);
        world.assert_as_new();
    });
}

/// The same as the first, with two readers, one of whom sits from the start. Fails if a reader
/// whose seat was emptied leaves its claim.
#[test]
fn two_readers_that_sit_against_a_writer() {
    explore_at_one_less("two_readers_that_sit_against_a_writer", || {
        let world = World::new(ENDLESS, &["a"]);
        let node = spread_node(&world, "a", Kind::Sn);
        let seat = sit(&node, Kind::Sn);
        run([
            threaded!(world, node => {
                world.touch(&node, Kind::Sn);
                end(&node, Kind::Sn, seat);
            }),
            threaded!(world, node => read(&world, &node, Kind::Sn)),
            threaded!(world, node => world.lock(&node, Kind::Xn)),
        ]);
        drop(node);
        world.assert_as_new();
    });
}

/// A node that was gathered is spread anew, while a reader from before still sits there, or thinks
/// so. Fails if a reader that leaves also takes its claim off the count.
#[test]
fn a_seat_is_given_to_another() {
    explore("a_seat_is_given_to_another", || {
        let world = World::new(ENDLESS, &["a"]);
        let node = spread_node(&world, "a", Kind::Ss);
        let seat = sit(&node, Kind::Ss);
        run([
            threaded!(world, node => {
                world.touch(&node, Kind::Ss);
                end(&node, Kind::Ss, seat);
            }),
            threaded!(world, node => {
                node.gather();
                spread(&node, Kind::Ss);
                read(&world, &node, Kind::Ss);
            }),
            threaded!(world, node => if world.try_lock(&node, Kind::Xs).is_ok() { node.drop_claim(Kind::Xs) }),
        ]);
        drop(node);
        world.assert_as_new();
    });
}

/// A node that was spread for one kind is spread for the other. Fails if a gathering moves claims
/// of kinds for which the node is not spread: a reader would hold what nobody granted.
#[test]
fn spread_for_another_kind() {
    explore("spread_for_another_kind", || {
        let world = World::new(ENDLESS, &["a", "a/b"]);
        let (node, below) = (spread_node(&world, "a", Kind::Ss), world.looked_at("a/b"));
        run([
            threaded!(world, node => read(&world, &node, Kind::Ss)),
            threaded!(world, node, below => {
                node.gather();
                if world.try_lock(&below, Kind::Xs).is_ok() {
                    spread(&node, Kind::Sn);
                    node.gather();
                    world.touch(&below, Kind::Xs);
                    below.drop_claim(Kind::Xs);
                }
            }),
        ]);
        drop((node, below));
        world.assert_as_new();
    });
}

/// Who reads a subtree by a seat excludes an exclusive lock below. Fails if a claim below takes
/// no notice of readers that sit above, or if a node below readers that sit gets `CLEAR`.
#[test]
fn a_reader_that_sits_against_a_lock_below() {
    explore("a_reader_that_sits_against_a_lock_below", || {
        let world = World::new(ENDLESS, &["a/b"]);
        let (node, below) = (spread_node(&world, "a", Kind::Ss), world.looked_at("a/b"));
        run([
            threaded!(world, node => read(&world, &node, Kind::Ss)),
            threaded!(world, below => { world.lock(&below, Kind::Ss); world.lock(&below, Kind::Xs) }),
        ]);
        drop((node, below));
        world.assert_as_new();
    });
}

/// Who reads a node by a seat excludes an exclusive lock above. Fails if a walk passes spread
/// nodes.
#[test]
fn a_reader_that_sits_against_a_lock_above() {
    explore("a_reader_that_sits_against_a_lock_above", || {
        let world = World::new(ENDLESS, &["a/b"]);
        let (node, above) = (spread_node(&world, "a/b", Kind::Sn), world.used("a"));
        run([
            threaded!(world, node => read(&world, &node, Kind::Sn)),
            threaded!(world, above => world.lock(&above, Kind::Xs)),
        ]);
        drop((node, above));
        world.assert_as_new();
    });
}

/// Nobody sits, so nobody is refused, also while another gathers. Fails if a look up is refused for
/// seats that are empty.
#[test]
fn an_empty_table_refuses_nobody() {
    explore("an_empty_table_refuses_nobody", || {
        let world = World::new(ENDLESS, &["a/1"]);
        let node = spread_node(&world, "a", Kind::Ss);
        let kids = [world.looked_at("a/1"), world.looked_at("a/2")];
        let [one, two] = kids;
        run([
            threaded!(world, one => {
                world.try_lock(&one, Kind::Xs).expect("nobody is in the way");
                one.drop_claim(Kind::Xs);
            }),
            threaded!(world, two => two.would_claim(Kind::Xs).expect("nobody is in the way")),
        ]);
        drop((node, one, two));
        world.assert_as_new();
    });
}

/// A reader that sat comes again while another gathers. Fails if a claim is counted after its seat
/// was emptied: the count is below zero for a moment, which looks like a full one.
#[test]
fn a_reader_comes_again_during_a_gathering() {
    explore("a_reader_comes_again_during_a_gathering", || {
        let world = World::new(ENDLESS, &["a"]);
        let node = spread_node(&world, "a", Kind::Sn);
        let seat = sit(&node, Kind::Sn);
        run([
            threaded!(world, node => {
                end(&node, Kind::Sn, seat);
                world.try_lock(&node, Kind::Sn).expect("only readers are here");
                node.drop_claim(Kind::Sn);
            }),
            threaded!(world, node => node.gather()),
        ]);
        drop(node);
        world.assert_as_new();
    });
}

/// A reader is not refused because somebody gathers. Fails if the gates of a gathering
/// are taken for a waiter's.
#[test]
fn who_gathers_refuses_no_reader() {
    explore("who_gathers_refuses_no_reader", || {
        let world = World::new(ENDLESS, &["a"]);
        let node = spread_node(&world, "a", Kind::Ss);
        run([
            threaded!(world, node => node.gather()),
            threaded!(world, node => {
                node.would_claim(Kind::Ss).expect("only readers are here");
                world.try_lock(&node, Kind::Ss).expect("only readers are here");
                node.drop_claim(Kind::Ss);
            }),
        ]);
        drop(node);
        world.assert_as_new();
    });
}

/// A reader that sat has left, while another gathers. Fails if a glance believes the counts of a
/// spread node.
#[test]
fn who_has_left_refuses_no_try() {
    explore("who_has_left_refuses_no_try", || {
        let world = World::new(ENDLESS, &["a/b"]);
        let (node, below) = (spread_node(&world, "a", Kind::Ss), world.looked_at("a/b"));
        let seat = sit(&node, Kind::Ss);
        run([
            threaded!(world, node, below => {
                end(&node, Kind::Ss, seat);
                assert!(below.glance(Kind::Xn).is_ok(), "nobody is in the way");
            }),
            threaded!(world, node => node.gather()),
        ]);
        drop((node, below));
        world.assert_as_new();
    });
}

/// The same, and the reader that is left makes its lock exclusive. Fails if one that tries to
/// upgrade believes the counts of a spread node.
#[test]
fn who_has_left_refuses_no_upgrade() {
    explore("who_has_left_refuses_no_upgrade", || {
        let world = World::new(ENDLESS, &["a"]);
        let node = spread_node(&world, "a", Kind::Sn);
        let seat = sit(&node, Kind::Sn);
        take(&node, Kind::Sn);
        run([
            threaded!(world, node => {
                end(&node, Kind::Sn, seat);
                upgrade::try_upgrade(&node, Kind::Sn, None).expect("no other reader is left");
                world.touch(&node, Kind::Xn);
                node.drop_claim(Kind::Xn);
            }),
            threaded!(world, node => node.gather()),
        ]);
        drop(node);
        world.assert_as_new();
    });
}

/// One of two readers that sit makes its lock exclusive. Fails if an upgrade begins
/// without a gathering, or if one that only tries does not mind the bit.
#[test]
fn an_upgrade_against_a_reader_that_sits() {
    for waits in [true, false] {
        explore("an_upgrade_against_a_reader_that_sits", move || {
            let world = World::new(ENDLESS, &["a"]);
            let node = spread_node(&world, "a", Kind::Ss);
            let seat = sit(&node, Kind::Ss);
            run([
                threaded!(world, node => {
                    node.gather(); // as a grant that stands up
                    let upgraded = if waits {
                        upgrade::upgrade(&node, Kind::Ss, None, None, None, |_| {})
                    } else {
                        upgrade::try_upgrade(&node, Kind::Ss, None)
                    };
                    if upgraded.is_ok() {
                        world.touch(&node, Kind::Xs);
                        node.drop_claim(Kind::Xs);
                    } else {
                        assert!(!waits, "nothing else is in the way");
                        end(&node, Kind::Ss, seat);
                    }
                }),
                threaded!(world, node => { spread(&node, Kind::Ss); read(&world, &node, Kind::Ss) }),
            ]);
            drop(node);
            world.assert_as_new();
        });
    }
}

/// A spread node is swept while a reader looks it up. Fails if a sweep takes the bit off without a
/// gathering.
#[test]
fn a_sweep_against_a_reader_that_sits() {
    explore("a_sweep_against_a_reader_that_sits", || {
        let world = World::new(ENDLESS, &["a"]);
        drop(spread_node(&world, "a", Kind::Ss));
        run([
            threaded!(world, => read(&world, &world.node("a"), Kind::Ss)),
            threaded!(world, => {
                world.tree.sweep();
                world.lock(&world.node("a"), Kind::Xs);
            }),
        ]);
        world.assert_as_new();
    });
}
