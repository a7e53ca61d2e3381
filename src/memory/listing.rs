//! The listing of held locks: the words tell how many there are of each kind, the records whose.

use super::node::Node;
use super::tree::Tree;
use super::word::Kind;
use crate::backend::HeldLock;
use crate::sync::{Ordering, PlainArc};

impl Tree {
    pub(super) fn locks(&self) -> Vec<HeldLock> {
        // Only what is claimed is looked at more closely, and not under the index's lock.
        let mut claimed: Vec<PlainArc<Node>> = Vec::new();
        let mut note = |node: &PlainArc<Node>| {
            let word = node.word.load(Ordering::Acquire);
            if Kind::ALL.iter().any(|kind| kind.count(word) > 0) {
                claimed.push(node.clone());
            }
        };
        note(&self.root);
        self.index.for_each(|entry| note(&entry.0));
        claimed.iter().flat_map(|node| node.locks()).collect()
    }
}

impl Node {
    fn locks(self: &PlainArc<Self>) -> Vec<HeldLock> {
        self.revoke_expired();
        let recorded = self.recorded();
        let word = self.word.load(Ordering::Acquire);
        let mut locks = Vec::new();
        for kind in Kind::ALL {
            let mut unnamed = kind.count(word);
            for (_, lock) in recorded.iter().filter(|(recorded, _)| *recorded == kind) {
                locks.push(lock.clone());
                unnamed = unnamed.saturating_sub(1);
            }
            locks.extend((0..unnamed).map(|_| HeldLock::new(self.path.clone(), kind.public())));
        }
        locks
    }
}
