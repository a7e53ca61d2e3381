//! Handing over: a released lock goes on to the first waiter in the queue, without a gap.
//!
//! A newcomer may claim a free word ahead of the queue. If the first waiter is old, gates keep
//! newcomers out until it has claimed (`gate.rs`). For a crowd of tasks that is much work: a gate
//! is closed and opened for each of them. So a task that has slept for its lock looks at the queue
//! before it ends its claim. If the first waiter is a task, too, wants just such a lock on this
//! node, and is old, then the claim stays where it is, and is that waiter's from then on.
//!
//! | the first waiter | asleep | handed over | it runs | it gives up, or lapses |
//! |---|---|---|---|---|
//! | its place | in the queue | the same, and is woken | leaves | leaves |
//! | the claim | the holder's | its own | its own: it has the lock | is dropped |
//!
//! # Why it excludes
//! Nothing in the tree changes. A granted claim stands before and after, of the same kind on the
//! same node. Whoever conflicts with it has met it, and will. So its new holder has nothing to look
//! for above or below. What the old holder wrote is seen by the new one: both take the slow lock.
//!
//! # Why nobody sleeps for ever
//! Some others that sleep here conflict with that claim. It stands, so they sleep with good reason,
//! and its end goes through the queue, as the end of any claim that finds `PARKED`. The rest do not
//! conflict with it, so neither it nor its new holder, who wants the same kind, is in their way.
//! What is, has an end of its own that goes through the queue.
//!
//! A task may not be polled for long. It lapses, as any woken task does (`lapse.rs`); it is in the
//! queue until it runs, and keeps others asleep that want the node. Then its claim is dropped.
//!
//! # Why nobody is overtaken
//! The lock goes to the first in the queue. Who drains for a node above, or upgrades, is in front
//! of all others, and is handed nothing: then the claim ends. So does it if an older waiter's gate
//! keeps the first one out. Newcomers find the node claimed throughout. So no gates need be closed.
//!
//! # Who is handed nothing
//! * A young waiter: a newcomer that runs makes better use of the lock.
//! * A thread: it takes tens of microseconds to run, in which a waiter that spins could have had
//!   the lock. It has gates once it is old.
//! * A waiter for a shared lock, which is to have it together with others.
//! * A set, which has to claim other members, too.
//!
//! Locks that are recorded or named end in other ways, and are not handed over. Nor are those that
//! nobody slept for: to look first, with a load or a compare-and-swap, would make each release
//! dearer, and under contention fetch the word's cache line twice. The first one of a crowd gets
//! its lock as ever, and the others have it from each other.

use std::time::Duration;

use super::Queue;
use crate::memory::gate::Gates;
use crate::memory::node::{Node, Slow};
use crate::memory::sleeper::{Sleeper, Woken, unpark};
use crate::memory::waiter::{Role, Sleep, Waiter};
use crate::memory::word::{Kind, PARKED, Place};
use crate::sync::{Ordering, PlainArc, Stamp};

impl Waiter {
    /// Whether it may have a lock of this kind, apart from its age.
    fn may_be_handed(&self, kind: Kind, gates: &Gates) -> bool {
        self.role == Role::Wants
            && self.sleep == Sleep::Asleep
            && self.place == Place::Here
            && self.kind == kind
            && self.sleeper.is_task()
            && self.sleeper.set().is_empty()
            && gates.against(kind, Some(self.stamp)).is_none()
    }
}

impl Queue {
    /// Marks the first waiter as the holder of a lock here, if it is one to be handed it.
    fn hand_over(
        &mut self,
        gates: &Gates,
        node: &PlainArc<Node>,
        kind: Kind,
        patience: Duration,
    ) -> Option<PlainArc<Sleeper>> {
        let first = self.waiters.front().filter(|first| first.may_be_handed(kind, gates))?;
        let (has_gate, stamp) = (first.has_gate, first.stamp);
        if !has_gate && !self.has_aged(stamp, patience) {
            return None;
        }
        self.waiters[0].has_lock = true;
        Some(self.wake(0, node))
    }

    /// Whether a waiter is old by now. Of a crowd most are by an earlier look at the clock.
    fn has_aged(&mut self, stamp: Stamp, patience: Duration) -> bool {
        let was_old = self.clock.is_some() && stamp.older_by(&mut self.clock, patience);
        was_old || {
            self.clock = None;
            stamp.older_by(&mut self.clock, patience)
        }
    }
}

impl Node {
    /// Ends a lock that a task has slept for: its claim goes on to the first waiter, or is dropped.
    pub(in crate::memory) fn release_waited_for(self: &PlainArc<Self>, kind: Kind) {
        // If a waiter that comes just now is missed, the end of the claim finds it.
        if kind.is_shared() || self.word.load(Ordering::Relaxed) & PARKED == 0 {
            return self.drop_claim(kind);
        }
        let patience = self.shared().patience;
        let mut slow = self.cold().slow.lock();
        let Slow { queue, gates, .. } = &mut *slow;
        let next = match queue.hand_over(gates, self, kind, patience) {
            Some(next) => Woken::from(next),
            None => {
                // As in `drop_claim`; under the slow lock, as it is held already.
                self.word.fetch_sub(kind.unit(), Ordering::Release);
                slow.take_next(self, patience)
            }
        };
        drop(slow);
        unpark(next);
    }
}
