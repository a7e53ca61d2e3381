//! Who is woken, who closes which gates, who is named; and waits that end at the very moment at
//! which their reason ends.

use super::super::acquire::{Acquisition, Step};
use super::super::tree::Tree;
use super::super::waiter::Role;
use super::super::word::GATES;
use super::lapse::UNPOLLED;
use super::*;
use crate::path::ToTreePath;
use crate::sync::{AtomicUsize, Stamp, now};
use std::task::{Wake, Waker};

mod following;
mod handing;

/// Nobody is an old waiter by this.
const NEVER: Duration = Duration::MAX;

fn node(tree: &Tree, path: &str) -> PlainArc<Node> {
    tree.resolve(path.to_path_ref().unwrap())
}

fn waiter(wanted: &PlainArc<Node>, kind: Kind, place: Place, stamp: Stamp) -> Waiter {
    let role = if place == Place::Below { Role::Drains } else { Role::Wants };
    Waiter::new((wanted, kind), place, role, stamp, &Sleeper::for_thread(None, Vec::new(), None))
}

/// A queue of these at a node that is held by `held`, in this order of age. Nobody has gates closed
/// yet.
fn queue(at: &PlainArc<Node>, held: Kind, asked: &[(Kind, Place)]) -> Vec<Waiter> {
    at.try_claim(held).unwrap();
    let wanted = |place| if place == Place::Here { at.clone() } else { node(&Tree::new(NEVER), "elsewhere") };
    let waiters: Vec<_> =
        asked.iter().map(|&(kind, place)| waiter(&wanted(place), kind, place, Stamp::now())).collect();
    for waiter in &waiters {
        assert!(at.queue_up(waiter.clone(), NEVER).is_some(), "{held:?} is in the way of {waiter:?}");
    }
    waiters
}

/// Which ones have been woken; the counts of those asleep must agree.
fn woken(at: &Node, waiters: &[Waiter]) -> Vec<usize> {
    let mut asleep = [0; 4];
    for waiter in waiters.iter().filter(|waiter| !waiter.sleeper.is_woken() && !waiter.is_draining()) {
        asleep[waiter.kind.index()] += 1;
    }
    assert_eq!(at.cold().slow.lock().queue.asleep, asleep);
    (0..waiters.len()).filter(|&which| waiters[which].sleeper.is_woken()).collect()
}

#[test]
fn a_release_wakes_all_that_can_go_together_and_no_more() {
    use Kind::{Sn, Ss, Xn, Xs};
    use Place::{Above, Below, Here};
    let readers = [(Ss, Here); 3 * IN_FRONT];
    let draining = [(Ss, Below); 3 * IN_FRONT];
    let all: Vec<_> = (0..readers.len()).collect();
    let passing = [(Xs, Above), (Xs, Above), (Xn, Above), (Xs, Here), (Xs, Above)];
    let crowd = |last| [&[(Xs, Here); 2 * IN_FRONT][..], &[last]].concat();
    for (asked, expected) in [
        (&[(Xs, Here), (Xs, Here), (Xs, Here)][..], &[0][..]),
        (&readers, &all),
        (&draining, &all),
        (&[(Ss, Here), (Sn, Here), (Xs, Here), (Ss, Here)], &[0, 1]),
        (&[(Xn, Here), (Ss, Here)], &[0]),
        // Waiters for nodes below keep off neither each other nor the waiter behind them, and a
        // lock on the node alone keeps off no waiter for a node below.
        (&passing, &[0, 1, 2, 3]),
        (&[(Xn, Here), (Xs, Above), (Sn, Here)], &[0, 1]),
        (&[(Xs, Below), (Xs, Here)], &[0, 1]), // who drains has its claim elsewhere
        (&crowd((Ss, Above)), &[0]),
        (&crowd((Xs, Below)), &[0, 2 * IN_FRONT]), // and passes a whole crowd
    ] {
        let at = node(&Tree::new(NEVER), "a");
        let waiters = queue(&at, Xs, asked);
        assert_eq!(woken(&at, &waiters), [0; 0]);
        at.drop_claim(Xs);
        assert_eq!(woken(&at, &waiters), expected, "of {asked:?}");
        at.wake_next();
        assert_eq!(woken(&at, &waiters), expected, "they are on their way already");
        for waiter in &waiters {
            assert_eq!(at.rise(&waiter.sleeper, waiter.rank()), Turn::Kept, "a thread does not lapse");
        }
        let slow = at.cold().slow.lock();
        assert_eq!(
            (slow.queue.waiters.len(), slow.queue.asleep, at.word.load(Ordering::SeqCst) & PARKED),
            (0, [0; 4], 0)
        );
    }
}

