//! Waiting: one queue a node, which waiters are woken when, and why no wake-up is lost.
//!
//! A waiter sleeps at the node whose word blocks it. [`Place`] says where that node is, seen from
//! the node that the waiter wants: `Here` (the same node), `Above` (an ancestor) or `Below` (a
//! descendant). Only in the last case does the waiter hold a claim (invariant 8). So claims are
//! only waited for downwards, and no circle of waiters can form. (A pending upgrade is an
//! exception, for which `upgrade.rs` has the argument.)
//!
//! # Which waiters are woken
//! The end of a claim that finds `PARKED` in the word goes through the queue in order
//! ([`Node::wake_next`]) with a copy of the word. To that copy it adds the claim of every waiter
//! for this node that it passes. It wakes each waiter that does not conflict with the copy. So
//! waiters for a mutex wake one at a time, readers wake together, and waiters for other nodes wake
//! all at once.
//!
//! A woken waiter stays in the queue until its thread runs and removes it ([`Node::rise`]). So no
//! second waiter is woken for the same turn, and gates (`gate.rs`) can still be closed for a waiter
//! that the scheduler is slow to run.
//!
//! # Why no wake-up is lost
//! `PARKED` says whether the queue is empty, and changes only under the slow lock (invariant 5). To
//! go to sleep, a waiter takes that lock, sets `PARKED` by a `fetch_or`, and looks at the word that
//! this returns. The end of a claim is a read-modify-write of the same word. There are two cases:
//!
//! * The claim ends first. Then the waiter finds the conflict gone and does not sleep.
//! * The `fetch_or` comes first. Then the end of the claim finds `PARKED` and goes through the
//!   queue. The waiter is in it by then, as both happen under the slow lock.
//!
//! A waiter sleeps at a node K for one of four reasons (invariant 9), and the end of each goes
//! through K's queue:
//!
//! 1. A claim in K's word conflicts. Its end finds `PARKED`.
//! 2. An older waiter has closed a gate. [`Node::open_gate`] goes through the queue.
//! 3. An earlier waiter in the queue sleeps, itself for one of these reasons. If it leaves the
//!    queue without a claim, [`Node::leave`] goes through the queue.
//! 4. An earlier waiter was woken and is on its way. It may claim K: then see 1, also if it
//!    withdraws the claim at once. It may sleep at K again, in its old place: then see 3. Or it
//!    gives up, which is [`Node::leave`].
//!
//! A set that was woken here claims K before its other members, so case 4 holds for it, too
//! (`set.rs`).
//!
//! Only waiters that want K itself are case 3 or 4 for others. A waiter for a node below K leaves
//! no claim on K behind, so no waiter sleeps because of it.
//!
//! # Tasks that are not polled
//! Case 4 relies on the woken waiter to run, and so does the end of a draining waiter's claim. A
//! thread runs. A task runs only if its future is polled, and its owner may put that off for ever.
//! So the timer comes by ten milliseconds after a task was woken, and again ten later
//! ([`Node::look_after`]). A task that was woken before the first visit, and has not been polled by
//! the second, *lapses*: it is taken out of the queue, all its gates are opened, and the claim that
//! it was draining is dropped.
//!
//! This is decided under the slow lock of the node where the task slept. When the task's future is
//! later polled or dropped, it takes the same lock, and so learns that it lapsed. It then starts
//! over with its original stamp: it lost its turn, but not its age.
//!
//! The provided `acquire_async` of other stores and the Redis store have such a rule of their own.

use std::collections::VecDeque;
use std::time::Duration;

use super::gate::Gates;
use super::node::{Node, Slow, is_roomy};
use super::sleeper::{Sleeper, unpark};
use super::waiter::{Rank, Role, Waiter};
use super::word::{Kind, PARKED, Place};
use crate::sync::{Ordering, PlainArc, Timeout, later, now};

/// Asking the clock about waiters that have been woken already takes time, so only every eighth
/// pass through a queue does it.
const CLOCK_EVERY: u32 = if cfg!(any(mutextree_loom, mutextree_shuttle)) { 1 } else { 8 };

