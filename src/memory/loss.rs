//! Telling listeners of lost locks. While there are none, no lease is watched for their sake.

use super::tree::Tree;
use crate::backend::LostLocks;
use crate::sync::Ordering;

impl Tree {
    /// A channel that hears of every loss from now on.
    pub(super) fn lost_locks(&self) -> LostLocks {
        let listener = self.shared.losses.watch();
        // For the leases that run already. Later ones look for listeners when they begin.
        let mut nodes = vec![self.root.clone()];
        self.index.for_each(|node| nodes.push(node.clone()));
        for node in nodes {
            // A claim came before this, and is seen; or it comes after, and sees the listener
            // (`name.rs`).
            node.word.fetch_or(0, Ordering::AcqRel);
            if node.cold_if_any().is_some() {
                node.stir();
            }
        }
        listener
    }
}
