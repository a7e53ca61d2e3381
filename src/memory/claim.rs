//! Claim and look up: what an acquisition does first. And giving a claim back.
//!
//! # Acquiring N
//! 1. *Claim*: one CAS on N's own word.
//! 2. *Look up*, unless N's word had `CLEAR`: load each ancestor's word. A conflicting claim there:
//!    withdraw, wait there, start over.
//! 3. *Look down*, if N had enrolled children when it was claimed and the scope is the subtree
//!    (`walk.rs`): a conflicting claim there: keep the claim on N, wait for that one to end, go on.
//!
//! With `CLEAR`, and nothing below, the first step is all: a lock costs one compare-and-swap at any
//! depth.
//!
//! # Why it excludes
//! Take two conflicting acquisitions, of A and of D below it, and suppose that both were granted.
//!
//! **D has looked up.** Each one's claim is a SeqCst read-modify-write, its looks are SeqCst loads
//! after it, and a claim stays from then on (a struck out *tentative* one is not granted:
//! `tentative.rs`). D's look at A did not see A's claim, so it comes before it in the single order
//! of SeqCst operations, and D's claim comes before that. So A's look at D, after A's claim, sees
//! D's claim, if there is such a look. There is:
//!
//! * D was enrolled when it was claimed, and stayed so (4 in `enrol.rs`); so were all between A and
//!   D. D's claim comes before A's, so A's word had `KIDS` when A was claimed, and A walks. Had
//!   some node between them not been on its parent's list, or without `KIDS`, when the walk came
//!   by, then it enrolled afterwards, and D was claimed after A: a contradiction.
//!
//! **D had `CLEAR`.** By invariant 10 (`enrol.rs`) A's walk came by D, took `CLEAR` off, and looked
//! at the word that it was in: at D's claim, unless D was claimed after that, and then there was no
//! `CLEAR` for it.
//!
//! Two on the same node exclude each other by the CAS.
//!
//! # Why nothing written under one lock is missed under the next
//! The claim and the looks acquire, and the end of a claim releases. Of two conflicting locks the
//! later one has seen in its claim or its looks a word that the end of the earlier one left, or one
//! that was derived from it by a chain of read-modify-writes and slow locks. (With `CLEAR` the look
//! was that of whoever set it, by a read-modify-write of the word that was then claimed.)

use super::node::Node;
use super::word::{CLEAR, COVERS, ENROLLED, KIDS, Kind, PARKED, Place};
use crate::sync::{Ordering, PlainArc, Stamp, claim_fence};

/// How to claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// For good: whoever conflicts has to wait or to fail.
    Firm,
    /// For good, but not if there is something to look down at.
    FirmIfLeaf,
    /// So that anyone who conflicts may strike it out.
    Tentative,
}

/// What came of a claim.
#[derive(Debug)]
pub(super) enum Claim {
    /// Made, and there is nothing to look down at.
    Leaf,
    /// There are enrolled children below a claim for the subtree. Made, unless it was asked for
    /// [`How::FirmIfLeaf`].
    Inner,
    /// Not made: a claim on the node itself is in the way, or a gate. The node of that claim, or
    /// the one wanted by whoever has closed the gate.
    Blocked(PlainArc<Node>),
}

impl Node {
    /// Claims the node, if all is as simple as can be: nobody in the way, and nothing to look at.
    /// On `false` nothing was done.
    #[inline(always)]
    pub(super) fn claim_fast(&self, kind: Kind) -> bool {
        // The usual kind needs no look first: there is one word that it can claim.
        let word = if kind == Kind::Xs { ENROLLED | CLEAR } else { self.word.load(Ordering::Relaxed) };
        if word & CLEAR == 0 || !kind.is_simple(word) {
            return false;
        }
        // SeqCst: partner of the loads in `look_up` and `walk.rs`. Acquire: synchronizes with the
        // release in `drop_claim`, and with `set_clear`.
        self.word.compare_exchange(word, word + kind.unit(), Ordering::SeqCst, Ordering::Relaxed).is_ok()
    }

