//! Waiting: a queue a node, who is woken when, and gates.
//!
//! A waiter sleeps at the node whose word is in its way: its own ([`Place::Here`]), an ancestor
//! ([`Place::Above`]: what it asks for is a descendant of where it sleeps is what `Above` says from
//! its side), or a descendant ([`Place::Below`]). It holds a claim only in the last case (invariant
//! 8), so claims are only ever waited for downwards, and nobody waits in a circle.
//!
//! # Who is woken
//! `PARKED` is set iff the queue is not empty, and changes only under the slow lock (invariant 5).
//! Whoever takes a claim off the word and finds `PARKED` in what its read-modify-write returns goes
//! through the queue in order ([`Node::wake_next`]) and wakes every waiter that conflicts neither
//! with the word as it now stands nor with an *earlier* waiter that wants this very node. To that
//! end it pretends that each of those had its claim already. So a mutex's queue is woken one by
//! one, readers together, and those who merely pass by all at once. A woken waiter stays in the
//! queue until it runs and gets up by itself ([`Node::rise`]): so nobody is woken for a turn that
//! is another's already, and it is known for how long the scheduler keeps that one.
//!
//! # Why no wake-up is lost
//! Going to sleep, under the slow lock: `fetch_or(PARKED)`, and a look at the word it returned. A
//! claim's end is a read-modify-write of the same word. If the end comes first, the look finds the
//! conflict gone and nobody sleeps. If the `fetch_or` comes first, the end finds `PARKED` and goes
//! through the queue, which holds the sleeper by then.
//!
//! Invariant 9: whoever sleeps at K does so because of one of these, and each ends in a walk
//! through K's queue:
//!
//! 1. a claim in K's word that conflicts. Its end finds `PARKED`;
//! 2. a gate that an older waiter has closed. It is opened by [`Node::open_gate`], which walks;
//! 3. an earlier waiter in the queue, which itself sleeps for one of these reasons. Leaving the
//!    queue without a claim is [`Node::leave`], which walks;
//! 4. an earlier waiter that was woken and is on its way. It claims K (and is a case of 1, also if
//!    it withdraws the claim at once), sleeps at K again in its old place (a case of 3), or gives
//!    up, which is [`Node::leave`].
//!
//! Only waiters that want K itself are case 3 or 4 for others. One that wants something below K
//! will not leave a claim on K behind, so nobody sleeps on its account. Taking 3 or 4 out, either
//! way, is a mutation that a loom model catches.
//!
//! # Gates
//! A newcomer may claim a free word ahead of the queue: that is what makes a contended lock fast.
//! For a waiter that has waited longer than the tree's patience (a millisecond), asleep or woken
//! and not yet running, *gates are closed* on the node where it sleeps: one bit for each kind of
//! claim on that node that conflicts with it. Newcomers of that kind queue. When it has to sleep
//! again it closes those of its own node and of all its ancestors as well: from then on whoever
//! conflicts with it either is there already or comes below, where its claim will stop them. A
//! waiter passes a gate only if it arrived before the one who closed it, so the oldest passes all.
//! Gates stay closed until the waiter has its lock or gives up, also while it is in turn held up at
//! another node: otherwise two nodes could take turns in keeping it out. A waiter for a gate holds
//! nothing, and waits only for older ones: no circle.
//!
//! # Tasks that nobody polls
//! Case 4 rests on the woken one running, and so does the end of the claim of one that drains. A
//! thread runs; a task does only if its future is polled, which its owner may put off for ever. So
//! whoever wakes a task sees to it that somebody comes by ten milliseconds later, and again ten
//! later ([`Node::look_after`]). A task that was woken at the first time and has not been polled by
//! the second one *lapses*: it is taken out of the queue, its gates are opened everywhere, and the
//! claim that it was draining is dropped. All of it is decided under the slow lock of the node
//! where it slept, which is where it learns of that when it is polled, or dropped, after all. It
//! then starts anew with its old stamp. It has lost its turn and nothing else.

use std::collections::BTreeMap;
use std::time::Duration;

use super::node::{Node, Slow, is_roomy};
use super::sleeper::{Sleeper, unpark};
use super::word::{GATES, Kind, PARKED, Place};
use crate::sync::{Ordering, PlainArc, Stamp, later, now};

/// At one in so many walks through a queue the clock is asked for a waiter that has been woken
/// already.
const CLOCK_EVERY: u32 = if cfg!(any(mutextree_loom, mutextree_shuttle)) { 1 } else { 8 };

