//! Reclaim: nodes that nobody holds, waits for or has a handle to are dropped.
//!
//! A node is *in use* while it has a reference besides those of the index and of its parent's list:
//! from a handle, a guard, a waiter, or a child. A node that is not on the list, and that has none
//! besides the index's, is removed: in a step after which nobody can get one (`sync/index.rs`). If
//! its name is looked up later the node is made anew. It was idle, so nothing is lost.
//!
//! What threads looked up a moment ago has weak references, too (`recent.rs`). They do not count.
//!
//! # When
//! The promise: there are at most twice the nodes in use, plus [`SLACK`]. Let
//!
//! * `survivors` be the nodes that the last sweep left, all of them in use then;
//! * `new` the nodes made since;
//! * `gone` an upper bound on the survivors that have become idle since.
//!
//! A sweep is due as soon as `new + 2 gone > survivors + SLACK`. Until then
//!
//! `nodes = survivors + new <= 2 (survivors - gone) + SLACK <= 2 in use + SLACK`.
//!
//! When the last handle or guard of a survivor is dropped, `gone` grows by the node's depth,
//! because all its ancestors may become idle with it. Each survivor is counted at most once between
//! two sweeps. So the cost of a sweep, one look per node, is covered by the nodes made or dropped
//! since the last one. (If the last two references go at the same moment, each drop may see the
//! other reference as one that stays. Then the node is not counted until the next sweep.)
//!
//! The next call that resolves a path or asks for the count does the sweep. A release never does.
//!
//! # What a due sweep keeps
//! Files come and go, and their directories come up again. To make a node that has children takes
//! several times what a leaf takes. So a due sweep keeps a node that had children when it began,
//! though it has become idle, and what is above it. If it has none by the next sweep, it goes.
//! [`KEPT`] is how many are kept at the most. They are counted as if they were new, the ones above
//! too, whether or not something else uses them. So `survivors` are in use, as above, and the bound
//! is the same. An explicit sweep keeps none.

use super::node::Node;
use super::tree::Tree;
use super::word::{ENROLLED, KIDS, SPREAD};
use crate::sync::{AtomicBool, AtomicUsize, Mutex, Ordering, PlainArc};

/// How many nodes there may be beyond twice those in use.
pub(super) const SLACK: usize = if cfg!(any(mutextree_loom, mutextree_shuttle)) { 1 } else { 3072 };

/// At most so many idle nodes are kept by a due sweep, for children to come.
const KEPT: usize = SLACK / 2;

/// After so many children the list's lock is released once, for others.
const STRETCH: usize = if cfg!(any(test, mutextree_loom, mutextree_shuttle)) { 2 } else { 512 };

/// The counts between two sweeps. On a cache line of their own, as each call that resolves a path
/// reads `due`.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Accounts {
    due: AtomicBool,
    survivors: AtomicUsize,
    new: AtomicUsize,
    gone: AtomicUsize,
    sweeping: Mutex<()>,
}

impl Accounts {
    pub(super) fn new() -> Self {
        Self {
            due: AtomicBool::new(false),
            survivors: AtomicUsize::new(0),
            new: AtomicUsize::new(0),
            gone: AtomicUsize::new(0),
            sweeping: Mutex::new(()),
        }
    }

    #[inline]
    pub(super) fn is_due(&self) -> bool {
        self.due.load(Ordering::Relaxed)
    }

    /// How many nodes there are, apart from the root, and from what a sweep is about to drop.
    pub(super) fn known(&self) -> usize {
        self.survivors.load(Ordering::Relaxed) + self.new.load(Ordering::Relaxed)
    }

    pub(super) fn count_new(&self) {
        let new = self.new.fetch_add(1, Ordering::Relaxed) + 1;
        self.judge(new, self.gone.load(Ordering::Relaxed));
    }

    fn count_gone(&self, nodes: usize) {
        let gone = self.gone.fetch_add(nodes, Ordering::Relaxed) + nodes;
        self.judge(self.new.load(Ordering::Relaxed), gone);
    }

    fn judge(&self, new: usize, gone: usize) {
        if new + 2 * gone > self.survivors.load(Ordering::Relaxed) + SLACK {
            self.due.store(true, Ordering::Relaxed);
        }
    }
}

impl Node {
    /// To be called when a reference is about to go. If the only others are those of the index and
    /// the list, a survivor counts as gone.
    #[inline]
    pub(super) fn about_to_go(self: &PlainArc<Self>) {
        if self.survivor.load(Ordering::Relaxed) && PlainArc::strong_count(self) <= 3 {
            self.count_survivor_gone();
        }
    }

