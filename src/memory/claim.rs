//! Claim and look up: what an acquisition does first. And the end of a claim.
//!
//! The three steps, claim, look up and look down, are in `docs/algorithm.md`, "To acquire a node".
//! With `CLEAR`, and no children, the first step is all: a lock costs one compare-and-swap at any
//! depth.
//!
//! # Why it excludes
//! Suppose that two conflicting acquisitions were both granted, of A and of D below it. D either
//! looked up, or had `CLEAR`.
//!
//! **D looked up.** Each claim is a SeqCst read-modify-write, and the looks are SeqCst loads after
//! it. A claim that is granted stays from then on. (A struck out mark is not granted:
//! `tentative.rs`.)
//!
//! * D's look at A did not see A's claim. So the look comes before A's claim in the single order of
//!   SeqCst operations, and D's claim comes before the look.
//! * So if A looks at D after its own claim, it sees D's claim. It does look: D was enrolled when
//!   it was claimed, and stays so (invariant 4), and so do all nodes between A and D (2). D's claim
//!   comes before A's. So A's word had `KIDS` when A was claimed (3), and A walks.
//! * The walk reaches D. Suppose that some node on the way was not yet on its parent's list, or had
//!   no `KIDS`, when the walk came by. Then it enrolled afterwards, and D was claimed after A: a
//!   contradiction.
//!
//! **D had `CLEAR`.** By invariant 10 (`enrol.rs`) A's walk visited D, cleared the bit, and looked
//! at the word that had it. That word has D's claim, unless D was claimed later. Then there was no
//! `CLEAR` for it.
//!
//! Two claims on the same node exclude each other by the CAS.
//!
//! # Why nothing written under one lock is missed under the next
//! The claim and the looks acquire, and the end of a claim releases. Take two conflicting locks.
//! The later one's claim or looks read the word that the earlier one's release wrote, or a word
//! derived from it through read-modify-writes and slow locks. So it sees everything written under
//! the earlier lock. A claim that uses `CLEAR` does not look up itself; it reads the word written
//! by the thread that looked up and set `CLEAR`.

use super::node::Node;
use super::sleeper::Sleeper;
use super::word::{CLEAR, COVERS, ENROLLED, KIDS, Kind, PARKED, Place};
use crate::sync::{Ordering, PlainArc, Stamp, claim_fence};

/// How to claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// For good: conflicting requests have to wait or to fail.
    Firm,
    /// For good, but not if there are children to look at.
    FirmIfLeaf,
    /// By a mark, a tentative claim: conflicting claimants may strike it out.
    Mark,
    /// For good, below a lock that the claimant holds: gates do not keep it out (`narrow.rs`).
    Covered,
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
    /// the one that the gate's owner wants.
    Blocked(PlainArc<Node>),
}

/// The usual word of a node that nobody uses, and that has no children.
const FREE: u64 = ENROLLED | CLEAR;

impl Node {
    /// The fast path: claims the node if nothing is in the way, and there is nothing to look at. On
    /// `false` nothing was done.
    #[inline(always)]
    pub(super) fn claim_fast(&self, kind: Kind) -> bool {
        // The usual kind needs no load first: there is only one word that it can claim.
        match kind {
            Kind::Xs => self.claim_simple(Kind::Xs, FREE),
            // Where the kind and the word are known, the processor looks nothing up, and waits for
            // nothing.
            Kind::Ss => match self.word.load(Ordering::Relaxed) {
                FREE => self.claim_simple(Kind::Ss, FREE),
                word => self.claim_simple(Kind::Ss, word),
            },
            _ => self.claim_simple(kind, self.word.load(Ordering::Relaxed)),
        }
    }

    /// Claims the node if this is its word, and if that is all there is to do.
    #[inline(always)]
    pub(super) fn claim_simple(&self, kind: Kind, word: u64) -> bool {
        if word & CLEAR == 0 || !kind.is_simple(word) {
            return false;
        }
        // SeqCst: partner of the loads in `look_up` and `walk.rs`. Acquire: synchronizes with the
        // release in `drop_claim`, and with `set_clear`.
        self.word.compare_exchange(word, word + kind.unit(), Ordering::SeqCst, Ordering::Relaxed).is_ok()
    }

