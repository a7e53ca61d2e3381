//! [`TreeMutex`]: one node of one tree, what to lock and how. Documentation and delegation; the
//! store has the algorithm.
//!
//! * `asking.rs` what a future of a handle asks with

use std::fmt;
use std::panic::Location;
use std::time::{Duration, Instant};

use crate::backend::Backend;
use crate::error::{Blocker, LockError};
use crate::guard::{OwnedTreeMutexGuard, TreeMutexGuard};
use crate::memory::MemoryStore;
use crate::observe::{self, Hold, Meter};
use crate::path::{PathError, ToTreePath, TreePath};
use crate::request::{Mode, Owner, Request, Scope, Wait};

use self::asking::{Borrowing, Owning};

mod asking;

/// One node of one tree: what to lock, and how.
///
/// Made once and kept, like a [`std::sync::Mutex`]: locking it then looks nothing up. Two of them
/// made from equal paths of one store are one lock. Cheap to clone.
///
/// By default a lock is exclusive and covers the subtree; [`shared`](Self::shared) and
/// [`node_only`](Self::node_only) change that.
///
/// Locking what you already hold, part of it, or what contains it, blocks for ever, as a
/// `std::sync::Mutex` does (give a timeout if in doubt, or let the store look for
/// [deadlocks](crate::docs::patterns#deadlocks)). Shared locks are no exception. A second
/// one can queue up behind an exclusive request of another thread, and that request waits for your
/// first.
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
    meter: Meter,
}

impl<S: Backend> TreeMutex<S> {
    /// The mutex of the node `path` in `store`. Takes no lock. The node need not exist anywhere:
    /// locks are on names.
    ///
    /// # Errors
    /// If `path` is no path: see [`PathError`].
    ///
    /// ```
    /// use mutextree::{MemoryStore, TreeMutex};
    /// let store = MemoryStore::new();
    /// let mutex = TreeMutex::new(&store, ["org", "team"])?;
    /// assert_eq!(mutex.path().to_string(), "org/team");
    /// assert!(TreeMutex::new(&store, "org//team").is_err());
    /// # Ok::<(), mutextree::PathError>(())
    /// ```
    pub fn new(store: &S, path: impl ToTreePath) -> Result<Self, PathError> {
        let node = store.resolve(path.to_path_ref()?);
        Ok(Self { node, request: Request::default(), meter: Meter::of(store) })
    }

    /// Locks are shared from now on: any number of them may be held at once, and no exclusive one.
    pub fn shared(mut self) -> Self {
        self.request.kind.mode = Mode::Shared;
        self
    }

    /// Locks are exclusive from now on, which is the default: no conflicting lock is held at the
    /// same time.
    pub fn exclusive(mut self) -> Self {
        self.request.kind.mode = Mode::Exclusive;
        self
    }

    /// Locks cover the node alone from now on, and not its subtree: locks below it are no conflict.
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

    /// How long a lock may be held before its lease ends, and another can take the lock. Without
    /// this the store's default holds: in memory, locks have no lease and never end by themselves.
    ///
    /// A lease of [`Duration::MAX`] never ends in practice. One of zero has ended at once.
    ///
    /// ```
    /// use mutextree::{LockStore, MemoryStore};
    /// use std::time::Duration;
    /// let store = MemoryStore::new();
    /// let job = store.mutex("jobs/1")?.lease(Duration::from_millis(10));
    /// let guard = job.lock()?; // and then it hangs
    /// let next = job.lock()?; // gets in when the lease is over
    /// assert!(!guard.is_held() && next.is_held());
    /// # Ok::<(), mutextree::LockError>(())
    /// ```
    pub fn lease(mut self, lease: Duration) -> Self {
        self.request.lease = Some(lease);
        self.node = self.node.clone(); // as in `owner`
        self
    }

    /// The holder's name, for people: errors of requests that meet this lock show it, and listings
    /// do. It plays no part in what conflicts.
    ///
    /// ```
    /// use mutextree::{LockStore, MemoryStore};
    /// let store = MemoryStore::new();
    /// let _guard = store.mutex("org")?.owner("nightly backup").lock_owned()?;
    /// let error = store.try_lock("org/team").unwrap_err();
    /// let text = "`org/team` is blocked by a lock on `org`, held by nightly backup";
    /// assert_eq!(error.to_string(), text);
    /// # Ok::<(), mutextree::LockError>(())
    /// ```
    pub fn owner(mut self, owner: impl Into<Owner>) -> Self {
        self.request.owner = Some(owner.into());
        // The store may have noted the owner of this one.
        self.node = self.node.clone();
        self
    }

