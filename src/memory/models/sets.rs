//! Sets: several nodes claimed as one lock.

use std::task::Waker;

use super::super::acquire::{Acquisition, Step};
use super::super::set::{SetAcquisition, block_on, try_claim_all};
use super::super::{MemoryNode, MemoryStore};
use super::*;
use crate::backend::Member;
use crate::memory::upgrade::upgrade;
use crate::request::Request;

/// A set as the store gets it, in the order given.
fn members(nodes: &[(&PlainArc<Node>, Kind)]) -> Vec<Member<MemoryStore>> {
    let member = |&(node, kind): &(&PlainArc<Node>, Kind)| Member {
        node: MemoryNode::new(node.clone()),
        request: Request::new(kind.public()),
    };
    nodes.iter().map(member).collect()
}

/// A set of exclusive locks.
fn exclusive(nodes: &[&PlainArc<Node>]) -> Vec<Member<MemoryStore>> {
    members(&nodes.iter().map(|node| (*node, Kind::Xs)).collect::<Vec<_>>())
}

fn kind(member: &Member<MemoryStore>) -> Kind {
    Kind::new(member.request.kind.mode, member.request.kind.scope)
}

fn touch_all(world: &World, set: &[Member<MemoryStore>]) {
    set.iter().for_each(|member| world.touch(&member.node.0, kind(member)));
}

/// The last one first: a set in the same order then finds the first one free.
fn drop_all(set: &[Member<MemoryStore>]) {
    set.iter().rev().for_each(|member| member.node.0.drop_claim(kind(member)));
}

/// Locks all members, uses them, unlocks.
fn lock_all(world: &World, set: &[Member<MemoryStore>]) {
    block_on(set, None, None, |_| {}).unwrap();
    touch_all(world, set);
    drop_all(set);
}

/// A set, a lock above one of its members, and one below another. Fails if a set does not look up,
/// or if a set does not look down at its members.
#[test]
fn set_against_inner_lock_against_leaf() {
    explore("set_against_inner_lock_against_leaf", || {
        let world = World::new(ENDLESS, &["a/1", "b/1"]);
        let (inner, one, b, leaf) = (world.used("a"), world.looked_at("a/1"), world.used("b"), world.used("b/1"));
        run([
            threaded!(world, one, b => lock_all(&world, &exclusive(&[&one, &b]))),
            threaded!(world, inner => world.lock(&inner, Kind::Xs)),
            threaded!(world, leaf => world.lock(&leaf, Kind::Xs)),
        ]);
        drop((inner, one, b, leaf));
        world.assert_as_new();
    });
}

/// Two sets of the same members. Fails if a set that is blocked keeps the claims that it has.
#[test]
fn two_sets_in_opposite_orders() {
    explore("two_sets_in_opposite_orders", || {
        let world = World::new(ENDLESS, &["a", "b"]);
        let (a, b) = (world.used("a"), world.used("b"));
        run([
            threaded!(world, a, b => { lock_all(&world, &exclusive(&[&a, &b])); lock_all(&world, &exclusive(&[&b, &a])) }),
            threaded!(world, a, b => lock_all(&world, &exclusive(&[&a, &b]))),
        ]);
        drop((a, b));
        world.assert_as_new();
    });
}

/// Two sets that each have a member above one of the other's. Fails if a set that drains trusts in
/// `CLEAR`.
#[test]
fn two_sets_that_would_drain_for_each_other() {
    explore("two_sets_that_would_drain_for_each_other", || {
        let world = World::new(ENDLESS, &["a/1", "b/1"]);
        let (a, a_leaf) = (world.used("a"), world.used("a/1"));
        let (b, b_leaf) = (world.used("b"), world.used("b/1"));
        run([
            threaded!(world, a, b_leaf => lock_all(&world, &exclusive(&[&a, &b_leaf]))),
            threaded!(world, a_leaf, b => lock_all(&world, &exclusive(&[&a_leaf, &b]))),
        ]);
        drop((a, a_leaf, b, b_leaf));
        world.assert_as_new();
    });
}