/// So many of a queue, the oldest, have gates closed for them while they sleep. The others of a
/// crowd have their turn when they are among those.
const IN_FRONT: usize = 8;

/// How long a woken task that is not polled may hold up those behind it: at least once, and at most
/// twice this.
const UNPOLLED: Duration = Duration::from_millis(10);

/// How those in a queue are ordered: those who drain a claim they hold come first, then everyone in
/// order of arrival.
pub(super) type Rank = (bool, Stamp);

/// The rank of one with this stamp.
pub(super) fn rank(draining: bool, stamp: Stamp) -> Rank {
    (!draining, stamp)
}

/// A place in a queue.
#[derive(Clone, Debug)]
pub(super) struct Waiter {
    /// The node it wants.
    pub(super) wanted: PlainArc<Node>,
    pub(super) kind: Kind,
    /// Where the node that it sleeps at lies, seen from that.
    pub(super) place: Place,
    pub(super) stamp: Stamp,
    pub(super) sleeper: PlainArc<Sleeper>,
    /// What is wanted by the older one whose gate kept it out when it lay down, if it was a gate.
    pub(super) gated_for: Option<PlainArc<Node>>,
}

impl Waiter {
    fn is_draining(&self) -> bool {
        self.place == Place::Below
    }

    fn rank(&self) -> Rank {
        rank(self.is_draining(), self.stamp)
    }
}

/// The gates that are closed on one node, each by one old waiter against newcomers. In order of
/// age, so that many cost no more than a few.
#[derive(Debug, Default)]
pub(super) struct Gates(BTreeMap<u64, BTreeMap<(Stamp, usize), PlainArc<Node>>>);

/// One of them: what it closes, who closed it when, and where.
#[derive(Debug)]
pub(super) struct Gate {
    at: PlainArc<Node>,
    /// Gate bits of the word.
    bits: u64,
    stamp: Stamp,
}

/// Nobody's address is another's: a gate is opened before its sleeper goes.
fn address(sleeper: &PlainArc<Sleeper>) -> usize {
    PlainArc::as_ptr(sleeper) as usize
}

impl Gates {
    /// Closes the gates of `node` that `waiter` needs closed, if it has not done so.
    fn close(&mut self, node: &PlainArc<Node>, waiter: &Waiter) {
        let Waiter { kind, place, stamp, ref sleeper, .. } = *waiter;
        let bits = kind.closes(place);
        let key = (stamp, address(sleeper));
        if self.0.entry(bits).or_default().insert(key, waiter.wanted.clone()).is_none() {
            node.word.fetch_or(bits, Ordering::SeqCst);
            sleeper.note_gate(Gate { at: node.clone(), bits, stamp });
        }
    }

    fn open(&mut self, gate: &Gate, sleeper: &PlainArc<Sleeper>) {
        if let Some(alike) = self.0.get_mut(&gate.bits) {
            alike.remove(&(gate.stamp, address(sleeper)));
            if alike.is_empty() {
                self.0.remove(&gate.bits);
            }
        }
    }

    /// The bits of all of them.
    fn closed(&self) -> u64 {
        self.0.keys().fold(0, |closed, bits| closed | bits)
    }

    /// What somebody wants who is older than `stamp` and keeps `kind` out; whoever has no stamp yet
    /// is younger than all.
    fn against(&self, kind: Kind, stamp: Option<Stamp>) -> Option<&PlainArc<Node>> {
        let closed = self.0.iter().filter(|(bits, _)| *bits & kind.gate() != 0);
        let mut oldest = closed.filter_map(|(_, gates)| gates.first_key_value());
        oldest.find(|((of, _), _)| stamp.is_none_or(|stamp| *of < stamp)).map(|(_, wanted)| wanted)
    }

    #[cfg(all(test, mutextree_loom))]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Slow {
    /// Whether `waiter` has to wait, if the word is `word`.
    fn holds_up(&self, waiter: &Waiter, word: u64) -> bool {
        let Waiter { kind, place, stamp, .. } = *waiter;
        word & kind.conflicts(place) != 0
            || (place == Place::Here && (kind.is_full(word) || self.gates.against(kind, Some(stamp)).is_some()))
    }

    /// What is wanted by the older one whose gate holds up `waiter`, if it is a gate alone that
    /// does, and the word is `word`.
    fn gate_in_the_way(&self, waiter: &Waiter, word: u64) -> Option<PlainArc<Node>> {
        let is_claimed = waiter.place != Place::Here || word & waiter.kind.conflicts(Place::Here) != 0;
        if is_claimed { None } else { self.gates.against(waiter.kind, Some(waiter.stamp)).cloned() }
    }

