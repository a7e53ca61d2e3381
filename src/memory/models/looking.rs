//! Looks at the tree against what changes it.

use super::*;
use crate::request::Owner;

fn named(node: &PlainArc<Node>, kind: Kind) -> u64 {
    take(node, kind);
    let token = node.shared().next_token();
    node.record(token, kind, None, Some(Owner::from("named")));
    token
}

/// A lock with a record is released, and other locks are taken, during a look at the node: each
/// record that is seen has its claim, and what is held all the time is seen. Fails if a look reads
/// the word before it takes the slow lock, or if a claim ends before its record is taken off.
#[test]
fn a_look_against_a_release() {
    explore("a_look_against_a_release", || {
        let world = World::new(ENDLESS, &["a"]);
        let node = world.used("a");
        take(&node, Kind::Sn);
        let token = named(&node, Kind::Ss);
        run([
            threaded!(world, node => node.drop_recorded(token).unwrap()),
            threaded!(world, node => { let token = named(&node, Kind::Ss); node.drop_recorded(token).unwrap() }),
            threaded!(world, node => {
                let look = node.look();
                for kind in Kind::ALL {
                    let recorded = look.recorded.iter().filter(|(its, _)| *its == kind).count() as u64;
                    assert!(recorded <= look.claims[kind.index()], "{look:?}");
                }
                assert!(look.claims[Kind::Sn.index()] >= 1, "{look:?}");
            }),
        ]);
        node.drop_claim(Kind::Sn);
        drop(node);
        world.assert_as_new();
    });
}

/// A shared lock is held all the time. Another one of that kind is claimed, and drains behind a try
/// below that is about to withdraw. A snapshot always has the first lock. Fails if a claim that
/// drains hides the other locks of its kind. At bound 3 it also fails if such a claim is taken from
/// what was seen of its node before it was made.
#[test]
fn a_look_against_a_drain() {
    explore("a_look_against_a_drain", || {
        let world = World::new(ENDLESS, &["a/b"]);
        let (inner, leaf) = (world.used("a"), world.looked_at("a/b"));
        acquire::block_on(&inner, Kind::Ss, None, None, |_| {}).unwrap();
        leaf.enrol();
        leaf.word.fetch_and(!CLEAR, Ordering::SeqCst);
        run([
            threaded!(world, inner => {
                acquire::block_on(&inner, Kind::Ss, None, None, |_| {}).unwrap();
                inner.drop_claim(Kind::Ss);
            }),
            threaded!(world, => {
                let snapshot = world.tree.snapshot();
                let shared = snapshot.holders().filter(|lock| lock.kind == Kind::Ss.public()).count();
                assert!(shared >= 1, "what is held all the time is missing: {snapshot}");
            }),
            threaded!(world, leaf => assert!(world.try_lock(&leaf, Kind::Xs).is_err())),
        ]);
        inner.drop_claim(Kind::Ss);
        drop((inner, leaf));
        world.assert_as_new();
    });
}

/// A snapshot while somebody waits and gets in, and while the nodes are reclaimed: nobody sleeps
/// for ever, and nothing is left. Fails if a release does not wake.
#[test]
fn a_look_against_a_waiter_and_a_sweep() {
    explore_at_most(2, "a_look_against_a_waiter_and_a_sweep", || {
        let world = World::new(ENDLESS, &["a"]);
        let node = world.used("a");
        take(&node, Kind::Xs);
        let (one, two) = (node.clone(), node);
        let (world_of_one, world_of_two) = (world.clone(), world.clone());
        run([
            Box::new(move || {
                one.drop_claim(Kind::Xs);
                drop(one);
                world_of_one.tree.sweep()
            }) as Box<dyn FnOnce()>,
            Box::new(move || {
                world_of_two.lock(&two, Kind::Xs);
                drop(two)
            }),
            threaded!(world, => {
                let snapshot = world.tree.snapshot();
                assert!(snapshot.holders().len() + snapshot.waiters().len() <= 2, "{snapshot}");
            }),
        ]);
        world.assert_as_new();
    });
}

/// One breaks a lock while its holder releases it: the claim ends once. Fails if the one who breaks
/// a lock does not take its record off.
#[test]
fn breaking_against_releasing() {
    explore("breaking_against_releasing", || {
        let world = World::new(ENDLESS, &["a"]);
        let node = world.used("a");
        let token = named(&node, Kind::Xs);
        run([
            threaded!(world, node => _ = node.drop_recorded(token)),
            threaded!(world, node => _ = node.break_recorded(token)),
            threaded!(world, node => world.lock(&node, Kind::Xs)),
        ]);
        drop(node);
        world.assert_as_new();
    });
}
