//! Tries that do not invent conflicts.
//!
//! A try for an inner node that claimed and then looked down could meet a try for a leaf below in
//! mid-air: each sees the other's claim, each fails, and nobody holds anything. So an inner try's
//! claim is *tentative* (`TX`, `TS`) until its looks are done. Whoever conflicts with it strikes it
//! out and goes on: from below when it has looked up and would be granted, from above or on the
//! same node with a claim of its own. Granting is a CAS that finds the mark still there.
//!
//! * **Exclusion**: the granting CAS turns the mark into a claim without a gap, so the argument in
//!   `claim.rs` holds with the mark in the claim's place, if the others respect it. They do: who
//!   sees the mark makes it vanish before being granted, and then the CAS fails.
//! * **Two tries never both fail**, if nobody else is about: the lower one claims firmly or is
//!   tentative itself, and only ever steps back for a claim. The upper one has none until it is
//!   granted. If both are on one node they take turns (7).
//! * **It ends**: each time it is struck out somebody else, who conflicts, went on.
//!
//! Invariant 7: a node's mark is set only by the holder of its `probe`, who takes it off, if it is
//! still there, before letting go of that. So one try cannot take another's mark for its own.
//! Nobody sleeps because of a mark, so nobody has to be woken when one goes.

use super::claim::{Claim, How};
use super::node::Node;
use super::walk::{Tentative, Walk};
use super::word::{Kind, Place};
use crate::sync::{Ordering, PlainArc};

impl Node {
    /// Claims the node and sees that nothing is in the way, without ever waiting for a holder. The
    /// error is the node where something is.
    pub(super) fn try_claim(self: &PlainArc<Self>, kind: Kind) -> Result<(), PlainArc<Self>> {
        loop {
            match self.claim(kind, None, How::FirmIfLeaf) {
                Claim::Blocked(by) => return Err(by),
                Claim::Leaf => {
                    let Some(above) = self.look_up(kind) else { return Ok(()) };
                    self.drop_claim(kind);
                    return Err(above.clone());
                }
                Claim::Inner => {
                    if self.probe(kind)? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// One tentative attempt: `false` if it was struck out.
    pub(super) fn probe(self: &PlainArc<Self>, kind: Kind) -> Result<bool, PlainArc<Self>> {
        let _turn = self.cold().probe.lock();
        if let Claim::Blocked(by) = self.claim(kind, None, How::Tentative) {
            return Err(by);
        }
        let in_the_way =
            self.look_up(kind).cloned().or_else(|| Walk::new(self, kind, Tentative::Conflict).next_conflict());
        if let Some(node) = in_the_way {
            self.word.fetch_and(!kind.tentative(), Ordering::SeqCst);
            return Err(node);
        }
        self.grant_tentative(kind)
    }

    /// Turns the mark into a claim, if it is still there.
    fn grant_tentative(self: &PlainArc<Self>, kind: Kind) -> Result<bool, PlainArc<Self>> {
        let mark = kind.tentative();
        let granted = self.word.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |word| {
            (word & mark != 0 && !kind.is_full(word)).then(|| word - mark + kind.unit())
        });
        match granted {
            Ok(_) => Ok(true),
            Err(word) if word & mark == 0 => Ok(false),
            Err(_) => {
                self.word.fetch_and(!mark, Ordering::SeqCst);
                Err(self.clone())
            }
        }
    }

    /// The node where something would make a try fail right now, if any. Claims nothing.
    pub(super) fn in_the_way_of(self: &PlainArc<Self>, kind: Kind) -> Option<PlainArc<Self>> {
        if self.word.load(Ordering::SeqCst) & kind.obstacles() != 0 {
            return Some(self.clone());
        }
        let above = |node: &&PlainArc<Self>| node.word.load(Ordering::SeqCst) & kind.conflicts(Place::Above) != 0;
        if let Some(node) = self.ancestors().iter().find(above) {
            return Some(node.clone());
        }
        if !kind.is_subtree() {
            return None;
        }
        Walk::new(self, kind, Tentative::Conflict).next_conflict()
    }
}