    /// Whether nobody who sleeps here, those who drain apart, could go if the word were this one.
    fn is_hopeless(&self, word: u64) -> bool {
        Kind::ALL.iter().all(|kind| self.asleep[*kind as usize] == 0 || word & kind.conflicts(Place::Above) != 0)
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
            let draining = waiter.is_draining();
            let in_front = at < IN_FRONT;
            if !in_front && !draining && self.is_hopeless(pretended) {
                break;
            }
            // One that drains has its claim above already: only what is really here can hold it up.
            let seen = if draining { word } else { pretended };
            if place == Place::Here {
                pretended |= kind.unit();
            }
            let on_its_way = waiter.sleeper.is_woken();
            if !on_its_way && !self.holds_up(waiter, seen) {
                waiter.sleeper.set_woken(true);
                task_first |= waiter.sleeper.is_task();
                next.push(waiter.sleeper.clone());
                self.asleep[kind as usize] -= u32::from(!draining);
            }
            // The clock is not asked at each release just because somebody is on its way.
            let may_be_due = in_front && (!on_its_way || self.walks.is_multiple_of(CLOCK_EVERY));
            if may_be_due && stamp.older_than(patience) {
                self.gates.close(node, &self.queue[at]);
            }
        }
        if task_first {
            self.come_by_later(node);
        }
        next
    }

    /// Sees to it that somebody comes by for those behind a woken task.
    fn come_by_later(&mut self, node: &PlainArc<Node>) {
        if self.looked_after.is_none() {
            let node = PlainArc::downgrade(node);
            self.looked_after = Some(later(now() + UNPOLLED, move || {
                if let Some(node) = node.upgrade() {
                    node.look_after();
                }
            }));
        }
    }

    /// Takes it out of the queue, if it is still there.
    fn take_out(&mut self, node: &Node, sleeper: &PlainArc<Sleeper>, rank: Rank) -> Option<Waiter> {
        let start = self.queue.partition_point(|there| there.rank() < rank);
        let mut alike = self.queue.range(start..).take_while(|there| there.rank() == rank);
        let at = start + alike.position(|there| PlainArc::ptr_eq(&there.sleeper, sleeper))?;
        let waiter = self.queue.remove(at)?;
        if !sleeper.is_woken() {
            self.asleep[waiter.kind as usize] -= u32::from(!waiter.is_draining());
        }
        self.unpark_bit(node);
        Some(waiter)
    }

    fn unpark_bit(&mut self, node: &Node) {
        if self.queue.is_empty() {
            node.word.fetch_and(!PARKED, Ordering::SeqCst);
        }
        if is_roomy(self.queue.len(), self.queue.capacity()) {
            self.queue.shrink_to(self.queue.capacity() / 2);
        }
    }
}

impl Gate {
    /// Opens it, on behalf of the one who closed it.
    pub(super) fn open(&self, sleeper: &PlainArc<Sleeper>) {
        self.at.open_gate(self, sleeper);
    }
}

impl Node {
    /// What the waiter wants who keeps `kind` from claiming this node by a gate, if one does who is
    /// older than `stamp`.
    pub(super) fn gated_for(&self, kind: Kind, stamp: Option<Stamp>) -> Option<PlainArc<Self>> {
        self.cold().slow.lock().gates.against(kind, stamp).cloned()
    }

    /// Goes to sleep here, unless there is no reason to any more: then this is `false`, and the
    /// thing to do is to try again.
    pub(super) fn queue_up(self: &PlainArc<Self>, mut waiter: Waiter, patience: Duration) -> bool {
        let mut slow = self.cold().slow.lock();
        if waiter.stamp.older_than(patience) {
            slow.gates.close(self, &waiter);
        }
        let word = self.word.fetch_or(PARKED, Ordering::SeqCst);
        let asleep = slow.holds_up(&waiter, word);
        if asleep {
            waiter.gated_for = slow.gate_in_the_way(&waiter, word);
            waiter.sleeper.set_woken(false);
            slow.asleep[waiter.kind as usize] += u32::from(!waiter.is_draining());
            let is_task = waiter.sleeper.is_task();
            let at = slow.queue.partition_point(|there| there.rank() <= waiter.rank());
            slow.queue.insert(at, waiter);
            if is_task {
                slow.watch_leases(self);
            }
        } else {
            slow.unpark_bit(self);
        }
        asleep
    }

