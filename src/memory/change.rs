//! A holder that changes its lock, and may have to wait meanwhile: what `narrow.rs` and
//! `upgrade.rs` have in common.
//!
//! It is always a thread. It holds a lock, so it goes first in the queues where it sleeps, and no
//! gate keeps it out ([`Role`]). Its own lock may be lost while it sleeps: its lease ends, or
//! somebody breaks it. Then its record has left the list of its node, and it is told by an unpark.
//! There are two cases:
//!
//! * The record leaves first. Then the holder does not find it when it writes its name there, or
//!   when it looks before it parks.
//! * The name comes first. Then the thread that takes the record off finds the name, and unparks.

use super::gate::Gates;
use super::node::Node;
use super::record::{Lost, Own};
use super::sleeper::Sleeper;
use super::waiter::{Role, Waiter};
use super::word::{Kind, Place};
use crate::deadlock::{Asks, Deadlock};
use crate::request::Owner;
use crate::sync::{Deadline, Ordering, PlainArc, Spin, Stamp};

/// A held lock while it changes.
#[derive(Debug)]
pub(super) struct Change<'a> {
    /// The node that is held.
    pub(super) node: &'a PlainArc<Node>,
    /// The token of its record, if it has one.
    pub(super) token: Option<u64>,
    /// Who holds it, for those who look.
    pub(super) owner: Option<Owner>,
    pub(super) role: Role,
    pub(super) deadline: Option<&'a Deadline>,
    /// Who changes it and where in the code, in a tree that looks for deadlocks. Not for a holder
    /// that narrows its lock, and waits for nobody's.
    pub(super) asks: Option<Asks>,
    stamp: Option<Stamp>,
    has_slept: bool,
    sleeper: Option<PlainArc<Sleeper>>,
}

/// Why a wait ended without what it was for.
#[derive(Debug)]
#[cfg_attr(mutextree_loom, allow(dead_code))]
pub(super) enum Ended {
    /// The lock was lost.
    Lost,
    /// The deadline has passed. With the node that was in the way.
    TimedOut(PlainArc<Node>),
    /// It would have lasted for ever.
    Deadlock(Deadlock),
}

impl From<Lost> for Ended {
    fn from(Lost: Lost) -> Self {
        Self::Lost
    }
}

impl<'a> Change<'a> {
    pub(super) fn new(node: &'a PlainArc<Node>, token: Option<u64>, role: Role) -> Self {
        let owner = token.and_then(|token| node.owner_of(token));
        Self { node, token, owner, role, deadline: None, asks: None, stamp: None, has_slept: false, sleeper: None }
    }

    /// Made when it first sleeps, and used for every sleep.
    fn sleeper(&mut self) -> PlainArc<Sleeper> {
        if let Some(sleeper) = &self.sleeper {
            return sleeper.clone();
        }
        let owners = self.owner.clone().into_iter().collect();
        let watched = self.asks.as_ref().and_then(|asks| self.node.watched(asks, owners));
        self.sleeper.insert(Sleeper::for_thread(self.owner.clone(), Vec::new(), watched)).clone()
    }

    /// As in `acquire/deadlock.rs`.
    fn own_lock_in_the_way(&self, kind: Kind) -> Option<Deadlock> {
        let own = Own { kind, asks: self.asks.as_ref()?, owners: self.sleeper.as_ref()?.owners() };
        own.in_the_way(self.node, self.owner.as_ref(), self.stamp)
    }

    pub(super) fn is_lost(&self) -> bool {
        self.token.is_some_and(|token| !self.node.is_held(token))
    }

    /// Waits at a node where something is in the way of `kind` on `wanted`, until that may have
    /// gone. `sleeps` is called before it sleeps.
    pub(super) fn wait_at(
        &mut self,
        at: &PlainArc<Node>,
        place: Place,
        (wanted, kind): (&PlainArc<Node>, Kind),
        sleeps: impl FnOnce(),
    ) -> Result<(), Ended> {
        let stamp = *self.stamp.get_or_insert_with(Stamp::now);
        let sleeper = self.sleeper();
        let waiter = Waiter::new((wanted, kind), place, self.role, stamp, &sleeper);
        let (rank, no_gates) = (waiter.rank(), Gates::default());
        let mut spin = Spin::for_thread();
        let patience = at.shared().patience;
        // Not for long, also where to yield to others takes long: as in `acquire.rs`.
        while spin.once_more() && !stamp.older_than(patience) {
            if !waiter.is_held_up(at.word.load(Ordering::Relaxed), &no_gates) {
                return Ok(());
            }
        }
        at.revoke_expired();
        if let Some(token) = self.token {
            self.node.note_changer(token, &sleeper)?;
        }
        if at.queue_up(waiter, patience).is_none() {
            return Ok(());
        }
        sleeps();
        let first = !std::mem::replace(&mut self.has_slept, true);
        let mut own = if first && !sleeper.is_woken() { self.own_lock_in_the_way(kind) } else { None };
        loop {
            if sleeper.is_woken() {
                at.rise(&sleeper, rank);
                return Ok(());
            }
            let is_lost = self.is_lost();
            let deadlock = if is_lost { None } else { own.take().or_else(|| sleeper.take_verdict()) };
            if let Some(deadlock) = deadlock {
                at.leave(&sleeper, rank);
                return Err(Ended::Deadlock(deadlock));
            }
            if is_lost || self.deadline.is_some_and(Deadline::has_passed) {
                let in_the_way = at.leave(&sleeper, rank).in_the_way;
                return Err(if is_lost { Ended::Lost } else { Ended::TimedOut(in_the_way) });
            }
            let (lease, own) = (at.earliest_expiry(), self.token.and_then(|token| self.node.expiry_of(token)));
            let end = Deadline::earlier(self.deadline, own.as_ref());
            sleeper.park(Deadline::earlier(end, lease.as_ref()));
            if lease.is_some_and(|lease| lease.has_passed()) {
                at.revoke_expired();
            }
        }
    }
}

/// It leaves no gate behind.
impl Drop for Change<'_> {
    fn drop(&mut self) {
        if let Some(sleeper) = &self.sleeper {
            sleeper.open_gates();
        }
    }
}
