//! [`TreeMutex`]: one node of one tree, what to lock and how. Documentation and delegation; the
//! store has the algorithm.

use std::fmt;
use std::time::{Duration, Instant};

use crate::backend::Backend;
use crate::error::LockError;
use crate::guard::{OwnedTreeMutexGuard, TreeMutexGuard};
use crate::memory::MemoryStore;
use crate::path::{PathError, ToTreePath, TreePath};
use crate::request::{Mode, Owner, Request, Scope, Wait};

/// One node of one tree: what to lock, and how.
///
/// Made once and kept, like a [`std::sync::Mutex`]: locking it then looks nothing up. Two of them
/// made from equal paths of one store are one lock. Cheap to clone.
///
/// By default a lock is exclusive and covers the subtree; [`shared`](Self::shared) and
/// [`node_only`](Self::node_only) change that. Locking what you already hold, part of it, or what
/// contains it, blocks for ever, as a `std::sync::Mutex` does (give a timeout if in doubt). This
/// holds for shared locks, too: a second one can queue up behind somebody's exclusive request, and
/// that one waits for your first.
///
/// ```
/// use mutextree::{LockStore, MemoryStore};
/// use std::time::Duration;
///
/// let store = MemoryStore::new();
/// let project = store.mutex("org/team/project")?;
/// let reader = project.clone().shared();
///
/// let (one, two) = (reader.lock()?, reader.lock()?);
/// let busy = project.try_lock_for(Duration::from_millis(5)).unwrap_err();
/// assert_eq!(busy.blocking_path(), Some(project.path()));
/// drop((one, two));
/// assert!(project.try_lock().is_ok());
/// # Ok::<(), mutextree::LockError>(())
/// ```
pub struct TreeMutex<S: Backend = MemoryStore> {
    node: S::Node,
    request: Request,
}

impl<S: Backend> TreeMutex<S> {
    /// The mutex of the node `path` in `store`. The node needs not exist in any sense: locks are on
    /// names.
    ///
    /// # Errors
    /// If `path` is no path.
    pub fn new(store: &S, path: impl ToTreePath) -> Result<Self, PathError> {
        Ok(Self { node: store.resolve(path.to_path_ref()?), request: Request::default() })
    }

    /// Locks tolerate other shared ones.
    pub fn shared(mut self) -> Self {
        self.request.kind.mode = Mode::Shared;
        self
    }

    /// Locks tolerate no other: the default.
    pub fn exclusive(mut self) -> Self {
        self.request.kind.mode = Mode::Exclusive;
        self
    }

    /// Locks cover the node alone and not its subtree: locks below it are no conflict.
    ///
    /// ```
    /// use mutextree::{LockStore, MemoryStore};
    /// let store = MemoryStore::new();
    /// let listing = store.mutex("dir")?.node_only(); // adding and removing names in `dir`
    /// let file = store.mutex("dir/file")?;           // writing one of its files
    /// let (_listing, _file) = (listing.lock()?, file.lock()?);
    /// # Ok::<(), mutextree::LockError>(())
    /// ```
    pub fn node_only(mut self) -> Self {
        self.request.kind.scope = Scope::Node;
        self
    }

