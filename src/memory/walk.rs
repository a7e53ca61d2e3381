//! Looking down: a walk over what is enrolled below a claimed node, for claims that conflict with
//! it.
//!
//! It un-enrols every idle node that it passes, so it costs what was *used* since the last walk,
//! not what exists.
//!
//! It can be interrupted at any child, to wait there, and go on later: lists are walked from the
//! back, and a frame remembers how many from the front are still to be looked at. Newcomers are
//! pushed at the back, and a removal moves the last one forward. So what is behind the mark has
//! been looked at or came after the claim, and what is in front of it has not been, or is looked at
//! twice. And a newcomer need not be looked at: it enrolled after the claim, will see the claim
//! when it looks up, and step back.
//!
//! A walk for a claim that stands goes round twice if it has to wait: first past everything, to
//! take off every `CLEAR` (10 in `enrol.rs`), and then from one conflict to the next. So by the
//! time it waits for the first one all newcomers below look up and step back, and the rest drains
//! meanwhile.

use super::node::Node;
use super::word::{CLEAR, ENROLLED, KIDS, Kind, Place};
use crate::sync::{Ordering, PlainArc};

/// After so many children the list's lock is released for others once.
const STRETCH: usize = if cfg!(any(test, mutextree_loom, mutextree_shuttle)) { 2 } else { 512 };

/// What to do about a tentative claim that conflicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tentative {
    /// It is in the way: a try that looks for a way to succeed.
    Conflict,
    /// Strike it out: by one whose own claim stands.
    Strike,
}

/// How far a walk has come.
#[derive(Debug)]
pub(super) struct Walk {
    kind: Kind,
    tentative: Tentative,
    round: Round,
    frames: Vec<Frame>,
}

/// What a walk does about a conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    /// Goes past it, for now.
    Passing { met: bool },
    /// Stops.
    Stopping,
}

#[derive(Debug)]
struct Frame {
    node: PlainArc<Node>,
    /// So many of the list, from the front, are still to be looked at.
    left: usize,
    /// The child that was walked last: not entered again.
    done: Option<PlainArc<Node>>,
}

impl Frame {
    fn new(node: PlainArc<Node>) -> Self {
        Self { node, left: usize::MAX, done: None }
    }
}

/// What a look at one stretch of one list found.
enum Found {
    Conflict(PlainArc<Node>),
    Inner(PlainArc<Node>),
    More,
    End,
}

impl Walk {
    /// A walk below `node`, on which `kind` has been claimed.
    pub(super) fn new(node: &PlainArc<Node>, kind: Kind, tentative: Tentative) -> Self {
        let round = match tentative {
            Tentative::Conflict => Round::Stopping,
            Tentative::Strike => Round::Passing { met: false },
        };
        Self { kind, tentative, round, frames: vec![Frame::new(node.clone())] }
    }

    /// The next descendant with a conflicting claim; the same one again for as long as it has it.
    /// `None` once all is clear.
    pub(super) fn next_conflict(&mut self) -> Option<PlainArc<Node>> {
        while let Some(frame) = self.frames.last_mut() {
            match frame.look(self.kind, self.tentative, &mut self.round) {
                Found::Conflict(node) => return Some(node),
                Found::Inner(node) => self.frames.push(Frame::new(node)),
                Found::More => {}
                Found::End => {
                    let done = self.frames.pop().map(|frame| frame.node);
                    if let Some(parent) = self.frames.last_mut() {
                        parent.done = done;
                    } else if self.round == (Round::Passing { met: true }) {
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
    fn look(&mut self, kind: Kind, tentative: Tentative, round: &mut Round) -> Found {
        let mut slow = self.node.cold().slow.lock();
        for _ in 0..STRETCH {
            self.left = self.left.min(slow.kids.len());
            let Some(at) = self.left.checked_sub(1) else { return Found::End };
            let child = &slow.kids[at];
            let mut word = child.word.load(Ordering::SeqCst);
            if word & !CLEAR == ENROLLED {
                // If it fails the child is looked at again.
                if let Some(idle) = self.node.dismiss_idle(&mut slow, at) {
                    self.left = at;
                    drop(idle); // not its last reference: the index has one
                }
                continue;
            }
            if word & CLEAR != 0 {
                // Who has claimed it until now did not have to look up, and is found in this word.
                // Acquire: as a look up, synchronizes with the release in `drop_claim`.
                word = child.word.fetch_and(!CLEAR, Ordering::SeqCst);
            }
            if word & kind.conflicts(Place::Below) != 0 {
                match round {
                    Round::Stopping => return Found::Conflict(child.clone()),
                    Round::Passing { met } => *met = true,
                }
            }
            if word & kind.tentative_conflicts(Place::Below) != 0 {
                match tentative {
                    Tentative::Conflict => return Found::Conflict(child.clone()),
                    Tentative::Strike => child.strike(kind, Place::Below),
                }
            } else if word & KIDS != 0 && !self.done.as_ref().is_some_and(|done| PlainArc::ptr_eq(done, child)) {
                return Found::Inner(child.clone());
            } else {
                self.left = at;
            }
        }
        Found::More
    }
}
