//! Waiting: a queue a node, who is woken when, and gates.
//!
//! A waiter sleeps at the node whose word is in its way: its own ([`Place::Here`]), an ancestor ([`Place::Above`]: what it asks for
//! is a descendant of where it sleeps is what `Above` says from its side), or a descendant ([`Place::Below`]). It holds a claim only in the last
//! case (invariant 8), so claims are only ever waited for downwards, and nobody waits in a circle.
//!
//! # Who is woken
//! `PARKED` is set iff the queue is not empty, and changes only under the slow lock (invariant 5). Whoever takes a claim off the
//! word and finds `PARKED` in what its read-modify-write returns goes through the queue in order ([`Node::wake_next`]) and wakes every waiter that
//! conflicts neither with the word as it now stands nor with an *earlier* waiter that wants this very node. To
//! that end it pretends that each of those had its claim already. So a mutex's queue is woken one by one, readers together,
//! and those who merely pass by all at once. A woken waiter stays in the queue until it runs and gets up by itself ([`Node::rise`]): so nobody is woken
//! for a turn that is another's already, and it is known for how long the scheduler keeps that one.
//!
//! # Why no wake-up is lost
//! Going to sleep, under the slow lock: `fetch_or(PARKED)`, and a look at the word it returned. A claim's end is a
//! read-modify-write of the same word. If the end comes first, the look finds the conflict gone and nobody sleeps. If the
//! `fetch_or` comes first, the end finds `PARKED` and goes through the queue, which holds the sleeper by then.
//!
//! Invariant 9: whoever sleeps at K does so because of one of these, and each ends in a walk through K's queue:
//!
//! 1. a claim in K's word that conflicts. Its end finds `PARKED`;
//! 2. a gate that an older waiter has closed. It is opened by [`Node::open_gate`], which walks;
//! 3. an earlier waiter in the queue, which itself sleeps for one of these reasons. Leaving the queue without a claim is [`Node::leave`], which walks;
//! 4. an earlier waiter that was woken and is on its way. It claims K (and is a case of 1, also if it withdraws the claim at once), sleeps at K again in its old
//!    place (a case of 3), or gives up, which is [`Node::leave`].
//!
//! Only waiters that want K itself are case 3 or 4 for others. One that wants something below K will not leave a claim on
//! K behind, so nobody sleeps on its account. Taking 3 or 4 out, either way, is a mutation that a loom model catches.
//!
//! # Gates
//! A newcomer may claim a free word ahead of the queue: that is what makes a contended lock fast. For a waiter that has waited
//! longer than the tree's patience (a millisecond), asleep or woken and not yet running, *gates are closed* on the node where it sleeps: one bit for each kind of claim on that
//! node that conflicts with it. Newcomers of that kind queue. When it has to sleep again it closes those of its own node and of all its ancestors as well:
//! from then on whoever conflicts with it either is there already or comes below, where its claim will stop them. A waiter passes a gate only if it arrived before the one who
//! closed it, so the oldest passes all. Gates stay closed until the waiter has its lock or gives up, also while it is in turn held up at another node:
//! otherwise two nodes could take turns in keeping it out. A waiter for a gate holds nothing, and waits only for older ones: no circle.
//!
//! # Tasks that nobody polls
//! Case 4 rests on the woken one running. A thread does; a task runs only if its future is polled, which its owner may put off for ever. So where a woken
//! task leaves others behind, the node is gone through once more ten milliseconds later ([`Node::look_after`]): gates
//! that the task had closed are opened, and whoever no longer has a reason to sleep is woken. The task has lost its turn and nothing else.

use std::time::Duration;

use super::node::{Node, Slow};
use super::sleeper::{Sleeper, unpark};
use super::word::{GATES, Kind, PARKED, Place};
use crate::sync::{Ordering, PlainArc, Stamp, later, now};

/// At one in so many walks through a queue the clock is asked for a waiter that has been woken already.
const CLOCK_EVERY: u32 = if cfg!(mutextree_loom) { 1 } else { 8 };

/// How long a woken task that is not polled may hold up those behind it.
const UNPOLLED: Duration = Duration::from_millis(10);

