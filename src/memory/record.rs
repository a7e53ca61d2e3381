//! Records: claims with an owner or a lease, for which a word has no room. They are kept with their
//! node. A lock with neither has no record, and pays nothing; nor has one with an owner alone, for
//! as long as nobody asks more of it (`name.rs`).
//!
//! A record is on its node's list for as long as its claim stands. Taking the record off the list,
//! under the slow lock, decides who ends the claim: the guard, a thread that finds the lease
//! expired and *revokes* the lock, or one that breaks it.
//!
//! * `leases.rs` the ends of leases, and who is there to see them
//! * `own.rs` a lock as a listing shows it; whose it is, where deadlocks are looked for
//! * `changing.rs` what becomes of the record of a lock that changes
//!
//! A *detached* lock has no guard that keeps its node. The tree keeps the node, by the lock's
//! fencing token, for as long as the record is on the list. The timer ends its lease, as no
//! other thread may ever come by.
//!
//! # Locks of nobody in particular
//! Who polls is refused again and again, mostly by a lock that has neither an owner nor a lease. So
//! that a refusal need not take the slow lock to know this, a node has a mark ([`Cold::recorded`]):
//! a lock here was once on record. It is set under the slow lock, before the first record comes,
//! and stays. A refusal loads the word first, which has the claim in its way, and then the mark.
//!
//! * If the word has a name, the slow lock is taken.
//! * If a name was taken off before that load, the mark was set before it, and is seen.
//! * A claim that gets its record later has none to show yet, whoever asks.

use std::time::{Duration, Instant};

use super::name::{self, Terms};
use super::node::{Cold, Node, is_roomy};
use super::sleeper::{Sleeper, unpark};
use super::word::Kind;
use crate::backend::LostLock;
use crate::deadlock::Asks;
use crate::observe::{self, Store};
use crate::path::TreePath;
use crate::request::Owner;
use crate::sync::{Ordering, PlainArc, Timeout, coarse_ticks, instant_at, now};

pub(super) use self::own::{Expired, Own};

use self::own::By;

mod changing;
mod leases;
mod own;

/// What is known of one claim.
#[derive(Clone, Debug)]
pub(super) struct Record {
    /// Its fencing token, which tells it from the others.
    token: u64,
    kind: Kind,
    owner: Option<Owner>,
    /// The full length of its lease.
    length: Option<Duration>,
    /// When it was granted; `None` if that was before it had a record.
    since: Option<Instant>,
    /// When the lease expires: `None` if never, or too late for the clock to hold. Once it has
    /// expired, nothing moves it again.
    expires: Option<Instant>,
    /// Whether the lock has outlived its guard.
    detached: bool,
    /// Its holder, asleep while the lock changes: it is told if the lock is lost (`change.rs`).
    changer: Option<PlainArc<Sleeper>>,
    /// Whether it is a pending upgrade: then it has the exclusive claim, too.
    upgrading: bool,
    /// Who took it, and where, in a tree that looks for deadlocks.
    by: Option<By>,
    /// The name by which its guard finds it, until that has the token: see `name.rs`.
    name: Option<u64>,
}

impl Record {
    fn new(token: u64, kind: Kind) -> Self {
        Self {
            token,
            kind,
            owner: None,
            length: None,
            since: None,
            expires: None,
            detached: false,
            changer: None,
            upgrading: false,
            by: None,
            name: None,
        }
    }

    /// Its claims in the word.
    fn claims(&self) -> u64 {
        let pending = if self.upgrading { self.kind.upgraded().unit() } else { 0 };
        self.kind.unit() + pending
    }

    /// Its name and its token, if its guard has not settled.
    pub(super) fn unsettled(&self) -> Option<(u64, u64)> {
        self.name.map(|name| (name, self.token))
    }

    fn has_expired(&self) -> bool {
        self.expires.is_some_and(|expires| expires <= now())
    }
}

/// The records of one node.
#[derive(Debug, Default)]
pub(super) struct Records {
    list: Vec<Record>,
    /// The timer comes by then to revoke expired leases.
    watched: Option<Timeout>,
}

