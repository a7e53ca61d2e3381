//! More or less than was locked: what makes of a held lock another one, without letting go of what
//! both cover.

use std::collections::BTreeSet;

use super::OwnedTreeMutexGuard;
use crate::backend::Backend;
use crate::error::{InvalidInput, LockError, Unchanged};
use crate::observe::Hold;
use crate::path::{PathRef, ToTreePath, TreePath};

/// What both guards have.
macro_rules! upgrade_methods {
    () => {
        /// Makes a shared lock an exclusive one of the same scope, if nobody else is in the way.
        /// Never waits for another holder, and never lets go: what was read under the shared lock
        /// is still true. Does nothing to an exclusive lock.
        ///
        /// In the way are other shared locks that an exclusive one conflicts with: on this node,
        /// for a subtree those below, and those that cover it from above. Exclusive requests that
        /// wait are passed: they need this lock to go in any case. A shared request further up is
        /// in the way while it waits. If it fails, nobody will have noticed: of two holders that
        /// both try, both fail.
        ///
        /// The [fencing token](Self::fencing_token) is a new one afterwards: other shared locks may
        /// have come, and gone, since this one was taken.
        ///
        /// # Errors
        /// Each leaves the lock shared, as it was. [`LockError::WouldBlock`] names who is in the
        /// way; [`LockError::Upgrading`] names another shared lock that is waiting to become
        /// exclusive, which would wait for this one. [`LockError::NotHeld`] if the lock was lost;
        /// [`LockError::Store`] if the store fails.
        ///
        /// ```
        /// use mutextree::{LockStore, MemoryStore, Mode};
        /// let store = MemoryStore::new();
        /// let page = store.mutex("site/news")?.shared();
        /// let (mut mine, other) = (page.lock()?, page.lock()?);
        /// let error = mine.try_upgrade().unwrap_err();
        /// assert_eq!(error.to_string(), "`site/news` is blocked by a lock on `site/news`");
        /// drop(other);
        /// mine.try_upgrade()?;
        /// assert_eq!(mine.mode(), Mode::Exclusive);
        /// # Ok::<(), mutextree::LockError>(())
        /// ```
        #[track_caller]
        pub fn try_upgrade(&mut self) -> Result<(), LockError> {
            self.held.upgrade(Wait::Never)
        }

        /// Makes a shared lock an exclusive one of the same scope, and blocks the thread until the
        /// other shared locks in the way have gone, for `timeout` at the most. Zero tries once;
        /// [`Duration::MAX`] waits for ever. Never lets go; does nothing to an exclusive lock.
        ///
        /// While it waits no new shared lock gets in that would be in the way. All requests that
        /// already wait are passed. If the time is over, the lock is shared as before, and those
        /// that waited behind it go on.
        ///
        /// The [fencing token](Self::fencing_token) is a new one afterwards, as with
        /// [`try_upgrade`](Self::try_upgrade).
        ///
        /// # Errors
        /// Each leaves the lock shared, as it was. [`LockError::TimedOut`] names who was in the
        /// way. [`LockError::Upgrading`], at once, if another shared lock, whose exclusive one
        /// would conflict with this one's, waits for the same: each would wait for the other.
        /// Release this one then, and lock anew. [`LockError::NotHeld`] if the lock was lost, also
        /// while it waited; [`LockError::Store`] if the store fails; [`LockError::Deadlock`], where
        /// that is [looked for](crate::MemoryStoreBuilder::deadlock_detection), if it would wait
        /// for ever.
        ///
        /// ```
        /// use mutextree::{LockStore, MemoryStore, Mode};
        /// use std::time::Duration;
        /// let store = MemoryStore::new();
        /// let page = store.mutex("site/news")?.shared();
        /// let reader = page.lock_owned()?;
        /// let mut mine = page.lock()?;
        /// let done = std::thread::spawn(move || drop(reader)); // it has read the page
        /// mine.try_upgrade_for(Duration::from_secs(10))?;
        /// assert_eq!(mine.mode(), Mode::Exclusive);
        /// assert!(page.try_lock().is_err());
        /// # done.join().unwrap();
        /// # Ok::<(), mutextree::LockError>(())
        /// ```
        #[track_caller]
        pub fn try_upgrade_for(&mut self, timeout: Duration) -> Result<(), LockError> {
            self.held.upgrade(Wait::timeout(timeout))
        }
    };
}