    /// The same for a node without `CLEAR`: claims it and looks up. If it finds nothing, it sets
    /// `CLEAR`, so that the next claim need not look.
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
        if above & (kind.conflicts(Place::Above) | kind.conflicting_marks(Place::Above)) != 0 {
            self.drop_claim(kind);
            return false;
        }
        // A claim that covers this node but does not conflict will not come by again, so it keeps
        // `CLEAR` from being set.
        if word & CLEAR == 0 && above & COVERS == 0 {
            self.set_clear();
        }
        true
    }

    /// Claims the node, enrolling it first if need be, and strikes out conflicting marks on it.
    /// `stamp` tells how old the claimant is, for gates.
    pub(super) fn claim(self: &PlainArc<Self>, kind: Kind, stamp: Option<Stamp>, how: How) -> Claim {
        let mut word = self.word.load(Ordering::SeqCst);
        let mut list = None;
        loop {
            // A claim on a node that is not enrolled would be found by no walk (4).
            if word & ENROLLED == 0 {
                list = self.enrol();
                word = self.word.load(Ordering::SeqCst);
                continue;
            }
            // Who sits is counted first.
            if kind.has_to_gather(word, Place::Here) {
                drop(list.take());
                word = self.word_for(kind, Place::Here);
                continue;
            }
            let keeps_out = match how {
                How::Covered => kind.keeps_out_holder(word, Place::Here),
                _ => word & kind.conflicts(Place::Here) != 0,
            };
            if keeps_out || kind.is_full(word) {
                return Claim::Blocked(self.clone());
            }
            if word & kind.gate() != 0 && how != How::Covered {
                drop(list.take()); // the gates are under the node's own slow lock
                if let Some(wanted) = self.gated_for(kind, stamp) {
                    return Claim::Blocked(wanted);
                }
            }
            let is_inner = word & KIDS != 0 && kind.is_subtree();
            let made = if is_inner { Claim::Inner } else { Claim::Leaf };
            let claimed = (word & !kind.conflicting_marks(Place::Here))
                + match how {
                    How::Firm | How::Covered => kind.unit(),
                    How::FirmIfLeaf if is_inner => return made,
                    How::FirmIfLeaf => kind.unit(),
                    How::Mark => kind.mark(),
                };
            match self.word.compare_exchange(word, claimed, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => return made,
                Err(now) => word = now,
            }
        }
    }

    /// Looks up, after a claim: the nearest ancestor with a conflicting claim, if any. Only if
    /// there is none are conflicting marks struck out. So no try is struck out by a claimant that
    /// has to withdraw.
    pub(super) fn look_up(&self, kind: Kind) -> Option<&PlainArc<Self>> {
        claim_fence();
        let claims = kind.conflicts(Place::Above);
        let marks = kind.conflicting_marks(Place::Above);
        let mut to_strike = false;
        for above in self.ancestors() {
            let word = above.word_for(kind, Place::Above);
            if word & claims != 0 {
                return Some(above);
            }
            to_strike |= word & marks != 0;
        }
        if to_strike {
            // A try that was granted in the meantime has a claim now, which cannot be struck out.
            return self.ancestors().iter().find(|above| {
                above.strike(kind, Place::Above);
                above.word_for(kind, Place::Above) & claims != 0
            });
        }
        None
    }

    /// Strikes out the marks here that conflict with `kind`. `place` is where this node lies, seen
    /// from the claimed one.
    pub(super) fn strike(&self, kind: Kind, place: Place) {
        let marks = kind.conflicting_marks(place);
        if self.word.load(Ordering::SeqCst) & marks != 0 {
            self.word.fetch_and(!marks, Ordering::SeqCst);
        }
    }

    /// Ends a claim: a release or a withdrawal.
    #[inline]
    pub(super) fn drop_claim(self: &PlainArc<Self>, kind: Kind) {
        // All branches are the same number. In the first ones, the usual kinds, it is a constant,
        // and the processor need not look it up in a table.
        let unit = match kind {
            Kind::Xs => Kind::Xs.unit(),
            Kind::Ss => Kind::Ss.unit(),
            _ => kind.unit(),
        };
        // Release: synchronizes with the acquire in claims and looks that see the claim gone.
        if self.word.fetch_sub(unit, Ordering::Release) & PARKED != 0 {
            self.wake_next();
        }
    }

    /// The same, by who holds a lock of the tree, and wakes the waiters afterwards.
    pub(super) fn withdraw(self: &PlainArc<Self>, kind: Kind, woken: &mut Vec<PlainArc<Sleeper>>) {
        if self.word.fetch_sub(kind.unit(), Ordering::Release) & PARKED != 0 {
            let patience = self.shared().patience;
            woken.extend(self.cold().slow.lock().take_next(self, patience));
        }
    }

    /// Ends several claims in one step.
    pub(super) fn drop_claims(self: &PlainArc<Self>, units: u64) {
        if self.word.fetch_sub(units, Ordering::Release) & PARKED != 0 {
            self.wake_next();
        }
    }

    /// Turns an exclusive claim into the shared one of the same scope, in one step.
    pub(super) fn downgrade_claim(self: &PlainArc<Self>, kind: Kind) {
        if self.downgrade_word(kind) {
            self.wake_next();
        }
    }

    /// The step itself: `true` if waiters may have to be woken for it.
    pub(super) fn downgrade_word(&self, kind: Kind) -> bool {
        let difference = kind.downgraded().unit().wrapping_sub(kind.unit());
        // Release: what was written under the exclusive lock is there for the holders that now
        // share it.
        self.word.fetch_add(difference, Ordering::Release) & PARKED != 0
    }
}

#[cfg(all(test, not(any(mutextree_loom, mutextree_shuttle))))]
mod tests;
