//! Names: an exclusive claim on a subtree says in the word itself whose it is. So a lock with an
//! owner costs what one without costs: one compare-and-swap to claim, and one to release.
//!
//! A handle that is locked again and again *registers* its owner with its node, under the slow
//! lock. It gets a name for it, a number that the node never gives out again. No count is written
//! at a lock: the node keeps the owner for as long as the handle lives.
//!
//! | the lock | its word | its record |
//! |---|---|---|
//! | named | `XS`, `NAMED` and the name | none |
//! | on record | `XS` | one, with the name, until its guard has *settled*: then it has its token alone |
//! | strayed: broken, and its guard has not settled | `BARRED` | none; its token stands in [`Names`] |
//!
//! All that asks more of the lock than its owner *puts it on record* first: a look, a refresh, a
//! fencing token. One compare-and-swap takes the name off the word, and leaves the claim. From
//! then on `record.rs` is all there is to it. The guard finds out when it comes by, and settles: it
//! takes its token from the record.
//!
//! # Invariants
//! * **N1.** `NAMED` is set only together with `XS`, by the claim. It goes by the release, or under
//!   the slow lock when the lock is put on record. So a lock is named, or has a record, and never
//!   both, nor two records.
//! * **N2.** The owner of the name in the word is registered. When the handle goes before its guard
//!   does, it first puts the lock on record.
//! * **N3.** `BARRED` is set if and only if a lock has strayed. Both change under the slow lock.
//! * **N4.** While a guard with a name is unsettled, only its own lock has that name in the word.
//!
//! # Why a release ends no other lock
//! The guard's release is a compare-and-swap that expects its name. Two locks may have one name,
//! those of one handle. By exclusion they overlap only if the first one is lost, and it can only be
//! lost by being broken. That takes its token, so it was put on record before. In the step that
//! takes the record off, `BARRED` is set; then the claim goes. A claim with a name expects a word
//! without `BARRED`, so there is none until the guard has settled. Then the guard has a token in
//! place of the name. Hence N4.
//!
//! # Why the guard finds its record
//! It looks under the slow lock, after it has seen its name gone. The name went under that lock
//! together with the record's coming (N1). If somebody broke the lock meanwhile, its token is
//! there. No second lock can have strayed: that one was named, so the first was settled.
//!
//! # Why it excludes, and nobody sleeps for ever
//! To others a name is an exclusive claim on the subtree. Every mask that has a count of shared
//! claims has `XS`, too, so the name's bits make no conflict that is none (`word/tests.rs`). A
//! claim with a name expects `CLEAR` and nothing else, so it is granted as soon as it is made. Its
//! end is one read-modify-write of the word, as each claim's is, and looks for `PARKED`.

use super::grant::{MemoryGrant, NAMED_GRANT, RECORDED};
use super::node::{Node, Slow};
use super::word::{BARRED, CLEAR, ENROLLED, MOST_NAMES, PARKED, name_in, named_claim, unnamed};
use crate::request::Owner;
use crate::sync::{AtomicU64, AtomicUsize, Ordering, PlainArc};

/// The names that a node has given out.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Those whose handles are there.
    registered: Vec<(u64, Owner)>,
    last: u64,
    /// The name and the token of the lock that has strayed.
    strayed: Option<(u64, u64)>,
}

impl Names {
    pub(super) fn owner(&self, name: u64) -> Option<&Owner> {
        self.registered.iter().find(|(theirs, _)| *theirs == name).map(|(_, owner)| owner)
    }
}

/// The owner that a handle has registered with its node. No other has it.
#[derive(Debug)]
pub(super) struct Registered {
    /// 0 until a lock with an owner is asked for, then [`ONCE`], and from the second one on where
    /// the owner's text lies. The node keeps the text, so no other owner comes to lie there.
    address: AtomicUsize,
    name: AtomicU64,
}

/// No text lies here.
const ONCE: usize = 1;

impl Registered {
    pub(super) fn none() -> Self {
        Self { address: AtomicUsize::new(0), name: AtomicU64::new(0) }
    }

    /// The name of this owner, if it is the registered one.
    #[inline]
    pub(super) fn name_of(&self, owner: &Owner) -> Option<u64> {
        // Acquire: synchronizes with `note`, which has stored the name before.
        (self.address.load(Ordering::Acquire) == owner.address()).then(|| self.name.load(Ordering::Relaxed))
    }

    /// A lock with this owner is asked for. The second time the owner is registered, as handles
    /// that are used once would only pay for it. A handle has one owner for as long as it lives;
    /// if a caller of the backend comes with others, they have no names.
    #[cold]
    pub(super) fn note(&self, node: &Node, owner: &Owner) {
        if self.address.compare_exchange(0, ONCE, Ordering::Relaxed, Ordering::Relaxed) != Err(ONCE) {
            return;
        }
        let names = &mut node.cold().slow.lock().names;
        // Under the slow lock, so one thread registers.
        if names.last < MOST_NAMES && self.address.load(Ordering::Relaxed) == ONCE {
            names.last += 1;
            names.registered.push((names.last, owner.clone()));
            self.name.store(names.last, Ordering::Relaxed);
            self.address.store(owner.address(), Ordering::Release);
        }
    }

    /// The handle goes.
    #[inline]
    pub(super) fn end(&self, node: &Node) {
        if self.address.load(Ordering::Relaxed) > ONCE {
            node.forget_name(self.name.load(Ordering::Relaxed));
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
            match self.word.compare_exchange(word, unnamed(word), Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    // Drawn while the lock is held: its guard waits for the slow lock.
                    let token = self.shared().next_token();
                    return slow.records.add_named(token, name, slow.names.owner(name).cloned());
                }
                Err(now) => word = now,
            }
        }
    }

    /// Forgets a name, whose handle goes.
    #[cold]
    fn forget_name(&self, name: u64) {
        let mut slow = self.cold().slow.lock();
        if self.has_name(name) {
            self.put_on_record(&mut slow);
        }
        let at = slow.names.registered.iter().position(|(theirs, _)| *theirs == name);
        let gone = at.map(|at| slow.names.registered.swap_remove(at));
        drop(slow);
        drop(gone);
    }

    /// A lock was broken before its guard had settled. Its claim ends after this.
    pub(super) fn stray(&self, slow: &mut Slow, name: u64, token: u64) {
        slow.names.strayed = Some((name, token));
        self.word.fetch_or(BARRED, Ordering::AcqRel);
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

    /// Whether it is named, and its lock is neither on record nor lost.
    pub(super) fn is_named(&self, node: &Node) -> bool {
        let token = self.token.load(Ordering::Acquire);
        token & NAMED_GRANT != 0 && node.has_name(token & !NAMED_GRANT)
    }
}

#[cfg(all(test, not(any(mutextree_loom, mutextree_shuttle))))]
mod tests;