/// A walk may stop early if the word keeps out everybody who sleeps here; the kinds that do not
/// matter do not count.
#[test]
fn it_is_hopeless_if_no_kind_that_sleeps_can_go() {
    for held in Kind::ALL {
        for asleep in 0..16_u32 {
            let queue = Queue { asleep: std::array::from_fn(|kind| asleep >> kind & 1), ..Queue::default() };
            let sleeping = Kind::ALL.into_iter().filter(|kind| asleep >> kind.index() & 1 == 1);
            let some_can = sleeping.clone().any(|kind| held.unit() & kind.conflicts(Place::Above) == 0);
            assert_eq!(
                queue.is_hopeless(held.unit()),
                !some_can,
                "{held:?} held, {:?} asleep",
                sleeping.collect::<Vec<_>>()
            );
        }
    }
}

/// The oldest of a crowd, as soon as they have waited for too long; not those behind, and nobody
/// before.
#[test]
fn the_front_of_a_queue_has_gates_closed_while_it_sleeps() {
    let at = node(&Tree::new(NEVER), "a");
    // These leave hope for others behind them, so a walk comes by all of them.
    let waiters = queue(&at, Kind::Xn, &[(Kind::Xn, Place::Here); IN_FRONT + 2]);
    let closed_for = |patience| -> Vec<Stamp> {
        let mut slow = at.cold().slow.lock();
        assert!(slow.take_next(&at, patience).is_empty());
        slow.gates.stamps()
    };
    assert_eq!(closed_for(NEVER), []);
    assert_eq!(at.word.load(Ordering::SeqCst) & GATES, 0);
    let front: Vec<_> = waiters.iter().take(IN_FRONT).map(|waiter| waiter.stamp).collect();
    assert_eq!(closed_for(Duration::ZERO), front);
    assert_eq!(at.word.load(Ordering::SeqCst) & GATES, Kind::Xn.closes(Place::Here));
    for waiter in &waiters {
        waiter.sleeper.open_gates();
        at.rise(&waiter.sleeper, waiter.rank());
    }
}

/// Of those who came at the same moment each is itself, in the queue and at the gates.
#[test]
fn the_same_stamp_is_not_the_same_waiter() {
    let at = node(&Tree::new(NEVER), "a");
    at.try_claim(Kind::Xs).unwrap();
    let (before, stamp) = (Stamp::now(), Stamp::now());
    let waiters = [before, stamp, stamp, stamp].map(|stamp| waiter(&at, Kind::Xs, Place::Here, stamp));
    for waiter in &waiters {
        assert!(at.queue_up(waiter.clone(), NEVER).is_some());
        at.close_gate(waiter);
    }
    let gates = || at.word.load(Ordering::SeqCst) & GATES;
    for gone in [2, 1, 0, 3] {
        assert_eq!(gates(), GATES);
        let waiter = &waiters[gone];
        at.rise(&waiter.sleeper, waiter.rank());
        assert!(
            at.cold().slow.lock().queue.waiters.iter().all(|left| !PlainArc::ptr_eq(&left.sleeper, &waiter.sleeper))
        );
        waiter.sleeper.open_gates();
    }
    assert_eq!((gates(), at.cold().slow.lock().queue.waiters.len()), (0, 0));
}

