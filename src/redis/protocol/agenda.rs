//! [`Agenda`]: what is due when. It renews what is held, shows that waiters live, tells of losses,
//! and gives back what could not be given back at once.
//!
//! It holds up no lock that is held for a short time: that costs an insertion into a map and a
//! removal.
//!
//! | stage of a lock | due | what is due | after it was taken, due again |
//! |---|---|---|---|
//! | asks, its first request is under way | never | | |
//! | waits in the server's queue | after a heartbeat, or when the lease in its way ends | a heartbeat | after half a heartbeat, if there is no answer by then |
//! | held, and renews itself | after a third of the lease | a renewal | after a quarter of what is left, if there is no answer by then (P6) |
//! | held, and nobody uses it | the same | nothing: its next user tells, and then a renewal is due | |
//! | held | at its deadline | its loss is told | |
//! | given up, and the server may not know | at once | a release | after a pause that doubles, up to a second (P4) |
//!
//! What is due soon goes along with what is due, so waiters that came one by one beat as one soon.
//! Renewals, heartbeats and releases are taken apart: none waits behind another (`run/keeper.rs`).
//! A loss needs no server, and is told when it happens.

use std::collections::{BTreeMap, VecDeque};

use super::calls::{Found, More, Refreshed};
use super::keys;
use super::lock::Lock;
use super::message::News;
use super::release::Release;
use super::timing::{NEVER, RETRY, Timing, renewal_retry};
use crate::path::TreePath;
use crate::redis::error::Failure;
use crate::redis::primitives::Arc;
use crate::request::{Kind, conflicts};

mod left;
mod stage;
mod work;

use stage::{Kept, Stage};
pub(in crate::redis) use work::{GivenUp, Renewal, Room, Work, heartbeat_call, renewal_call};
use work::{batches, due, take_found};

/// As many tokens as this go into one call of `refresh`.
pub(in crate::redis) const BATCH: usize = 256;
/// As many releases as this go as one pipeline.
const RELEASES: usize = 64;

/// What there is to do for the locks of one store. `W` is how a waiter is told.
pub(in crate::redis) struct Agenda<W> {
    timing: Timing,
    /// By number, so that what is done when is the same in each run of a simulation.
    kept: BTreeMap<u64, Kept<W>>,
    /// Who waits for a held lock to become exclusive, by the number of the lock.
    upgrades: BTreeMap<u64, W>,
    given_up: Vec<GivenUp>,
    hand_overs: VecDeque<More>,
    /// Whether more has expired than a call has cleared away, and when the last call to do so
    /// began.
    untidy: bool,
    tidied: u64,
    /// No later than the first thing that is due.
    next: u64,
}

impl<W: Clone> Agenda<W> {
    pub(in crate::redis) fn new(timing: Timing) -> Self {
        Self {
            timing,
            kept: BTreeMap::new(),
            upgrades: BTreeMap::new(),
            given_up: Vec::new(),
            hand_overs: VecDeque::new(),
            untidy: false,
            tidied: 0,
            next: NEVER,
        }
    }

    /// When something is due next, at the earliest.
    pub(in crate::redis) fn next(&self) -> u64 {
        self.next
    }

    fn keep(&mut self, lock: &Arc<Lock>, stage: Stage<W>, due: u64) {
        self.kept.insert(lock.number, Kept { lock: lock.clone(), stage, due });
        self.next = self.next.min(due);
    }

    /// A request that may queue is about to be sent: from now on a message for it finds it.
    pub(super) fn asks(&mut self, lock: &Arc<Lock>, waiter: W) {
        self.keep(lock, Stage::Asks { waiter }, NEVER);
    }

    /// The server has it in its queue, as the answer to a request says; and for how long the lock
    /// in its way lasts at the most.
    pub(super) fn waits(&mut self, lock: &Arc<Lock>, waiter: W, left: Option<u64>, sent: u64, now: u64) {
        lock.waits(sent);
        let due = now + self.until_heartbeat(left.unwrap_or(NEVER));
        self.keep(lock, Stage::Waits { waiter, beat: 0 }, due);
    }

    fn until_heartbeat(&self, left: u64) -> u64 {
        left.max(RETRY).min(self.timing.heartbeat)
    }

    pub(in crate::redis) fn held(&mut self, lock: &Arc<Lock>) {
        self.keep(lock, Stage::HELD, due(lock));
    }

    /// What was [left](Lock::leave) has a user again.
    pub(in crate::redis) fn lent(&mut self, lock: &Lock) {
        if let Some(kept) = self.kept.get_mut(&lock.number)
            && let Stage::Held { is_used, .. } = &mut kept.stage
        {
            *is_used = true;
            kept.due = due(lock);
            self.next = self.next.min(kept.due);
        }
    }

    /// It is held until its first deadline, and by no more than the word of a message: the renewal
    /// that turns its claim window into a lease is due soon.
    pub(super) fn handed_over(&mut self, lock: &Arc<Lock>, now: u64) {
        let due = now + lock.deadline().saturating_sub(now) / 2;
        self.keep(lock, Stage::HELD, due);
    }

