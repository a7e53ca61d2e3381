//! An acquisition that may have to wait, as a state machine. Each step goes as far as it can
//! without sleeping. Threads and tasks take the same steps; they differ in how they sleep.
//!
//! | stage | claim held | next |
//! |---|---|---|
//! | `Idle` | none | claim; look up; look down |
//! | `Asleep`, not draining | none | woken: `Idle`; woken with the lock: granted |
//! | `Draining` | yes | look on below |
//! | `Asleep`, draining | yes | woken: `Draining`; lapsed, without its claim: `Idle` |
//! | `Asleep`, aside | none any more | woken: `Idle` |
//! | `Done` | the caller's, or none | |
//!
//! Every stage has a way back to nothing, [`Acquisition::cancel`], which dropping takes. So a wait
//! that is given up, or whose thread unwinds, leaves the tree as if it had never been.
//!
//! * `acquire/asked.rs` what is asked for, and what comes of it
//! * `acquire/block.rs` a thread that acquires
//! * `acquire/deadlock.rs` a wait that would never end, where deadlocks are looked for
//! * `acquire/future.rs` an acquisition as a future
//! * `acquire/stage.rs` the stages
//! * `acquire/who.rs` a thread or a task that takes the steps
//!
//! Only a draining waiter sleeps with a claim, and it sleeps at a descendant (invariant 8).

use std::marker::PhantomData;
use std::task::Waker;

use super::claim::{Claim, How};
use super::node::Node;
use super::sleeper::Sleeper;
use super::wait::{Left, Turn};
use super::waiter::{Rank, Role, Waiter, rank};
use super::walk::{Marks, Walk};
use super::word::{Kind, Place};
use crate::deadlock::Asks;
#[cfg(all(test, not(mutextree_shuttle)))]
use crate::request::Owner;
use crate::sync::{Deadline, Ordering, PlainArc, Spin, Stamp};

pub(super) use self::asked::{Asked, Parts, Plain};
pub(super) use self::block::{Refused, block};
pub(super) use self::future::Acquiring;
pub(super) use self::who::Who;

#[cfg(all(test, mutextree_loom))]
pub(super) use self::block::block_on;

use self::stage::{Asleep, Stage};

mod asked;
mod block;
mod deadlock;
mod future;
mod stage;
mod who;

/// How far a step came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Granted,
    /// In a queue: step again once [woken](Acquisition::is_woken).
    Asleep,
}

/// An acquisition under way.
pub(super) struct Acquisition<'a, A: Asked<'a> = Plain<'a>> {
    asked: A,
    asked_for: PhantomData<&'a ()>,
    stage: Stage,
    /// When it first met something in its way.
    stamp: Option<Stamp>,
    /// Made when it first sleeps, and used for every sleep: it notes the gates to be opened. In a
    /// tree that looks for deadlocks it is made before, and knows who asks, and where.
    sleeper: Option<PlainArc<Sleeper>>,
}

#[cfg(all(test, not(mutextree_shuttle)))]
impl<'a> Acquisition<'a> {
    pub(super) fn new(node: &'a PlainArc<Node>, kind: Kind, owner: Option<&'a Owner>) -> Self {
        Self::of(Plain { node, kind, owner })
    }
}