    /// The same for a node without `CLEAR`: claims it and looks up. If nothing is there the next
    /// one need not look.
    pub(super) fn claim_looking(self: &PlainArc<Self>, kind: Kind) -> bool {
        let word = self.word.load(Ordering::Relaxed);
        if !kind.is_simple(word)
            || self.word.compare_exchange(word, word + kind.unit(), Ordering::SeqCst, Ordering::Relaxed).is_err()
        {
            return false;
        }
        claim_fence();
        // SeqCst: after the claim. Acquire: synchronizes with the release in `drop_claim`.
        let look = |words, above: &PlainArc<Self>| words | above.word.load(Ordering::SeqCst);
        let above = self.ancestors().iter().fold(0, look);
        if above & (kind.conflicts(Place::Above) | kind.tentative_conflicts(Place::Above)) != 0 {
            self.drop_claim(kind);
            return false;
        }
        if word & CLEAR == 0 && above & COVERS == 0 {
            self.set_clear();
        }
        true
    }

    /// Claims the node, enrolling it first if need be, and strikes out tentative claims on it.
    /// `stamp` tells how old the claimant is, for gates.
    pub(super) fn claim(self: &PlainArc<Self>, kind: Kind, stamp: Option<Stamp>, how: How) -> Claim {
        let mut word = self.word.load(Ordering::SeqCst);
        let mut list = None;
        loop {
            if word & ENROLLED == 0 {
                list = self.enrol();
                word = self.word.load(Ordering::SeqCst);
                continue;
            }
            if word & kind.conflicts(Place::Here) != 0 || kind.is_full(word) {
                return Claim::Blocked(self.clone());
            }
            if word & kind.gate() != 0 {
                drop(list.take()); // the gates are under the node's own slow lock
                if let Some(wanted) = self.gated_for(kind, stamp) {
                    return Claim::Blocked(wanted);
                }
            }
            let is_inner = word & KIDS != 0 && kind.is_subtree();
            let made = if is_inner { Claim::Inner } else { Claim::Leaf };
            let claimed = (word & !kind.tentative_conflicts(Place::Here))
                + match how {
                    How::Firm => kind.unit(),
                    How::FirmIfLeaf if is_inner => return made,
                    How::FirmIfLeaf => kind.unit(),
                    How::Tentative => kind.tentative(),
                };
            match self.word.compare_exchange(word, claimed, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => return made,
                Err(now) => word = now,
            }
        }
    }

    /// Looks up, after a claim: the nearest ancestor with a conflicting claim, if any. If there is
    /// none, tentative ones are struck out, and only then, so that nobody is struck out by one who
    /// has to withdraw.
    pub(super) fn look_up(&self, kind: Kind) -> Option<&PlainArc<Self>> {
        claim_fence();
        let claims = kind.conflicts(Place::Above);
        let tentative = kind.tentative_conflicts(Place::Above);
        let mut to_strike = false;
        for above in self.ancestors() {
            let word = above.word.load(Ordering::SeqCst);
            if word & claims != 0 {
                return Some(above);
            }
            to_strike |= word & tentative != 0;
        }
        if to_strike {
            // One that was granted in the meantime is a claim now, and cannot be struck out.
            return self.ancestors().iter().find(|above| {
                above.strike(kind, Place::Above);
                above.word.load(Ordering::SeqCst) & claims != 0
            });
        }
        None
    }

    /// Strikes out tentative claims here that conflict with `kind`, seen from a node to which this
    /// one lies at `place`.
    pub(super) fn strike(&self, kind: Kind, place: Place) {
        let tentative = kind.tentative_conflicts(place);
        if self.word.load(Ordering::SeqCst) & tentative != 0 {
            self.word.fetch_and(!tentative, Ordering::SeqCst);
        }
    }

    /// Ends a claim: a release or a withdrawal.
    #[inline]
    pub(super) fn drop_claim(self: &PlainArc<Self>, kind: Kind) {
        let unit = if kind == Kind::Xs { Kind::Xs.unit() } else { kind.unit() };
        // Release: synchronizes with the acquire in whoever sees the claim gone.
        if self.word.fetch_sub(unit, Ordering::Release) & PARKED != 0 {
            self.wake_next();
        }
    }

    /// Turns an exclusive claim into the shared one of the same scope, in one step.
    pub(super) fn downgrade_claim(self: &PlainArc<Self>, kind: Kind) {
        if self.downgrade_word(kind) {
            self.wake_next();
        }
    }

    /// The step itself: `true` if somebody may have to be woken for it.
    pub(super) fn downgrade_word(&self, kind: Kind) -> bool {
        let difference = kind.downgraded().unit().wrapping_sub(kind.unit());
        // Release: what was written under the exclusive lock is there for those who now share it.
        self.word.fetch_add(difference, Ordering::Release) & PARKED != 0
    }
}

#[cfg(all(test, not(any(mutextree_loom, mutextree_shuttle))))]
mod tests;