/// A place in a queue.
#[derive(Clone, Debug)]
pub(super) struct Waiter {
    pub(super) kind: Kind,
    /// Where the node that it sleeps at lies, seen from the node it wants.
    pub(super) place: Place,
    pub(super) stamp: Stamp,
    pub(super) sleeper: PlainArc<Sleeper>,
}

impl Waiter {
    /// Those who drain a claim they hold come first, then everyone in order of arrival.
    fn rank(&self) -> (bool, Stamp) {
        (self.place != Place::Below, self.stamp)
    }
}

/// Closed by one old waiter against newcomers.
#[derive(Debug)]
pub(super) struct Gate {
    stamp: Stamp,
    /// Gate bits of the word.
    bits: u64,
    sleeper: PlainArc<Sleeper>,
}

impl Gate {
    fn of(waiter: &Waiter) -> Self {
        let bits = waiter.kind.closes(waiter.place);
        Self { stamp: waiter.stamp, bits, sleeper: waiter.sleeper.clone() }
    }
}

/// What became of an attempt to sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Queued {
    /// In the queue. Otherwise the conflict was gone, and the thing to do is to try again.
    pub(super) asleep: bool,
    /// It has closed gates here, which it now has to open at the end.
    pub(super) gated: bool,
}

impl Slow {
    /// Whether somebody older than `stamp` keeps `kind` from claiming this node.
    fn is_gated(&self, kind: Kind, stamp: Stamp) -> bool {
        self.gates.iter().any(|gate| gate.bits & kind.gate() != 0 && gate.stamp < stamp)
    }

    /// Whether `waiter` has to wait, if the word is `word`.
    fn holds_up(&self, waiter: &Waiter, word: u64) -> bool {
        let Waiter { kind, place, stamp, .. } = *waiter;
        word & kind.conflicts(place) != 0
            || (place == Place::Here && (kind.is_full(word) || self.is_gated(kind, stamp)))
    }

    fn has_gate_of(&self, sleeper: &PlainArc<Sleeper>) -> bool {
        self.gates.iter().any(|gate| PlainArc::ptr_eq(&gate.sleeper, sleeper))
    }

    /// Marks whoever may go as woken, and returns them: to be unparked once the lock is released.
    fn take_next(&mut self, node: &PlainArc<Node>, patience: Duration) -> Vec<PlainArc<Sleeper>> {
        let mut next = Vec::new();
        let mut task_first = false;
        self.walks = self.walks.wrapping_add(1);
        let word = node.word.load(Ordering::SeqCst);
        let mut pretended = word;
        for at in 0..self.queue.len() {
            let waiter = &self.queue[at];
            let Waiter { kind, place, stamp, .. } = *waiter;
            // One that drains has its claim above already: only what is really here can hold it up.
            let seen = if place == Place::Below { word } else { pretended };
            if place == Place::Here {
                pretended |= kind.unit();
            }
            let on_its_way = waiter.sleeper.is_woken();
            if !on_its_way && !self.holds_up(waiter, seen) {
                waiter.sleeper.set_woken(true);
                task_first |= waiter.sleeper.is_task();
                next.push(waiter.sleeper.clone());
            }
            // The clock is not asked at each release just because somebody is on its way.
            let may_be_due = !on_its_way || self.walks.is_multiple_of(CLOCK_EVERY);
            if may_be_due && !self.has_gate_of(&waiter.sleeper) && stamp.older_than(patience) {
                let waiter = &self.queue[at];
                waiter.sleeper.note_gate();
                let gate = Gate::of(waiter);
                node.word.fetch_or(gate.bits, Ordering::SeqCst);
                self.gates.push(gate);
            }
            if place == Place::Here && kind == Kind::Xs {
                break; // conflicts with everyone behind it
            }
        }
        if task_first && !self.looked_after {
            self.looked_after = true;
            let node = node.clone();
            later(now() + UNPOLLED, move || node.look_after());
        }
        next
    }

    fn take_out(&mut self, node: &Node, sleeper: &PlainArc<Sleeper>) {
        if let Some(at) = self.queue.iter().position(|waiter| PlainArc::ptr_eq(&waiter.sleeper, sleeper)) {
            self.queue.remove(at);
        }
        self.unpark_bit(node);
    }

    fn unpark_bit(&self, node: &Node) {
        if self.queue.is_empty() {
            node.word.fetch_and(!PARKED, Ordering::SeqCst);
        }
    }
}