impl<'a, A: Asked<'a>> Acquisition<'a, A> {
    #[inline]
    pub(super) fn of(asked: A) -> Self {
        Self { asked, asked_for: PhantomData, stage: Stage::Idle, stamp: None, sleeper: None }
    }

    #[inline]
    fn node(&self) -> &'a PlainArc<Node> {
        self.asked.node()
    }

    #[inline]
    fn kind(&self) -> Kind {
        self.asked.kind()
    }

    /// Asked for by this one, in a tree that looks for deadlocks.
    pub(super) fn asked_by(mut self, asks: Option<Asks>) -> Self {
        self.is_asked_by(asks, Who::Thread);
        self
    }

    /// A step of the calling thread.
    pub(super) fn step(&mut self) -> Step {
        self.advance(Who::Thread)
    }

    /// A step of the task that `waker` wakes.
    pub(super) fn poll_step(&mut self, waker: &Waker) -> Step {
        // One that was woken runs now. Its waker is wanted when it sleeps again.
        if let Some(sleeper) = self.sleeper.as_ref().filter(|sleeper| !sleeper.is_woken()) {
            sleeper.set_waker(waker);
        }
        self.advance(Who::Task(waker))
    }

    /// Goes as far as it can. A sleeper that has not been woken stays where it is.
    fn advance(&mut self, who: Who<'_>) -> Step {
        // The rounds that it may still spin before it sleeps, once it has begun to.
        let mut spin = None;
        loop {
            match std::mem::replace(&mut self.stage, Stage::Done) {
                Stage::Idle => match self.node().claim(self.kind(), self.stamp, How::Firm) {
                    // A claim on the node itself is in the way, or an older waiter's gate.
                    Claim::Blocked(_) => self.wait_at(self.node(), Place::Here, None, who, &mut spin),
                    made => {
                        if let Some(above) = self.node().look_up(self.kind()) {
                            // Waiting for an ancestor with a claim could close a circle, as the
                            // ancestor's claimant may wait for this claim.
                            self.node().drop_claim(self.kind());
                            self.wait_at(above, Place::Above, None, who, &mut spin);
                        } else if matches!(made, Claim::Inner) {
                            // The claim stands, and newcomers below see it. What is left is to wait
                            // for the holders that were there before.
                            let mut walk = Walk::new(self.node(), self.kind(), Marks::Strike);
                            match walk.next_conflict() {
                                Some(below) => self.wait_at(&below, Place::Below, Some(Box::new(walk)), who, &mut spin),
                                None => return self.granted(),
                            }
                        } else {
                            // Nothing above, and nothing enrolled below.
                            return self.granted();
                        }
                    }
                },
                Stage::Draining(mut walk) => match walk.next_conflict() {
                    // The claim is kept, so that this drains.
                    Some(below) => self.wait_at(&below, Place::Below, Some(walk), who, &mut spin),
                    // All that was below has gone.
                    None => return self.granted(),
                },
                // Woken: what blocked it may have gone, or another was quicker.
                Stage::Asleep(asleep) if self.bed(&asleep).0.is_woken() => {
                    let turn = self.rise(&asleep);
                    self.forget_drain(&asleep);
                    // Spinning again costs little now: a release was a moment ago.
                    spin = None;
                    self.stage = match turn {
                        Turn::Kept => asleep.go_on(),
                        Turn::Granted => return self.granted(),
                        // Its claim was dropped and its gates were opened: it starts over.
                        Turn::Lapsed => {
                            self.has_no_gates();
                            Stage::Idle
                        }
                    };
                }
                // Polled, or unparked, for another reason.
                Stage::Asleep(asleep) => {
                    self.stage = Stage::Asleep(asleep);
                    return Step::Asleep;
                }
                Stage::Done => return Step::Granted,
            }
        }
    }

    fn granted(&mut self) -> Step {
        self.open_gates();
        Step::Granted
    }

    /// Spins, and then sleeps, at the node that is in the way. Sets the stage to go on with.
    fn wait_at(
        &mut self,
        at: &PlainArc<Node>,
        place: Place,
        draining: Option<Box<Walk>>,
        who: Who<'_>,
        spin: &mut Option<Spin>,
    ) {
        let stamp = *self.stamp.get_or_insert_with(Stamp::now);
        // A newcomer is younger than every gate's owner. One that has slept may be older, and
        // cannot tell from the word.
        let gate = if place == Place::Here && self.sleeper.is_none() { self.kind().gate() } else { 0 };
        let obstacles = self.kind().conflicts(place) | gate;
        let patience = at.shared().patience;
        // While it spins it is in no queue, so no gate is closed for it. So it does not spin for
        // longer than its patience, even if yielding to others takes long on a busy machine.
        let spin = spin.get_or_insert_with(|| who.spin());
        while who.may_spin(at) && spin.once_more() && !stamp.older_than(patience) {
            // A full count, or an older waiter's gate, is not seen like this. Then the rounds run
            // out.
            if at.word.load(Ordering::Relaxed) & obstacles == 0 {
                self.stage = draining.map_or(Stage::Idle, Stage::Draining);
                return;
            }
        }
        self.sleep_at(at, place, stamp, draining, who);
    }

    fn sleep_at(&mut self, at: &PlainArc<Node>, place: Place, stamp: Stamp, draining: Option<Box<Walk>>, who: Who<'_>) {
        // What is in the way may be a lock whose lease has expired.
        at.revoke_expired();
        let sleeper = match &self.sleeper {
            Some(sleeper) => {
                who.renew(sleeper);
                sleeper.clone()
            }
            None => self.sleeper.insert(who.sleeper(self.asked.owner(), Vec::new(), None)).clone(),
        };
        let role = if draining.is_some() { Role::Drains } else { Role::Wants };
        let waiter = Waiter::new((self.node(), self.kind()), place, role, stamp, &sleeper);
        let patience = at.shared().patience;
        // It has waited for long and has to wait again: now newcomers everywhere have to queue. A
        // draining waiter has its claim, which keeps them out.
        if draining.is_none() && stamp.older_than(patience) {
            self.close_gates(&waiter);
        }
        let is_noted = draining.is_some() && self.kind().is_shared();
        if is_noted {
            self.node().note_drain(&sleeper, at);
        }
        let queued = at.queue_up(waiter, patience);
        if is_noted && queued != Some(Role::Drains) {
            self.node().forget_drain(&sleeper);
        }
        self.stage = match (queued, draining) {
            // An upgrade below is pending: it starts over when it is woken (13).
            (Some(Role::Aside), _) => {
                self.node().drop_claim(self.kind());
                Stage::Asleep(Asleep::Aside(at.clone()))
            }
            (Some(_), Some(walk)) => Stage::Asleep(Asleep::Drains(Box::new((at.clone(), walk)))),
            (Some(_), None) => Stage::Asleep(Asleep::Wants(at.clone())),
            // The reason to sleep has gone in the meantime.
            (None, Some(walk)) => Stage::Draining(walk),
            (None, None) => Stage::Idle,
        };
    }

    /// It sleeps no more. While it slept with a shared claim, its node knew where (`upgrade.rs`).
    fn forget_drain(&self, asleep: &Asleep) {
        if asleep.is_draining() && self.kind().is_shared() {
            self.node().forget_drain(self.bed(asleep).0);
        }
    }

    /// Its gates were opened for it.
    fn has_no_gates(&self) {
        if let Some(sleeper) = &self.sleeper {
            sleeper.set_closed_all(false);
        }
    }

    /// What it is in a queue by.
    fn bed(&self, asleep: &Asleep) -> (&PlainArc<Sleeper>, Rank) {
        let (sleeper, stamp) = self.sleeper.as_ref().zip(self.stamp).expect("without these it is in no queue");
        (sleeper, rank(asleep.goes_first(), stamp))
    }

    /// Leaves the queue after having been woken.
    fn rise(&self, asleep: &Asleep) -> Turn {
        let (sleeper, rank) = self.bed(asleep);
        asleep.at().rise(sleeper, rank)
    }

    /// Leaves the queue for good.
    fn leave(&self, asleep: &Asleep) -> Left {
        let (sleeper, rank) = self.bed(asleep);
        asleep.at().leave(sleeper, rank)
    }

    /// The node in whose queue it is, which is in its way.
    fn sleeps_at(&self) -> Option<&PlainArc<Node>> {
        match &self.stage {
            Stage::Asleep(asleep) => Some(asleep.at()),
            _ => None,
        }
    }

    /// Whether a sleeper may step on.
    pub(super) fn is_woken(&self) -> bool {
        match &self.stage {
            Stage::Asleep(asleep) => self.bed(asleep).0.is_woken(),
            _ => true,
        }
    }

    /// If it is asleep, sleeps until it is unparked, until the deadline, or until a lease in its
    /// way expires, which is then revoked.
    pub(super) fn park(&self, deadline: Option<&Deadline>) {
        let Stage::Asleep(asleep) = &self.stage else { return };
        let lease = asleep.at().earliest_expiry();
        self.bed(asleep).0.park(Deadline::earlier(deadline, lease.as_ref()));
        if lease.is_some_and(|lease| lease.has_passed()) {
            asleep.at().revoke_expired();
        }
    }

    /// Gives up, at whatever stage, and tells which node was in its way.
    pub(super) fn cancel(mut self) -> PlainArc<Node> {
        self.undo().unwrap_or_else(|| self.node().clone())
    }

    fn undo(&mut self) -> Option<PlainArc<Node>> {
        let mut in_the_way = None;
        let has_claim = match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Asleep(asleep) => {
                let left = self.leave(&asleep);
                self.forget_drain(&asleep);
                in_the_way = Some(left.in_the_way);
                match left.turn {
                    Turn::Kept => asleep.is_draining(),
                    Turn::Granted => true,
                    Turn::Lapsed => false, // it was dropped then
                }
            }
            Stage::Draining(_) => true,
            Stage::Idle | Stage::Done => false,
        };
        if has_claim {
            self.node().drop_claim(self.kind());
        }
        self.open_gates();
        in_the_way
    }

    /// Closes the gates of the node and of all its ancestors, once.
    fn close_gates(&mut self, waiter: &Waiter) {
        if !waiter.sleeper.set_closed_all(true) {
            let here = Waiter { place: Place::Here, ..waiter.clone() };
            self.node().close_gate(&here);
            let above = Waiter { place: Place::Above, ..here };
            self.node().ancestors().iter().for_each(|node| node.close_gate(&above));
        }
    }

    fn open_gates(&self) {
        if let Some(sleeper) = &self.sleeper {
            sleeper.open_gates();
        }
    }
}

impl<'a, A: Asked<'a>> Drop for Acquisition<'a, A> {
    #[inline]
    fn drop(&mut self) {
        // Mostly it is over, and never slept: then there is nothing to undo.
        if !matches!(self.stage, Stage::Done) || self.sleeper.is_some() {
            self.undo();
        }
    }
}

#[cfg(all(test, not(any(mutextree_loom, mutextree_shuttle))))]
mod tests;