pub(super) use upgrade_methods;

impl<S: Backend> OwnedTreeMutexGuard<S> {
    /// Makes of a lock on a subtree a lock on each of these paths in it, and lets go of the rest.
    /// There is no moment in which one of them is free, and who waits for the rest goes on at once.
    /// Lock wide, look around, keep what you need.
    ///
    /// The guards come in the order of the paths. Of paths that cover each other, or are the same,
    /// only the covering one counts: `["x/y", "x", "x"]` gives one guard, for `x`. No path at all
    /// is a release, and gives no guard.
    ///
    /// Mode, scope, owner and what is left of the lease stay. So does the
    /// [fencing token](Self::fencing_token), which all guards have then: what they cover was locked
    /// all the time. From now on each lock has its lease for itself.
    ///
    /// Never waits for another holder, or for a waiter.
    ///
    /// # Errors
    /// The guard comes back [`Unchanged`] with [`InvalidInput::NotBelow`] if the lock does not
    /// cover one of the paths: a [node-only](crate::TreeMutex::node_only) lock covers its own node
    /// alone. With [`LockError::Path`] if one is no path; [`LockError::NotHeld`] if the lock had
    /// been lost; [`LockError::Store`] if the store fails.
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

    /// Makes of a lock one on the subtree of a node above it, if nobody else is in there. Never
    /// waits for another holder, and never lets go of what is locked already. Of its own node, a
    /// [node-only](crate::TreeMutex::node_only) lock becomes one on the subtree; a lock on the
    /// subtree stays what it is.
    ///
    /// There is no form that waits: two holders in one subtree that both widened would wait for
    /// each other. Release, and lock what is wider.
    ///
    /// Mode, owner and what is left of the lease stay. The [fencing token](Self::fencing_token) is
    /// a new one: others may have held what is covered now, after this lock was taken.
    ///
    /// # Errors
    /// The guard comes back [`Unchanged`] with [`LockError::WouldBlock`], which names who is in the
    /// way: another lock that conflicts, or a waiter that is about to lock a node around this one.
    /// Over Redis it is anybody who waits in conflict, also for what is locked already.
    /// With [`InvalidInput::NotAbove`] if the path is not that of the node or above it;
    /// [`LockError::Path`] if it is no path; [`LockError::NotHeld`] if the lock had been lost;
    /// [`LockError::Store`] if the store fails.
    ///
    /// ```
    /// use mutextree::{LockStore, MemoryStore};
    /// let store = MemoryStore::new();
    /// let (draft, other) = (store.lock("team/draft")?, store.lock("team/other")?);
    /// let failed = draft.try_widen("team").unwrap_err();
    /// assert_eq!(failed.to_string(), "`team` is blocked by a lock on `team/other`");
    /// drop(other);
    /// let team = failed.guard.try_widen("team")?; // it was `team/draft` all the time
    /// assert!(store.try_lock("team/anything").is_err());
    /// # drop(team);
    /// # Ok::<(), mutextree::LockError>(())
    /// ```
    pub fn try_widen(self, ancestor: impl ToTreePath) -> Result<Self, Unchanged<Self>> {
        let wider = match self.node_above(ancestor) {
            Ok(wider) => wider,
            Err(error) => return Err(Unchanged::new(self, error)),
        };
        let (node, grant, mut hold) = self.into_all_parts();
        match S::widen(&node, grant, &wider) {
            Ok(grant) => {
                hold.widened();
                Ok(Self::new(wider, grant, hold))
            }
            Err(Unchanged { guard, error }) => Err(Unchanged::new(Self::new(node, guard, hold), error)),
        }
    }

    fn node_above(&self, path: impl ToTreePath) -> Result<S::Node, LockError> {
        let path = path.to_tree_path()?;
        if !self.path().starts_with(&path) {
            return Err(InvalidInput::NotAbove { path, held: self.path().clone() }.into());
        }
        S::resolve_near(self.node(), PathRef::from(&path))
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
        in_order.map(|path| S::resolve_near(self.node(), PathRef::from(path))).collect()
    }

    /// The lock without its guard, and what has timed it.
    fn into_all_parts(mut self) -> (S::Node, S::Grant, Hold) {
        let hold = std::mem::replace(&mut self.held.hold, Hold::unknown());
        let (node, grant) = self.into_parts();
        (node, grant, hold)
    }
}
