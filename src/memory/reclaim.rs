//! Reclaim: nodes that nobody holds, waits for or has a handle to are dropped.
//!
//! A node is *in use* if somebody has a reference to it besides the index and its parent's list: a
//! handle, a guard, a wait, or a child. New references come from the index, or from others; so a
//! node that is found, under the index's lock, to have no other reference has none, and can be
//! removed. If it is looked up later it is made anew: it was idle, so nothing is lost.
//!
//! # When
//! Promise: at most twice the nodes in use, plus [`SLACK`]. Let `survivors` be the nodes that the
//! last sweep left, all in use then; `new` those made since; and `gone` an upper bound on the
//! survivors that have become idle since. A sweep is due as soon as `new + 2 gone > survivors +
//! SLACK`. Until then
//!
//! `nodes = survivors + new <= 2 (survivors - gone) + SLACK <= 2 in use + SLACK`.
//!
//! `gone` is counted when the last handle or guard of a survivor goes, and then as much as its
//! depth, since all its ancestors may become idle with it. A survivor is counted once between
//! sweeps, so a sweep, which looks at each node once, is paid for by what was made or has gone
//! since. (Two last references that go at the very same moment can both take the other for one that
//! stays; then one node goes uncounted until the next sweep.)
//!
//! The sweep itself is done by the next one who resolves a path or asks for the count: never by a
//! release.

use super::node::Node;
use super::tree::Tree;
use super::word::{ENROLLED, KIDS};
use crate::sync::{AtomicBool, AtomicUsize, Mutex, Ordering, PlainArc};

/// So many nodes more than twice those in use may be there.
pub(super) const SLACK: usize = if cfg!(any(mutextree_loom, mutextree_shuttle)) { 1 } else { 3072 };

/// So many children are looked at before their list's lock is released for others once.
const STRETCH: usize = if cfg!(any(test, mutextree_loom, mutextree_shuttle)) { 2 } else { 512 };

/// What is known between sweeps. On a cache line of its own: everyone who resolves a path reads
/// `due`.
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
    /// To be called by a handle or a guard that is about to go. The index and the list may have a
    /// reference besides.
    #[inline]
    pub(super) fn about_to_go(self: &PlainArc<Self>) {
        if self.survivor.load(Ordering::Relaxed) && PlainArc::strong_count(self) <= 3 {
            self.count_survivor_gone();
        }
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
        // Whoever takes the mark down does the work; the others go on.
        if self.shared.accounts.due.swap(false, Ordering::Relaxed) {
            self.sweep();
        }
    }

    /// Drops every idle node.
    pub(super) fn sweep(&self) {
        let accounts = &self.shared.accounts;
        let _alone = accounts.sweeping.lock();
        let detached: Vec<_> = self.shared.detached.lock().values().cloned().collect();
        for node in detached {
            node.revoke_expired();
        }
        let (new, gone) = (accounts.new.load(Ordering::Relaxed), accounts.gone.load(Ordering::Relaxed));
        let mut seen = 0;
        let mut worklist = Vec::new();
        self.index.for_each(|entry| {
            let node = &entry.0;
            seen += 1;
            if !node.survivor.load(Ordering::Relaxed) {
                node.survivor.store(true, Ordering::Relaxed);
            }
            let word = node.word.load(Ordering::Relaxed);
            if word & KIDS != 0 || word & ENROLLED == 0 {
                worklist.push(node.clone());
            }
        });
        // Deepest first: a node has no children left by the time it is looked at, if they were
        // idle. An idle node is found either on the list of its parent, which thus has `KIDS`, or,
        // if it is not enrolled, by itself.
        worklist.sort_unstable_by_key(|node| node.depth());
        let mut removed = 0;
        while let Some(node) = worklist.pop() {
            removed += self.drop_idle_kids(&node);
            removed += usize::from(self.remove_idle(node));
        }
        removed += self.drop_idle_kids(&self.root);
        accounts.survivors.store(seen - removed, Ordering::Relaxed);
        accounts.new.fetch_sub(new, Ordering::Relaxed);
        accounts.gone.fetch_sub(gone, Ordering::Relaxed);
    }

    /// Un-enrols and drops the idle ones among a node's enrolled children; how many survivors less
    /// that makes.
    fn drop_idle_kids(&self, node: &Node) -> usize {
        let Some(cold) = node.cold_if_any() else { return 0 };
        let (mut left, mut removed) = (usize::MAX, 0);
        while left > 0 {
            let mut dismissed = Vec::new();
            let mut slow = cold.slow.lock();
            for _ in 0..STRETCH {
                left = left.min(slow.kids.len());
                let Some(at) = left.checked_sub(1) else { break };
                left = at;
                // The index and this list.
                if PlainArc::strong_count(&slow.kids[at]) == 2 {
                    dismissed.extend(node.dismiss_idle(&mut slow, at));
                }
            }
            drop(slow);
            removed += dismissed.into_iter().map(|node| usize::from(self.remove_idle(node))).sum::<usize>();
        }
        removed
    }

    /// Drops a node unless somebody else has a reference to it. Whether that makes one survivor
    /// less: one that was made since the sweep began is none.
    fn remove_idle(&self, node: PlainArc<Node>) -> bool {
        // The index and this one; looked at under the index's lock, so nobody finds it in between.
        let removed = self.index.remove_if(node.path.as_key(), |entry| PlainArc::strong_count(&entry.0) == 2);
        removed && node.survivor.load(Ordering::Relaxed)
    }
}

#[cfg(all(test, not(any(mutextree_loom, mutextree_shuttle))))]
mod tests;
