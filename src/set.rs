//! [`TreeMutexSet`]: several locks of one tree as one. Documentation and delegation; the store has
//! the algorithm.
//!
//! * `normal.rs` which members are left, and how they are locked
//! * `guard.rs` the guards

use std::fmt;
use std::panic::Location;
use std::time::{Duration, Instant};

use crate::backend::{Backend, Member};
use crate::error::LockError;
use crate::memory::MemoryStore;
use crate::mutex::TreeMutex;
use crate::observe::{self, Meter};
use crate::path::TreePath;
use crate::request::Wait;
use crate::sync::PlainArc;

pub use self::guard::{OwnedTreeMutexSetGuard, TreeMutexSetGuard};

use self::guard::Grants;

mod guard;
mod normal;

/// Several locks of one tree, taken as one: all of them, or none.
///
/// For an operation that needs several nodes at once, such as a rename. Any number of sets and
/// single locks can be taken in any order: a set waits without holding any of its members, so it is
/// in no circle of waiters. It does not starve, either. Once it has waited for about a millisecond,
/// later requests for its members wait behind it.
///
/// That holds for one set, or one lock, at a time. A thread that waits for a set *while it holds
/// another lock* can deadlock, as with any mutex. So put all that an operation needs into one set.
///
/// # Members
/// Each member is locked as its [`TreeMutex`] says, shared or exclusive, with its subtree or alone.
/// A member that another one covers is absorbed: two on one path, or one below a member for the
/// subtree. What is left has
///
/// * the stronger mode and the wider scope of both: shared `a` and exclusive `a/b` become exclusive
///   `a`. A lock on `a` alone does not cover `a/b`, so both are left.
/// * the shorter lease of both. One without a lease takes that of the other.
/// * its own owner, or that of the first absorbed one which has any.
///
/// A set of one costs what a [`TreeMutex`] costs.
///
/// ```
/// use mutextree::{LockError, LockStore, MemoryStore, TreeMutexSet};
/// let store = MemoryStore::new();
/// let rename = TreeMutexSet::new([store.mutex("sent/letter")?, store.mutex("inbox/draft")?])?;
/// {
///     let guard = rename.lock()?; // both, or it waits
///     assert!(store.try_lock("inbox").is_err());
///     # drop(guard);
/// }
/// let _busy = store.lock("sent")?;
/// let error = rename.try_lock().unwrap_err();
/// assert_eq!(error.to_string(), "`sent/letter` is blocked by a lock on `sent`");
/// assert!(store.try_lock("inbox/draft").is_ok()); // none of it was locked
/// # Ok::<(), LockError>(())
/// ```
pub struct TreeMutexSet<S: Backend = MemoryStore> {
    /// In normal form: see `normal.rs`.
    members: PlainArc<[Member<S>]>,
    meter: Meter,
}

impl<S: Backend> TreeMutexSet<S> {
    /// The set of these locks, in the order of their paths. Takes no lock.
    ///
    /// # Errors
    /// [`LockError::InvalidInput`]: there are no members, or they are of more than one tree.
    ///
    /// ```
    /// use mutextree::{LockError, LockStore, MemoryStore, TreeMutexSet};
    /// let store = MemoryStore::new();
    /// let (b, part, all) = (store.mutex("b")?, store.mutex("a/x")?, store.mutex("a")?.shared());
    /// let set = TreeMutexSet::new([b, part, all])?;
    /// let paths: Vec<_> = set.paths().map(|path| path.to_string()).collect();
    /// assert_eq!(paths, ["a", "b"]); // `a` is exclusive now, and covers `a/x`
    ///
    /// let error = TreeMutexSet::<MemoryStore>::new([]).unwrap_err();
    /// assert_eq!(error.to_string(), "a set of locks needs at least one member");
    /// # Ok::<(), LockError>(())
    /// ```
    pub fn new(members: impl IntoIterator<Item = TreeMutex<S>>) -> Result<Self, LockError> {
        let mut meter = None;
        let member = |mutex: TreeMutex<S>| {
            let (node, request, its_meter) = mutex.into_parts();
            meter.get_or_insert(its_meter);
            Member { node, request }
        };
        let members: Vec<Member<S>> = members.into_iter().map(member).collect();
        let members = normal::form(members)?;
        Ok(Self { members: members.into(), meter: meter.unwrap_or_default() })
    }

