//! Claims with an owner or a lease, which a word has no room for: a record each, kept with their
//! node. A lock that asks for neither has none and pays nothing.
//!
//! A record is on its node's list for as long as its claim stands. Taking the record off the list,
//! under the node's slow lock, is what decides who ends the claim: its guard, or somebody who finds
//! the lease at its end and *revokes* the lock. A lease is looked at only by those it keeps
//! waiting: nobody has to watch it. A thread sleeps until the first one ends. For tasks, for
//! listeners and for locks without a guard there is the timer: one timeout a node, whatever the
//! number of tasks and of refreshes. It does not keep the node, and is taken back when no lease is
//! left here.
//!
//! A *detached* lock has no guard that keeps its node: the tree keeps it, by its token, for as long
//! as the record is on the list. If it has a lease the timer ends it, as nobody else may ever come
//! by.

use std::time::{Duration, Instant};

use super::node::{Node, Slow, is_roomy};
use super::word::{Kind, Place};
use crate::lease::HeldLock;
use crate::request::Owner;
use crate::store::LostLock;
use crate::sync::{Deadline, PlainArc, later, now};

/// What is known of one claim.
#[derive(Debug)]
pub(super) struct Record {
    /// Its fencing token, which tells it from the others.
    token: u64,
    kind: Kind,
    owner: Option<Owner>,
    /// The full length of its lease.
    length: Option<Duration>,
    /// When that ends: `None` if never, or not on this clock. Once it has, nothing moves it again.
    ends: Option<Instant>,
    /// Whether it has outlived its guard.
    detached: bool,
}

impl Record {
    fn has_ended(&self) -> bool {
        self.ends.is_some_and(|ends| ends <= now())
    }
}

/// The lock had been lost.
#[derive(Debug)]
pub(super) struct Lost;

impl Slow {
    /// The record of a lock that is still held.
    fn held(&mut self, token: u64) -> Result<&mut Record, Lost> {
        self.records.iter_mut().find(|record| record.token == token && !record.has_ended()).ok_or(Lost)
    }

    fn first_end(&self) -> Option<Instant> {
        self.records.iter().filter_map(|record| record.ends).min()
    }

    /// Sees to it that somebody comes by when the first lease ends, if a task sleeps here,
    /// somebody listens for losses, or the lease has outlived its guard. Otherwise nobody has to.
    pub(super) fn watch_leases(&mut self, node: &PlainArc<Node>) {
        let end = self.first_end().filter(|_| {
            node.shared().watchers.any()
                || self.records.iter().any(|record| record.detached && record.ends.is_some())
                || self.queue.iter().any(|waiter| waiter.sleeper.is_task())
        });
        let Some(end) = end else {
            self.watched = None;
            return;
        };
        // A timeout that comes too early sees to the next one.
        if !self.watched.as_ref().is_some_and(|timeout| timeout.comes_by(end)) {
            let node = PlainArc::downgrade(node);
            self.watched = Some(later(end, move || {
                if let Some(node) = node.upgrade() {
                    node.come_by_for_leases();
                }
            }));
        }
    }

    /// After records were taken off: nobody needs to come by when no lease is left.
    fn tidy(&mut self) {
        if is_roomy(self.records.len(), self.records.capacity()) {
            self.records.shrink_to(self.records.capacity() / 2);
        }
        if self.watched.is_some() && self.first_end().is_none() {
            self.watched = None;
        }
    }
}

impl Node {
    /// Records a claim that has been granted.
    pub(super) fn record(self: &PlainArc<Self>, token: u64, kind: Kind, lease: Option<Duration>, owner: Option<Owner>) {
        let ends = lease.and_then(|lease| now().checked_add(lease));
        self.cold().slow.lock().records.push(Record { token, kind, owner, length: lease, ends, detached: false });
        if ends.is_some() {
            self.stir(); // whoever fell asleep before this was here sleeps for too long
        }
    }

    /// Records a claim without a lease, unless it has been.
    pub(super) fn record_once(&self, token: u64, kind: Kind) {
        let mut slow = self.cold().slow.lock();
        if !slow.records.iter().any(|record| record.token == token) {
            slow.records.push(Record { token, kind, owner: None, length: None, ends: None, detached: false });
        }
    }

    /// Whether a recorded lock is still held.
    pub(super) fn is_held(&self, token: u64) -> bool {
        self.cold().slow.lock().held(token).is_ok()
    }

    /// Ends a recorded claim, unless it was revoked.
    pub(super) fn drop_recorded(self: &PlainArc<Self>, token: u64) -> Result<(), Lost> {
        let mut slow = self.cold().slow.lock();
        let at = slow.records.iter().position(|record| record.token == token).ok_or(Lost)?;
        let record = slow.records.swap_remove(at);
        slow.tidy();
        drop(slow);
        let ended = record.has_ended();
        self.let_go(token, record.kind, record.detached);
        if ended { Err(Lost) } else { Ok(()) }
    }

