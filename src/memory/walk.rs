//! Looking down: a walk over the nodes enrolled below a claimed node, for claims that conflict.
//!
//! The walk un-enrols every idle node that it passes. So it costs what was *used* since the last
//! walk, not what exists.
//!
//! # Why it can be interrupted
//! A walk may stop at any child, wait there, and go on later. A list is walked from back to front;
//! [`Frame::left`] counts the entries at the front that are still to be visited. New children are
//! appended, and removing a child moves the last entry into its place. So every entry at or beyond
//! index `left` was visited, or was enrolled after the claim. An entry before it is unvisited, or
//! will be visited twice, which does no harm. A child enrolled after the claim needs no visit: its
//! claimants see the claim above when they look up, and step back.
//!
//! # Why it goes round twice
//! A walk for a claim that stands may have to wait. So it first passes everything, and takes off
//! every `CLEAR` (invariant 10). If it met a conflict, it then goes round again, and stops at each
//! conflict. By the time it waits for the first, all newcomers below look up and step back. So all
//! holders below leave at the same time, and not one after the other.

use super::node::Node;
use super::word::{CLEAR, ENROLLED, KIDS, Kind, Place, is_upgrading};
use crate::sync::{Ordering, PlainArc};

/// After so many children the list's lock is released once, for others.
const STRETCH: usize = if cfg!(any(test, mutextree_loom, mutextree_shuttle)) { 2 } else { 512 };

/// What a walk does about a conflicting mark (`tentative.rs`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Marks {
    /// It is in the way: the walk of a try, whose own claim is a mark.
    Conflict,
    /// Strikes it out: the walk of a claim that stands.
    Strike,
}

/// How far a walk has come.
#[derive(Debug)]
pub(super) struct Walk {
    kind: Kind,
    marks: Marks,
    round: Round,
    passed: Passed,
    /// The nodes whose lists it is in, from the claimed one down.
    frames: Vec<Frame>,
}

/// What a walk does about a conflicting claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    /// Passes it, and notes that it met one.
    Passing { met: bool },
    /// Stops there.
    Stopping,
}

/// Claims that are no conflict to a walk.
#[derive(Debug, Default)]
struct Passed {
    /// Pending upgrades, which wait for the walk's own lock.
    upgrades: bool,
    /// The lock that is to be changed.
    own: Option<(PlainArc<Node>, Kind)>,
}

impl Passed {
    /// Whether a claim for the subtree among what is passed covers all below these nodes.
    fn covers(&self, frames: &[Frame]) -> bool {
        let own = self.own.as_ref().filter(|(_, kind)| kind.is_subtree());
        own.is_some_and(|(node, _)| frames.iter().any(|frame| PlainArc::ptr_eq(&frame.node, node)))
    }

    /// The word without what is passed.
    fn others(&self, child: &PlainArc<Node>, word: u64, is_covered: bool) -> u64 {
        match &self.own {
            // Below one's own lock nobody else has one that conflicts; newcomers withdraw. But an
            // upgrade may wait there.
            Some(_) if is_covered => {
                if is_upgrading(word) {
                    word
                } else {
                    0
                }
            }
            Some((node, kind)) if PlainArc::ptr_eq(node, child) => kind.without_one(word),
            _ if self.upgrades && is_upgrading(word) => 0,
            _ => word,
        }
    }
}

/// A walk's place in one list.
#[derive(Debug)]
struct Frame {
    node: PlainArc<Node>,
    /// How many entries, from the front of the list, are still to be visited.
    left: usize,
    /// The child whose own list was walked last: not entered again.
    done: Option<PlainArc<Node>>,
}

impl Frame {
    fn new(node: PlainArc<Node>) -> Self {
        Self { node, left: usize::MAX, done: None }
    }
}

/// What a look at one stretch of one list found.
enum Found {
    /// A child with a conflicting claim or mark.
    Conflict(PlainArc<Node>),
    /// A child whose readers may sit, where they would be in the way.
    Spread(PlainArc<Node>),
    /// A child with a list of its own.
    Inner(PlainArc<Node>),
    /// Nothing yet, and there is more of the list.
    More,
    /// Nothing, to the end.
    End,
}

