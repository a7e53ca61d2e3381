//! Tasks that are woken and not polled.
//!
//! A waiter may rely on another one, that was woken, to run: if that one wants the same node, if it
//! drains, or if gates are closed for it. A thread runs. A task runs only if its future is polled,
//! and its owner may put that off for ever. So the timer comes by ten milliseconds after a task was
//! woken, and again ten later ([`Node::look_after`]). A task that *holds others up*, was woken
//! before the first visit, and has not been polled by the second, *lapses*: it is taken out of the
//! queue, all its gates are opened, and the claim that it was draining is dropped.
//!
//! This is decided under the slow lock of the node where the task slept. When the task's future is
//! later polled or dropped, it takes the same lock, and so learns that it lapsed. It then starts
//! over with its original stamp: it lost its turn, but not its age.
//!
//! Who holds nobody up keeps its place ([`Queue::holds_up`]). A crowd may have been woken at once,
//! each for a node of its own, and its executor may need longer than that to poll them all. Those
//! in front hold others up: as long as they are there, no gates are closed for those further back.
//!
//! The provided `acquire_async` of other stores and the Redis store have such a rule of their own.

use std::time::Duration;

use super::{IN_FRONT, Queue};
use crate::memory::node::Node;
use crate::memory::sleeper::{Woken, unpark};
use crate::memory::waiter::{Sleep, Waiter};
use crate::memory::word::Place;
use crate::sync::{PlainArc, later, now};

/// How long a woken task that is not polled may hold up the waiters behind it: at least once this,
/// and at most twice.
pub(super) const UNPOLLED: Duration = Duration::from_millis(10);

impl Queue {
    /// Has the timer come by for the waiters behind a woken task.
    pub(super) fn look_after_later(&mut self, node: &PlainArc<Node>) {
        if self.looked_after.is_none() {
            let node = PlainArc::downgrade(node);
            self.looked_after = Some(later(now() + UNPOLLED, move || {
                if let Some(node) = node.upgrade() {
                    node.look_after();
                }
            }));
        }
    }

    /// Whether others wait for the one at `at`, which was woken, to run.
    fn holds_up(&self, at: usize) -> bool {
        let waiter = &self.waiters[at];
        at < IN_FRONT
            || waiter.place == Place::Here
            || waiter.goes_first()
            || waiter.has_gate
            || self.waiters.get(at + 1).is_some_and(|next| next.sleep == Sleep::Follows)
    }

    /// Takes out the tasks that lapse: those that had been woken by the last visit, and have not
    /// been polled since.
    fn take_lapsed(&mut self, node: &PlainArc<Node>) -> Vec<Waiter> {
        let (mut lapsed, mut come_again) = (Vec::new(), false);
        self.looked_after = None;
        // Most sleep, behind the few that were woken.
        let (mut at, mut to_see) = (0, self.woken);
        while to_see > 0 {
            let waiter = &self.waiters[at];
            let is_woken = waiter.sleep == Sleep::Woken;
            to_see -= usize::from(is_woken);
            if !is_woken || !self.holds_up(at) || !waiter.sleeper.is_task() {
                at += 1;
            } else if waiter.sleeper.is_left_alone() {
                waiter.sleeper.lapse();
                lapsed.extend(self.remove(at));
                self.asleep_again(at);
            } else {
                come_again = true;
                at += 1;
            }
        }
        self.unpark_bit(node);
        if come_again {
            self.look_after_later(node);
        }
        lapsed
    }

    /// The one that followed a waiter which lapsed, and those behind it, follow nobody. The pass
    /// through the queue that comes next wakes those that may go.
    fn asleep_again(&mut self, at: usize) {
        for waiter in self.waiters.range_mut(at..).take_while(|waiter| waiter.sleep == Sleep::Follows) {
            waiter.sleep = Sleep::Asleep;
            self.asleep[waiter.kind.index()] += 1;
        }
    }
}

impl Node {
    /// Lets woken tasks lapse that were not polled between the last visit and this one.
    pub(in crate::memory) fn look_after(self: &PlainArc<Self>) {
        let patience = self.shared().patience;
        let mut slow = self.cold().slow.lock();
        let lapsed = slow.queue.take_lapsed(self);
        let next = if lapsed.is_empty() { Woken::default() } else { slow.take_next(self, patience) };
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