    /// The paths of the nodes that are locked, in order. None is below a member for the subtree.
    pub fn paths(&self) -> impl ExactSizeIterator<Item = &TreePath> + DoubleEndedIterator + Clone {
        self.members.iter().map(|member| S::path(&member.node))
    }

    /// Locks all members, and blocks until that is possible.
    ///
    /// # Errors
    /// [`LockError::Store`] if the store fails, or cannot lock several nodes as one. The memory
    /// store never does.
    #[track_caller]
    pub fn lock(&self) -> Result<TreeMutexSetGuard<'_, S>, LockError> {
        self.acquire(Wait::Forever)
    }

    /// Locks all members if that is possible right now. Never waits for another holder. Of two
    /// tries that race, for sets or single locks, with nobody else around, one succeeds.
    ///
    /// # Errors
    /// [`LockError::WouldBlock`], naming the member that is blocked as its
    /// [path](LockError::path), and the path in the way; [`LockError::Store`] if the store fails.
    #[track_caller]
    pub fn try_lock(&self) -> Result<TreeMutexSetGuard<'_, S>, LockError> {
        self.acquire(Wait::Never)
    }

    /// Locks all members, and blocks for `timeout` at the most. Zero tries once; [`Duration::MAX`]
    /// waits for ever.
    ///
    /// # Errors
    /// [`LockError::TimedOut`], naming the member that was blocked as its
    /// [path](LockError::path), and the path in the way; [`LockError::Store`] if the store fails.
    ///
    /// ```
    /// use mutextree::{LockError, LockStore, MemoryStore, TreeMutexSet};
    /// use std::time::Duration;
    /// let store = MemoryStore::new();
    /// let set = TreeMutexSet::new([store.mutex("a")?, store.mutex("b")?])?;
    /// let _file = store.mutex("b/file")?.owner("editor").lock_owned()?;
    /// let error = set.try_lock_for(Duration::from_millis(5)).unwrap_err();
    /// let text = "timed out waiting for `b`, blocked by a lock on `b/file`, held by editor";
    /// assert_eq!(error.to_string(), text);
    /// # Ok::<(), LockError>(())
    /// ```
    #[track_caller]
    pub fn try_lock_for(&self, timeout: Duration) -> Result<TreeMutexSetGuard<'_, S>, LockError> {
        self.acquire(Wait::timeout(timeout))
    }

    /// Locks all members, and blocks until `deadline` at the latest. A deadline in the past tries
    /// once.
    ///
    /// # Errors
    /// As [`try_lock_for`](Self::try_lock_for).
    #[track_caller]
    pub fn try_lock_until(&self, deadline: Instant) -> Result<TreeMutexSetGuard<'_, S>, LockError> {
        self.acquire(Wait::Until(deadline))
    }

    /// [`lock`](Self::lock), with a guard that borrows nothing: it can be stored, returned, sent to
    /// another thread, and [split](OwnedTreeMutexSetGuard::split).
    ///
    /// # Errors
    /// As [`lock`](Self::lock).
    #[track_caller]
    pub fn lock_owned(&self) -> Result<OwnedTreeMutexSetGuard<S>, LockError> {
        self.acquire_owned(Wait::Forever)
    }

    /// [`try_lock`](Self::try_lock), with a guard that borrows nothing.
    ///
    /// # Errors
    /// As [`try_lock`](Self::try_lock).
    #[track_caller]
    pub fn try_lock_owned(&self) -> Result<OwnedTreeMutexSetGuard<S>, LockError> {
        self.acquire_owned(Wait::Never)
    }

    /// [`try_lock_for`](Self::try_lock_for), with a guard that borrows nothing.
    ///
    /// # Errors
    /// As [`try_lock_for`](Self::try_lock_for).
    #[track_caller]
    pub fn try_lock_owned_for(&self, timeout: Duration) -> Result<OwnedTreeMutexSetGuard<S>, LockError> {
        self.acquire_owned(Wait::timeout(timeout))
    }

    /// [`try_lock_until`](Self::try_lock_until), with a guard that borrows nothing.
    ///
    /// # Errors
    /// As [`try_lock_for`](Self::try_lock_for).
    #[track_caller]
    pub fn try_lock_owned_until(&self, deadline: Instant) -> Result<OwnedTreeMutexSetGuard<S>, LockError> {
        self.acquire_owned(Wait::Until(deadline))
    }

    /// Locks all members, and lets the task wait without a thread. What
    /// [`TreeMutex::lock_async`] says of dropping and polling the future, of the store over Redis,
    /// and of timeouts holds here, too.
    ///
    /// # Errors
    /// As [`lock`](Self::lock).
    ///
    /// ```
    /// use mutextree::{LockError, LockStore, MemoryStore, TreeMutexSet};
    /// # async fn copy() {}
    /// # async fn work(store: MemoryStore) -> Result<(), LockError> {
    /// let (drafts, live) = (store.mutex("site/drafts")?.shared(), store.mutex("site/live")?);
    /// let set = TreeMutexSet::new([drafts, live])?;
    /// let guard = set.lock_async().await?;
    /// copy().await;
    /// drop(guard);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn lock_async(&self) -> impl Future<Output = Result<TreeMutexSetGuard<'_, S>, LockError>> + Send {
        let place = Location::caller();
        // Begun in here: a future that is begun outside and awaited in here is kept twice.
        async move { Ok(TreeMutexSetGuard::new(&self.members, self.ask_async(place).await?, self.meter)) }
    }

    /// [`lock_async`](Self::lock_async), with a guard that borrows nothing.
    ///
    /// # Errors
    /// As [`lock`](Self::lock).
    #[track_caller]
    pub fn lock_owned_async(&self) -> impl Future<Output = Result<OwnedTreeMutexSetGuard<S>, LockError>> + Send {
        let place = Location::caller();
        async move { Ok(OwnedTreeMutexSetGuard::new(self.members.clone(), self.ask_async(place).await?, self.meter)) }
    }

    /// Locks all members, runs `f`, and releases, also if `f` panics. Blocks as
    /// [`lock`](Self::lock) does.
    ///
    /// # Errors
    /// As [`lock`](Self::lock) before `f` has run. After it, [`LockError::NotHeld`] if a member was
    /// lost meanwhile; what `f` returned is then dropped.
    ///
    /// # Panics
    /// If `f` does.
    ///
    /// ```
    /// use mutextree::{LockError, LockStore, MemoryStore, TreeMutexSet};
    /// let store = MemoryStore::new();
    /// let both = TreeMutexSet::new([store.mutex("inbox/draft")?, store.mutex("sent/letter")?])?;
    /// let moved = both.with(|| "std::fs::rename, say")?;
    /// # let _ = moved;
    /// # Ok::<(), LockError>(())
    /// ```
    #[track_caller]
    pub fn with<R>(&self, f: impl FnOnce() -> R) -> Result<R, LockError> {
        let guard = self.lock()?;
        let result = f();
        guard.unlock()?;
        Ok(result)
    }

    #[track_caller]
    fn acquire(&self, wait: Wait) -> Result<TreeMutexSetGuard<'_, S>, LockError> {
        Ok(TreeMutexSetGuard::new(&self.members, self.ask(wait)?, self.meter))
    }

    #[track_caller]
    fn acquire_owned(&self, wait: Wait) -> Result<OwnedTreeMutexSetGuard<S>, LockError> {
        Ok(OwnedTreeMutexSetGuard::new(self.members.clone(), self.ask(wait)?, self.meter))
    }

    #[track_caller]
    fn ask(&self, wait: Wait) -> Result<Grants<S>, LockError> {
        match &*self.members {
            [one] => match S::acquire_at_once(&one.node, &one.request) {
                Some(grant) => Ok(Grants::One(grant)),
                None => observe::acquire::<S>(&one.node, &one.request, wait).map(Grants::One),
            },
            all => observe::acquire_all::<S>(all, wait).map(Grants::All),
        }
    }

    async fn ask_async(&self, place: &'static Location<'static>) -> Result<Grants<S>, LockError> {
        match &*self.members {
            [one] => observe::acquire_async::<S>(&one.node, &one.request, place).await.map(Grants::One),
            all => observe::acquire_all_async::<S>(all, place).await.map(Grants::All),
        }
    }
}

impl<S: Backend> Clone for TreeMutexSet<S> {
    fn clone(&self) -> Self {
        Self { members: self.members.clone(), meter: self.meter }
    }
}

impl<S: Backend> fmt::Debug for TreeMutexSet<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TreeMutexSet").field("members", &self.members).finish_non_exhaustive()
    }
}
