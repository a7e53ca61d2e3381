//! Claims with an owner or a lease, which a word has no room for: a record each, kept with their node. A lock that asks for neither has none and pays nothing.
//!
//! A record is on its node's list for as long as its claim stands. Taking the record off the list, under the node's slow lock, is what decides
//! who ends the claim: its guard, or somebody who finds the lease at its end and *revokes* the lock.
//! A lease is looked at only by those it keeps waiting: nobody has to watch it.

use std::time::{Duration, Instant};

use super::node::Node;
use super::word::{Kind, Place};
use crate::request::Owner;
use crate::sync::{Deadline, Mutex, PlainArc, now};

/// What is known of one claim.
#[derive(Debug)]
pub(super) struct Record {
    owner: Option<Owner>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    kind: Kind,
    /// The full length of the lease.
    length: Option<Duration>,
    /// `None` if it never ends, or not on this clock.
    ends: Option<Instant>,
    /// Revoked, or found to have ended: it does not come back.
    lost: bool,
}

impl State {
    fn has_ended(&mut self) -> bool {
        self.lost |= self.ends.is_some_and(|ends| ends <= now());
        self.lost
    }
}

/// The lock had been lost.
#[derive(Debug)]
pub(super) struct Lost;

impl Record {
    /// Whether the lock is still held.
    pub(super) fn is_held(&self) -> bool {
        !self.state.lock().has_ended()
    }
}

impl Node {
    /// Records a claim that has been granted.
    pub(super) fn record(&self, kind: Kind, lease: Option<Duration>, owner: Option<Owner>) -> PlainArc<Record> {
        let ends = lease.and_then(|lease| now().checked_add(lease));
        let state = Mutex::new(State { kind, length: lease, ends, lost: false });
        let record = PlainArc::new(Record { owner, state });
        self.cold().slow.lock().records.push(record.clone());
        if ends.is_some() {
            self.stir(); // whoever fell asleep before this was here sleeps for too long
        }
        record
    }

    /// Ends a recorded claim, unless it was revoked.
    pub(super) fn drop_recorded(&self, record: &PlainArc<Record>) -> Result<(), Lost> {
        let mut slow = self.cold().slow.lock();
        let before = slow.records.len();
        slow.records.retain(|there| !PlainArc::ptr_eq(there, record));
        let was_there = slow.records.len() < before;
        drop(slow);
        let mut state = record.state.lock();
        let (kind, lost) = (state.kind, state.has_ended());
        drop(state);
        if was_there {
            self.drop_claim(kind);
        }
        if lost { Err(Lost) } else { Ok(()) }
    }

    /// Makes a recorded exclusive claim a shared one, unless it was lost.
    pub(super) fn downgrade_recorded(&self, record: &Record) -> Result<(), Lost> {
        // Under the slow lock, so that it is not revoked as what it no longer is.
        let slow = self.cold().slow.lock();
        let mut state = record.state.lock();
        if state.has_ended() {
            return Err(Lost);
        }
        let kind = state.kind;
        state.kind = kind.downgraded();
        drop(state);
        let parked = self.downgrade_word(kind);
        drop(slow);
        if parked {
            self.wake_next();
        }
        Ok(())
    }

    /// Starts the lease anew, with its full length or the one given.
    pub(super) fn refresh_recorded(&self, record: &Record, lease: Option<Duration>) -> Result<(), Lost> {
        let mut state = record.state.lock();
        if state.has_ended() {
            return Err(Lost);
        }
        if let Some(lease) = lease.or(state.length) {
            state.ends = now().checked_add(lease);
        }
        drop(state);
        self.stir(); // it may end sooner than whoever sleeps here thought
        Ok(())
    }

    /// Takes the lock from those whose lease has ended. Whether there were any.
    pub(super) fn revoke_expired(&self) -> bool {
        let Some(cold) = self.cold_if_any() else { return false };
        let mut ended = Vec::new();
        cold.slow.lock().records.retain(|record| {
            let mut state = record.state.lock();
            let has_ended = state.has_ended();
            if has_ended {
                ended.push(state.kind);
            }
            !has_ended
        });
        for kind in &ended {
            self.drop_claim(*kind);
        }
        !ended.is_empty()
    }

    /// When the first lease here ends.
    pub(super) fn earliest_expiry(&self) -> Option<Deadline> {
        let slow = self.cold_if_any()?.slow.lock();
        slow.records.iter().filter_map(|record| record.state.lock().ends).min().map(Deadline::at)
    }

    /// Whose claim here is in the way of `kind`, seen from a node to which this one lies at `place`.
    pub(super) fn owner_in_the_way(&self, kind: Kind, place: Place) -> Option<Owner> {
        let slow = self.cold_if_any()?.slow.lock();
        let conflicts = |record: &&PlainArc<Record>| record.state.lock().kind.unit() & kind.conflicts(place) != 0;
        slow.records.iter().filter(conflicts).find_map(|record| record.owner.clone())
    }
}
