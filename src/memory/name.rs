//! Names: an exclusive claim on a subtree says in the word itself whose it is, and since when or
//! until when. So a lock with an owner costs one compare-and-swap to claim, one to release, and a
//! look at the coarse clock, which takes a quarter of the time of the exact one. One with a lease
//! costs a look at each.
//!
//! A handle that is locked again and again *registers* its terms, owner and lease, with its node,
//! under the slow lock, and gets a slot for them. No count is written at a lock: the node keeps the
//! terms for as long as the handle lives. A name is a slot and a time: when the lock was taken, or
//! when its lease ends (`bits.rs`).
//!
//! | the lock | its word | its record |
//! |---|---|---|
//! | named | `XS`, `NAMED` and the name | none |
//! | on record | `XS` | one, with the name, until its guard has *settled*: then it has its token alone |
//! | strayed: broken or revoked, and its guard has not settled | `BARRED` | none; its token stands in [`Names`] |
//!
//! All that asks more of the lock than its owner or its end *puts it on record* first: a look, a
//! refresh, a fencing token, a timer for its lease, its revocation. One compare-and-swap takes the
//! name off the word, and leaves the claim. From then on `record.rs` is all there is to it. The
//! guard finds out when it comes by, and settles: it takes its token from the record.
//!
//! # Invariants
//! * **N1.** `NAMED` is set only together with `XS`, by the claim. It goes by the release, or under
//!   the slow lock when the lock is put on record. So a lock is named, or has a record, and never
//!   both, nor two records.
//! * **N2.** The terms in the slot of the word's name are registered. When the handle goes before
//!   its guard does, it first puts the lock on record; only then is the slot free for another.
//! * **N3.** `BARRED` is set if and only if a lock has strayed. Both change under the slow lock.
//! * **N4.** While a guard with a name is unsettled, only its own lock is named.
//! * **N5.** A handle that has a slot asks for its locks with the terms that it has registered.
//! * **N6.** While a waiter sleeps at a node, no claim with a name is made there: it expects a word
//!   without `PARKED`.
//! * **N7.** While there is a listener for losses, no named lock has a lease, but for the time that
//!   its claimant, or the listener that has just come, takes to put it on record.
//!
//! # Why a release ends no other lock
//! The guard's release is a compare-and-swap that expects its name. Two locks may have one name, as
//! slots are given out again, and a millisecond is long. But there is one named lock at a time: a
//! name claims exclusively. So the guard could only meet another's if its own lock ended before.
//! Nobody ends a lock but its guard, who breaks it, and who revokes it. These two take its record,
//! so it was put on record before. In the step that takes the record off, `BARRED` is set; then the
//! claim goes. A claim with a name expects a word without `BARRED`, so there is none until the
//! guard has settled. Then the guard has a token in place of the name. Hence N4.
//!
//! # Why the guard finds its record
//! It looks under the slow lock, after it has seen its name gone. The name went under that lock
//! together with the record's coming (N1). If somebody broke the lock meanwhile, its token is
//! there. No second lock can have strayed: that one was named, so the first was settled.
//!
//! # Why the terms are the right ones
//! A slot belongs to one [`MemoryNode`](super::MemoryNode), which is no clone of another. It is
//! used by [`Backend::acquire_at_once`](crate::Backend) alone, for a handle whose request stays
//! as it is. A handle that is given another owner, or another lease, gets a node without a slot
//! (N5). Who calls the backend with requests of his own has records.
//!
//! # Why the end of a lease is seen
//! The name itself has the end, rounded up to the next tick. Four ask for it:
//!
//! * **Who is refused, or about to sleep**, revokes what has ended, and tries again.
//! * **A thread that sleeps** does so until the first end at the node. It looks for that when it is
//!   in the queue. A named lock that is held by then is seen. One that is not cannot come (N6), and
//!   locks that have records wake the sleeper (`record.rs`).
//! * **A task that sleeps, or a listener** needs the timer, which goes by records. So the lock is
//!   put on record. The task sees to that in the queue, and N6 holds for it, too. The listener is
//!   on the list first, and then makes a read-modify-write of each word. So does a claim, which
//!   looks for listeners afterwards. If the claim's comes first, the listener sees the name.
//!   Otherwise the claimant has acquired what the listener released, and sees it. Hence N7.
//! * **The guard** looks at the clock before it releases. If the lease has ended, it settles, and
//!   learns from the record that the lock was lost. It looks at the coarse clock, which is late by
//!   some milliseconds, and at the exact one if the end is nearer than fifty. Were the coarse clock
//!   later than that, a guard could release after the end, and be told that it still held the lock.
//!   So it did: its compare-and-swap finds its name, so nobody else has had the lock since.
//!
//! # Why it excludes, and nobody sleeps for ever
//! To others a name is an exclusive claim on the subtree. Every mask that has a count of shared
//! claims has `XS`, too, so the name's bits make no conflict that is none (`word/tests.rs`). A
//! claim with a name expects `CLEAR` and nothing else, so it is granted as soon as it is made. Its
//! end is one read-modify-write of the word, as each claim's is, and looks for `PARKED`.