    /// Closes the gates that `waiter`, who is to sleep elsewhere, needs closed here.
    pub(super) fn close_gate(self: &PlainArc<Self>, waiter: &Waiter) {
        self.cold().slow.lock().gates.close(self, waiter);
    }

    /// Wakes whoever may go.
    #[cold]
    pub(super) fn wake_next(self: &PlainArc<Self>) {
        let patience = self.shared().patience;
        let next = self.cold().slow.lock().take_next(self, patience);
        unpark(next);
    }

    /// Gets up after having been woken, to try again. Whether it lapsed in the meantime.
    pub(super) fn rise(&self, sleeper: &PlainArc<Sleeper>, rank: Rank) -> bool {
        self.cold().slow.lock().take_out(self, sleeper, rank);
        sleeper.take_lapsed()
    }

    /// Gives up waiting here, whether still in the queue or woken already: what kept others asleep
    /// on its account ends. The decision between the two is made under the slow lock. Returns the
    /// node that was in the way, or that somebody wants who was; and whether it lapsed before.
    pub(super) fn leave(self: &PlainArc<Self>, sleeper: &PlainArc<Sleeper>, rank: Rank) -> (PlainArc<Self>, bool) {
        let patience = self.shared().patience;
        let mut slow = self.cold().slow.lock();
        let left = slow.take_out(self, sleeper, rank);
        let word = self.word.load(Ordering::SeqCst);
        // Nobody sleeps on account of one that wants something else; and if it lapsed, that was
        // seen to then.
        let here = left.filter(|waiter| waiter.place == Place::Here);
        let next = if here.is_some() { slow.take_next(self, patience) } else { Vec::new() };
        // By a claim here, or by an earlier waiter for this very node; unless it is only by a gate,
        // or was when it lay down and nothing is any more.
        let by_gate = here
            .filter(|waiter| word & waiter.kind.conflicts(Place::Here) == 0)
            .and_then(|waiter| slow.gate_in_the_way(&waiter, word).or(waiter.gated_for));
        drop(slow);
        unpark(next);
        (by_gate.unwrap_or_else(|| self.clone()), sleeper.take_lapsed())
    }

    /// Opens a gate that `sleeper` has closed here.
    fn open_gate(self: &PlainArc<Self>, gate: &Gate, sleeper: &PlainArc<Sleeper>) {
        let patience = self.shared().patience;
        let mut slow = self.cold().slow.lock();
        slow.gates.open(gate, sleeper);
        let closed = slow.gates.closed();
        self.word.fetch_and(!(GATES & !closed), Ordering::SeqCst);
        let next = slow.take_next(self, patience);
        drop(slow);
        unpark(next);
    }

    /// Takes their turn from woken tasks that nobody polls: their place in the queue, their gates,
    /// and the claim of one that drains. For those, that is, who were so at the last look already:
    /// a task has [`UNPOLLED`] at the least.
    pub(super) fn look_after(self: &PlainArc<Self>) {
        let patience = self.shared().patience;
        let (mut lapsed, mut some_left) = (Vec::new(), false);
        let mut slow = self.cold().slow.lock();
        slow.looked_after = None;
        slow.queue.retain(|waiter| {
            let lapses = waiter.sleeper.is_left_alone();
            if lapses {
                waiter.sleeper.lapse();
                lapsed.push(waiter.clone());
            }
            some_left |= waiter.sleeper.is_task() && waiter.sleeper.is_woken() && !lapses;
            !lapses
        });
        slow.unpark_bit(self);
        let next = if lapsed.is_empty() { Vec::new() } else { slow.take_next(self, patience) };
        if some_left {
            slow.come_by_later(self);
        }
        drop(slow);
        unpark(next);
        // From here on it may be polled, and find its claim still there for a moment, as if it were
        // another's.
        for waiter in lapsed {
            if waiter.is_draining() {
                waiter.wanted.drop_claim(waiter.kind);
            }
            waiter.sleeper.open_gates();
        }
    }

    /// Makes every thread that sleeps here look again at how long it may sleep, and sleep on; and
    /// has that looked at for tasks.
    pub(super) fn stir(self: &PlainArc<Self>) {
        let mut slow = self.cold().slow.lock();
        slow.watch_leases(self);
        let threads = slow.queue.iter().filter(|waiter| !waiter.sleeper.is_task());
        let threads = threads.map(|waiter| waiter.sleeper.clone()).collect();
        drop(slow);
        unpark(threads);
    }
}

#[cfg(all(test, not(any(mutextree_loom, mutextree_shuttle))))]
#[path = "wait_tests.rs"]
mod tests;