impl Walk {
    /// A walk below `node`, on which `kind` has been claimed.
    pub(super) fn new(node: &PlainArc<Node>, kind: Kind, marks: Marks) -> Self {
        let round = match marks {
            // A try does not wait, so the first conflict ends it.
            Marks::Conflict => Round::Stopping,
            Marks::Strike => Round::Passing { met: false },
        };
        Self { kind, marks, round, passed: Passed::default(), frames: vec![Frame::new(node.clone())] }
    }

    /// The walk of a shared lock's holder, for which pending upgrades wait (`upgrade.rs`).
    pub(super) fn past_upgrades(mut self) -> Self {
        self.passed.upgrades = self.kind.is_shared();
        self
    }

    /// The walk of a lock's holder, which passes over that lock (`widen.rs`).
    pub(super) fn past_own(mut self, node: &PlainArc<Node>, kind: Kind) -> Self {
        self.passed.own = Some((node.clone(), kind));
        self
    }

    /// The next descendant with a conflicting claim. The same one again, for as long as it has that
    /// claim. `None` once there is no conflict below.
    pub(super) fn next_conflict(&mut self) -> Option<PlainArc<Node>> {
        while !self.frames.is_empty() {
            let is_covered = self.passed.covers(&self.frames);
            let passed = |child: &_, word| self.passed.others(child, word, is_covered);
            let Some(frame) = self.frames.last_mut() else { break };
            match frame.look(self.kind, self.marks, passed, &mut self.round) {
                Found::Conflict(node) => return Some(node),
                // It is looked at again: `left` still counts it.
                Found::Spread(node) => node.gather(),
                // Children before the rest of the list: this frame goes on where it is.
                Found::Inner(node) => self.frames.push(Frame::new(node)),
                Found::More => {}
                Found::End => {
                    let done = self.frames.pop().map(|frame| frame.node);
                    if let Some(parent) = self.frames.last_mut() {
                        // The parent looks at this child's own word once more, but not below it.
                        parent.done = done;
                    } else if self.round == (Round::Passing { met: true }) {
                        // The first round is over, and it met a conflict to wait for: once more
                        // from the top, where the walk began.
                        self.round = Round::Stopping;
                        self.frames.extend(done.map(Frame::new));
                    }
                }
            }
        }
        None
    }
}

impl Frame {
    /// `others` takes a child's word to what is not passed of it.
    fn look(
        &mut self,
        kind: Kind,
        marks: Marks,
        others: impl Fn(&PlainArc<Node>, u64) -> u64,
        round: &mut Round,
    ) -> Found {
        let mut slow = self.node.cold().slow.lock();
        for _ in 0..STRETCH {
            // The list may have become shorter since the last stretch.
            self.left = self.left.min(slow.kids.len());
            let Some(at) = self.left.checked_sub(1) else { return Found::End };
            let child = slow.kids.get(at);
            let mut word = child.word.load(Ordering::SeqCst);
            // An idle child is un-enrolled, so that the next walk need not visit it.
            if word & !CLEAR == ENROLLED {
                // If that fails, the child has just been used: it is looked at again.
                if let Some(idle) = slow.kids.dismiss_idle(&self.node, at) {
                    self.left = at;
                    drop(idle); // not its last reference: the index has one
                }
                continue;
            }
            // Claims made with `CLEAR` did not look up. They are found in the word that taking it
            // off returns; later claims will look up.
            if word & CLEAR != 0 {
                // Acquire: as a look up, synchronizes with the release in `drop_claim`.
                word = child.word.fetch_and(!CLEAR, Ordering::SeqCst);
            }
            if kind.has_to_gather(word, Place::Below) {
                return Found::Spread(child.clone());
            }
            let seen = others(child, word);
            if seen & kind.conflicts(Place::Below) != 0 {
                match round {
                    // `left` still counts this child, so it is looked at again after the wait.
                    Round::Stopping => return Found::Conflict(child.clone()),
                    Round::Passing { met } => *met = true,
                }
            }
            if seen & kind.conflicting_marks(Place::Below) != 0 {
                match marks {
                    Marks::Conflict => return Found::Conflict(child.clone()),
                    // Then it is looked at again: it may have been granted just before.
                    Marks::Strike => child.strike(kind, Place::Below),
                }
            } else if word & KIDS != 0 && !self.done.as_ref().is_some_and(|done| PlainArc::ptr_eq(done, child)) {
                // Below it first. `left` still counts it, so it is looked at again afterwards.
                return Found::Inner(child.clone());
            } else {
                // Nothing here, or nothing to wait for in this round.
                self.left = at;
            }
        }
        Found::More
    }
}