use std::time::{Duration, Instant};

use super::grant::{MemoryGrant, NAMED_GRANT, RECORDED};
use super::node::{Node, Slow, is_roomy};
use super::record::Record;
use super::word::{BARRED, CLEAR, ENROLLED, PARKED, name_in, named_claim, unnamed};
use crate::request::{Owner, Request};
use crate::sync::{AtomicUsize, Ordering, PlainArc};

#[cfg(all(test, mutextree_loom))]
pub(super) use self::bits::leased_in_model;
pub(super) use self::bits::{LEASES, ends, has_ended_for_its_guard, has_lease, leased_now, since, taken_now};

use self::bits::{SLOTS, has_ended, slot_of};

mod bits;

/// What a handle registers: whose its locks are, and for how long.
#[derive(Clone, Debug, Default)]
pub(super) struct Terms {
    pub(super) owner: Option<Owner>,
    pub(super) lease: Option<Duration>,
}

/// The owners and leases that handles of a node have registered.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// By slot. The last one is there.
    registered: Vec<Option<Terms>>,
    /// The name and the token of the lock that has strayed.
    strayed: Option<(u64, u64)>,
}

impl Names {
    /// Whose lock has this name.
    pub(super) fn owner(&self, name: u64) -> Option<&Owner> {
        self.terms(name)?.owner.as_ref()
    }

    fn terms(&self, name: u64) -> Option<&Terms> {
        self.registered.get(slot_of(name))?.as_ref()
    }

    fn register(&mut self, terms: Terms) -> Option<usize> {
        let free = self.registered.iter().position(Option::is_none).unwrap_or(self.registered.len());
        if free == self.registered.len() {
            if free == SLOTS {
                return None;
            }
            self.registered.push(None);
        }
        self.registered[free] = Some(terms);
        Some(free)
    }

    fn forget(&mut self, slot: usize) -> Option<Terms> {
        let gone = self.registered.get_mut(slot)?.take();
        while self.registered.pop_if(|last| last.is_none()).is_some() {}
        if is_roomy(self.registered.len(), self.registered.capacity()) {
            self.registered.shrink_to(self.registered.capacity() / 2);
        }
        gone
    }
}

/// What a handle knows of its slot: nothing, that a lock with an owner was asked for [`ONCE`], that
/// there is [`NONE_FREE`], or the slot, which comes after these.
#[derive(Debug)]
pub(super) struct Registered(AtomicUsize);

const ONCE: usize = 1;
const NONE_FREE: usize = 2;
const FIRST: usize = 3;

impl Registered {
    pub(super) fn none() -> Self {
        Self(AtomicUsize::new(0))
    }

    /// The handle's slot, if it has one.
    #[inline]
    pub(super) fn slot(&self) -> Option<usize> {
        // Acquire: synchronizes with the release in `note`. So who sees the name of a lock under
        // the slow lock sees what is registered, too, whichever thread registered it.
        self.0.load(Ordering::Acquire).checked_sub(FIRST)
    }

    /// A lock with an owner or a lease is asked for. The second time these are registered, as
    /// handles that are used once would only pay for it.
    #[cold]
    pub(super) fn note(&self, node: &Node, request: &Request) {
        if self.0.compare_exchange(0, ONCE, Ordering::Relaxed, Ordering::Relaxed) != Err(ONCE) {
            return;
        }
        let names = &mut node.cold().slow.lock().names;
        // Under the slow lock, so one thread registers.
        if self.0.load(Ordering::Relaxed) == ONCE {
            let slot = names.register(Terms { owner: request.owner.clone(), lease: request.lease });
            self.0.store(slot.map_or(NONE_FREE, |slot| FIRST + slot), Ordering::Release);
        }
    }

    /// The handle goes.
    #[inline]
    pub(super) fn end(&self, node: &Node) {
        if let Some(slot) = self.slot() {
            node.forget_slot(slot);
        }
    }
}

impl Node {
    /// Claims the node with this name, if it is free and may be claimed without a look.
    #[inline]
    pub(super) fn claim_named(&self, name: u64) -> bool {
        let free = ENROLLED | CLEAR;
        // As in `claim_fast`.
        self.word.compare_exchange(free, free + named_claim(name), Ordering::SeqCst, Ordering::Relaxed).is_ok()
    }

    /// Ends the claim of this name: `false` if the lock is on record, or was.
    #[inline]
    pub(super) fn release_named(self: &PlainArc<Self>, name: u64) -> bool {
        let claim = named_claim(name);
        let mut word = ENROLLED | CLEAR | claim;
        loop {
            // Release: as in `drop_claim`.
            match self.word.compare_exchange(word, word - claim, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => break,
                Err(now) if name_in(now) == Some(name) => word = now,
                Err(_) => return false,
            }
        }
        if word & PARKED != 0 {
            self.wake_next();
        }
        true
    }