    /// It was below a kept lock, and is one of its own: it is renewed at once.
    pub(in crate::redis) fn became_own(&mut self, lock: &Lock, now: u64) {
        if let Some(kept) = self.kept.get_mut(&lock.number) {
            (kept.due, self.next) = (now, 0);
        }
    }

    /// Its holder has set another deadline.
    pub(in crate::redis) fn reschedule(&mut self, lock: &Lock) {
        if let Some(kept) = self.kept.get_mut(&lock.number) {
            kept.due = due(lock);
            self.next = self.next.min(kept.due).min(lock.deadline());
        }
    }

    /// Nothing more is done for it. `false` if nothing was.
    pub(in crate::redis) fn forget(&mut self, lock: &Lock) -> bool {
        self.kept.remove(&lock.number).is_some()
    }

    /// The server may know it, and nobody wants it any more (P4).
    pub(in crate::redis) fn give_up(&mut self, release: Release, now: u64) {
        release.locks().for_each(|lock| _ = self.kept.remove(&lock.number));
        let longest = release.locks().map(|lock| lock.longest()).fold(self.timing.claim_window(), u64::max);
        let until = now.saturating_add(longest).saturating_add(self.timing.timeout);
        self.given_up.push(GivenUp { release, until, due: now, pause: RETRY });
        self.next = 0;
    }

    /// What a call has left to do.
    pub(in crate::redis) fn left_over(&mut self, more: More) {
        match more {
            More::None => return,
            More::Tidy => self.untidy = true,
            More::HandOver { .. } => self.hand_overs.push_back(more),
        }
        self.next = 0;
    }

    /// Whom a message for this number is for.
    pub(in crate::redis) fn waiter(&self, number: u64) -> Option<W> {
        match &self.kept.get(&number)?.stage {
            Stage::Asks { waiter } | Stage::Waits { waiter, .. } => Some(waiter.clone()),
            Stage::Held { .. } => self.upgrades.get(&number).cloned(),
        }
    }

    /// A held lock is on its way to become exclusive, or not any more: a message for it finds this.
    pub(in crate::redis) fn upgrades(&mut self, lock: &Lock, waiter: Option<W>) {
        match waiter {
            Some(waiter) => _ = self.upgrades.insert(lock.number, waiter),
            None => _ = self.upgrades.remove(&lock.number),
        }
    }

    /// A held lock is on another node now. `false` if it was lost meanwhile.
    pub(in crate::redis) fn moved(&mut self, lock: &Arc<Lock>) -> bool {
        self.kept.get_mut(&lock.number).map(|kept| kept.lock = lock.clone()).is_some()
    }

    /// Somebody has broken the lock with this number, if it was granted with this fencing token. No
    /// request revives it, so it is lost here, too (P2).
    pub(in crate::redis) fn broken(&mut self, number: u64, fencing_token: u64) {
        if let Some(Kept { lock, stage: Stage::Held { .. }, .. }) = self.kept.get(&number)
            && lock.has_had(fencing_token)
        {
            lock.lose();
            self.next = 0;
        }
    }

    /// What is held in the way of a lock of this kind, by users, and known to the server.
    pub(in crate::redis) fn in_the_way(&self, path: &TreePath, kind: Kind) -> Vec<Arc<Lock>> {
        let held = self.kept.values().filter(|kept| matches!(kept.stage, Stage::Held { .. })).map(|kept| &kept.lock);
        // Most that are held are elsewhere, and most of those nobody uses.
        let held = held.filter(|lock| lock.path.starts_with(path) || path.starts_with(&lock.path));
        let is_in_the_way = |lock: &&Arc<Lock>| {
            let is_below = lock.is_guest() && !lock.renews();
            let of_user = !is_below && !lock.is_unused();
            of_user && keys::kind(lock.kind().into()).is_some_and(|its| conflicts((path, kind), (&lock.path, its)))
        };
        held.filter(is_in_the_way).cloned().collect()
    }

    /// Messages may have been lost: every waiter shows itself, and hears, at once.
    pub(in crate::redis) fn beat_soon(&mut self, now: u64) {
        for kept in self.kept.values_mut().filter(|kept| kept.waits()) {
            kept.due = now;
            self.next = 0;
        }
    }

    /// Another server may have forgotten what is held: all that renews itself says so at once.
    pub(in crate::redis) fn renew_soon(&mut self, now: u64) {
        for kept in self.kept.values_mut().filter(|kept| matches!(kept.stage, Stage::Held { .. })) {
            kept.due = kept.due.min(now);
            self.next = 0;
        }
    }

    /// Something has changed that is to be seen to: a loss, or room for more work.
    pub(in crate::redis) fn look_now(&mut self) {
        self.next = 0;
    }