    /// What it is made of, for a set.
    pub(crate) fn into_parts(self) -> (S::Node, Request, Meter) {
        (self.node, self.request, self.meter)
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
    #[track_caller]
    pub fn lock(&self) -> Result<TreeMutexGuard<'_, S>, LockError> {
        self.acquire(Wait::Forever)
    }

    /// Locks if that is possible right now. Never waits for another holder.
    ///
    /// # Errors
    /// [`LockError::WouldBlock`], naming the path in the way; [`LockError::Store`] if the store
    /// fails.
    #[inline]
    #[track_caller]
    pub fn try_lock(&self) -> Result<TreeMutexGuard<'_, S>, LockError> {
        self.acquire(Wait::Never)
    }

    /// Locks, and blocks for `timeout` at the most. Zero tries once; [`Duration::MAX`] waits for
    /// ever.
    ///
    /// # Errors
    /// [`LockError::TimedOut`], naming the path in the way; [`LockError::Store`] if the store
    /// fails.
    #[track_caller]
    pub fn try_lock_for(&self, timeout: Duration) -> Result<TreeMutexGuard<'_, S>, LockError> {
        self.acquire(Wait::timeout(timeout))
    }

    /// Locks, and blocks until `deadline` at the latest. A deadline in the past tries once.
    ///
    /// # Errors
    /// [`LockError::TimedOut`], naming the path in the way; [`LockError::Store`] if the store
    /// fails.
    #[track_caller]
    pub fn try_lock_until(&self, deadline: Instant) -> Result<TreeMutexGuard<'_, S>, LockError> {
        self.acquire(Wait::Until(deadline))
    }

    /// [`lock`](Self::lock), with a guard that borrows nothing: it can be stored, returned, and
    /// sent to another thread.
    ///
    /// # Errors
    /// As [`lock`](Self::lock).
    #[track_caller]
    pub fn lock_owned(&self) -> Result<OwnedTreeMutexGuard<S>, LockError> {
        self.acquire_owned(Wait::Forever)
    }

    /// [`try_lock`](Self::try_lock), with a guard that borrows nothing.
    ///
    /// # Errors
    /// As [`try_lock`](Self::try_lock).
    #[track_caller]
    pub fn try_lock_owned(&self) -> Result<OwnedTreeMutexGuard<S>, LockError> {
        self.acquire_owned(Wait::Never)
    }

    /// [`try_lock_for`](Self::try_lock_for), with a guard that borrows nothing.
    ///
    /// # Errors
    /// As [`try_lock_for`](Self::try_lock_for).
    #[track_caller]
    pub fn try_lock_owned_for(&self, timeout: Duration) -> Result<OwnedTreeMutexGuard<S>, LockError> {
        self.acquire_owned(Wait::timeout(timeout))
    }

    /// [`try_lock_until`](Self::try_lock_until), with a guard that borrows nothing.
    ///
    /// # Errors
    /// As [`try_lock_until`](Self::try_lock_until).
    #[track_caller]
    pub fn try_lock_owned_until(&self, deadline: Instant) -> Result<OwnedTreeMutexGuard<S>, LockError> {
        self.acquire_owned(Wait::Until(deadline))
    }

    /// Locks, and lets the task wait without a thread. Tasks and threads wait for the same lock in
    /// one queue. Needs no particular runtime; for a timeout use your runtime's.
    ///
    /// **Cancel-safe.** A future that is dropped at any point (by a timeout, a `select!`) leaves
    /// the tree as if it had never been, and requests that waited behind it go on.
    ///
    /// **Poll it, or drop it.** A future that was woken and is neither polled nor dropped holds up
    /// the requests behind it for ten to twenty milliseconds (over Redis a hundred). Then it loses
    /// its turn, and goes on waiting.
    ///
    /// **A free lock is ready at the first poll.** It takes no part in the budget by which tokio
    /// makes tasks take turns, as this crate depends on no runtime. A task that loops over free
    /// locks and waits for nothing else keeps its neighbours waiting. On tokio, wrap the future in
    /// `tokio::task::coop::cooperative`; elsewhere yield now and then.
    ///
    /// **Over Redis** polling the future and dropping the guard do no I/O on the calling thread:
    /// one background thread of the store does it for all tasks. So the lock is released a moment
    /// after the guard is dropped; this store already treats it as free. `unlock` reports what the
    /// process knows, without asking the server. The guard's `refresh` and `downgrade` do ask the
    /// server, and block.
    ///
    /// The guard may be held across an `.await`.
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
    #[inline]
    #[track_caller]
    pub fn lock_async(&self) -> impl Future<Output = Result<TreeMutexGuard<'_, S>, LockError>> + Send {
        S::acquire_async_for(Borrowing(self), Location::caller())
    }

    /// [`lock_async`](Self::lock_async), with a guard that borrows nothing.
    ///
    /// # Errors
    /// As [`lock`](Self::lock).
    #[inline]
    #[track_caller]
    pub fn lock_owned_async(&self) -> impl Future<Output = Result<OwnedTreeMutexGuard<S>, LockError>> + Send {
        S::acquire_async_for(Owning(self), Location::caller())
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
    #[track_caller]
    pub fn with<R>(&self, f: impl FnOnce() -> R) -> Result<R, LockError> {
        let guard = self.lock()?;
        let result = f();
        guard.unlock()?;
        Ok(result)
    }

    /// Whether an exclusive [`try_lock`](Self::try_lock) of this scope would fail right now. Takes
    /// nothing and waits for nobody. The answer can be stale by the time it is there.
    pub fn is_locked(&self) -> bool {
        S::is_locked(&self.node, self.request.kind.scope)
    }

    /// Who is in the way of this lock right now: each conflicting lock that is held, and then each
    /// conflicting waiter, the earliest first. Empty if there is nobody. Takes nothing and waits
    /// for nobody. The answer can be stale by the time it is there, and misses what a
    /// [`Snapshot`](crate::Snapshot) may miss.
    ///
    /// All waiters came before a lock that has not been asked for yet. In memory it may overtake
    /// them all the same, for about a millisecond.
    ///
    /// # Errors
    /// [`LockError::Store`] if the store fails, or cannot do it.
    ///
    /// ```
    /// use mutextree::{LockStore, MemoryStore};
    /// let store = MemoryStore::new();
    /// let _one = store.mutex("org/team/mail")?.owner("mailer").lock_owned()?;
    /// let _two = store.mutex("org/team/wiki")?.owner("backup").lock_owned()?;
    /// let blockers = store.mutex("org/team")?.blockers()?;
    /// let texts: Vec<_> = blockers.iter().map(|blocker| blocker.to_string()).collect();
    /// assert_eq!(texts, ["`org/team/mail`, held by mailer", "`org/team/wiki`, held by backup"]);
    /// # Ok::<(), mutextree::LockError>(())
    /// ```
    pub fn blockers(&self) -> Result<Vec<Blocker>, LockError> {
        S::blockers(&self.node, self.request.kind)
    }

    #[inline(always)]
    #[track_caller]
    fn acquire(&self, wait: Wait) -> Result<TreeMutexGuard<'_, S>, LockError> {
        if let Some(grant) = S::acquire_at_once(&self.node, &self.request) {
            return Ok(TreeMutexGuard::new(&self.node, grant, self.hold()));
        }
        // Not `?`, which would convert the error by `From`: this is inlined into every caller.
        match observe::acquire::<S>(&self.node, &self.request, wait) {
            Ok(grant) => Ok(TreeMutexGuard::new(&self.node, grant, self.hold())),
            Err(error) => Err(error),
        }
    }

    #[inline(always)]
    #[track_caller]
    fn acquire_owned(&self, wait: Wait) -> Result<OwnedTreeMutexGuard<S>, LockError> {
        if let Some(grant) = S::acquire_at_once(&self.node, &self.request) {
            return Ok(OwnedTreeMutexGuard::new(self.node.clone(), grant, self.hold()));
        }
        match observe::acquire::<S>(&self.node, &self.request, wait) {
            Ok(grant) => Ok(OwnedTreeMutexGuard::new(self.node.clone(), grant, self.hold())),
            Err(error) => Err(error),
        }
    }

    /// For a lock that has just been acquired.
    #[inline(always)]
    fn hold(&self) -> Hold {
        Hold::begin::<S>(self.meter, self.request.kind)
    }
}

impl<S: Backend> Clone for TreeMutex<S> {
    fn clone(&self) -> Self {
        Self { node: self.node.clone(), request: self.request.clone(), meter: self.meter }
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