/// The lock had been lost.
#[derive(Debug)]
pub(super) struct Lost;

impl Records {
    fn contains(&self, token: u64) -> bool {
        self.list.iter().any(|record| record.token == token)
    }

    /// The record of a lock that is still held.
    fn held(&mut self, token: u64) -> Result<&mut Record, Lost> {
        self.list.iter_mut().find(|record| record.token == token && !record.has_expired()).ok_or(Lost)
    }

    /// A named lock is on record from now on.
    pub(super) fn add_named(&mut self, token: u64, name: u64, terms: &Terms) {
        let (owner, length) = (terms.owner.clone(), terms.lease);
        // The end in the name is late by up to a tick. Its lease is not to seem longer than it was.
        let most = length.and_then(|lease| now().checked_add(lease));
        let expires = name::ends(name).into_iter().chain(most).min();
        let since = Some(name::since(name, length));
        self.list.push(Record { owner, length, since, expires, name: Some(name), ..Record::new(token, Kind::Xs) });
    }

    /// The guard of the lock with this name gets its token.
    pub(super) fn settle(&mut self, name: u64) -> Option<u64> {
        let record = self.list.iter_mut().find(|record| record.name == Some(name))?;
        record.name = None;
        Some(record.token)
    }

    fn first_expiry(&self) -> Option<Instant> {
        self.list.iter().filter_map(|record| record.expires).min()
    }

    /// Takes one record off the list.
    fn take(&mut self, token: u64) -> Option<Record> {
        let at = self.list.iter().position(|record| record.token == token)?;
        let record = self.list.swap_remove(at);
        self.tidy();
        Some(record)
    }

    /// Takes the records of expired leases off the list.
    fn take_expired(&mut self) -> Vec<Record> {
        let expired = self.list.extract_if(.., |record| record.has_expired()).collect();
        self.tidy();
        expired
    }

    /// After records were taken off.
    fn tidy(&mut self) {
        if is_roomy(self.list.len(), self.list.capacity()) {
            self.list.shrink_to(self.list.capacity() / 2);
        }
        if self.watched.is_some() && self.first_expiry().is_none() {
            self.watched = None;
        }
    }

    #[cfg(all(test, mutextree_loom))]
    pub(super) fn is_watched(&self) -> bool {
        self.watched.is_some()
    }

    #[cfg(all(test, not(any(mutextree_loom, mutextree_shuttle))))]
    pub(super) fn capacity(&self) -> usize {
        self.list.capacity()
    }
}

impl Cold {
    /// A record is about to come. Under the slow lock, and before a name leaves the word for it.
    pub(super) fn expect_record(&self) {
        // A load first: the mark stays, and others read its line.
        if !self.recorded.load(Ordering::Relaxed) {
            self.recorded.store(true, Ordering::SeqCst);
        }
    }
}

impl Node {
    /// Records a claim that has been granted, nobody knows to whom.
    #[cfg(all(test, not(mutextree_shuttle)))]
    pub(super) fn record(self: &PlainArc<Self>, token: u64, kind: Kind, lease: Option<Duration>, owner: Option<Owner>) {
        self.record_by(token, kind, lease, owner, None);
    }

    /// Records a claim that has been granted.
    pub(super) fn record_by(
        self: &PlainArc<Self>,
        token: u64,
        kind: Kind,
        lease: Option<Duration>,
        owner: Option<Owner>,
        asks: Option<Asks>,
    ) {
        let (since, expires) = match lease {
            // Only shown: the coarse clock will do, which takes a quarter of the time.
            None => (instant_at(coarse_ticks()), None),
            Some(lease) => {
                let now = now();
                (now, now.checked_add(lease))
            }
        };
        let by = asks.map(By::from);
        self.put(Record { owner, length: lease, since: Some(since), expires, by, ..Record::new(token, kind) });
    }

    fn put(self: &PlainArc<Self>, record: Record) {
        let expires = record.expires;
        let mut slow = self.cold().slow.lock();
        self.cold().expect_record();
        slow.records.list.push(record);
        // A waiter that fell asleep before the record was here would sleep for too long.
        if expires.is_some() {
            self.stir_under(slow);
        }
    }