/// A set that drains, and a lock that drains above it. Fails if a set that is blocked above keeps
/// its claim there.
#[test]
fn a_set_that_drains_below_one_that_drains() {
    explore("a_set_that_drains_below_one_that_drains", || {
        let world = World::new(ENDLESS, &["a", "b/1"]);
        let (root, a, b, leaf) = (world.used("/"), world.used("a"), world.used("b"), world.used("b/1"));
        leaf.try_claim(Kind::Xs).unwrap();
        run([
            threaded!(world, a, b => lock_all(&world, &exclusive(&[&a, &b]))),
            threaded!(world, root => world.lock(&root, Kind::Xs)),
            threaded!(world, leaf => { world.touch(&leaf, Kind::Xs); leaf.drop_claim(Kind::Xs) }),
        ]);
        drop((root, a, b, leaf));
        world.assert_as_new();
    });
}

/// Of two racing tries, one succeeds. Each is a set, in any order.
fn race(paths: [&[&'static str]; 2]) {
    let world = World::new(ENDLESS, &["a/1", "b/1"]);
    let [a, b] = ["a/1", "b/1"].map(|path| world.looked_at(path));
    let kept = [world.used("a"), world.used("b"), a, b];
    let outcomes = PlainArc::new(AtomicUsize::new(0));
    run(paths.map(|paths| {
        let nodes: Vec<_> = paths.iter().map(|path| world.node(path)).collect();
        threaded!(world, outcomes => {
            let set = exclusive(&nodes.iter().collect::<Vec<_>>());
            let succeeds = match &*set {
                [one] => world.try_lock(&one.node.0, Kind::Xs).is_ok(),
                all => try_claim_all(all).is_ok(),
            };
            if succeeds {
                touch_all(&world, &set);
                outcomes.fetch_add(1, Plain::Relaxed);
                // Held to the end, so that the other cannot succeed because this one is through.
            }
        })
    }));
    assert_eq!(outcomes.load(Plain::Relaxed), 1, "one of two conflicting tries succeeds");
    for node in &kept {
        if node.word.load(Ordering::SeqCst) & Kind::Xs.unit() != 0 {
            node.drop_claim(Kind::Xs);
        }
    }
    drop(kept);
    world.assert_as_new();
}

/// Two racing tries of sets that overlap never both fail. Fails if tries of sets do not take turns,
/// or if a set's try looks down when its turn is over.
#[test]
fn two_racing_tries_of_sets() {
    explore("two_racing_tries_of_sets", || race([&["a", "b/1"], &["a/1", "b"]]));
}

/// The same of sets that overlap, given in opposite orders. Fails if tries of sets do not take
/// turns.
#[test]
fn two_racing_tries_of_sets_with_one_node_in_common() {
    explore("two_racing_tries_of_sets_with_one_node_in_common", || race([&["a/1", "b"], &["b", "a/1"]]));
}

/// A try of a set, and one below a member of it: the lower one gives way to a claim that the set
/// then withdraws, because of the lower one. Fails if a try beside a set does not try once more.
#[test]
fn a_try_of_a_set_against_a_try_below() {
    explore("a_try_of_a_set_against_a_try_below", || race([&["a", "b"], &["b/1"]]));
}

/// A try that meets a claim of a set which is refused elsewhere: it succeeds all the same. Fails if
/// a try beside a set looks only whether a phase is under way, if a phase does not count when it
/// begins, or if a try beside a set does not try once more.
#[test]
fn a_try_beside_a_set_that_withdraws() {
    for (member, wanted) in [("a", "a"), ("a", "a/1"), ("a/1", "a")] {
        explore("a_try_beside_a_set_that_withdraws", move || {
            let world = World::new(ENDLESS, &["a/1"]);
            let (a, leaf, busy) = (world.used("a"), world.looked_at("a/1"), world.used("z"));
            busy.try_claim(Kind::Xs).unwrap();
            let (member, wanted) = (world.node(member), world.node(wanted));
            run([
                threaded!(world, member, busy => assert!(try_claim_all(&exclusive(&[&member, &busy])).is_err())),
                threaded!(world, wanted => {
                    assert_eq!(world.try_lock(&wanted, Kind::Xs), Ok(()));
                    wanted.drop_claim(Kind::Xs);
                }),
            ]);
            busy.drop_claim(Kind::Xs);
            drop((a, leaf, busy, member, wanted));
            world.assert_as_new();
        });
    }
}

/// The same of what a try sees at a glance. Fails if a glance has no regard for sets.
#[test]
fn a_glance_beside_a_set_that_withdraws() {
    for (member, wanted) in [("a", "a"), ("a", "a/1"), ("a/1", "a")] {
        explore("a_glance_beside_a_set_that_withdraws", move || {
            let world = World::new(ENDLESS, &[]);
            let (a, leaf, busy) = (world.used("a"), world.looked_at("a/1"), world.used("z"));
            busy.try_claim(Kind::Xs).unwrap();
            let (member, wanted) = (world.node(member), world.node(wanted));
            run([
                threaded!(world, member, busy => assert!(try_claim_all(&exclusive(&[&member, &busy])).is_err())),
                threaded!(world, wanted => assert!(wanted.glance(Kind::Xs).is_ok())),
            ]);
            busy.drop_claim(Kind::Xs);
            drop((a, leaf, busy, member, wanted));
            world.assert_as_new();
        });
    }
}

/// A set's try that overlaps with a set which has to wait elsewhere: it succeeds all the same.
/// Fails if phases overlap.
#[test]
fn a_try_of_a_set_beside_one_that_waits() {
    explore("a_try_of_a_set_beside_one_that_waits", || {
        let world = World::new(ENDLESS, &["a"]);
        let (a, b, busy) = (world.used("a"), world.used("b"), world.used("z"));
        busy.try_claim(Kind::Xs).unwrap();
        run([
            threaded!(world, a, busy => {
                assert_eq!(SetAcquisition::new(&exclusive(&[&a, &busy])).step(), Step::Asleep);
            }),
            threaded!(world, a, b => {
                let set = exclusive(&[&a, &b]);
                assert!(try_claim_all(&set).is_ok(), "nobody holds a member");
                touch_all(&world, &set);
                drop_all(&set);
            }),
        ]);
        busy.drop_claim(Kind::Xs);
        drop((a, b, busy));
        world.assert_as_new();
    });
}

/// A waiter that sleeps because of a claim which a set withdraws. Fails if a set that withdraws a
/// claim wakes nobody.
#[test]
fn asleep_because_of_a_claim_that_is_withdrawn() {
    explore("asleep_because_of_a_claim_that_is_withdrawn", || {
        let world = World::new(ENDLESS, &["a"]);
        let (a, busy) = (world.used("a"), world.used("z"));
        busy.try_claim(Kind::Xs).unwrap();
        run([
            threaded!(world, a, busy => drop(try_claim_all(&exclusive(&[&a, &busy])))),
            threaded!(world, a => world.lock_slowly(&a, Kind::Xs)),
        ]);
        busy.drop_claim(Kind::Xs);
        drop((a, busy));
        world.assert_as_new();
    });
}

/// A set is woken where another waiter is behind it, and is then blocked elsewhere: the other one
/// goes on. Fails if a phase begins with another member than the one that was blocked.
#[test]
fn behind_a_set_that_goes_elsewhere() {
    explore("behind_a_set_that_goes_elsewhere", || {
        let world = World::new(ENDLESS, &["a", "b"]);
        let (a, b) = (world.used("a"), world.used("b"));
        b.try_claim(Kind::Xs).unwrap();
        let set = exclusive(&[&a, &b]);
        let mut waits = SetAcquisition::new(&set);
        assert_eq!(waits.step(), Step::Asleep); // at `b`
        let mut behind = Acquisition::new(&b, Kind::Xs, None);
        assert_eq!(behind.step(), Step::Asleep);
        a.try_claim(Kind::Xs).unwrap();
        let other = thread::spawn(threaded!(world, b => b.drop_claim(Kind::Xs)));
        while !waits.is_woken() {
            thread::yield_now();
        }
        assert_eq!(waits.step(), Step::Asleep); // at `a`
        assert!(behind.is_woken(), "nothing keeps it from `b`");
        assert_eq!(behind.step(), Step::Granted);
        world.touch(&b, Kind::Xs);
        b.drop_claim(Kind::Xs);
        a.drop_claim(Kind::Xs);
        assert_eq!(waits.step(), Step::Granted);
        touch_all(&world, &set);
        drop_all(&set);
        other.join().unwrap();
        drop((waits, behind));
        drop((a, b, set));
        world.assert_as_new();
    });
}

/// A set that drains below one member is given up: who waits for the other member gets in. Fails if
/// a set that gives up while it drains keeps its claims.
#[test]
fn a_set_that_drains_gives_up() {
    explore("a_set_that_drains_gives_up", || {
        let world = World::new(ENDLESS, &["a", "b/1"]);
        let (a, b, leaf) = (world.used("a"), world.used("b"), world.used("b/1"));
        let deadline = Deadline::new();
        leaf.try_claim(Kind::Xs).unwrap();
        run([
            threaded!(world, a, b, deadline => {
                assert!(block_on(&exclusive(&[&a, &b]), None, Some(&deadline), |_| {}).is_err());
            }),
            threaded!(world, a => world.lock(&a, Kind::Xs)),
            threaded!(world, deadline => deadline.pass()),
        ]);
        leaf.drop_claim(Kind::Xs);
        drop((a, b, leaf));
        world.assert_as_new();
    });
}

/// A task whose set drains lapses, against its drop: all its claims go, once. Fails if a set that
/// lapses drops one claim only.
#[test]
fn a_set_that_drains_lapses() {
    explore("a_set_that_drains_lapses", || {
        let world = World::new(ENDLESS, &["a", "b/1"]);
        let (a, b, leaf) = (world.used("a"), world.used("b"), world.used("b/1"));
        leaf.try_claim(Kind::Xs).unwrap();
        let set = exclusive(&[&a, &b]);
        let mut waits = SetAcquisition::new(&set);
        assert_eq!(waits.poll_step(Waker::noop()), Step::Asleep);
        let other = thread::spawn(threaded!(world, a, leaf => {
            leaf.drop_claim(Kind::Xs);
            leaf.look_after();
            leaf.look_after();
            world.lock(&a, Kind::Xs);
        }));
        if waits.is_woken() {
            match waits.poll_step(Waker::noop()) {
                Step::Granted => drop_all(&set),
                Step::Asleep => {}
            }
        }
        drop(waits);
        other.join().unwrap();
        drop((a, b, leaf, set));
        world.assert_as_new();
    });
}

/// A set has a shared claim below a lock that becomes exclusive, and drains for another lock of the
/// same holder. Fails if an upgrade leaves sets asleep with a claim below it, or if a set drains
/// while an upgrade above its claim is pending.
#[test]
fn upgrade_passes_a_set_that_drains() {
    explore("upgrade_passes_a_set_that_drains", || {
        let world = World::new(ENDLESS, &["a/1", "b/1"]);
        let (held, below, inner, leaf) = (world.used("a"), world.used("a/1"), world.used("b"), world.used("b/1"));
        take(&held, Kind::Ss);
        take(&leaf, Kind::Xs);
        run([
            threaded!(world, below, inner => lock_all(&world, &members(&[(&below, Kind::Ss), (&inner, Kind::Xs)]))),
            threaded!(world, held, leaf => {
                upgrade(&held, Kind::Ss, None, None, None, |_| {}).unwrap();
                world.touch(&held, Kind::Xs);
                held.drop_claim(Kind::Xs);
                leaf.drop_claim(Kind::Xs);
            }),
        ]);
        drop((held, below, inner, leaf));
        world.assert_as_new();
    });
}
