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
//! waiters for a mutex wake one at a time, readers wake together, and waiters for several other
//! nodes wake all at once.
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
//! no claim on K behind, so no waiter sleeps because of it, but one that follows.
//!
//! # Waiters that follow
//! Many may sleep at K for one and the same node below it. If the end of a claim on K woke them
//! all, all but one would only go on to sleep at that node. So a waiter *follows* the one right
//! before it in the queue, if both want the same node below and conflict there, and that one was
//! woken or follows one that was. It is not woken then: the earlier one is in its way (case 4),
//! though not at K.
//!
//! The rule is: who follows has such a waiter right before it, at any time. So whoever takes a
//! waiter out of the queue, or puts one in between, looks at the next one ([`Queue::unfollow`]). It
//! is woken, unless something is in its way at K again. So the one before it need not claim
//! anything for it to be woken: it runs, gives up or lapses, and each takes it out of the queue.
//!
//! * `wait/hand_over.rs` a lock that goes on to a task without a gap
//! * `wait/lapse.rs` tasks that are woken and not polled
//! * `wait/turn.rs` what has become of a waiter's turn

use std::collections::VecDeque;
use std::time::Duration;

use super::gate::Gates;
use super::node::{Node, Slow, is_roomy};
use super::sleeper::{Sleeper, Woken, unpark};
use super::waiter::{Rank, Role, Sleep, Waiter};
use super::word::{Kind, PARKED, Place};
use crate::sync::{Ordering, PlainArc, Stamp, Timeout};

pub(super) use self::turn::{Left, Turn};

use self::turn::turn_of;

mod hand_over;
mod lapse;
mod turn;

/// Asking the clock about waiters that have been woken already takes time, so only every eighth
/// pass through a queue does it.
const CLOCK_EVERY: u32 = if cfg!(any(mutextree_loom, mutextree_shuttle)) { 1 } else { 8 };

/// How many waiters at the front of a queue have gates closed for them while they sleep. Those
/// further back have their turn once they are among these.
const IN_FRONT: usize = 8;

