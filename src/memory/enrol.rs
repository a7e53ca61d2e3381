//! Enrolment: which nodes a walk down from an ancestor has to look at. And `CLEAR`: which claims
//! need not look up.
//!
//! A leaf must not write to its ancestors at every lock, and a lock on an inner node must not look
//! at every name that was ever used. So a node is *enrolled* in its parent's list before its first
//! claim, once. It stays there while it is in use, and walks take idle nodes off.
//!
//! # Why a walk finds every claimed node
//! * `ENROLLED` and the parent's list change together, under the parent's slow lock (invariant 1).
//! * A node is enrolled under an enrolled parent, and a node with a list is not un-enrolled. So the
//!   ancestors of an enrolled node are enrolled (2).
//! * `KIDS` is set, for the first child, by a CAS that expects the node's own `ENROLLED`. A node is
//!   un-enrolled by a CAS that expects no `KIDS`. Only one of the two succeeds (3).
//! * A claim is a CAS that expects `ENROLLED`, and the CAS that un-enrols expects no claim (4).
//!
//! So a claimed node is on its parent's list, and its ancestors are on theirs. A node that was
//! un-enrolled was idle then. A later claim has to enrol it first, and so takes the lock of the
//! list after the walk did.
//!
//! # Why a claim with `CLEAR` need not look up
//! A walk for a claim above visits every enrolled node anyway. So an enrolled node can be promised
//! that. While its word has `CLEAR`, any claim for the subtree of an ancestor visits it before
//! being granted. A claim on it is then one CAS that expects `CLEAR`, and costs the same at any
//! depth.
//!
//! The rule is invariant 10: `CLEAR` is set under the parent's slow lock, after a look at every
//! ancestor. A walk clears it on every node that it passes. It goes with `ENROLLED`.
//!
//! Why this is enough. Suppose D looked up, did not see A's claim, and set `CLEAR`. D did both
//! while holding the lock of the list it is on, and A's walk takes the same lock, so one came
//! first. If the walk came first, A's claim was even earlier, and D would have seen it. So the walk
//! comes second. It finds `CLEAR`, clears it, and the word it gets back shows whether D was claimed
//! in the meantime. (That the walk gets as far as that list is shown in `claim.rs`.)
//!
//! A walk costs no more for it. A node that lost its `CLEAR` gets it back from the next claim that
//! looks up and finds nothing. While a lock above covers the node, claims look up and set nothing.
//!
//! In a tree that looks for deadlocks no word has `CLEAR`. So no claim takes the fast path, and
//! each gets its record.
//!
//! # Why enrolling ends
//! Locks on inner nodes, taken over and over, could each time take a node off its list before it
//! has its child or its claim. So enrolling a chain goes down from list to list, and holds each
//! list's lock until it has the next, and the last until the claim is made (11). This does not
//! deadlock: no thread waits for a list's lock while it holds the lock of a list further down.

use super::node::{Node, Slow, is_roomy};
use super::word::{BARRED, CLEAR, COVERS, ENROLLED, KIDS};
use crate::sync::{MutexGuard, Ordering, PlainArc, claim_fence};

/// A node's enrolled children.
#[derive(Debug, Default)]
pub(super) struct Kids(Vec<PlainArc<Node>>);

impl Kids {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn get(&self, at: usize) -> &PlainArc<Node> {
        &self.0[at]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the child at `at` off the list of `parent`, if the child is idle. The last one of the
    /// list moves into its place.
    pub(super) fn dismiss_idle(&mut self, parent: &Node, at: usize) -> Option<PlainArc<Node>> {
        // `BARRED` stays: it goes with the guard that has strayed.
        let idle = |word| (word & !(CLEAR | BARRED) == ENROLLED).then_some(word & BARRED);
        self.0[at].word.fetch_update(Ordering::SeqCst, Ordering::SeqCst, idle).ok()?;
        let child = self.0.swap_remove(at);
        if self.is_empty() {
            self.0 = Vec::new();
            parent.word.fetch_and(!KIDS, Ordering::SeqCst);
        } else if is_roomy(self.0.len(), self.0.capacity()) {
            self.0.shrink_to(self.0.capacity() / 2);
        }
        Some(child)
    }

    #[cfg(all(test, mutextree_loom))]
    pub(super) fn iter(&self) -> std::slice::Iter<'_, PlainArc<Node>> {
        self.0.iter()
    }

    #[cfg(all(test, not(any(mutextree_loom, mutextree_shuttle))))]
    pub(super) fn capacity(&self) -> usize {
        self.0.capacity()
    }
}

impl Node {
    pub(super) fn is_enrolled(&self) -> bool {
        self.word.load(Ordering::SeqCst) & ENROLLED != 0
    }

    /// Enrols the node, and returns the lock of the list that it is on: until that is released, no
    /// walk un-enrols it. `None` if another thread enrolled it.
    #[cold]
    pub(super) fn enrol(self: &PlainArc<Self>) -> Option<MutexGuard<'_, Slow>> {
        let ancestors = self.ancestors();
        while !self.is_enrolled() {
            // From the highest ancestor that is not enrolled down. The one above it is enrolled, or
            // was a moment ago: then the chain is begun anew.
            let highest = ancestors.iter().take_while(|above| !above.is_enrolled()).count();
            let mut list = None;
            for at in (0..=highest).rev() {
                // The list before is released only when this one is locked (11).
                list = ancestors[at].admit(if at == 0 { self } else { &ancestors[at - 1] });
                if list.is_none() {
                    break;
                }
            }
            if list.is_some() {
                return list;
            }
        }
        None
    }

    /// Puts a child on the list, unless this node is not enrolled any more, or the child already
    /// is.
    fn admit(&self, child: &PlainArc<Self>) -> Option<MutexGuard<'_, Slow>> {
        let mut slow = self.cold().slow.lock();
        if child.is_enrolled() || (slow.kids.is_empty() && !self.set_kids()) {
            return None;
        }
        slow.kids.0.push(child.clone());
        let clear = if child.is_covered() { 0 } else { CLEAR };
        let clear = if child.shared().detects() { 0 } else { clear };
        child.word.fetch_or(ENROLLED | clear, Ordering::SeqCst);
        Some(slow)
    }

    /// Sets `CLEAR`, unless a claim above covers the node (10). The node is enrolled, as the caller
    /// has claimed it.
    pub(super) fn set_clear(&self) {
        if self.shared().detects() {
            return; // every lock is to come by for its record
        }
        let _list = self.parent().map(|parent| parent.cold().slow.lock());
        if !self.is_covered() {
            self.word.fetch_or(CLEAR, Ordering::SeqCst);
        }
    }

    /// Whether an ancestor has a claim or a mark for its subtree.
    fn is_covered(&self) -> bool {
        claim_fence();
        self.ancestors().iter().any(|above| above.word.load(Ordering::SeqCst) & COVERS != 0)
    }

    /// Sets `KIDS`, if the node is enrolled (3).
    fn set_kids(&self) -> bool {
        let enrolled = |word| (word & ENROLLED != 0).then_some(word | KIDS);
        self.word.fetch_update(Ordering::SeqCst, Ordering::SeqCst, enrolled).is_ok()
    }
}