    /// Records a claim without a lease, unless it has a record.
    pub(super) fn record_once(&self, token: u64, kind: Kind) {
        let records = &mut self.cold().slow.lock().records;
        if !records.contains(token) {
            self.cold().expect_record();
            records.list.push(Record::new(token, kind));
        }
    }

    /// Whether a recorded lock is still held.
    pub(super) fn is_held(&self, token: u64) -> bool {
        self.cold().slow.lock().records.held(token).is_ok()
    }

    /// Ends a recorded claim, unless it was revoked.
    pub(super) fn drop_recorded(self: &PlainArc<Self>, token: u64) -> Result<(), Lost> {
        let record = self.cold().slow.lock().records.take(token).ok_or(Lost)?;
        let expired = record.has_expired();
        self.end(&record);
        if !expired {
            return Ok(());
        }
        if !record.detached {
            self.lost(&record);
        }
        Err(Lost)
    }

    /// Makes a recorded exclusive claim a shared one, unless it was lost.
    pub(super) fn downgrade_recorded(self: &PlainArc<Self>, token: u64) -> Result<(), Lost> {
        // Record and word change under one hold of the slow lock. Otherwise the lock could be
        // revoked in between, as the kind that it is no longer.
        let mut slow = self.cold().slow.lock();
        let record = slow.records.held(token)?;
        let kind = record.kind;
        record.kind = kind.downgraded();
        let parked = self.downgrade_word(kind);
        drop(slow);
        if parked {
            self.wake_next();
        }
        Ok(())
    }

    /// Ends a recorded lock on behalf of somebody else. Whether there was one.
    pub(super) fn break_recorded(self: &PlainArc<Self>, token: u64) -> bool {
        let Some(cold) = self.cold_if_any() else { return false };
        let mut slow = cold.slow.lock();
        let Some(record) = slow.records.take(token) else { return false };
        self.stray(&mut slow, &record);
        drop(slow);
        let was_held = !record.has_expired();
        self.take_away(&record);
        was_held
    }

    /// Ends the claim of a record that has been taken off the list by somebody else than its
    /// holder, who is told.
    fn take_away(self: &PlainArc<Self>, record: &Record) {
        self.end(record);
        if !record.detached {
            self.lost(record);
            let lost = LostLock::new(self.path.clone(), record.owner.clone(), record.token);
            self.shared().losses.tell(&lost);
        }
    }

    fn lost(&self, record: &Record) {
        observe::lost(Store::Memory, &self.path, record.owner.as_ref(), Some(record.token));
    }

    /// Ends the claim of a record that has been taken off the list.
    fn end(self: &PlainArc<Self>, record: &Record) {
        self.drop_claims(record.claims());
        if let Some(changer) = &record.changer {
            unpark(vec![changer.clone()]);
        }
        if record.detached {
            let kept = self.shared().detached.lock().remove(&self.detached_key(record.token));
            drop(kept);
            self.about_to_go(); // the tree may have been the last to use the node
        }
    }

    /// By what the tree keeps the node of a detached lock: locks that were one have one token.
    fn detached_key(&self, token: u64) -> (u64, TreePath) {
        (token, self.path.clone())
    }

    /// Lets a recorded lock outlive its guard, unless it was lost.
    pub(super) fn detach(self: &PlainArc<Self>, token: u64) -> Result<(), Lost> {
        // The node is kept before the record is marked. So a thread that finds the mark, and ends
        // the lock, finds the node kept.
        self.shared().detached.lock().insert(self.detached_key(token), self.clone());
        let mut slow = self.cold().slow.lock();
        let marked = slow.records.held(token).map(|record| record.detached = true);
        slow.watch_leases(self);
        drop(slow);
        if marked.is_err() {
            self.shared().detached.lock().remove(&self.detached_key(token));
        }
        marked
    }

    /// How a detached lock is held, if it still is.
    pub(super) fn detached_kind(&self, token: u64) -> Option<Kind> {
        let records = &mut self.cold_if_any()?.slow.lock().records;
        records.held(token).ok().filter(|record| record.detached).map(|record| record.kind)
    }
}