/// The waiters of one node, in order of rank.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiters: VecDeque<Waiter>,
    /// How many waiters of each kind are asleep, and follow nobody. Those that go first are not
    /// counted.
    asleep: [u32; 4],
    /// How many have been woken.
    woken: usize,
    /// How often the queue was gone through.
    passes: u32,
    /// The timer comes by then, for the waiters behind a woken task.
    looked_after: Option<Timeout>,
    /// The last time at which a lock was about to be handed over: `hand_over.rs`.
    clock: Option<Stamp>,
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

    /// Returns those that are woken, as it comes between them and the one that they followed.
    fn insert(&mut self, waiter: Waiter, gates: &Gates, node: &PlainArc<Node>) -> Woken {
        self.asleep[waiter.kind.index()] += u32::from(waiter.is_counted());
        // Most come last.
        if self.waiters.len() == self.waiters.capacity() {
            // Not to twice its size: of a crowd that would be much that is not used.
            self.waiters.reserve_exact((self.waiters.len() / 4).max(4));
        }
        if self.waiters.back().is_none_or(|last| last.rank() <= waiter.rank()) {
            self.waiters.push_back(waiter);
            return Woken::default();
        }
        let at = self.waiters.partition_point(|there| there.rank() <= waiter.rank());
        self.waiters.insert(at, waiter);
        self.unfollow(at + 1, gates, node)
    }

    /// Marks the waiter at `at` as woken.
    fn wake(&mut self, at: usize, node: &PlainArc<Node>) -> PlainArc<Sleeper> {
        let waiter = &mut self.waiters[at];
        self.asleep[waiter.kind.index()] -= u32::from(waiter.is_counted());
        waiter.sleep = Sleep::Woken;
        waiter.sleeper.set_woken(true);
        self.woken += 1;
        let sleeper = waiter.sleeper.clone();
        if sleeper.is_task() {
            self.look_after_later(node);
        }
        sleeper
    }

    /// The waiter at `at` has another one before it than it had. If it followed that one, it is
    /// woken, or sleeps for what is in its way. In the second case the one behind it follows nobody
    /// either.
    fn unfollow(&mut self, mut at: usize, gates: &Gates, node: &PlainArc<Node>) -> Woken {
        let mut next = Woken::default();
        while let Some(waiter) = self.waiters.get_mut(at).filter(|waiter| waiter.sleep == Sleep::Follows) {
            waiter.sleep = Sleep::Asleep;
            let is_held_up = waiter.is_held_up(node.word.load(Ordering::SeqCst), gates);
            self.asleep[waiter.kind.index()] += 1;
            if !is_held_up {
                next.push(self.wake(at, node));
                break;
            }
            at += 1;
        }
        next
    }

    /// Marks the waiters that may go as woken, and returns them. The caller unparks them once it
    /// has released the slow lock.
    fn take_next(&mut self, gates: &mut Gates, node: &PlainArc<Node>, patience: Duration) -> Woken {
        let (mut next, mut clock) = (Woken::default(), None);
        self.passes = self.passes.wrapping_add(1);
        let word = node.word.load(Ordering::SeqCst);
        let mut pretended = word;
        for at in 0..self.waiters.len() {
            let waiter = &self.waiters[at];
            let Waiter { kind, place, stamp, sleep, .. } = *waiter;
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
            let has_gate = waiter.has_gate;
            if sleep == Sleep::Asleep && !waiter.is_held_up(seen, gates) {
                if at > 0 && waiter.may_follow(&self.waiters[at - 1]) {
                    self.asleep[kind.index()] -= 1;
                    self.waiters[at].sleep = Sleep::Follows;
                } else {
                    next.push(self.wake(at, node));
                }
            }
            // A waiter that stays at the front for too long has gates closed for it. While one is
            // on its way each release comes by here, so the clock is asked now and then only.
            let on_its_way = sleep == Sleep::Woken;
            let may_be_due = in_front && !has_gate && (!on_its_way || self.passes.is_multiple_of(CLOCK_EVERY));
            if may_be_due && stamp.older_by(&mut clock, patience) {
                self.waiters[at].has_gate = true;
                gates.close(node, &self.waiters[at]);
            }
        }
        next
    }

    /// Takes a waiter out of the queue, if it is still there, and wakes the one that followed it.
    fn take_out(
        &mut self,
        gates: &Gates,
        node: &PlainArc<Node>,
        sleeper: &PlainArc<Sleeper>,
        rank: Rank,
    ) -> (Option<Waiter>, Woken) {
        let Some(at) = self.place_of(sleeper, rank) else { return (None, Woken::default()) };
        let waiter = self.remove(at);
        let next = self.unfollow(at, gates, node);
        self.unpark_bit(node);
        (waiter, next)
    }

    fn remove(&mut self, at: usize) -> Option<Waiter> {
        let waiter = self.waiters.remove(at)?;
        self.asleep[waiter.kind.index()] -= u32::from(waiter.is_counted());
        self.woken -= usize::from(waiter.sleep == Sleep::Woken);
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
    pub(super) fn take_next(&mut self, node: &PlainArc<Node>, patience: Duration) -> Woken {
        self.queue.take_next(&mut self.gates, node, patience)
    }

    /// Whether a pass through the queue would wake nobody, if this is the word.
    pub(super) fn is_hopeless(&self, word: u64) -> bool {
        self.queue.is_hopeless(word) && self.queue.waiters.front().is_none_or(|first| !first.goes_first())
    }

    /// See [`Queue::take_out`].
    fn take_out(&mut self, node: &PlainArc<Node>, sleeper: &PlainArc<Sleeper>, rank: Rank) -> (Option<Waiter>, Woken) {
        self.queue.take_out(&self.gates, node, sleeper, rank)
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
            waiter.has_gate = true;
            slow.gates.close(self, &waiter);
        }
        let word = self.word.fetch_or(PARKED, Ordering::SeqCst);
        let asleep = waiter.is_held_up(word, &slow.gates).then_some(waiter.role);
        if asleep.is_some() {
            // For the error, should it give up later: by then the gate may be open again.
            // By default it names the node where it sleeps.
            let gated_for = slow.gates.alone_in_the_way(&waiter, word);
            if let Some(wanted) = gated_for.filter(|wanted| !PlainArc::ptr_eq(wanted, self)) {
                waiter.is_gated = true;
                waiter.sleeper.set_gated_for(wanted);
            }
            waiter.sleeper.set_woken(false);
            let is_task = waiter.sleeper.is_task();
            let Slow { queue, gates, .. } = &mut *slow;
            let next = queue.insert(waiter, gates, self);
            // A thread sleeps no longer than the first lease here. For a task the timer does that.
            if is_task {
                slow.watch_leases(self);
            }
            drop(slow);
            unpark(next);
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
    pub(super) fn rise(self: &PlainArc<Self>, sleeper: &PlainArc<Sleeper>, rank: Rank) -> Turn {
        let (waiter, next) = self.cold().slow.lock().take_out(self, sleeper, rank);
        unpark(next);
        turn_of(waiter.as_ref(), sleeper)
    }

    /// Gives up waiting here, asleep or already woken. Waiters that slept because of this one are
    /// woken.
    pub(super) fn leave(self: &PlainArc<Self>, sleeper: &PlainArc<Sleeper>, rank: Rank) -> Left {
        let patience = self.shared().patience;
        let mut slow = self.cold().slow.lock();
        let (left, next) = slow.take_out(self, sleeper, rank);
        let turn = turn_of(left.as_ref(), sleeper);
        let word = self.word.load(Ordering::SeqCst);
        // Else only a waiter for this very node keeps others asleep. If it lapsed, it is not in the
        // queue, and the others were woken then.
        let here = left.filter(|waiter| waiter.place == Place::Here);
        let next = if here.is_some() { slow.take_next(self, patience) } else { next };
        // The blocker is this node: a claim on it, or an earlier waiter for it. Exception: if only
        // a gate blocks us (or a gate did when we went to sleep, and nothing does now), the blocker
        // is the node that the gate's owner wants.
        let by_gate = here.filter(|waiter| word & waiter.kind.conflicts(Place::Here) == 0).and_then(|waiter| {
            slow.gates
                .alone_in_the_way(&waiter, word)
                .or_else(|| if waiter.is_gated { sleeper.gated_for() } else { None })
        });
        drop(slow);
        unpark(next);
        Left { in_the_way: by_gate.unwrap_or_else(|| self.clone()), turn }
    }

    /// Has a waiter lapse that drains, if it sleeps here.
    pub(super) fn take_draining(&self, sleeper: &PlainArc<Sleeper>) -> Option<Waiter> {
        let mut slow = self.cold().slow.lock();
        let drains = |waiter: &Waiter| waiter.is_draining() && PlainArc::ptr_eq(&waiter.sleeper, sleeper);
        let at = slow.queue.waiters.iter().position(drains)?;
        let waiter = slow.queue.remove(at)?; // no other waiter follows it
        sleeper.lapse();
        sleeper.set_woken(true);
        slow.queue.unpark_bit(self);
        Some(waiter)
    }
}

#[cfg(all(test, not(any(mutextree_loom, mutextree_shuttle))))]
mod tests;
