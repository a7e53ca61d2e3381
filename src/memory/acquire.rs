//! An acquisition that may have to wait, as a state machine: each step goes as far as it can
//! without sleeping.
//!
//! | stage | claim held | next |
//! |---|---|---|
//! | `Idle` | none | claim; look up; look down |
//! | `Asleep`, not draining | none | woken: `Idle` |
//! | `Draining` | yes | look on below |
//! | `Asleep`, draining | yes | woken: `Draining`; lapsed, with its claim: `Idle` |
//! | `Done` | the caller's, or none | |
//!
//! From every stage there is a way back to nothing, [`Acquisition::cancel`], which dropping takes:
//! a wait that is given up, or whose thread unwinds, leaves the tree as if it had never been.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::claim::{Claim, How};
use super::node::Node;
use super::sleeper::Sleeper;
use super::wait::{Waiter, rank};
use super::walk::{Tentative, Walk};
use super::word::{Kind, Place};
use crate::sync::{Deadline, Ordering, PlainArc, Spin, Stamp};

/// How far a step came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Granted,
    /// In a queue: step again once [woken](Acquisition::is_woken).
    Asleep,
}

#[derive(Debug)]
enum Stage {
    Idle,
    Draining(Walk),
    Asleep { at: PlainArc<Node>, draining: Option<Walk> },
    Done,
}

/// An acquisition under way.
#[derive(Debug)]
pub(super) struct Acquisition<'a> {
    node: &'a PlainArc<Node>,
    kind: Kind,
    stage: Stage,
    spin: Spin,
    /// When it first met something in its way.
    stamp: Option<Stamp>,
    sleeper: Option<PlainArc<Sleeper>>,
    /// The waker of the first poll, until there is a sleeper to keep it; never for a thread.
    waker: Option<Waker>,
    /// Whether it has closed the gates of the node and of all those above.
    closed_all: bool,
}

impl<'a> Acquisition<'a> {
    /// For the calling thread.
    pub(super) fn new(node: &'a PlainArc<Node>, kind: Kind) -> Self {
        Self {
            node,
            kind,
            stage: Stage::Idle,
            spin: Spin::of_thread(),
            stamp: None,
            sleeper: None,
            waker: None,
            closed_all: false,
        }
    }

    /// A step for the task that `waker` wakes.
    pub(super) fn poll_step(&mut self, waker: &Waker) -> Step {
        match &self.sleeper {
            Some(sleeper) => sleeper.set_waker(waker),
            None => {
                self.waker = Some(waker.clone());
                self.spin = Spin::of_task();
            }
        }
        self.step()
    }

    /// Goes as far as it can. A sleeper that has not been woken yet stays where it is.
    pub(super) fn step(&mut self) -> Step {
        loop {
            match std::mem::replace(&mut self.stage, Stage::Done) {
                Stage::Idle => match self.node.claim(self.kind, self.stamp, How::Firm) {
                    Claim::Blocked(_) => self.wait_at(self.node, Place::Here, None),
                    made => {
                        if let Some(above) = self.node.look_up(self.kind) {
                            self.node.drop_claim(self.kind);
                            self.wait_at(above, Place::Above, None);
                        } else if matches!(made, Claim::Inner) {
                            self.stage = Stage::Draining(Walk::new(self.node, self.kind, Tentative::Strike));
                        } else {
                            self.open_gates();
                            return Step::Granted;
                        }
                    }
                },
                Stage::Draining(mut walk) => match walk.next_conflict() {
                    Some(below) => self.wait_at(&below, Place::Below, Some(walk)),
                    None => {
                        self.open_gates();
                        return Step::Granted;
                    }
                },
                Stage::Asleep { at, draining } if self.is_woken() => {
                    let lapsed = match (&self.sleeper, self.stamp) {
                        (Some(sleeper), Some(stamp)) => at.rise(sleeper, rank(draining.is_some(), stamp)),
                        _ => false,
                    };
                    self.spin = if self.is_task() { Spin::of_task() } else { Spin::of_thread() };
                    self.closed_all &= !lapsed;
                    self.stage = draining.filter(|_| !lapsed).map_or(Stage::Idle, Stage::Draining);
                }
                asleep @ Stage::Asleep { .. } => {
                    self.stage = asleep;
                    return Step::Asleep;
                }
                Stage::Done => return Step::Granted,
            }
        }
    }

    /// Spins, and then sleeps, at the node that is in the way; sets the stage to go on with.
    fn wait_at(&mut self, at: &PlainArc<Node>, place: Place, draining: Option<Walk>) {
        let stamp = *self.stamp.get_or_insert_with(Stamp::now);
        let gate = if place == Place::Here && self.sleeper.is_none() { self.kind.gate() } else { 0 };
        let obstacles = self.kind.conflicts(place) | gate;
        let patience = at.shared().patience;
        // On a busy machine letting others run can take long, and nobody knows of this one until it
        // is in the queue.
        while self.spin.once_more() && !stamp.older_than(patience) {
            // A full count, or an older one's gate, is not seen like this: then the rounds run out.
            if at.word.load(Ordering::Relaxed) & obstacles == 0 {
                self.stage = draining.map_or(Stage::Idle, Stage::Draining);
                return;
            }
        }
        self.sleep_at(at, place, stamp, draining);
    }