    /// Takes what is due at `now`, as far as there is room for it, and what is due so soon that it
    /// can go along.
    pub(in crate::redis) fn take(&mut self, now: u64, room: Room) -> Work<W> {
        let (mut renewals, mut heartbeats, mut lost, mut silent) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (timing, mut next) = (self.timing, NEVER);
        // What is due soon goes along, but is no reason for a call.
        let is_due = |waits| self.kept.values().any(|kept| kept.waits() == waits && kept.due <= now);
        let (beats, renews) = (room.heartbeats && is_due(true), room.renewals && is_due(false));
        self.kept.retain(|_, kept| {
            let lock = &kept.lock;
            match &mut kept.stage {
                Stage::Asks { .. } => return true,
                Stage::Waits { waiter, beat } => {
                    if beats && kept.due <= now.saturating_add(timing.heartbeat / 2) {
                        heartbeats.push(lock.clone());
                        if *beat <= lock.waited_at() {
                            *beat = now;
                        }
                        kept.due = now + (timing.heartbeat / 2).max(RETRY);
                    }
                    if *beat > lock.waited_at() {
                        // There is no answer yet. A lease without one, and the waiter is told.
                        let told = lock.waited_at().saturating_add(timing.lease).max(*beat + RETRY);
                        if told <= now {
                            silent.push(waiter.clone());
                            *beat = 0;
                        } else {
                            next = next.min(told);
                        }
                    }
                    if room.heartbeats {
                        next = next.min(kept.due);
                    }
                }
                Stage::Held { renewing, is_used } => {
                    if !lock.is_held(now) {
                        lost.push(lock.clone());
                        return false;
                    }
                    let deadline = lock.deadline();
                    next = next.min(deadline);
                    if lock.is_guest() && !lock.renews() {
                        kept.due = deadline; // which may be a later one of the lock above
                    }
                    if room.renewals && kept.due < deadline && lock.renews() {
                        let soon = if *renewing || !renews { 0 } else { lock.lease / 12 };
                        if kept.due <= now.saturating_add(soon) {
                            if !*is_used && lock.leave() {
                                kept.due = NEVER;
                            } else {
                                renewals.push(Renewal { lock: lock.clone(), epoch: lock.epoch() });
                                (*renewing, *is_used) = (true, false);
                                kept.due = renewal_retry(now, deadline);
                            }
                        }
                        next = next.min(kept.due);
                    }
                }
            }
            true
        });
        let releases = self.take_given_up(now, room, &mut next);
        let more = if room.releases { self.take_left_over(now, &mut next) } else { None };
        self.next = next;
        renewals.sort_by_key(|renewal| renewal.lock.deadline());
        Work {
            renewals: renewals.chunks(BATCH).map(<[_]>::to_vec).collect(),
            heartbeats: batches(heartbeats, BATCH),
            releases,
            more,
            lost,
            silent,
        }
    }

    /// What came of a batch of renewals that was sent at that time.
    pub(in crate::redis) fn renewed(
        &mut self,
        batch: &[Renewal],
        answer: &Result<Refreshed, Failure>,
        sent: u64,
        now: u64,
    ) {
        for (at, renewal) in batch.iter().enumerate() {
            let (lock, found) = (&renewal.lock, answer.as_ref().ok().map(|refreshed| refreshed.found.get(at)));
            let due = match found {
                None => now + RETRY,
                Some(Some(Found::Held)) if lock.renewed(renewal.epoch, sent.saturating_add(lock.lease), now) => {
                    due(lock)
                }
                Some(_) => {
                    lock.lose();
                    0
                }
            };
            if let Some(kept) = self.kept.get_mut(&lock.number)
                && let Stage::Held { renewing, .. } = &mut kept.stage
            {
                *renewing = false;
                kept.due = due;
                self.next = self.next.min(due);
            }
        }
    }

    /// What came of a batch of heartbeats. Returns those to be told, and what.
    pub(in crate::redis) fn beaten(
        &mut self,
        batch: &[Arc<Lock>],
        answer: &Result<Refreshed, Failure>,
        sent: u64,
        now: u64,
    ) -> Vec<(W, News)> {
        let mut told = Vec::new();
        let mut rest = answer.as_ref().map(|refreshed| &*refreshed.found);
        for lock in batch {
            let (due, news) = match rest.as_mut().map(|rest| take_found(lock, rest)) {
                Err(_) => (now + RETRY, News::Nothing),
                // When the lease in its way ends nobody sends a message: that is when to ask again.
                Ok(Some(Found::Waits(left))) => {
                    lock.waits(sent);
                    (now + self.until_heartbeat(left), News::Nothing)
                }
                // As a message would say, which may have been lost. The window began anew then.
                Ok(Some(Found::Granted(fencing_token))) => {
                    lock.waits(sent);
                    (now + self.timing.heartbeat, News::Granted(fencing_token))
                }
                Ok(_) => (now + self.timing.heartbeat, News::Ask),
            };
            if let Some(kept) = self.kept.get_mut(&lock.number)
                && let Stage::Waits { waiter, beat } = &mut kept.stage
            {
                if news != News::Nothing {
                    told.push((waiter.clone(), news));
                    *beat = 0;
                }
                kept.due = due;
                self.next = self.next.min(due);
            }
        }
        told
    }
}

#[cfg(test)]
mod tests;