    /// Whether the lock that is held here has this name.
    pub(super) fn has_name(&self, name: u64) -> bool {
        name_in(self.word.load(Ordering::Acquire)) == Some(name)
    }

    /// Puts the lock here on record, if it is a named one.
    pub(super) fn put_on_record(&self, slow: &mut Slow) {
        // Acquire: with the claim.
        let mut word = self.word.load(Ordering::Acquire);
        while let Some(name) = name_in(word) {
            self.cold().expect_record();
            match self.word.compare_exchange(word, unnamed(word), Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    // Drawn while the lock is held: its guard waits for the slow lock.
                    let token = self.shared().next_token();
                    // What is registered is there (N2).
                    let terms = slow.names.terms(name).cloned().unwrap_or_default();
                    return slow.records.add_named(token, name, &terms);
                }
                Err(now) => word = now,
            }
        }
    }

    /// Forgets a slot, whose handle goes.
    #[cold]
    fn forget_slot(&self, slot: usize) {
        let mut slow = self.cold().slow.lock();
        if name_in(self.word.load(Ordering::Acquire)).map(slot_of) == Some(slot) {
            self.put_on_record(&mut slow);
        }
        let gone = slow.names.forget(slot);
        drop(slow);
        drop(gone);
    }

    /// A lock was broken or revoked, and its record taken off. Its claim ends after this. If its
    /// guard has not settled, it has strayed.
    pub(super) fn stray(&self, slow: &mut Slow, record: &Record) {
        if let Some((name, token)) = record.unsettled() {
            slow.names.strayed = Some((name, token));
            self.word.fetch_or(BARRED, Ordering::AcqRel);
        }
    }

    /// When the lease of the lock here ends, if it is a named one and has a lease.
    pub(super) fn end_of_named(&self) -> Option<Instant> {
        name_in(self.word.load(Ordering::Acquire)).and_then(ends)
    }

    /// Whether the lock here is a named one whose lease has ended.
    pub(super) fn named_has_ended(&self) -> bool {
        name_in(self.word.load(Ordering::Acquire)).is_some_and(has_ended)
    }

    /// Whether the lock here is a named one with a lease.
    pub(super) fn is_leased_by_name(&self) -> bool {
        self.end_of_named().is_some()
    }

    /// The token of a lock with this name that was taken a moment ago, for a grant: from now on it
    /// is on record, and the timer watches it.
    #[cold]
    pub(super) fn settle_watched(self: &PlainArc<Self>, name: u64) -> u64 {
        let mut slow = self.cold().slow.lock();
        let token = self.settle(&mut slow, name);
        slow.watch_leases(self);
        token
    }

    /// The token of a lock with this name, which is on record or has strayed.
    fn settle(&self, slow: &mut Slow, name: u64) -> u64 {
        self.put_on_record(slow);
        if let Some(token) = slow.records.settle(name) {
            return token;
        }
        match slow.names.strayed.take_if(|(theirs, _)| *theirs == name) {
            Some((_, token)) => {
                self.word.fetch_and(!BARRED, Ordering::AcqRel);
                token
            }
            // Not reached. A token without a record is that of a lost lock.
            None => self.shared().next_token(),
        }
    }
}

impl MemoryGrant {
    /// The token under which the lock has a record, or had one. A named lock is put on record.
    #[inline]
    pub(super) fn recorded(&self, node: &Node) -> Option<u64> {
        let token = self.token.load(Ordering::Acquire);
        match token & (NAMED_GRANT | RECORDED) {
            0 => None,
            RECORDED => Some(token & !RECORDED),
            _ => Some(self.settle(node)),
        }
    }

    #[cold]
    pub(super) fn settle(&self, node: &Node) -> u64 {
        let mut slow = node.cold().slow.lock();
        // Under the slow lock, so one thread settles.
        let token = self.token.load(Ordering::Acquire);
        if token & NAMED_GRANT == 0 {
            return token & !RECORDED;
        }
        let token = node.settle(&mut slow, token & !NAMED_GRANT);
        self.token.store(token | RECORDED, Ordering::Release);
        token
    }

    /// Its name, if it has one, and its lock is neither on record nor lost.
    fn name(&self, node: &Node) -> Option<u64> {
        let token = self.token.load(Ordering::Acquire);
        let name = token & !NAMED_GRANT;
        (token & NAMED_GRANT != 0 && node.has_name(name) && !has_ended(name)).then_some(name)
    }

    /// Whether it is named, and its lock is neither on record nor lost.
    pub(super) fn is_named(&self, node: &Node) -> bool {
        self.name(node).is_some()
    }

    /// Whether that is so, and it has no lease.
    pub(super) fn lasts(&self, node: &Node) -> bool {
        self.name(node).is_some_and(|name| ends(name).is_none())
    }
}

#[cfg(all(test, not(any(mutextree_loom, mutextree_shuttle))))]
mod tests;
