//! Leases: their ends, and who is there to see them.
//!
//! An expired lease is noticed by the waiters that it blocks; nothing polls. A waiting thread
//! sleeps no longer than the earliest lease on the node. For waiting tasks, for listeners, and for
//! locks without a guard, one timeout a node does the same. It holds only a weak reference, and is
//! taken back when no lease is left here.

use std::time::Duration;

use super::{Lost, Record};
use crate::memory::node::{Node, Slow};
use crate::memory::sleeper::unpark;
use crate::sync::{Deadline, MutexGuard, PlainArc, later, now};

impl Slow {
    /// Has the timer come by when the first lease expires. It need not if no task sleeps here,
    /// there is no listener for losses, and every lock with a lease has its guard.
    pub(in crate::memory) fn watch_leases(&mut self, node: &PlainArc<Node>) {
        let is_leased_by_name = node.is_leased_by_name();
        let of_detached = |record: &Record| record.detached && record.expires.is_some();
        let is_due = (is_leased_by_name || self.records.first_expiry().is_some())
            && (node.shared().losses.any() || self.records.list.iter().any(of_detached) || self.queue.has_task());
        if is_due && is_leased_by_name {
            node.put_on_record(self);
        }
        let Some(expiry) = self.records.first_expiry().filter(|_| is_due) else {
            self.records.watched = None;
            return;
        };
        // A timeout that comes too early sees to the next one.
        if !self.records.watched.as_ref().is_some_and(|timeout| timeout.comes_by(expiry)) {
            let node = PlainArc::downgrade(node);
            self.records.watched = Some(later(expiry, move || {
                if let Some(node) = node.upgrade() {
                    node.come_by_for_leases();
                }
            }));
        }
    }
}

impl Node {
    /// Starts the lease of a recorded lock anew, with its full length or the one given.
    pub(in crate::memory) fn refresh_recorded(
        self: &PlainArc<Self>,
        token: u64,
        lease: Option<Duration>,
    ) -> Result<(), Lost> {
        let mut slow = self.cold().slow.lock();
        let record = slow.records.held(token)?;
        if let Some(lease) = lease.or(record.length) {
            record.expires = now().checked_add(lease);
        }
        self.stir_under(slow); // it may expire sooner than the waiters here thought
        Ok(())
    }

    /// The time until the lease of a recorded lock ends: zero once it has, `None` if it has none.
    pub(in crate::memory) fn remaining(&self, token: u64) -> Option<Duration> {
        match self.cold_if_any()?.slow.lock().records.held(token) {
            Ok(record) => record.expires.map(|expires| expires.saturating_duration_since(now())),
            Err(Lost) => Some(Duration::ZERO),
        }
    }

    /// Revokes the locks here whose lease has expired. Whether there were any.
    pub(in crate::memory) fn revoke_expired(self: &PlainArc<Self>) -> bool {
        let Some(cold) = self.cold_if_any() else { return false };
        let mut slow = cold.slow.lock();
        if self.named_has_ended() {
            self.put_on_record(&mut slow);
        }
        let expired = slow.records.take_expired();
        expired.iter().for_each(|record| self.stray(&mut slow, record));
        drop(slow);
        expired.iter().for_each(|record| self.take_away(record));
        !expired.is_empty()
    }

    /// What the timer does here: revokes expired leases, which wakes the waiters they blocked, and
    /// comes again when the next one expires.
    fn come_by_for_leases(self: &PlainArc<Self>) {
        self.cold().slow.lock().records.watched = None;
        self.revoke_expired();
        self.cold().slow.lock().watch_leases(self);
    }

    /// After a lease has begun or moved: every thread that sleeps here wakes, looks again how long
    /// it may sleep, and sleeps on. For tasks the timer is set anew.
    pub(in crate::memory) fn stir(self: &PlainArc<Self>) {
        self.stir_under(self.cold().slow.lock());
    }

    pub(super) fn stir_under(self: &PlainArc<Self>, mut slow: MutexGuard<'_, Slow>) {
        slow.watch_leases(self);
        let threads = slow.queue.threads();
        drop(slow);
        unpark(threads);
    }

    /// When the first lease here expires.
    pub(in crate::memory) fn earliest_expiry(&self) -> Option<Deadline> {
        let slow = self.cold_if_any()?.slow.lock();
        self.end_of_named().into_iter().chain(slow.records.first_expiry()).min().map(Deadline::at)
    }
}