impl Node {
    /// Whether somebody older than `stamp` keeps `kind` from claiming this node; whoever has no stamp yet is younger than all.
    pub(super) fn is_gated(&self, kind: Kind, stamp: Option<Stamp>) -> bool {
        match stamp {
            Some(stamp) => self.cold().slow.lock().is_gated(kind, stamp),
            None => true,
        }
    }

    /// Goes to sleep here, unless there is no reason to any more.
    pub(super) fn queue_up(&self, waiter: Waiter, patience: Duration) -> Queued {
        let mut slow = self.cold().slow.lock();
        let mut bits = PARKED;
        let gated = waiter.stamp.older_than(patience) && !slow.has_gate_of(&waiter.sleeper);
        if gated {
            let gate = Gate::of(&waiter);
            bits |= gate.bits;
            slow.gates.push(gate);
        }
        let word = self.word.fetch_or(bits, Ordering::SeqCst);
        let asleep = slow.holds_up(&waiter, word);
        if asleep {
            waiter.sleeper.set_woken(false);
            let at = slow.queue.partition_point(|there| there.rank() <= waiter.rank());
            slow.queue.insert(at, waiter);
        } else {
            slow.unpark_bit(self);
        }
        Queued { asleep, gated }
    }

    /// Closes the gates that `waiter`, who is to sleep elsewhere, needs closed here. Whether they were open.
    pub(super) fn close_gate(&self, waiter: &Waiter) -> bool {
        let mut slow = self.cold().slow.lock();
        let opened = !slow.has_gate_of(&waiter.sleeper);
        if opened {
            let gate = Gate::of(waiter);
            self.word.fetch_or(gate.bits, Ordering::SeqCst);
            slow.gates.push(gate);
        }
        opened
    }

    /// Wakes whoever may go.
    #[cold]
    pub(super) fn wake_next(self: &PlainArc<Self>) {
        let patience = self.shared().patience;
        let next = self.cold().slow.lock().take_next(self, patience);
        unpark(next);
    }

    /// Gets up after having been woken, to try again.
    pub(super) fn rise(&self, sleeper: &PlainArc<Sleeper>) {
        self.cold().slow.lock().take_out(self, sleeper);
    }

    /// Gives up waiting here, whether still in the queue or woken already: what kept others asleep on its account ends.
    /// The decision between the two is made under the slow lock.
    pub(super) fn leave(self: &PlainArc<Self>, sleeper: &PlainArc<Sleeper>) {
        let patience = self.shared().patience;
        let mut slow = self.cold().slow.lock();
        slow.take_out(self, sleeper);
        let next = slow.take_next(self, patience);
        drop(slow);
        unpark(next);
    }

    /// Opens the gates that `sleeper` has closed here.
    pub(super) fn open_gate(self: &PlainArc<Self>, sleeper: &PlainArc<Sleeper>) {
        self.open_gates_if(|gate| PlainArc::ptr_eq(&gate.sleeper, sleeper));
    }

    /// Goes through the queue for those who sleep on account of a woken task that nobody has polled since.
    fn look_after(self: &PlainArc<Self>) {
        let unpolled = |sleeper: &Sleeper| sleeper.is_task() && sleeper.is_woken();
        let mut slow = self.cold().slow.lock();
        slow.looked_after = false;
        slow.queue.retain(|waiter| !unpolled(&waiter.sleeper));
        slow.unpark_bit(self);
        drop(slow);
        self.open_gates_if(|gate| unpolled(&gate.sleeper));
    }

    fn open_gates_if(self: &PlainArc<Self>, opens: impl Fn(&Gate) -> bool) {
        let patience = self.shared().patience;
        let mut slow = self.cold().slow.lock();
        slow.gates.retain(|gate| !opens(gate));
        let closed = slow.gates.iter().fold(0, |bits, gate| bits | gate.bits);
        self.word.fetch_and(!(GATES & !closed), Ordering::SeqCst);
        let next = slow.take_next(self, patience);
        drop(slow);
        unpark(next);
    }

    /// Makes everyone who sleeps here look again at how long they may sleep, and sleep on.
    pub(super) fn stir(&self) {
        let sleepers = self.cold().slow.lock().queue.iter().map(|waiter| waiter.sleeper.clone()).collect();
        unpark(sleepers);
    }
}
