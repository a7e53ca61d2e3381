//! Enrolment: which nodes a walk down from an ancestor has to look at.
//!
//! A leaf must not write to its ancestors, and an inner lock must not look at every name that was ever used. So a node
//! is *enrolled* in its parent's list before its first claim, once, and stays there while it is in use; walks take the idle ones off.
//!
//! 1. A node's `ENROLLED` bit is set iff it is in its parent's list. Both change under the parent's slow lock. The root's is always set.
//! 2. An enrolled node's ancestors are enrolled: one enrols under an enrolled parent, and a node with a list is not un-enrolled.
//! 3. `KIDS` is set iff the node's list is not empty, and changes under the node's slow lock. It is set, for the first child, by a CAS that
//!    expects the node's own `ENROLLED`; and a node is un-enrolled by a CAS from exactly `ENROLLED`, without `KIDS`. One of the two fails.
//! 4. A claim is a CAS that expects `ENROLLED`. So whoever is claimed is in the list, and so are its ancestors in theirs; and
//!    the CAS that un-enrols expects no claim.
//!
//! One slow lock is held at a time. So an un-enrolled node was idle when it was, and whoever wants to claim it afterwards
//! enrols it first, which comes after in the list's lock.

use super::node::{Node, Slow};
use super::word::{ENROLLED, KIDS};
use crate::sync::{Ordering, PlainArc};

impl Node {
    pub(super) fn is_enrolled(&self) -> bool {
        self.word.load(Ordering::SeqCst) & ENROLLED != 0
    }

    /// Sees to it that the node was enrolled: by the time this returns a walk may have un-enrolled it again.
    #[cold]
    pub(super) fn enrol(self: &PlainArc<Self>) {
        while !self.is_enrolled() {
            // The highest one that is not enrolled, and its parent, which is or was.
            let mut child = self;
            while let Some(parent) = child.parent().filter(|parent| !parent.is_enrolled()) {
                child = parent;
            }
            if let Some(parent) = child.parent() {
                parent.admit(child);
            }
        }
    }

    /// Puts a child on the list, unless this node is not enrolled any more or the child already is.
    fn admit(&self, child: &PlainArc<Self>) {
        let mut slow = self.cold().slow.lock();
        if child.is_enrolled() || (slow.kids.is_empty() && !self.set_kids()) {
            return;
        }
        slow.kids.push(child.clone());
        child.word.fetch_or(ENROLLED, Ordering::SeqCst);
    }

    /// Sets `KIDS` if the node is enrolled (3).
    fn set_kids(&self) -> bool {
        let enrolled = |word| (word & ENROLLED != 0).then_some(word | KIDS);
        self.word.fetch_update(Ordering::SeqCst, Ordering::SeqCst, enrolled).is_ok()
    }

    /// Takes the child at `at` off the list if it is idle. The last one of the list takes its place.
    /// `slow` is this node's.
    pub(super) fn dismiss_idle(&self, slow: &mut Slow, at: usize) -> Option<PlainArc<Self>> {
        slow.kids[at].word.compare_exchange(ENROLLED, 0, Ordering::SeqCst, Ordering::SeqCst).ok()?;
        let child = slow.kids.swap_remove(at);
        if slow.kids.is_empty() {
            slow.kids = Vec::new();
            self.word.fetch_and(!KIDS, Ordering::SeqCst);
        }
        Some(child)
    }
}
