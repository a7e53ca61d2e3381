//! Waits that end with a verdict, where deadlocks are looked for. Whoever sleeps is told: models
//! need no circle for that.

use std::panic::Location;

use super::super::acquire::{Acquisition, Refused, block};
use super::super::upgrade::{Failed, upgrade};
use super::*;
use crate::deadlock::{Asks, Deadlock, Looks};

fn asks() -> Option<Asks> {
    Some(Asks::task(Location::caller()))
}

/// Waits for the node. Whether it got it; otherwise it was told.
fn waits(node: &PlainArc<Node>, kind: Kind) -> bool {
    match block(Acquisition::new(node, kind, None).asked_by(asks()), None, |_| {}) {
        Ok(()) => true,
        Err(Refused::Deadlock(_)) => false,
        Err(Refused::Blocked(_)) => unreachable!("it has no deadline"),
    }
}

/// One look, and a verdict for each who sleeps. Whether there was one.
fn tell_all(world: &World) -> bool {
    let root = &world.tree.root;
    let scene = Looks::look(root).unwrap();
    scene.waits.iter().for_each(|wait| root.condemn(&wait.key, Deadlock::new(Vec::new())));
    !scene.waits.is_empty()
}

/// A waiter is told while nobody lets go of what it waits for. Fails if a verdict wakes nobody.
#[test]
fn verdict_ends_a_wait() {
    explore_at_most(3, "verdict_ends_a_wait", || {
        let world = World::that_detects(ENDLESS, &["a"]);
        let node = world.used("a");
        node.try_claim(Kind::Xs).unwrap();
        run([
            threaded!(world, node => assert!(!waits(&node, Kind::Xs))),
            threaded!(world, => while !tell_all(&world) {
                thread::yield_now();
            }),
        ]);
        node.drop_claim(Kind::Xs);
        drop(node);
        world.assert_as_new();
    });
}

/// A waiter is told while it is granted the lock, and another waits behind it. Fails if one that is
/// told leaves the queue without waking the next.
#[test]
fn verdict_against_a_release() {
    explore("verdict_against_a_release", || {
        let world = World::that_detects(ENDLESS, &["a"]);
        let node = world.used("a");
        node.try_claim(Kind::Xs).unwrap();
        let wait = || {
            threaded!(world, node => if waits(&node, Kind::Xs) {
                world.touch(&node, Kind::Xs);
                node.drop_claim(Kind::Xs);
            })
        };
        run([
            wait(),
            wait(),
            threaded!(world, node => {
                let scene = Looks::look(&world.tree.root).unwrap();
                if let Some(first) = scene.waits.first() {
                    world.tree.root.condemn(&first.key, Deadlock::new(Vec::new()));
                }
                node.drop_claim(Kind::Xs);
            }),
        ]);
        drop(node);
        world.assert_as_new();
    });
}

/// An upgrade is told while the reader that it waits for leaves. Fails if an upgrade that is told
/// stays in the queue.
#[test]
fn verdict_on_an_upgrade() {
    explore_at_most(3, "verdict_on_an_upgrade", || {
        let world = World::that_detects(ENDLESS, &["a"]);
        let node = world.used("a");
        node.try_claim(Kind::Ss).unwrap();
        node.try_claim(Kind::Ss).unwrap();
        run([
            threaded!(world, node => {
                let kind = match upgrade(&node, Kind::Ss, None, asks(), None, |_| {}) {
                    Ok(_) => Kind::Xs,
                    Err(Failed::Deadlock(_)) => Kind::Ss,
                    Err(failed) => unreachable!("{failed:?}"),
                };
                world.touch(&node, kind);
                node.drop_claim(kind);
            }),
            threaded!(world, node => {
                tell_all(&world);
                world.touch(&node, Kind::Ss);
                node.drop_claim(Kind::Ss);
            }),
        ]);
        drop(node);
        world.assert_as_new();
    });
}
