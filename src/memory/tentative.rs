//! Tries that do not invent conflicts.
//!
//! Suppose a try for an inner node claimed it and then looked down. It could meet a try for a leaf
//! below in mid-air: each sees the other's claim, each fails, and nobody holds anything. So an
//! inner try makes a tentative claim, a *mark*, until its looks are done. A conflicting claimant
//! strikes the mark out and goes on. A claimant below does so when it has looked up and would be
//! granted; one above, or on the same node, when its own claim stands. The mark is granted by a CAS
//! that expects it still there.
//!
//! * **Exclusion.** The granting CAS turns the mark into a claim without a gap. So the argument in
//!   `claim.rs` holds with the mark in the claim's place, as long as others respect it. They do: a
//!   claimant that sees the mark strikes it out before it is granted, and then the CAS fails.
//! * **Two racing tries never both fail** (if no third request is involved). The lower one gives
//!   way only to a claim, and the upper one has only a mark until it is granted. Two tries on one
//!   node take turns on its `probe` lock (7).
//! * **It ends.** Each time a mark is struck out, a conflicting claimant went on.
//!
//! A mark is set only under the node's `probe` lock (invariant 7). Its owner takes it off, if it is
//! still there, before it releases that lock. So no try takes another's mark for its own. No waiter
//! sleeps because of a mark, so none has to be woken when it goes.
//!
//! # A glance first
//! Who polls is mostly refused, and by what is there at first sight. So a try begins with a
//! *glance*, which writes no word: at the node's own word, at its ancestors', and at those of a few
//! children. It is refused for what it would be refused for later: a claim that conflicts. A mark
//! is none, so the lower of two racing tries goes on, and it is granted, as above. A claim that is
//! about to be withdrawn may refuse a try, at a glance or not, if somebody else's claim is why that
//! one withdraws; sets apart, which the glance is taken beside.

use super::claim::{Claim, How};
use super::node::Node;
use super::sleeper::{Sleeper, unpark};
use super::walk::{Marks, Walk};
use super::word::{KIDS, Kind, Place, SPREAD};
use crate::sync::{Ordering, PlainArc};

/// At so many children a glance looks.
const GLANCE: usize = if cfg!(any(test, mutextree_loom, mutextree_shuttle)) { 1 } else { 8 };

/// The node that is in the way of a try. It comes in registers: to move an error about takes longer
/// than to find out what it says.
#[derive(Debug)]
pub(super) enum InTheWay<'a> {
    /// The node that is wanted keeps it: itself, or one above.
    Kept(&'a PlainArc<Node>),
    Below(PlainArc<Node>),
}

impl InTheWay<'_> {
    pub(super) fn node(&self) -> &PlainArc<Node> {
        match self {
            Self::Kept(node) => node,
            Self::Below(node) => node,
        }
    }
}

