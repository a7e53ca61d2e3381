//! Widening: a lock becomes one on the subtree of a node above it, or of its own node, if nobody
//! else is in there.
//!
//! It is a try for the wider node (`tentative.rs`) that does not take the lock's own claim for a
//! conflict. Let A be the held node, and W the wider one. First a mark on W, a look up from W, and
//! a look down that passes over the claim on A. Then the mark becomes a claim, and only then A is
//! let go. If W is A itself, one step turns mark and old claim into the new claim.
//!
//! * **Exclusion.** The argument for tries holds: the claim on A alone was not looked for, and that
//!   is ours, unless the lock was lost meanwhile. Then the new claim is withdrawn before anybody
//!   hears of it.
//! * **Nobody slips through between A and W.** Somebody below looks up from A to W. If it does not
//!   see A's claim, W is claimed by then. Somebody above comes by W's mark, or claim, before it
//!   looks below W: it strikes out the mark, or stops.
//! * **Below A**, if A's subtree is locked, a claim is that of a newcomer, which withdraws: it is
//!   no conflict. Only a pending upgrade is, as it waits for A (`upgrade.rs`): it would have to
//!   wait for W. It strikes out the mark, or it was pending before, and is found.
//! * **No invented conflict.** The mark gives way to a request that strikes it out. So of a
//!   widening and a try on another node, with nobody else about, one succeeds.
//! * **Nothing is waited for.** A waiter that has a claim between A and W, or above W, is in the
//!   way: it waits for this very lock. So is the gate of an older waiter on W, unless that
//!   waiter wants what is locked already. A waiter in A's own queue goes on waiting.

use super::grant::{MemoryGrant, RECORDED};
use super::narrow::Failed;
use super::node::Node;
use super::walk::{Marks, Walk};
use super::word::{Kind, Place};
use crate::sync::{Ordering, PlainArc};

/// A lock that is to be widened.
#[derive(Clone, Copy)]
struct Own<'a> {
    node: &'a PlainArc<Node>,
    kind: Kind,
    /// The token of its record, if it has one.
    token: Option<u64>,
}

/// Makes a granted claim one on the subtree of `wider`, which is its node or above it.
pub(super) fn widen(node: &PlainArc<Node>, grant: &MemoryGrant, wider: &PlainArc<Node>) -> Result<MemoryGrant, Failed> {
    let own = Own { node, kind: grant.kind(), token: grant.recorded(node) };
    let kind = own.kind.with_subtree();
    let is_here = PlainArc::ptr_eq(node, wider);
    let token = loop {
        if own.token.is_some_and(|token| !node.is_held(token)) {
            return Err(Failed::Lost);
        }
        match wider.probe_wider(kind, own, is_here) {
            Err(Failed::InTheWay(in_the_way)) if in_the_way.revoke_expired() => {}
            // It was struck out: the request that did it is in the way now.
            Ok(None) => {}
            Ok(Some(token)) => break token,
            Err(failed) => return Err(failed),
        }
    };
    let token = if is_here { token } else { let_go(own, kind, wider)? };
    // Without a record it is drawn when it is asked for: others may have held what is new.
    Ok(MemoryGrant::with_token(kind, token.map_or(0, |token| token | RECORDED)))
}

/// `wider` is claimed: the old claim goes. Answers the new token, if there is a record.
fn let_go(own: Own<'_>, kind: Kind, wider: &PlainArc<Node>) -> Result<Option<u64>, Failed> {
    let Some(old) = own.token else {
        wider.shared().count_move();
        own.node.drop_claim(own.kind);
        return Ok(None);
    };
    let new = wider.shared().next_token();
    match own.node.copy_record(old) {
        Ok(record) => wider.adopt(record.renewed(kind, new)),
        Err(lost) => {
            wider.drop_claim(kind);
            return Err(lost.into());
        }
    }
    wider.shared().count_move();
    own.node.end_moved(old).inspect_err(|_| drop(wider.drop_recorded(new)))?;
    Ok(Some(new))
}

impl Node {
    /// One attempt by a mark: `None` if it was struck out. The token is that of the record, if the
    /// lock stays here.
    fn probe_wider(
        self: &PlainArc<Self>,
        kind: Kind,
        own: Own<'_>,
        is_here: bool,
    ) -> Result<Option<Option<u64>>, Failed> {
        let _turn = self.cold().probe.lock();
        self.mark_beside(kind, own, is_here)?;
        let look_down = || Walk::new(self, kind, Marks::Conflict).past_own(own.node, own.kind).next_conflict();
        if let Some(node) = self.look_up(kind).cloned().or_else(look_down) {
            self.word.fetch_and(!kind.mark(), Ordering::SeqCst);
            return Err(Failed::InTheWay(node));
        }
        if !is_here {
            return self.grant_mark(kind).map(|granted| granted.then_some(None)).map_err(Failed::InTheWay);
        }
        let grant = || {
            let granted = |word| (word & kind.mark() != 0).then(|| word - kind.mark() - own.kind.unit() + kind.unit());
            self.word.fetch_update(Ordering::SeqCst, Ordering::SeqCst, granted).ok()
        };
        match own.token {
            None => Ok(grant().map(|_| None)),
            Some(token) => match self.commit_recorded(token, kind, grant) {
                Ok((granted, token)) => Ok(granted.map(|_| Some(token))),
                Err(lost) => {
                    self.word.fetch_and(!kind.mark(), Ordering::SeqCst);
                    Err(lost.into())
                }
            },
        }
    }

    /// Sets the mark of `kind`, if nothing else than the lock that is to be widened is in the way
    /// here. The node is enrolled, as it is claimed, or a node below is.
    fn mark_beside(self: &PlainArc<Self>, kind: Kind, own: Own<'_>, is_here: bool) -> Result<(), Failed> {
        if self.word.load(Ordering::SeqCst) & kind.gate() != 0 {
            // Who waits for what is locked already is not in the way of more.
            let is_own = |wanted: &PlainArc<Self>| match own.kind.is_subtree() {
                true => own.node.is_at_or_above(wanted),
                false => PlainArc::ptr_eq(own.node, wanted),
            };
            if let Some(wanted) = self.gated_unless(kind, is_own) {
                return Err(Failed::InTheWay(wanted));
            }
        }
        let set = |word| {
            let others = if is_here { own.kind.without_one(word) } else { word };
            (others & kind.conflicts(Place::Here) == 0 && !kind.is_full(word))
                .then_some((word & !kind.conflicting_marks(Place::Here)) | kind.mark())
        };
        loop {
            self.word_for(kind, Place::Here);
            match self.word.fetch_update(Ordering::SeqCst, Ordering::SeqCst, set) {
                Ok(_) => return Ok(()),
                // It was spread in between.
                Err(word) if kind.has_to_gather(word, Place::Here) => {}
                Err(_) => return Err(Failed::InTheWay(self.clone())),
            }
        }
    }
}