    /// Makes a recorded exclusive claim a shared one, unless it was lost.
    pub(super) fn downgrade_recorded(self: &PlainArc<Self>, token: u64) -> Result<(), Lost> {
        // All under the slow lock, so that it is not revoked as what it no longer is.
        let mut slow = self.cold().slow.lock();
        let record = slow.held(token)?;
        let kind = record.kind;
        record.kind = kind.downgraded();
        let parked = self.downgrade_word(kind);
        drop(slow);
        if parked {
            self.wake_next();
        }
        Ok(())
    }

    /// Starts the lease of a recorded lock anew, with its full length or the one given.
    pub(super) fn refresh_recorded(self: &PlainArc<Self>, token: u64, lease: Option<Duration>) -> Result<(), Lost> {
        let mut slow = self.cold().slow.lock();
        let record = slow.held(token)?;
        if let Some(lease) = lease.or(record.length) {
            record.ends = now().checked_add(lease);
        }
        drop(slow);
        self.stir(); // it may end sooner than whoever sleeps here thought
        Ok(())
    }

    /// Takes the lock from those whose lease has ended. Whether there were any.
    pub(super) fn revoke_expired(self: &PlainArc<Self>) -> bool {
        let Some(cold) = self.cold_if_any() else { return false };
        let mut slow = cold.slow.lock();
        let ended: Vec<Record> = slow.records.extract_if(.., |record| record.has_ended()).collect();
        slow.tidy();
        drop(slow);
        for record in &ended {
            self.let_go(record.token, record.kind, record.detached);
            if !record.detached {
                let lost = LostLock::new(self.path.clone(), record.owner.clone(), record.token);
                self.shared().watchers.tell(&lost);
            }
        }
        !ended.is_empty()
    }

    /// Ends the claim of a record that has been taken off the list.
    fn let_go(self: &PlainArc<Self>, token: u64, kind: Kind, detached: bool) {
        self.drop_claim(kind);
        if detached {
            let kept = self.shared().detached.lock().remove(&token);
            drop(kept);
            self.about_to_go(); // that may have been the last one to use it
        }
    }

    /// Lets a recorded lock outlive its guard, unless it was lost.
    pub(super) fn detach(self: &PlainArc<Self>, token: u64) -> Result<(), Lost> {
        // Kept before it is marked, so that whoever finds the mark finds it kept.
        self.shared().detached.lock().insert(token, self.clone());
        let mut slow = self.cold().slow.lock();
        let marked = slow.held(token).map(|record| record.detached = true);
        slow.watch_leases(self);
        drop(slow);
        if marked.is_err() {
            self.shared().detached.lock().remove(&token);
        }
        marked
    }

    /// How a detached lock is held, if it still is.
    pub(super) fn detached_kind(&self, token: u64) -> Option<Kind> {
        let mut slow = self.cold_if_any()?.slow.lock();
        slow.held(token).ok().filter(|record| record.detached).map(|record| record.kind)
    }

    /// What is recorded here.
    pub(super) fn recorded(&self) -> Vec<(Kind, HeldLock)> {
        let Some(cold) = self.cold_if_any() else { return Vec::new() };
        let line = |record: &Record| {
            let mut lock = HeldLock::new(self.path.clone(), record.kind.mode(), record.kind.scope());
            lock.owner.clone_from(&record.owner);
            lock.remaining = record.ends.map(|ends| ends.saturating_duration_since(now()));
            lock.token = record.detached.then(|| self.shared().lease_token(record.token));
            (record.kind, lock)
        };
        cold.slow.lock().records.iter().map(line).collect()
    }

    /// Takes the locks whose lease has ended from their holders, which wakes whoever they kept
    /// waiting; and comes again when the next one ends.
    fn come_by_for_leases(self: &PlainArc<Self>) {
        self.cold().slow.lock().watched = None;
        self.revoke_expired();
        self.cold().slow.lock().watch_leases(self);
    }

    /// When the first lease here ends.
    pub(super) fn earliest_expiry(&self) -> Option<Deadline> {
        self.cold_if_any()?.slow.lock().first_end().map(Deadline::at)
    }

    /// Whose claim here is in the way of `kind`, seen from a node to which this one lies at
    /// `place`.
    pub(super) fn owner_in_the_way(&self, kind: Kind, place: Place) -> Option<Owner> {
        let slow = self.cold_if_any()?.slow.lock();
        let in_the_way = |record: &&Record| record.kind.unit() & kind.conflicts(place) != 0;
        slow.records.iter().filter(in_the_way).find_map(|record| record.owner.clone())
    }
}
