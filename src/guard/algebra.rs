//! More or less than was locked: what makes of a held lock another one, without letting go of what
//! both cover.

use std::collections::BTreeSet;

use super::OwnedTreeMutexGuard;
use crate::backend::Backend;
use crate::error::{InvalidInput, LockError, Unchanged};
use crate::observe::Hold;
use crate::path::{PathRef, ToTreePath, TreePath};

impl<S: Backend> OwnedTreeMutexGuard<S> {
    /// Makes of a lock on a subtree a lock on each of these paths in it, and lets go of the rest.
    /// There is no moment in which one of them is free, and who waits for the rest goes on at once.
    /// Lock wide, look around, keep what you need.
    ///
    /// The guards come in the order of the paths. Of paths that cover each other, or are the same,
    /// only the covering one counts: `["x/y", "x", "x"]` gives one guard, for `x`. No path at all is
    /// a release, and gives no guard.
    ///
    /// Mode, scope, owner and what is left of the lease stay. So does the
    /// [fencing token](Self::fencing_token), which all guards have then: what they cover was locked
    /// all the time. From now on each lock has its lease for itself.
    ///
    /// Never waits for another holder, or for a waiter.
    ///
    /// # Errors
    /// The guard comes back [`Unchanged`] with [`InvalidInput::NotBelow`] if the lock does not cover
    /// one of the paths: a [node-only](crate::TreeMutex::node_only) lock covers its own node alone.
    /// With [`LockError::Path`] if one is no path; [`LockError::NotHeld`] if the lock had been lost;
    /// [`LockError::Store`] if the store fails.
    ///
    /// ```
    /// use mutextree::{LockStore, MemoryStore};
    /// let store = MemoryStore::new();
    /// let inbox = store.lock("inbox")?;
    /// let token = inbox.fencing_token();
    /// // Look which messages there are, and go on with two of them.
    /// let mine = inbox.narrow(["inbox/3", "inbox/7"])?;
    /// assert_eq!(mine[1].path().to_string(), "inbox/7");
    /// assert_eq!(mine[1].fencing_token(), token);
    /// assert!(store.try_lock("inbox/7").is_err());
    /// assert!(store.try_lock("inbox/4").is_ok());
    /// # Ok::<(), mutextree::LockError>(())
    /// ```
    pub fn narrow<P: ToTreePath>(self, paths: impl IntoIterator<Item = P>) -> Result<Vec<Self>, Unchanged<Self>> {
        let nodes = match self.nodes_below(paths) {
            Ok(nodes) => nodes,
            Err(error) => return Err(Unchanged::new(self, error)),
        };
        let count = nodes.len();
        let (node, grant, hold) = self.into_all_parts();
        match S::narrow(&node, grant, &nodes) {
            Ok(grants) => {
                let parts = nodes.into_iter().zip(grants).zip(hold.split(count));
                Ok(parts.map(|((node, grant), hold)| Self::new(node, grant, hold)).collect())
            }
            Err(Unchanged { guard, error }) => Err(Unchanged::new(Self::new(node, guard, hold), error)),
        }
    }

    /// The nodes of these paths, without those that another covers.
    fn nodes_below<P: ToTreePath>(&self, paths: impl IntoIterator<Item = P>) -> Result<Vec<S::Node>, LockError> {
        let paths = paths.into_iter().map(|path| path.to_tree_path()).collect::<Result<Vec<_>, _>>()?;
        if let Some(path) = paths.iter().find(|path| !path.starts_with(self.path())) {
            return Err(InvalidInput::NotBelow { path: path.clone(), held: self.path().clone() }.into());
        }
        // In their order a path comes right before those that it covers.
        let mut sorted: Vec<&TreePath> = paths.iter().collect();
        sorted.sort_unstable();
        sorted.dedup_by(|path, before| path.starts_with(before));
        let mut kept: BTreeSet<&TreePath> = sorted.into_iter().collect();
        let in_order = paths.iter().filter(|path| kept.remove(path));
        in_order.map(|path| S::resolve_below(self.node(), PathRef::from(path))).collect()
    }

    /// The lock without its guard, and what has timed it.
    fn into_all_parts(mut self) -> (S::Node, S::Grant, Hold) {
        let hold = std::mem::replace(&mut self.held.hold, Hold::unknown());
        let (node, grant) = self.into_parts();
        (node, grant, hold)
    }
}