/// How many waiters at the front of a queue have gates closed for them while they sleep. Those
/// further back have their turn once they are among these.
const IN_FRONT: usize = 8;

/// How long a woken task that is not polled may hold up the waiters behind it: at least once this,
/// and at most twice.
const UNPOLLED: Duration = Duration::from_millis(10);

/// The waiters of one node, in order of rank.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiters: VecDeque<Waiter>,
    /// How many waiters of each kind have not been woken. Those that go first are not counted.
    asleep: [u32; 4],
    /// How often the queue was gone through.
    passes: u32,
    /// The timer comes by then, for the waiters behind a woken task.
    looked_after: Option<Timeout>,
}

/// Whether a waiter still has its turn when it stops sleeping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Kept,
    /// It is a task that lapsed. It is in no queue and has no claim any more.
    Lapsed,
}

/// What is known of a waiter that gave up.
#[derive(Debug)]
pub(super) struct Left {
    /// The node that blocked it.
    pub(super) in_the_way: PlainArc<Node>,
    /// Whether it had its turn until then.
    pub(super) turn: Turn,
}

impl Queue {
    /// Whether a task waits here.
    pub(super) fn has_task(&self) -> bool {
        self.waiters.iter().any(|waiter| waiter.sleeper.is_task())
    }

    /// The waiters here, in order of rank.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Waiter> {
        self.waiters.iter()
    }

    /// The threads that wait here.
    pub(super) fn threads(&self) -> Vec<PlainArc<Sleeper>> {
        let threads = self.waiters.iter().filter(|waiter| !waiter.sleeper.is_task());
        threads.map(|waiter| waiter.sleeper.clone()).collect()
    }

    /// Whether none of the sleeping waiters could go if this were the word. Those that go first are
    /// not asked.
    fn is_hopeless(&self, word: u64) -> bool {
        Kind::ALL.iter().all(|kind| self.asleep[kind.index()] == 0 || word & kind.conflicts(Place::Above) != 0)
    }

    fn insert(&mut self, waiter: Waiter) {
        self.asleep[waiter.kind.index()] += u32::from(!waiter.goes_first());
        // Most come last.
        if self.waiters.back().is_none_or(|last| last.rank() <= waiter.rank()) {
            self.waiters.push_back(waiter);
        } else {
            let at = self.waiters.partition_point(|there| there.rank() <= waiter.rank());
            self.waiters.insert(at, waiter);
        }
    }

    /// Marks the waiters that may go as woken, and returns them. The caller unparks them once it
    /// has released the slow lock.
    fn take_next(&mut self, gates: &mut Gates, node: &PlainArc<Node>, patience: Duration) -> Vec<PlainArc<Sleeper>> {
        let mut next = Vec::new();
        let mut wakes_task = false;
        self.passes = self.passes.wrapping_add(1);
        let word = node.word.load(Ordering::SeqCst);
        let mut pretended = word;
        for at in 0..self.waiters.len() {
            let waiter = &self.waiters[at];
            let Waiter { kind, place, stamp, .. } = *waiter;
            let goes_first = waiter.goes_first();
            let in_front = at < IN_FRONT;
            // Behind the front there is nothing left to do once no waiter can go. Waiters that go
            // first are all in front of the others, so none of them is missed.
            if !in_front && !goes_first && self.is_hopeless(pretended) {
                break;
            }
            // One that goes first has its claim already, so only real claims can hold it up.
            let seen = if goes_first { word } else { pretended };
            // Waiters further back must not take this one's turn. A waiter for another node leaves
            // no claim here.
            if place == Place::Here && !goes_first {
                pretended |= kind.unit();
            }
            let on_its_way = waiter.sleeper.is_woken();
            if !on_its_way && !waiter.is_held_up(seen, gates) {
                waiter.sleeper.set_woken(true);
                wakes_task |= waiter.sleeper.is_task();
                next.push(waiter.sleeper.clone());
                self.asleep[kind.index()] -= u32::from(!goes_first);
            }
            // A waiter that stays at the front for too long has gates closed for it. While one is
            // on its way each release comes by here, so the clock is asked now and then only.
            let may_be_due = in_front && (!on_its_way || self.passes.is_multiple_of(CLOCK_EVERY));
            if may_be_due && stamp.older_than(patience) {
                gates.close(node, &self.waiters[at]);
            }
        }
        if wakes_task {
            self.look_after_later(node);
        }
        next
    }

    /// Has the timer come by for the waiters behind a woken task.
    fn look_after_later(&mut self, node: &PlainArc<Node>) {
        if self.looked_after.is_none() {
            let node = PlainArc::downgrade(node);
            self.looked_after = Some(later(now() + UNPOLLED, move || {
                if let Some(node) = node.upgrade() {
                    node.look_after();
                }
            }));
        }
    }

    /// Takes a waiter out of the queue, if it is still there.
    fn take_out(&mut self, node: &Node, sleeper: &PlainArc<Sleeper>, rank: Rank) -> Option<Waiter> {
        let waiter = self.waiters.remove(self.place_of(sleeper, rank)?)?;
        if !sleeper.is_woken() {
            self.asleep[waiter.kind.index()] -= u32::from(!waiter.goes_first());
        }
        self.unpark_bit(node);
        Some(waiter)
    }

    fn place_of(&self, sleeper: &PlainArc<Sleeper>, rank: Rank) -> Option<usize> {
        let is_it = |there: &Waiter| PlainArc::ptr_eq(&there.sleeper, sleeper);
        // Most that leave are the first. A search through a long queue would miss the cache.
        if self.waiters.front().is_some_and(is_it) {
            return Some(0);
        }
        let start = self.waiters.partition_point(|there| there.rank() < rank);
        let mut alike = self.waiters.range(start..).take_while(|there| there.rank() == rank);
        Some(start + alike.position(is_it)?)
    }

    /// Takes out the tasks that lapse: those that had been woken by the last visit, and have not
    /// been polled since.
    fn take_lapsed(&mut self, node: &PlainArc<Node>) -> Vec<Waiter> {
        let (mut lapsed, mut come_again) = (Vec::new(), false);
        self.looked_after = None;
        self.waiters.retain(|waiter| {
            let lapses = waiter.sleeper.is_left_alone();
            if lapses {
                waiter.sleeper.lapse();
                lapsed.push(waiter.clone());
            }
            come_again |= waiter.sleeper.is_task() && waiter.sleeper.is_woken() && !lapses;
            !lapses
        });
        self.unpark_bit(node);
        if come_again {
            self.look_after_later(node);
        }
        lapsed
    }

    /// After waiters left: clears `PARKED` if they were the last (invariant 5).
    fn unpark_bit(&mut self, node: &Node) {
        if self.waiters.is_empty() {
            node.word.fetch_and(!PARKED, Ordering::SeqCst);
        }
        if is_roomy(self.waiters.len(), self.waiters.capacity()) {
            self.waiters.shrink_to(self.waiters.capacity() / 2);
        }
    }

    #[cfg(all(test, mutextree_loom))]
    pub(super) fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    #[cfg(all(test, not(any(mutextree_loom, mutextree_shuttle))))]
    pub(super) fn capacity(&self) -> usize {
        self.waiters.capacity()
    }
}