impl Node {
    /// Whether a try would surely fail right now: the error is what is in the way. If it finds
    /// nothing, there may be something all the same.
    pub(super) fn glance(self: &PlainArc<Self>, kind: Kind) -> Result<(), InTheWay<'_>> {
        self.beside_sets(|| self.at_a_glance(kind).map_or(Ok(()), Err))
    }

    fn at_a_glance(self: &PlainArc<Self>, kind: Kind) -> Option<InTheWay<'_>> {
        let word = self.word.load(Ordering::SeqCst);
        // Whether those who sit are in the way is found out later, by a gathering (G6).
        let conflicts = |word, place| {
            let found = word & kind.conflicts(place);
            found != 0 && found & SPREAD == 0
        };
        if conflicts(word, Place::Here) {
            return Some(InTheWay::Kept(self));
        }
        let is_in_the_way = |node: &&PlainArc<Self>, place| conflicts(node.word.load(Ordering::SeqCst), place);
        let above = self.ancestors().iter().find(|node| is_in_the_way(node, Place::Above));
        if above.is_some() || word & KIDS == 0 || !kind.is_subtree() {
            return above.map(InTheWay::Kept);
        }
        let kids = &self.cold_if_any()?.slow.lock().kids;
        let few = kids.len().saturating_sub(GLANCE)..kids.len();
        let below = few.map(|at| kids.get(at)).find(|kid| is_in_the_way(kid, Place::Below));
        below.cloned().map(InTheWay::Below)
    }

    /// Claims the node and sees that nothing is in the way, without ever waiting for a holder. The
    /// error is the node where something is.
    pub(super) fn try_claim(self: &PlainArc<Self>, kind: Kind) -> Result<(), PlainArc<Self>> {
        let mut woken = Vec::new();
        let claimed = self.beside_sets(|| self.try_claim_once(kind, &mut woken));
        unpark(woken); // S4
        claimed
    }

    /// The same, but a claim that a set is about to withdraw makes it fail. The caller has to wake
    /// those that are `woken` then.
    fn try_claim_once(
        self: &PlainArc<Self>,
        kind: Kind,
        woken: &mut Vec<PlainArc<Sleeper>>,
    ) -> Result<(), PlainArc<Self>> {
        loop {
            match self.claim(kind, None, How::FirmIfLeaf) {
                Claim::Blocked(by) => return Err(by),
                // The lower of two racing tries may claim for good. The upper one has only a mark,
                // so this one does not give way to it.
                Claim::Leaf => {
                    let Some(above) = self.look_up(kind) else { return Ok(()) };
                    let above = above.clone();
                    self.withdraw(kind, woken);
                    return Err(above);
                }
                Claim::Inner => {
                    if self.probe(kind)? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// One attempt by a mark: `false` if it was struck out.
    pub(super) fn probe(self: &PlainArc<Self>, kind: Kind) -> Result<bool, PlainArc<Self>> {
        let _turn = self.cold().probe.lock();
        if let Claim::Blocked(by) = self.claim(kind, None, How::Mark) {
            return Err(by);
        }
        let in_the_way = self.look_up(kind).cloned().or_else(|| Walk::new(self, kind, Marks::Conflict).next_conflict());
        if let Some(node) = in_the_way {
            self.word.fetch_and(!kind.mark(), Ordering::SeqCst);
            return Err(node);
        }
        self.grant_mark(kind)
    }

    /// Turns the mark into a claim, if it is still there.
    pub(super) fn grant_mark(self: &PlainArc<Self>, kind: Kind) -> Result<bool, PlainArc<Self>> {
        let mark = kind.mark();
        let granted = self.word.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |word| {
            (word & mark != 0 && !kind.is_full(word)).then(|| word - mark + kind.unit())
        });
        match granted {
            Ok(_) => Ok(true),
            Err(word) if word & mark == 0 => Ok(false),
            // Its count is full, which is a conflict.
            Err(_) => {
                self.word.fetch_and(!mark, Ordering::SeqCst);
                Err(self.clone())
            }
        }
    }

    /// Whether a try would fail right now: the error is the node where something is in the way.
    /// Claims nothing.
    pub(super) fn would_claim(self: &PlainArc<Self>, kind: Kind) -> Result<(), PlainArc<Self>> {
        self.beside_sets(|| self.in_the_way_of(kind).map_or(Ok(()), Err))
    }

    /// The same, counting a claim that a set is about to withdraw.
    pub(super) fn in_the_way_of(self: &PlainArc<Self>, kind: Kind) -> Option<PlainArc<Self>> {
        let word = self.word_for(kind, Place::Here);
        let is_gated = || word & kind.gate() != 0 && self.gated_for(kind, None).is_some();
        if word & kind.conflicts(Place::Here) != 0 || is_gated() {
            return Some(self.clone());
        }
        let above = |node: &&PlainArc<Self>| node.word_for(kind, Place::Above) & kind.conflicts(Place::Above) != 0;
        if let Some(node) = self.ancestors().iter().find(above) {
            return Some(node.clone());
        }
        if !kind.is_subtree() {
            return None;
        }
        Walk::new(self, kind, Marks::Conflict).next_conflict()
    }
}