/// Every two waiters of any kind, at any place: the word has the gates of both, and each of them
/// passes its own and those of younger ones.
#[test]
fn gates_are_the_union_and_bind_the_younger() {
    let cases = || Kind::ALL.into_iter().flat_map(|kind| [Place::Here, Place::Above].map(|place| (kind, place)));
    for ((one, one_place), (other, other_place)) in cases().flat_map(|one| cases().map(move |other| (one, other))) {
        let tree = Tree::new(NEVER);
        let (at, [b, c]) = (node(&tree, "a"), ["b", "c"].map(|wanted| node(&tree, wanted)));
        let older = waiter(&b, one, one_place, Stamp::now());
        let younger = waiter(&c, other, other_place, loop_until_after(older.stamp));
        let last = loop_until_after(younger.stamp);
        at.close_gate(&older);
        at.close_gate(&younger);
        at.close_gate(&younger); // once is enough
        let [first, second] = [one.closes(one_place), other.closes(other_place)];
        assert_eq!(at.word.load(Ordering::SeqCst) & GATES, first | second);
        for kind in Kind::ALL {
            let by_first = (first & kind.gate() != 0).then(|| b.path.clone());
            let by_second = (second & kind.gate() != 0).then(|| c.path.clone());
            let gated_for = |stamp| at.gated_for(kind, stamp).map(|wanted| wanted.path.clone());
            assert_eq!(gated_for(Some(older.stamp)), None);
            assert_eq!(gated_for(Some(younger.stamp)), by_first);
            for later in [gated_for(Some(last)), gated_for(None)] {
                assert_eq!(later.is_some(), by_first.is_some() || by_second.is_some());
                assert!(later.is_none() || later == by_first || later == by_second);
            }
        }
        let passing = waiter(&c, Kind::Xs, Place::Here, last);
        at.close_gate(&passing);
        passing.sleeper.open_gates();
        assert_eq!(at.word.load(Ordering::SeqCst) & GATES, first | second);
        older.sleeper.open_gates();
        assert_eq!(at.word.load(Ordering::SeqCst) & GATES, second);
        younger.sleeper.open_gates();
        assert_eq!(at.word.load(Ordering::SeqCst) & GATES, 0);
    }
}

fn loop_until_after(before: Stamp) -> Stamp {
    loop {
        let now = Stamp::now();
        if now > before {
            return now;
        }
    }
}

/// What holds one up where it would sleep: a claim, a full count, an older one's gate. And whom it
/// names: the owner of a gate only if it is that alone.
#[test]
fn a_claim_a_full_count_or_a_gate_is_a_reason_to_sleep() {
    let tree = Tree::new(NEVER);
    let (at, [b, c]) = (node(&tree, "a"), ["b", "c"].map(|wanted| node(&tree, wanted)));
    let gating = waiter(&b, Kind::Xs, Place::Here, Stamp::now());
    let stamp = loop_until_after(gating.stamp);
    let full = |kind: Kind| 0xff_ffff * kind.unit();
    for gated in [false, true] {
        if gated {
            at.close_gate(&gating);
        }
        let slow = at.cold().slow.lock();
        for (kind, place) in
            Kind::ALL.into_iter().flat_map(|kind| [Place::Here, Place::Above, Place::Below].map(|place| (kind, place)))
        {
            let (here, asking) = (place == Place::Here, waiter(&c, kind, place, stamp));
            let named = |word| slow.gates.alone_in_the_way(&asking, word).map(|wanted| wanted.path.clone());
            for word in Kind::ALL.map(Kind::unit).into_iter().chain([0]) {
                let conflict = word & kind.conflicts(place) != 0;
                assert_eq!(
                    asking.is_held_up(word, &slow.gates),
                    conflict || here && gated,
                    "{kind:?} {place:?} {word:#x}"
                );
                assert_eq!(
                    named(word),
                    (here && gated && !conflict).then(|| b.path.clone()),
                    "{kind:?} {place:?} {word:#x}"
                );
            }
            if kind.is_shared() {
                assert_eq!(asking.is_held_up(full(kind), &slow.gates), here, "{kind:?} {place:?}");
            }
        }
    }
    gating.sleeper.open_gates();
}

fn task(wanted: &PlainArc<Node>) -> Waiter {
    let sleeper = Sleeper::for_task(Waker::noop().clone(), None, Vec::new(), None);
    Waiter { sleeper, ..waiter(wanted, Kind::Xs, Place::Here, Stamp::now()) }
}

