//! Enrolment: which nodes a walk down from an ancestor has to look at.
//!
//! A leaf must not write to its ancestors, and an inner lock must not look at every name that was
//! ever used. So a node is *enrolled* in its parent's list before its first claim, once, and stays
//! there while it is in use; walks take the idle ones off.
//!
//! 1. A node's `ENROLLED` bit is set iff it is in its parent's list. Both change under the parent's
//!    slow lock. The root's is always set.
//! 2. An enrolled node's ancestors are enrolled: one enrols under an enrolled parent, and a node
//!    with a list is not un-enrolled.
//! 3. `KIDS` is set iff the node's list is not empty, and changes under the node's slow lock. It is
//!    set, for the first child, by a CAS that expects the node's own `ENROLLED`; and a node is
//!    un-enrolled by a CAS that expects no `KIDS`. One of the two fails.
//! 4. A claim is a CAS that expects `ENROLLED`. So whoever is claimed is in the list, and so are
//!    its ancestors in theirs; and the CAS that un-enrols expects no claim.
//!
//! So an un-enrolled node was idle when it was, and whoever wants to claim it afterwards
//! enrols it first, which comes after in the list's lock.
//!
//! # `CLEAR`: why a claim need not even look up
//! A walk for a claim above comes by every enrolled node anyway. So an enrolled node can be
//! promised that: as long as its word has `CLEAR`, whoever claims the subtree of an ancestor comes
//! by before being granted. Then a claim is one CAS that expects `CLEAR`, and costs the same at any
//! depth.
//!
//! 10. `CLEAR` is set under the parent's slow lock, on an enrolled node, by one who under that lock
//!     saw no claim and no mark for the subtree on any ancestor. A walk takes it off every node
//!     that it passes, before it looks at who has claimed it. It goes with `ENROLLED`.
//!
//! That keeps the promise: let A's claim not have been seen by D, as it looked up before it set its
//! `CLEAR`. A's walk looks at the list that D is on before or after that, since both hold its lock.
//! If before, A's claim comes before D's look, which would have seen it. So it comes after, finds
//! `CLEAR`, takes it off, and sees in the same word whether somebody has claimed D by it. (That the
//! walk gets as far as that list is the argument of `claim.rs`, with D's look in the place of a
//! look after a claim.)
//!
//! A walk costs no more for it, and each time a node loses its `CLEAR` pays for setting it once
//! more: by the next claim that looks up and sees nothing. While something above covers the node
//! claims look up, and set nothing.
//!
//! # Why enrolling ends
//! 11. Who enrols a chain of nodes goes down from list to list, and holds one until it has locked
//!     the next; and the last one until it has claimed. Nobody else holds two slow locks, and
//!     nobody waits for a list further up while holding one, so they do not wait in a circle.
//!
//! Otherwise those who lock something above, again and again, could each time take a node off its
//! list before it has its child, or its claim.

use super::node::{Node, Slow, is_roomy};
use super::word::{CLEAR, COVERS, ENROLLED, KIDS};
use crate::sync::{MutexGuard, Ordering, PlainArc, claim_fence};

impl Node {
    pub(super) fn is_enrolled(&self) -> bool {
        self.word.load(Ordering::SeqCst) & ENROLLED != 0
    }

    /// Enrols the node, and returns the lock of the list that it is on: nobody un-enrols it before
    /// that is let go of. `None` if it was enrolled by somebody else.
    #[cold]
    pub(super) fn enrol(self: &PlainArc<Self>) -> Option<MutexGuard<'_, Slow>> {
        let line = self.ancestors();
        while !self.is_enrolled() {
            // From the highest one that is not enrolled down; the one above it is enrolled, or was.
            let highest = line.iter().take_while(|above| !above.is_enrolled()).count();
            let mut list = None;
            for at in (0..=highest).rev() {
                // The list before is let go of only when this one is locked (11).
                list = line[at].admit(if at == 0 { self } else { &line[at - 1] });
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

    /// Puts a child on the list, unless this node is not enrolled any more or the child already is.
    fn admit(&self, child: &PlainArc<Self>) -> Option<MutexGuard<'_, Slow>> {
        let mut slow = self.cold().slow.lock();
        if child.is_enrolled() || (slow.kids.is_empty() && !self.set_kids()) {
            return None;
        }
        slow.kids.push(child.clone());
        let clear = if child.is_covered() { 0 } else { CLEAR };
        child.word.fetch_or(ENROLLED | clear, Ordering::SeqCst);
        Some(slow)
    }

    /// Sets `CLEAR` unless something above covers the node (10). It is enrolled: the caller has
    /// claimed it.
    pub(super) fn set_clear(&self) {
        let _list = self.parent().map(|parent| parent.cold().slow.lock());
        if !self.is_covered() {
            self.word.fetch_or(CLEAR, Ordering::SeqCst);
        }
    }

    /// Whether a claim or a mark on an ancestor's subtree is there.
    fn is_covered(&self) -> bool {
        claim_fence();
        self.ancestors().iter().any(|above| above.word.load(Ordering::SeqCst) & COVERS != 0)
    }

    /// Sets `KIDS` if the node is enrolled (3).
    fn set_kids(&self) -> bool {
        let enrolled = |word| (word & ENROLLED != 0).then_some(word | KIDS);
        self.word.fetch_update(Ordering::SeqCst, Ordering::SeqCst, enrolled).is_ok()
    }

    /// Takes the child at `at` off the list if it is idle. The last one of the list takes its
    /// place. `slow` is this node's.
    pub(super) fn dismiss_idle(&self, slow: &mut Slow, at: usize) -> Option<PlainArc<Self>> {
        let idle = |word| (word & !CLEAR == ENROLLED).then_some(0);
        slow.kids[at].word.fetch_update(Ordering::SeqCst, Ordering::SeqCst, idle).ok()?;
        let child = slow.kids.swap_remove(at);
        if slow.kids.is_empty() {
            slow.kids = Vec::new();
            self.word.fetch_and(!KIDS, Ordering::SeqCst);
        } else if is_roomy(slow.kids.len(), slow.kids.capacity()) {
            slow.kids.shrink_to(slow.kids.capacity() / 2);
        }
        Some(child)
    }
}