impl Slow {
    /// See [`Queue::take_next`].
    pub(super) fn take_next(&mut self, node: &PlainArc<Node>, patience: Duration) -> Vec<PlainArc<Sleeper>> {
        self.queue.take_next(&mut self.gates, node, patience)
    }
}

impl Node {
    /// Goes to sleep here. `None` if there is no reason to any more: then the waiter tries again.
    /// Otherwise its role: one that drains may have been sent aside, and has to withdraw its claim.
    pub(super) fn queue_up(self: &PlainArc<Self>, mut waiter: Waiter, patience: Duration) -> Option<Role> {
        let mut slow = self.cold().slow.lock();
        self.gather_under(&mut slow); // (G4)
        let upgrades = &self.shared().upgrades;
        if waiter.claims().any(|(node, kind)| kind.is_shared() && upgrades.any_around(node)) {
            waiter.role = Role::Aside; // (13)
        }
        // Before the look at the word, so that no newcomer gets in between the two.
        if waiter.stamp.older_than(patience) {
            slow.gates.close(self, &waiter);
        }
        let word = self.word.fetch_or(PARKED, Ordering::SeqCst);
        let asleep = waiter.is_held_up(word, &slow.gates).then_some(waiter.role);
        if asleep.is_some() {
            // For the error, should it give up later: by then the gate may be open again.
            waiter.gated_for = slow.gates.alone_in_the_way(&waiter, word);
            waiter.sleeper.set_woken(false);
            let is_task = waiter.sleeper.is_task();
            slow.queue.insert(waiter);
            // A thread sleeps no longer than the first lease here. For a task the timer does that.
            if is_task {
                slow.watch_leases(self);
            }
        } else {
            // The conflict ended before `PARKED` was set. Its end will not go through the queue.
            slow.queue.unpark_bit(self);
        }
        asleep
    }