    /// This node and those above it are no survivors of the sweep, but as if they were new. Returns
    /// how many of them were survivors before. If one was none, those above it are none, or have
    /// been counted as gone with it.
    fn keep(&self) -> usize {
        let all = std::iter::once(self).chain(self.ancestors().iter().map(|above| &**above));
        all.take_while(|node| node.survivor.swap(false, Ordering::Relaxed)).count()
    }

    #[cold]
    fn count_survivor_gone(&self) {
        if self.survivor.swap(false, Ordering::Relaxed) {
            self.shared().accounts.count_gone(self.depth());
        }
    }
}

impl Tree {
    /// How many nodes there are, the root included; what is due to be swept is swept first.
    pub(super) fn node_count(&self) -> usize {
        self.sweep_if_due();
        self.index.len() + 1
    }

    #[cold]
    pub(super) fn sweep_if_due(&self) {
        // The thread that clears `due` does the work; the others go on.
        if self.shared.accounts.due.swap(false, Ordering::Relaxed) {
            self.sweep_but(KEPT);
        }
    }

    /// Drops every idle node.
    pub(super) fn sweep(&self) {
        self.sweep_but(0);
    }

    /// Drops every idle node, but for so many that had children.
    fn sweep_but(&self, most_kept: usize) {
        let accounts = &self.shared.accounts;
        let _alone = accounts.sweeping.lock();
        let detached: Vec<_> = self.shared.detached.lock().values().cloned().collect();
        for node in detached {
            node.revoke_expired();
        }
        let (new, gone) = (accounts.new.load(Ordering::Relaxed), accounts.gone.load(Ordering::Relaxed));
        let mut seen = 0;
        let (mut worklist, mut spread) = (Vec::new(), Vec::new());
        self.index.for_each(|node| {
            seen += 1;
            if !node.survivor.load(Ordering::Relaxed) {
                node.survivor.store(true, Ordering::Relaxed);
            }
            let word = node.word.load(Ordering::Relaxed);
            if word & KIDS != 0 || word & ENROLLED == 0 {
                worklist.push((node.depth(), word & KIDS != 0, node.clone()));
            }
            // A spread node is not idle. If it is not in use, nobody sits there.
            if word & SPREAD != 0 && PlainArc::strong_count(node) == 2 {
                spread.push(node.clone());
            }
        });
        spread.into_iter().for_each(|node| node.gather());
        // Deepest first, so that idle children are gone by the time their parent is looked at. An
        // idle node is found on the list of its parent, which thus has `KIDS`; or by itself, if it
        // is not enrolled.
        worklist.sort_unstable_by_key(|(depth, ..)| *depth);
        let (mut removed, mut kept) = (0, 0);
        while let Some((depth, had_kids, node)) = worklist.pop() {
            removed += self.drop_idle_kids(&node, most_kept > 0);
            // The index, the list, and this one.
            if had_kids && kept + depth <= most_kept && PlainArc::strong_count(&node) == 3 {
                kept += node.keep();
            }
            removed += usize::from(self.remove_idle(node));
        }
        removed += self.drop_idle_kids(&self.root, most_kept > 0);
        accounts.survivors.store(seen - removed - kept, Ordering::Relaxed);
        accounts.new.fetch_add(kept, Ordering::Relaxed);
        accounts.new.fetch_sub(new, Ordering::Relaxed);
        accounts.gone.fetch_sub(gone, Ordering::Relaxed);
    }

    /// Un-enrols and drops the idle ones among a node's enrolled children, but for those that are
    /// no survivors, if these stay. Returns how many survivors were dropped.
    fn drop_idle_kids(&self, node: &Node, new_stay: bool) -> usize {
        let Some(cold) = node.cold_if_any() else { return 0 };
        let (mut left, mut removed) = (usize::MAX, 0);
        while left > 0 {
            let mut dismissed = Vec::new();
            let mut slow = cold.slow.lock();
            for _ in 0..STRETCH {
                left = left.min(slow.kids.len());
                let Some(at) = left.checked_sub(1) else { break };
                left = at;
                let kid = slow.kids.get(at);
                let stays = new_stay && !kid.survivor.load(Ordering::Relaxed);
                // The index and this list.
                if PlainArc::strong_count(kid) == 2 && !stays {
                    dismissed.extend(slow.kids.dismiss_idle(node, at));
                }
            }
            drop(slow);
            removed += dismissed.into_iter().map(|node| usize::from(self.remove_idle(node))).sum::<usize>();
        }
        removed
    }

    /// Drops a node unless somebody else has a reference to it, or the list of its parent. Whether
    /// a survivor was dropped: a node made since the sweep began is none.
    fn remove_idle(&self, node: PlainArc<Node>) -> bool {
        self.index.remove_idle(node).is_some_and(|removed| removed.survivor.load(Ordering::Relaxed))
    }
}

#[cfg(all(test, not(any(mutextree_loom, mutextree_shuttle))))]
mod tests;