/// What makes a waiter for a node.
type Make = fn(&PlainArc<Node>) -> Waiter;

/// A node that is held, with these in its queue, in this order.
fn held_with(waiters: &[Make]) -> (PlainArc<Node>, Vec<Waiter>) {
    held_in(NEVER, waiters)
}

/// The same in a tree with this patience. Nobody has gates closed.
fn held_in(patience: Duration, waiters: &[Make]) -> (PlainArc<Node>, Vec<Waiter>) {
    let at = node(&Tree::new(patience), "a");
    at.try_claim(Kind::Xs).unwrap();
    let waiters: Vec<_> = waiters.iter().map(|make| make(&at)).collect();
    for waiter in &waiters {
        assert!(at.queue_up(waiter.clone(), NEVER).is_some());
    }
    (at, waiters)
}

fn is_queued(at: &Node, waiter: &Waiter) -> bool {
    at.cold().slow.lock().queue.waiters.iter().any(|queued| PlainArc::ptr_eq(&queued.sleeper, &waiter.sleeper))
}

/// Those who sleep with good reason, and threads in any case, are not looked after again and again.
#[test]
fn nobody_comes_by_for_those_who_are_not_left_alone() {
    let thread = |at: &_| waiter(at, Kind::Xs, Place::Here, Stamp::now());
    for (queue, released) in [(&[task, thread][..], false), (&[thread, task], true)] {
        let (at, waiters) = held_with(queue);
        if released {
            at.drop_claim(Kind::Xs);
            assert!(waiters[0].sleeper.is_woken());
        }
        for _ in 0..3 {
            at.look_after();
            assert!(at.cold().slow.lock().queue.looked_after.is_none());
        }
        assert!(waiters.iter().all(|waiter| is_queued(&at, waiter) && waiter.sleeper.take_turn() == Turn::Kept));
    }
}

/// Of two wakers that a task was polled with, the later one is woken.
#[test]
fn a_task_is_woken_by_its_latest_waker() {
    struct Woken(AtomicUsize);
    impl Wake for Woken {
        fn wake(self: PlainArc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let [first, second] = [0; 2].map(|none| PlainArc::new(Woken(AtomicUsize::new(none))));
    let sleeper = Sleeper::for_task(first.clone().into(), None, Vec::new(), None);
    sleeper.set_waker(&second.clone().into());
    unpark([sleeper]);
    assert_eq!([first, second].map(|woken| woken.0.load(Ordering::SeqCst)), [0, 1]);
}

/// A task that was woken and is not polled loses its turn, not before its time, and the next one is
/// woken. More than once, as a busy machine may be late to see that it was too early.
#[test]
fn a_task_has_its_time_to_be_polled() {
    for _ in 0..10 {
        let (at, waiters) = held_with(&[task, task]);
        let woken = now();
        at.drop_claim(Kind::Xs);
        assert!(waiters[0].sleeper.is_woken());
        while is_queued(&at, &waiters[0]) {
            assert!(now() - woken < 1000 * UNPOLLED, "it keeps its turn for ever");
            std::thread::yield_now();
        }
        assert!(now() - woken >= UNPOLLED);
        assert!(waiters[0].sleeper.take_turn() == Turn::Lapsed && waiters[1].sleeper.is_woken());
    }
}

/// Found by shuttle: who was kept out by a gate, and gave up just as it was opened, named its own
/// node, where there was nobody.
#[test]
fn giving_up_as_a_gate_is_opened_names_what_its_owner_wanted() {
    let tree = Tree::new(Duration::ZERO);
    let [root, inner] = ["/", "a"].map(|path| tree.resolve(path.to_path_ref().unwrap()));
    root.try_claim(Kind::Xs).unwrap();
    let mut older = Acquisition::new(&inner, Kind::Xs, None);
    assert_eq!(older.step(), Step::Asleep);
    root.drop_claim(Kind::Xs);
    let mut younger = Acquisition::new(&root, Kind::Ss, None);
    assert_eq!(younger.step(), Step::Asleep, "the older one has been woken, and its gate is closed");
    older.cancel();
    assert!(younger.is_woken());
    assert_eq!(younger.cancel().path, inner.path);
}
