//! Several that sleep at one node for another one below: who follows whom, and who is woken once
//! the one before has gone. And which tasks keep their places, though nobody polls them.

use super::*;

/// The root, and nodes of one tree, below it.
fn tree<const N: usize>(paths: [&str; N]) -> (PlainArc<Node>, [PlainArc<Node>; N]) {
    let tree = Tree::new(NEVER);
    (node(&tree, "/"), paths.map(|path| node(&tree, path)))
}

fn below(wanted: &PlainArc<Node>, kind: Kind) -> Waiter {
    waiter(wanted, kind, Place::Above, Stamp::now())
}

fn task_below(wanted: &PlainArc<Node>) -> Waiter {
    Waiter { place: Place::Above, ..task(wanted) }
}

/// All sleep at the root, in this order, and then the root is released.
fn released(root: &PlainArc<Node>, waiters: &[Waiter]) {
    root.try_claim(Kind::Xs).unwrap();
    for waiter in waiters {
        assert!(root.queue_up(waiter.clone(), NEVER).is_some());
    }
    root.drop_claim(Kind::Xs);
}

fn awake(waiters: &[Waiter]) -> Vec<usize> {
    (0..waiters.len()).filter(|&which| waiters[which].sleeper.is_woken()).collect()
}

fn rise(root: &PlainArc<Node>, waiter: &Waiter) {
    assert_eq!(root.rise(&waiter.sleeper, waiter.rank()), Turn::Kept);
}

fn assert_empty(root: &Node) {
    let slow = root.cold().slow.lock();
    let left = (slow.queue.waiters.len(), slow.queue.asleep, slow.queue.woken);
    assert_eq!((left, root.word.load(Ordering::SeqCst) & PARKED), ((0, [0; 4], 0), 0));
}

fn all_rise<const N: usize>(root: &PlainArc<Node>, waiters: &[Waiter], which: [usize; N]) {
    which.into_iter().for_each(|which| rise(root, &waiters[which]));
}

#[test]
fn one_is_woken_for_each_node_and_the_next_when_it_runs() {
    let (root, [b, c]) = tree(["b", "c"]);
    let waiters = [&b, &b, &b, &c, &c, &b].map(|wanted| below(wanted, Kind::Xs));
    released(&root, &waiters);
    assert_eq!(awake(&waiters), [0, 3, 5], "those with another node's waiter before them follow nobody");
    root.wake_next();
    assert_eq!(awake(&waiters), [0, 3, 5]);
    rise(&root, &waiters[3]);
    assert_eq!(awake(&waiters), [0, 3, 4, 5]);
    rise(&root, &waiters[0]);
    assert_eq!(awake(&waiters), [0, 1, 3, 4, 5]);
    assert_eq!(root.leave(&waiters[1].sleeper, waiters[1].rank()).turn, Turn::Kept);
    assert_eq!(awake(&waiters), [0, 1, 2, 3, 4, 5], "one that gives up");
    all_rise(&root, &waiters, [2, 4, 5]);
    assert_empty(&root);
}

#[test]
fn those_who_can_have_the_node_together_are_woken_together() {
    let (root, [b]) = tree(["b"]);
    let waiters = [Kind::Ss, Kind::Sn, Kind::Xn, Kind::Ss].map(|kind| below(&b, kind));
    released(&root, &waiters);
    assert_eq!(awake(&waiters), [0, 1]);
    all_rise(&root, &waiters, [0, 1, 2]);
    assert_eq!(awake(&waiters), [0, 1, 2, 3]);
    rise(&root, &waiters[3]);
    assert_empty(&root);
}

/// The one that gives up in the middle, asleep, leaves the last one behind the first.
#[test]
fn one_that_follows_may_give_up() {
    let (root, [b]) = tree(["b"]);
    let waiters = [&b; 3].map(|wanted| below(wanted, Kind::Xs));
    released(&root, &waiters);
    root.leave(&waiters[1].sleeper, waiters[1].rank());
    assert_eq!(awake(&waiters), [0, 2], "to wake too many does no harm");
    all_rise(&root, &waiters, [0, 2]);
    assert_empty(&root);
}

/// Locked again before the first one runs: those that followed it wait for that lock.
#[test]
fn the_next_one_waits_for_what_is_in_its_way() {
    let (root, [b]) = tree(["b"]);
    let waiters = [&b; 3].map(|wanted| below(wanted, Kind::Xs));
    released(&root, &waiters);
    root.try_claim(Kind::Ss).unwrap();
    rise(&root, &waiters[0]);
    assert_eq!(awake(&waiters), [0]);
    assert_eq!(root.cold().slow.lock().queue.asleep[Kind::Xs.index()], 2);
    root.drop_claim(Kind::Ss);
    assert_eq!(awake(&waiters), [0, 1]);
    all_rise(&root, &waiters, [1, 2]);
    assert_empty(&root);
}

/// A waiter with a stamp in between comes between the two.
#[test]
fn one_that_comes_in_between_parts_them() {
    let (root, [b, c]) = tree(["b", "c"]);
    let first = below(&b, Kind::Xs);
    let between = waiter(&c, Kind::Xs, Place::Above, loop_until_after(first.stamp));
    let last = waiter(&b, Kind::Xs, Place::Above, loop_until_after(between.stamp));
    let waiters = [first, last, between];
    released(&root, &waiters[..2]);
    assert_eq!(awake(&waiters), [0]);
    root.try_claim(Kind::Xs).unwrap();
    assert!(root.queue_up(waiters[2].clone(), NEVER).is_some());
    root.drop_claim(Kind::Xs);
    assert_eq!(awake(&waiters), [0, 1, 2]);
    all_rise(&root, &waiters, [0, 1, 2]);
    assert_empty(&root);
}

#[test]
fn one_that_lapses_does_not_hold_up_those_that_follow_it() {
    let (root, [b]) = tree(["b"]);
    let waiters = [&b; 3].map(task_below);
    released(&root, &waiters);
    for woken in [&[0][..], &[0, 1], &[0, 1, 2]] {
        assert_eq!(awake(&waiters), woken);
        root.look_after();
        root.look_after();
    }
    assert!(waiters.iter().all(|waiter| waiter.sleeper.take_turn() == Turn::Lapsed));
    assert_empty(&root);
}

/// A crowd that was woken at once, each for a node of its own, holds up nobody but those in front.
#[test]
fn tasks_that_hold_nobody_up_keep_their_places() {
    let (root, nodes) = tree(["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"]);
    let waiters = nodes.each_ref().map(task_below);
    released(&root, &waiters);
    assert_eq!(awake(&waiters).len(), waiters.len());
    root.look_after();
    root.look_after();
    for (at, waiter) in waiters.iter().enumerate() {
        assert_eq!(is_queued(&root, waiter), at >= IN_FRONT, "{at}");
    }
    // Now these are in front.
    root.look_after();
    root.look_after();
    assert_empty(&root);
}