    /// Wakes the waiters that may go.
    #[cold]
    pub(super) fn wake_next(self: &PlainArc<Self>) {
        let patience = self.shared().patience;
        let next = self.cold().slow.lock().take_next(self, patience);
        unpark(next);
    }

    /// Leaves the queue after having been woken, to try again.
    pub(super) fn rise(&self, sleeper: &PlainArc<Sleeper>, rank: Rank) -> Turn {
        self.cold().slow.lock().queue.take_out(self, sleeper, rank);
        sleeper.take_turn()
    }

    /// Gives up waiting here, asleep or already woken. Waiters that slept because of this one are
    /// woken.
    pub(super) fn leave(self: &PlainArc<Self>, sleeper: &PlainArc<Sleeper>, rank: Rank) -> Left {
        let patience = self.shared().patience;
        let mut slow = self.cold().slow.lock();
        let left = slow.queue.take_out(self, sleeper, rank);
        let word = self.word.load(Ordering::SeqCst);
        // Only a waiter for this very node keeps others asleep. If it lapsed, it is not in the
        // queue, and the others were woken then.
        let here = left.filter(|waiter| waiter.place == Place::Here);
        let next = if here.is_some() { slow.take_next(self, patience) } else { Vec::new() };
        // The blocker is this node: a claim on it, or an earlier waiter for it. Exception: if only
        // a gate blocks us (or a gate did when we went to sleep, and nothing does now), the blocker
        // is the node that the gate's owner wants.
        let by_gate = here
            .filter(|waiter| word & waiter.kind.conflicts(Place::Here) == 0)
            .and_then(|waiter| slow.gates.alone_in_the_way(&waiter, word).or(waiter.gated_for));
        drop(slow);
        unpark(next);
        Left { in_the_way: by_gate.unwrap_or_else(|| self.clone()), turn: sleeper.take_turn() }
    }

    /// Has a waiter lapse that drains, if it sleeps here.
    pub(super) fn take_draining(&self, sleeper: &PlainArc<Sleeper>) -> Option<Waiter> {
        let mut slow = self.cold().slow.lock();
        let drains = |waiter: &Waiter| waiter.is_draining() && PlainArc::ptr_eq(&waiter.sleeper, sleeper);
        let at = slow.queue.waiters.iter().position(drains)?;
        let waiter = slow.queue.waiters.remove(at)?;
        sleeper.lapse();
        sleeper.set_woken(true);
        slow.queue.unpark_bit(self);
        Some(waiter)
    }

    /// Lets woken tasks lapse that were not polled between the last visit and this one.
    pub(super) fn look_after(self: &PlainArc<Self>) {
        let patience = self.shared().patience;
        let mut slow = self.cold().slow.lock();
        let lapsed = slow.queue.take_lapsed(self);
        let next = if lapsed.is_empty() { Vec::new() } else { slow.take_next(self, patience) };
        drop(slow);
        unpark(next);
        // From here on a task may be polled, and may find its own claim still there for a moment,
        // as if it were another's. Its end wakes the task.
        for waiter in lapsed {
            waiter.claims().for_each(|(node, kind)| node.drop_claim(kind));
            waiter.sleeper.open_gates();
        }
    }
}

#[cfg(all(test, not(any(mutextree_loom, mutextree_shuttle))))]
mod tests;
