//! A lock as a listing shows it; and whose it is, where [deadlocks](crate::deadlock) are looked
//! for.

use std::panic::Location;
use std::time::Instant;

use super::super::node::{Node, Slow};
use super::super::word::{Kind, Place, name_in};
use super::{Record, Records};
use crate::backend::{HeldLock, WaitingLock};
use crate::deadlock::{Agent, Asks, Deadlock};
use crate::request::Owner;
use crate::sync::{Ordering, PlainArc, Stamp, now};

/// Who took a lock, and where.
#[derive(Clone, Debug)]
pub(super) struct By {
    /// `None` once the guard was handed over.
    agent: Option<Agent>,
    place: &'static Location<'static>,
}

impl From<Asks> for By {
    fn from(asks: Asks) -> Self {
        Self { agent: Some(asks.agent), place: asks.place }
    }
}

impl Record {
    /// Whether nothing but its holder ends it.
    fn lasts(&self) -> bool {
        self.expires.is_none() && !self.detached
    }

    /// The lock as a listing shows it.
    fn line(&self, node: &Node, now: Instant) -> HeldLock {
        let mut lock = HeldLock::new(node.path.clone(), self.kind.public());
        lock.owner.clone_from(&self.owner);
        lock.remaining = self.expires.map(|expires| expires.saturating_duration_since(now));
        lock.held_for = self.since.map(|since| now.saturating_duration_since(since));
        lock.fencing_token = Some(self.token);
        lock.token = self.detached.then(|| node.shared().lease_token(self.token));
        if let Some(by) = &self.by {
            (lock.agent, lock.taken_at) = (by.agent.clone(), Some(by.place));
        }
        lock
    }
}

impl Records {
    /// The locks as a listing shows them. Under the slow lock of the node.
    pub(in crate::memory) fn listed(&self, node: &Node) -> Vec<(Kind, HeldLock)> {
        let now = now();
        self.list.iter().map(|record| (record.kind, record.line(node, now))).collect()
    }

    /// The locks that do not end by themselves.
    pub(in crate::memory) fn lasting(&self, node: &Node) -> Vec<(Kind, HeldLock)> {
        let (now, lasting) = (now(), self.list.iter().filter(|record| record.lasts()));
        lasting.map(|record| (record.kind, record.line(node, now))).collect()
    }
}

/// A request that looks for locks of its own.
#[derive(Clone, Copy, Debug)]
pub(in crate::memory) struct Own<'a> {
    pub(in crate::memory) kind: Kind,
    pub(in crate::memory) asks: &'a Asks,
    /// For whom it asks: a set may ask for several.
    pub(in crate::memory) owners: &'a [Owner],
}

impl Own<'_> {
    /// Whose a lock is: D2 in `deadlock.rs`.
    fn is_its_own(&self, record: &Record) -> bool {
        if self.asks.replaces == Some(record.token) {
            return false;
        }
        let thread = record.by.as_ref().and_then(|by| by.agent.as_ref()).filter(|agent| !agent.is_task());
        match thread {
            Some(thread) => *thread == self.asks.agent,
            None => record.owner.as_ref().is_some_and(|owner| self.owners.contains(owner)),
        }
    }

    /// Before it sleeps for the first time: the lock of its own that keeps it from this node, as an
    /// error. If one is only near, others may make a circle of it: then that is looked for at once.
    pub(in crate::memory) fn in_the_way(
        &self,
        wanted: &PlainArc<Node>,
        owner: Option<&Owner>,
        stamp: Option<Stamp>,
    ) -> Option<Deadlock> {
        let (conflicts, lock) = wanted.own_lock_around(self)?;
        if !conflicts {
            wanted.shared().watch.as_ref()?.hurry();
            return None;
        }
        let mut wants = WaitingLock::new(wanted.path.clone(), self.kind.public());
        wants.owner = owner.cloned();
        wants.waited = stamp.and_then(Stamp::age);
        (wants.agent, wants.asked_at) = (Some(self.asks.agent.clone()), Some(self.asks.place));
        Some(Deadlock::with_itself(lock, wants))
    }
}

/// A lease here has expired, and its lock is still to be revoked.
#[derive(Debug)]
pub(in crate::memory) struct Expired;

impl Node {
    /// The owner of a claim here that conflicts with `kind`, if it is known. `place` is where this
    /// node lies, seen from the node that is asked for.
    /// `except` is the token of the lock that is to change.
    pub(in crate::memory) fn owner_in_the_way(&self, kind: Kind, place: Place, except: Option<u64>) -> Option<Owner> {
        self.owner_of_conflict(&self.cold_if_any()?.slow.lock(), kind, place, except)
    }

    /// The same, unless there is a lease here that has expired.
    pub(in crate::memory) fn owner_unless_expired(&self, kind: Kind, place: Place) -> Result<Option<Owner>, Expired> {
        let Some(cold) = self.cold_if_any() else { return Ok(None) };
        // SeqCst: partners of the name's leaving the word, and of the store in `expect_record`.
        if name_in(self.word.load(Ordering::SeqCst)).is_none() && !cold.recorded.load(Ordering::SeqCst) {
            return Ok(None);
        }
        // One hold of the slow lock for both.
        let slow = cold.slow.lock();
        if slow.records.list.iter().any(Record::has_expired) || self.named_has_ended() {
            return Err(Expired);
        }
        Ok(self.owner_of_conflict(&slow, kind, place, None))
    }

    fn owner_of_conflict(&self, slow: &Slow, kind: Kind, place: Place, except: Option<u64>) -> Option<Owner> {
        if let Some(name) = name_in(self.word.load(Ordering::Acquire)) {
            let conflicts = Kind::Xs.unit() & kind.conflicts(place) != 0;
            return slow.names.owner(name).filter(|_| conflicts).cloned();
        }
        let in_the_way =
            |record: &&Record| record.claims() & kind.conflicts(place) != 0 && Some(record.token) != except;
        slow.records.list.iter().filter(in_the_way).find_map(|record| record.owner.clone())
    }

    /// Says who holds a recorded lock: `None` if its guard is to move.
    pub(in crate::memory) fn attribute(&self, token: u64, agent: Option<Agent>) {
        let mut slow = self.cold().slow.lock();
        let by = slow.records.held(token).ok().and_then(|record| record.by.as_mut());
        let old = by.map(|by| std::mem::replace(&mut by.agent, agent));
        drop(slow);
        drop(old);
    }

    /// A lock of its own that lasts, at this node. `place` is where that lies, seen from the one it
    /// wants. One that conflicts (`true`) comes before one that does not.
    pub(in crate::memory) fn own_lock(&self, wants: &Own<'_>, place: Place) -> Option<(bool, HeldLock)> {
        let slow = self.cold_if_any()?.slow.lock();
        let own = slow.records.list.iter().filter(|record| record.lasts() && wants.is_its_own(record));
        let (conflicts, record) = own
            .map(|record| (record.kind.unit() & wants.kind.conflicts(place) != 0, record))
            .max_by_key(|(conflicts, _)| *conflicts)?;
        Some((conflicts, record.line(self, now())))
    }
}