    /// How long a lock may be held before it lapses and another can take it.
    /// Without one, the store's default holds: the memory store's locks never lapse.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.request.lease = Some(lease);
        self
    }

    /// Who locks: a name for people, shown in the errors of those who meet this lock.
    pub fn owner(mut self, owner: impl Into<Owner>) -> Self {
        self.request.owner = Some(owner.into());
        self
    }

    /// The node's path.
    pub fn path(&self) -> &TreePath {
        S::path(&self.node)
    }

    /// Locks, and blocks until that is possible.
    ///
    /// # Errors
    /// [`LockError::Store`] if the store fails. The memory store never does.
    #[inline]
    pub fn lock(&self) -> Result<TreeMutexGuard<'_, S>, LockError> {
        self.acquire(Wait::Forever)
    }

    /// Locks if that is possible right now.
    ///
    /// # Errors
    /// [`LockError::WouldBlock`], naming the path in the way.
    #[inline]
    pub fn try_lock(&self) -> Result<TreeMutexGuard<'_, S>, LockError> {
        self.acquire(Wait::Never)
    }

    /// Locks, and blocks for `timeout` at the most. Zero tries once; [`Duration::MAX`] waits for
    /// ever.
    ///
    /// # Errors
    /// [`LockError::TimedOut`], naming the path in the way.
    pub fn try_lock_for(&self, timeout: Duration) -> Result<TreeMutexGuard<'_, S>, LockError> {
        self.acquire(Wait::timeout(timeout))
    }

    /// Locks, and blocks until `deadline` at the latest. A deadline in the past tries once.
    ///
    /// # Errors
    /// [`LockError::TimedOut`], naming the path in the way.
    pub fn try_lock_until(&self, deadline: Instant) -> Result<TreeMutexGuard<'_, S>, LockError> {
        self.acquire(Wait::Until(deadline))
    }

    /// [`lock`](Self::lock), with a guard that borrows nothing: it can be stored, returned, and
    /// sent to another thread.
    ///
    /// # Errors
    /// As [`lock`](Self::lock).
    pub fn lock_owned(&self) -> Result<OwnedTreeMutexGuard<S>, LockError> {
        self.acquire_owned(Wait::Forever)
    }

    /// [`try_lock`](Self::try_lock), with a guard that borrows nothing.
    ///
    /// # Errors
    /// As [`try_lock`](Self::try_lock).
    pub fn try_lock_owned(&self) -> Result<OwnedTreeMutexGuard<S>, LockError> {
        self.acquire_owned(Wait::Never)
    }

    /// [`try_lock_for`](Self::try_lock_for), with a guard that borrows nothing.
    ///
    /// # Errors
    /// As [`try_lock_for`](Self::try_lock_for).
    pub fn try_lock_owned_for(&self, timeout: Duration) -> Result<OwnedTreeMutexGuard<S>, LockError> {
        self.acquire_owned(Wait::timeout(timeout))
    }

    /// [`try_lock_until`](Self::try_lock_until), with a guard that borrows nothing.
    ///
    /// # Errors
    /// As [`try_lock_until`](Self::try_lock_until).
    pub fn try_lock_owned_until(&self, deadline: Instant) -> Result<OwnedTreeMutexGuard<S>, LockError> {
        self.acquire_owned(Wait::Until(deadline))
    }

    /// Locks, and lets the task wait without a thread. A task and a thread can wait for the same
    /// lock at the same time, in one queue.
    ///
    /// The future is cancel-safe: dropped at any point (by a timeout, a `select!`) it leaves the
    /// tree as if it had never been, and whoever waited on its account goes on. It needs no
    /// particular runtime: for a timeout use your runtime's. The guard may be held across an
    /// `.await`.
    ///
    /// A future that was woken and is then neither polled nor dropped holds up those behind it for
    /// ten to twenty milliseconds (over Redis a hundred), and then loses its turn.
    ///
    /// Over Redis neither the future nor its guard does any I/O on the thread that polls or drops
    /// it: one thread of the store's does it for all tasks. So the lock is released a moment after
    /// the guard was dropped (the same store does not notice), and `unlock` tells what is known
    /// without asking: see `docs/async.md`. The guard's `refresh` and `downgrade` do talk to the
    /// server.
    ///
    /// # Errors
    /// As [`lock`](Self::lock).
    ///
    /// ```
    /// use mutextree::{LockStore, MemoryStore};
    /// # async fn save() {}
    /// # async fn work(store: MemoryStore) -> Result<(), mutextree::LockError> {
    /// let document = store.mutex("tenant/project/document")?;
    /// let guard = document.lock_async().await?;
    /// save().await;
    /// drop(guard);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn lock_async(&self) -> Result<TreeMutexGuard<'_, S>, LockError> {
        let grant = S::acquire_async(&self.node, &self.request).await?;
        Ok(TreeMutexGuard::new(&self.node, grant))
    }

    /// [`lock_async`](Self::lock_async), with a guard that borrows nothing.
    ///
    /// # Errors
    /// As [`lock`](Self::lock).
    pub async fn lock_owned_async(&self) -> Result<OwnedTreeMutexGuard<S>, LockError> {
        let grant = S::acquire_async(&self.node, &self.request).await?;
        Ok(OwnedTreeMutexGuard::new(self.node.clone(), grant))
    }

    /// Locks, runs `f`, and releases, also if `f` panics. Blocks as [`lock`](Self::lock) does.
    ///
    /// # Errors
    /// As [`lock`](Self::lock) before `f` has run. After it, [`LockError::NotHeld`] if the lock's
    /// lease ended meanwhile, so that `f` did not have the tree to itself; what `f` returned is
    /// then dropped.
    ///
    /// # Panics
    /// If `f` does.
    ///
    /// ```
    /// # use mutextree::{LockStore, MemoryStore};
    /// let store = MemoryStore::new();
    /// let length = store.mutex("etc/motd")?.with(|| "hello".len())?;
    /// assert_eq!(length, 5);
    /// # Ok::<(), mutextree::LockError>(())
    /// ```
    pub fn with<R>(&self, f: impl FnOnce() -> R) -> Result<R, LockError> {
        let guard = self.lock()?;
        let result = f();
        guard.unlock()?;
        Ok(result)
    }

    /// Whether an exclusive [`try_lock`](Self::try_lock) of this scope would fail right now. The
    /// answer can be stale by the time it is there.
    pub fn is_locked(&self) -> bool {
        S::is_locked(&self.node, self.request.kind.scope)
    }

    #[inline(always)]
    fn acquire(&self, wait: Wait) -> Result<TreeMutexGuard<'_, S>, LockError> {
        match S::acquire(&self.node, &self.request, wait) {
            Ok(grant) => Ok(TreeMutexGuard::new(&self.node, grant)),
            Err(error) => Err(error),
        }
    }

    fn acquire_owned(&self, wait: Wait) -> Result<OwnedTreeMutexGuard<S>, LockError> {
        let grant = S::acquire(&self.node, &self.request, wait)?;
        Ok(OwnedTreeMutexGuard::new(self.node.clone(), grant))
    }
}

impl<S: Backend> Clone for TreeMutex<S> {
    fn clone(&self) -> Self {
        Self { node: self.node.clone(), request: self.request.clone() }
    }
}

impl<S: Backend> fmt::Debug for TreeMutex<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("TreeMutex");
        out.field("path", self.path()).field("mode", &self.request.kind.mode).field("scope", &self.request.kind.scope);
        if let Some(lease) = &self.request.lease {
            out.field("lease", lease);
        }
        if let Some(owner) = &self.request.owner {
            out.field("owner", &owner.as_str());
        }
        out.finish_non_exhaustive()
    }
}
