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
use super::record::Lost;
use super::sleeper::Sleeper;
use super::waiter::{Role, Waiter};
use super::word::{Kind, Place};
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
    stamp: Option<Stamp>,
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
}

impl From<Lost> for Ended {
    fn from(Lost: Lost) -> Self {
        Self::Lost
    }
}

impl<'a> Change<'a> {
    pub(super) fn new(node: &'a PlainArc<Node>, token: Option<u64>, role: Role) -> Self {
        let owner = token.and_then(|token| node.owner_of(token));
        Self { node, token, owner, role, deadline: None, stamp: None, sleeper: None }
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
        let owner = &self.owner;
        let sleeper = self.sleeper.get_or_insert_with(|| Sleeper::for_thread(owner.clone())).clone();
        let (wanted, role) = (wanted.clone(), self.role);
        let waiter = Waiter { wanted, kind, place, role, stamp, sleeper: sleeper.clone(), gated_for: None };
        let (rank, no_gates) = (waiter.rank(), Gates::default());
        let mut spin = Spin::for_thread();
        while spin.once_more() {
            if !waiter.is_held_up(at.word.load(Ordering::Relaxed), &no_gates) {
                return Ok(());
            }
        }
        at.revoke_expired();
        if let Some(token) = self.token {
            self.node.note_changer(token, &sleeper)?;
        }
        if at.queue_up(waiter, at.shared().patience).is_none() {
            return Ok(());
        }
        sleeps();
        loop {
            if sleeper.is_woken() {
                at.rise(&sleeper, rank);
                return Ok(());
            }
            let is_lost = self.is_lost();
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