    fn sleep_at(&mut self, at: &PlainArc<Node>, place: Place, stamp: Stamp, draining: Option<Walk>) {
        at.revoke_expired();
        let sleeper = self.sleeper.get_or_insert_with(|| Sleeper::new(self.waker.take())).clone();
        let waiter = Waiter { kind: self.kind, wanted: self.node.clone(), place, stamp, sleeper, gated_for: None };
        let patience = at.shared().patience;
        if draining.is_none() && stamp.older_than(patience) {
            self.close_gates(&waiter);
        }
        self.stage = match (at.queue_up(waiter, patience), draining) {
            (true, draining) => Stage::Asleep { at: at.clone(), draining },
            (false, Some(walk)) => Stage::Draining(walk),
            (false, None) => Stage::Idle,
        };
    }

    /// Whether a sleeper may step on.
    pub(super) fn is_woken(&self) -> bool {
        self.sleeper.as_ref().is_none_or(|sleeper| sleeper.is_woken())
    }

    fn is_task(&self) -> bool {
        self.sleeper.as_ref().is_some_and(|sleeper| sleeper.is_task())
    }

    /// Sleeps once, if it is asleep: until it is unparked, or until the deadline, or until a lease
    /// in its way ends, which is then revoked.
    pub(super) fn park(&self, deadline: Option<&Deadline>) {
        let (Stage::Asleep { at, .. }, Some(sleeper)) = (&self.stage, &self.sleeper) else { return };
        let lease = at.earliest_expiry();
        sleeper.park(Deadline::earlier(deadline, lease.as_ref()));
        if lease.is_some_and(|lease| lease.has_passed()) {
            at.revoke_expired();
        }
    }

    /// Gives up, wherever it is, and tells which node was in its way.
    pub(super) fn cancel(mut self) -> PlainArc<Node> {
        self.undo().unwrap_or_else(|| self.node.clone())
    }

    fn undo(&mut self) -> Option<PlainArc<Node>> {
        let mut in_the_way = None;
        let draining = match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Asleep { at, draining } => {
                let (by, lapsed) = match (&self.sleeper, self.stamp) {
                    (Some(sleeper), Some(stamp)) => at.leave(sleeper, rank(draining.is_some(), stamp)),
                    _ => (at, false),
                };
                in_the_way = Some(by);
                draining.is_some() && !lapsed
            }
            Stage::Draining(_) => true,
            Stage::Idle | Stage::Done => false,
        };
        if draining {
            self.node.drop_claim(self.kind);
        }
        self.open_gates();
        in_the_way
    }

    /// Closes the gates of the node and of all above, once. (One that drains has its claim, and is
    /// past all these.)
    fn close_gates(&mut self, waiter: &Waiter) {
        if !std::mem::replace(&mut self.closed_all, true) {
            let here = Waiter { place: Place::Here, ..waiter.clone() };
            self.node.close_gate(&here);
            let above = Waiter { place: Place::Above, ..here };
            self.node.ancestors().iter().for_each(|node| node.close_gate(&above));
        }
    }

    fn open_gates(&self) {
        if let Some(sleeper) = &self.sleeper {
            sleeper.open_gates();
        }
    }
}

impl Drop for Acquisition<'_> {
    fn drop(&mut self) {
        self.undo();
    }
}

/// Acquires, and blocks the calling thread until it has the lock, or until the deadline. The error
/// is the node that was in the way.
pub(super) fn block_on(node: &PlainArc<Node>, kind: Kind, deadline: Option<&Deadline>) -> Result<(), PlainArc<Node>> {
    let mut acquisition = Acquisition::new(node, kind);
    while acquisition.step() == Step::Asleep {
        while !acquisition.is_woken() {
            if deadline.is_some_and(Deadline::has_passed) {
                return Err(acquisition.cancel());
            }
            acquisition.park(deadline);
        }
    }
    Ok(())
}

/// Acquires, as a future. Dropped at any point before it is ready it leaves the tree as if it had
/// never been.
#[derive(Debug)]
pub(super) struct Acquiring<'a>(Acquisition<'a>);

impl<'a> Acquiring<'a> {
    pub(super) fn new(node: &'a PlainArc<Node>, kind: Kind) -> Self {
        Self(Acquisition::new(node, kind))
    }
}

impl Future for Acquiring<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        match self.0.poll_step(context.waker()) {
            Step::Granted => Poll::Ready(()),
            Step::Asleep => Poll::Pending,
        }
    }
}

#[cfg(all(test, not(any(mutextree_loom, mutextree_shuttle))))]
mod tests;
