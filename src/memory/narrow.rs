//! Narrowing: a lock on a subtree becomes locks on nodes below, and there is no moment in which one
//! of these is free.
//!
//! Let A be the held node, and N one that is kept. The steps:
//!
//! 1. **Claim** N, for each N, while the claim on A stands. Gates do not matter: A covers N.
//! 2. **Look between**: the nodes between N and A, for claims that conflict with N's. If there is
//!    one, wait there until it ends.
//! 3. **Look down** from N, as a claim that drains does. If there is a conflicting claim, wait.
//! 4. **Record**: a copy of A's record to each N, with the same token.
//! 5. **Let go** of A. This wakes the waiters at A, as any release does.
//!
//! # What it meets on its way
//! A's lock was granted, so there is no conflicting lock below. A claim that step 1, 2 or 3 meets
//! is that of a newcomer which has not looked up yet. It will see A's claim, withdraw, and find
//! `PARKED`, if the holder sleeps there. Nothing holds the newcomer up before that: between its
//! claim and its withdrawal it takes no lock and does not sleep. So no circle can form, and each
//! wait lasts as long as a newcomer's look up. The holder sleeps at a descendant of A (invariant
//! 8).
//!
//! A pending upgrade below (`upgrade.rs`) is passed: it waits for A, and for N just as well.
//!
//! If A's lock is lost meanwhile, later claims below may be locks. Then the wait ends at once, and
//! the claims made so far are withdrawn (`change.rs`).
//!
//! # Why it excludes
//! Somebody who looks at N and at A, one after the other, might look at N before it is claimed, and
//! at A after that was let go. Let D be the node that it claimed, with a kind that conflicts with
//! the lock on N.
//!
//! * **D is below N, or is N.** D looks up from N to A, after its own claim. Suppose it sees
//!   neither claim. Then its look at N came before N's claim, and so did D's claim. So step 3, or
//!   the claim on N itself, met D's claim and waited for its end. But D withdraws only if it has
//!   seen a claim: a contradiction.
//! * **D is between N and A.** If D's look up did not see A's claim, then it came after step 5, and
//!   so did D's look down, which finds N. But D may have had no children to look down at when it
//!   was claimed. Then N was enrolled after D's claim, and so step 2 met that.
//! * **D is above A.** D's walk looks at A's word first, and then below A. Either it sees A's
//!   claim, and stops there; or it looks below A after step 5, and finds N.
//!
//! **`CLEAR`** is set below A on no node while A is claimed (invariant 10). A thread that sets it
//! on a node below N looks up from N to A while it holds the lock of the list which that node is
//! on. If it saw neither claim, it looked at N before step 1. Then the walk of step 3 took the same
//! list's lock afterwards, and took `CLEAR` off.
//!
//! A thread that only looks, and claims nothing, has no such argument. So each move of a lock is
//! counted between steps 4 and 5, and a look that may have missed one is repeated
//! ([`Shared::moves`]).
//!
//! [`Shared::moves`]: super::tree::Shared::moves

use super::change::{Change, Ended};
use super::claim::{Claim, How};
use super::grant::{MemoryGrant, RECORDED};
use super::node::Node;
use super::record::Lost;
use super::waiter::Role;
use super::walk::{Marks, Walk};
use super::word::{Kind, Place};
use crate::sync::{Ordering, PlainArc, claim_fence};

/// Why a lock could not be narrowed, or widened.
#[derive(Debug)]
pub(super) enum Failed {
    /// It had been lost, or was lost meanwhile.
    Lost,
    /// There is a conflict at this node, or it has as many shared claims as a word can count.
    InTheWay(PlainArc<Node>),
}

impl From<Ended> for Failed {
    /// It waits without a deadline.
    fn from(_: Ended) -> Self {
        Self::Lost
    }
}

impl From<Lost> for Failed {
    fn from(Lost: Lost) -> Self {
        Self::Lost
    }
}

/// The claims made so far. They are withdrawn when it is dropped.
struct Kept<'a> {
    kind: Kind,
    nodes: Vec<&'a PlainArc<Node>>,
    /// The token of their records, once they have them.
    recorded: Option<u64>,
}

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        for node in self.nodes.drain(..) {
            match self.recorded {
                None => node.drop_claim(self.kind),
                // If it is not there, the thread that took it off has dropped the claim.
                Some(token) => drop(node.drop_recorded(token)),
            }
        }
    }
}

/// Makes a granted claim for a subtree one on each of these nodes below it, none of which covers
/// another. `token` is the grant's fencing token.
pub(super) fn narrow(
    node: &PlainArc<Node>,
    grant: &MemoryGrant,
    token: u64,
    to: &[&PlainArc<Node>],
) -> Result<Vec<MemoryGrant>, Failed> {
    let (kind, recorded) = (grant.kind(), grant.recorded(node));
    let mut change = Change::new(node, recorded, Role::Narrows);
    if change.is_lost() {
        return Err(Failed::Lost);
    }
    let mut kept = Kept { kind, nodes: Vec::with_capacity(to.len()), recorded: None };
    for wanted in to {
        claim_below(&mut change, wanted, kind)?;
        kept.nodes.push(wanted);
        look_around(&mut change, wanted, kind)?;
    }
    if let Some(token) = recorded {
        let record = node.copy_record(token)?;
        kept.nodes.iter().for_each(|wanted| wanted.adopt(record.clone()));
        kept.recorded = Some(token);
    }
    node.shared().count_move();
    match recorded {
        None => node.drop_claim(kind),
        Some(token) => node.end_moved(token)?,
    }
    kept.nodes.clear(); // from here on they are the caller's
    let bit = if recorded.is_some() { RECORDED } else { 0 };
    Ok(to.iter().map(|_| MemoryGrant::with_token(kind, token | bit)).collect())
}

/// Claims a node below the held one.
fn claim_below(change: &mut Change<'_>, wanted: &PlainArc<Node>, kind: Kind) -> Result<(), Failed> {
    loop {
        match wanted.claim(kind, None, How::Covered) {
            Claim::Blocked(_) if kind.is_full(wanted.word.load(Ordering::SeqCst)) => {
                return Err(Failed::InTheWay(wanted.clone()));
            }
            Claim::Blocked(_) => change.wait_at(wanted, Place::Here, (wanted, kind), || ())?,
            Claim::Leaf | Claim::Inner => return Ok(()),
        }
    }
}

/// Waits until no claim between the held node and the one claimed conflicts, and none below.
fn look_around(change: &mut Change<'_>, wanted: &PlainArc<Node>, kind: Kind) -> Result<(), Failed> {
    claim_fence();
    let between = wanted.depth() - change.node.depth() - 1;
    for above in &wanted.ancestors()[..between] {
        while kind.keeps_out_holder(above.word.load(Ordering::SeqCst), Place::Above) {
            change.wait_at(above, Place::Above, (wanted, kind), || ())?;
        }
    }
    let mut walk = Walk::new(wanted, kind, Marks::Strike).past_upgrades();
    while let Some(below) = walk.next_conflict() {
        change.wait_at(&below, Place::Below, (wanted, kind), || ())?;
    }
    Ok(())
}
