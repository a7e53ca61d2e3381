//! [`Upgrades`]: the upgrades of a tree that are pending.

use std::collections::BTreeMap;

use super::Failed;
use crate::memory::node::Node;
use crate::memory::word::Kind;
use crate::path::TreePath;
use crate::request::Owner;
use crate::sync::{AtomicUsize, Mutex, Ordering};

/// The pending upgrades of a tree, by path.
#[derive(Debug)]
pub(in crate::memory) struct Upgrades {
    pending: Mutex<BTreeMap<TreePath, Pending>>,
    /// How many there are. Changes under the lock.
    count: AtomicUsize,
}

#[derive(Debug)]
struct Pending {
    /// What it is to become.
    kind: Kind,
    owner: Option<Owner>,
}

impl Upgrades {
    pub(in crate::memory) fn new() -> Self {
        Self { pending: Mutex::new(BTreeMap::new()), count: AtomicUsize::new(0) }
    }

    pub(super) fn register(&self, node: &Node, kind: Kind, owner: Option<Owner>) -> Result<(), Failed> {
        let mut pending = self.pending.lock();
        none_pending(&pending, node, kind)?;
        pending.insert(node.path.clone(), Pending { kind, owner });
        self.count.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    /// That none is pending which conflicts with `kind` on `node`.
    pub(super) fn none_pending(&self, node: &Node, kind: Kind) -> Result<(), Failed> {
        none_pending(&self.pending.lock(), node, kind)
    }

    pub(super) fn done(&self, node: &Node) {
        let mut pending = self.pending.lock();
        pending.remove(&node.path);
        self.count.fetch_sub(1, Ordering::SeqCst);
    }

    /// Whether one is pending that waits for shared claims on `node`: there, below, or above it.
    pub(in crate::memory) fn any_around(&self, node: &Node) -> bool {
        self.count.load(Ordering::SeqCst) > 0 && {
            let pending = self.pending.lock();
            let below = pending.range(&node.path..).next().is_some_and(|(path, _)| path.starts_with(&node.path));
            below || node.ancestors().iter().any(|above| pending.contains_key(&above.path))
        }
    }
}

/// That none is pending which conflicts with `kind` on `node`.
fn none_pending(pending: &BTreeMap<TreePath, Pending>, node: &Node, kind: Kind) -> Result<(), Failed> {
    // A path comes right before those below it.
    let next = pending.range(&node.path..).next();
    let covers = |path: &TreePath| *path == node.path || (kind.is_subtree() && path.starts_with(&node.path));
    let here_or_below = next.filter(|(path, _)| covers(path));
    let above = || {
        let mut above = node.ancestors().iter().filter_map(|above| pending.get_key_value(&above.path));
        above.find(|(_, other)| other.kind.is_subtree())
    };
    match here_or_below.or_else(above) {
        Some((path, other)) => Err(Failed::Upgrading(path.clone(), other.owner.clone())),
        None => Ok(()),
    }
}
