//! [`LockStore`]: what users call on a store. What a store must do is [`Backend`].

use std::future::Future;
use std::panic::Location;
use std::time::Duration;

use crate::backend::{Backend, HeldLock, LeaseToken, LostLocks};
use crate::error::LockError;
use crate::guard::OwnedTreeMutexGuard;
use crate::lease::Lease;
use crate::mutex::TreeMutex;
use crate::observe::{self, Hold, Meter};
use crate::path::{PathError, ToTreePath};
use crate::request::{Request, Wait};
use crate::snapshot::Snapshot;

/// What the shorthands ask for: exclusive, the subtree, no lease of its own, no owner.
const PLAIN: &Request = &Request::PLAIN;

/// The locks of one tree, as users see them: [`MemoryStore`](crate::MemoryStore), a distributed
/// store, or your own. Import it to call its methods; be generic over it to take any store.
///
/// It is implemented for every [`Backend`], which is what a store has to do; nothing else can
/// implement it.
///
/// [`mutex`](Self::mutex) gives a handle that is made once and kept. The shorthands
/// [`lock`](Self::lock), [`try_lock`](Self::try_lock), [`try_lock_for`](Self::try_lock_for) and
/// [`lock_async`](Self::lock_async) are for a path that is locked once: they lock it exclusively
/// with its subtree, and their guards borrow nothing.
///
/// ```
/// use mutextree::{LockError, LockStore, MemoryStore, ToTreePath};
///
/// /// Runs on any store.
/// fn publish<S: LockStore>(store: &S, page: impl ToTreePath) -> Result<(), LockError> {
///     let _guard = store.lock(page)?;
///     Ok(())
/// }
/// publish(&MemoryStore::new(), "site/news")?;
/// # Ok::<(), LockError>(())
/// ```
pub trait LockStore: Backend {
    /// The mutex of one node: [`TreeMutex::new`] from the store's side. Takes no lock.
    ///
    /// # Errors
    /// If `path` is no path: see [`PathError`].
    ///
    /// ```
    /// use mutextree::{LockStore, MemoryStore};
    /// let store = MemoryStore::new();
    /// let project = store.mutex("org/team/project")?;
    /// let guard = project.lock()?;
    /// # drop(guard);
    /// # Ok::<(), mutextree::LockError>(())
    /// ```
    #[inline]
    fn mutex(&self, path: impl ToTreePath) -> Result<TreeMutex<Self>, PathError> {
        TreeMutex::new(self, path)
    }

    /// Locks `path` exclusively with its subtree, and blocks until that is possible. For a path
    /// locked again and again, keep a [`mutex`](Self::mutex): it skips the look-up.
    ///
    /// # Errors
    /// [`LockError::Path`] if `path` is no path, [`LockError::Store`] if the store fails; the
    /// memory store never does.
    ///
    /// ```
    /// use mutextree::{LockStore, MemoryStore};
    /// let store = MemoryStore::new();
    /// let guard = store.lock("org/team/project")?;
    /// # drop(guard);
    /// # Ok::<(), mutextree::LockError>(())
    /// ```
    #[inline]
    #[track_caller]
    fn lock(&self, path: impl ToTreePath) -> Result<OwnedTreeMutexGuard<Self>, LockError> {
        acquire(self, path, Wait::Forever)
    }

    /// Locks `path` exclusively with its subtree if that is possible right now. Never waits for
    /// another holder.
    ///
    /// # Errors
    /// [`LockError::WouldBlock`], naming the path in the way; otherwise as [`lock`](Self::lock).
    ///
    /// ```
    /// use mutextree::{LockError, LockStore, MemoryStore};
    /// let store = MemoryStore::new();
    /// let _team = store.try_lock("org/team")?;
    /// match store.try_lock("org/team/project") {
    ///     Ok(_guard) => unreachable!("the team is locked, with all its projects"),
    ///     Err(error) => {
    ///         let text = "`org/team/project` is blocked by a lock on `org/team`";
    ///         assert_eq!(error.to_string(), text);
    ///     }
    /// }
    /// # Ok::<(), LockError>(())
    /// ```
    #[inline]
    #[track_caller]
    fn try_lock(&self, path: impl ToTreePath) -> Result<OwnedTreeMutexGuard<Self>, LockError> {
        acquire(self, path, Wait::Never)
    }

    /// Locks `path` exclusively with its subtree, and blocks for `timeout` at the most. Zero tries
    /// once; [`Duration::MAX`] waits for ever.
    ///
    /// # Errors
    /// [`LockError::TimedOut`], naming the path in the way; otherwise as [`lock`](Self::lock).
    ///
    /// ```
    /// use mutextree::{LockError, LockStore, MemoryStore};
    /// use std::time::Duration;
    /// let store = MemoryStore::new();
    /// let _project = store.lock("org/team/project")?;
    /// let error = store.try_lock_for("org/team", Duration::from_millis(5)).unwrap_err();
    /// assert!(matches!(error, LockError::TimedOut { .. }));
    /// # Ok::<(), LockError>(())
    /// ```
    #[inline]
    #[track_caller]
    fn try_lock_for(&self, path: impl ToTreePath, timeout: Duration) -> Result<OwnedTreeMutexGuard<Self>, LockError> {
        acquire(self, path, Wait::timeout(timeout))
    }

    /// Locks `path` exclusively with its subtree, and lets the task wait without a thread. All that
    /// [`TreeMutex::lock_async`] says holds here, too.
    ///
    /// The path is looked up when this is called; the lock is taken when the future is polled. The
    /// future does not borrow the store.
    ///
    /// # Errors
    /// As [`lock`](Self::lock), once the future is polled.
    ///
    /// ```
    /// use mutextree::{LockStore, MemoryStore};
    /// # async fn save() {}
    /// # async fn work(store: MemoryStore) -> Result<(), mutextree::LockError> {
    /// let guard = store.lock_async("tenant/project/document").await?;
    /// save().await;
    /// drop(guard);
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    #[track_caller]
    fn lock_async<P: ToTreePath>(
        &self,
        path: P,
    ) -> impl Future<Output = Result<OwnedTreeMutexGuard<Self>, LockError>> + Send + use<Self, P> {
        let (node, meter) = (find(self, &path), Meter::of(self));
        let place = Location::caller();
        async move {
            let node = node?;
            if let Some(grant) = Self::acquire_at_once(&node, PLAIN) {
                return Ok(OwnedTreeMutexGuard::new(node, grant, Hold::begin::<Self>(meter, PLAIN.kind)));
            }
            let grant = observe::acquire_async::<Self>(&node, PLAIN, place).await?;
            Ok(OwnedTreeMutexGuard::new(node, grant, Hold::begin::<Self>(meter, PLAIN.kind)))
        }
    }

    /// Every lock that is held, in no particular order: for people to look at. The tree may change
    /// while the list is taken, and a lock that is just being acquired may show as held.
    ///
    /// # Errors
    /// [`LockError::Store`] if the store fails, or cannot list.
    ///
    /// ```
    /// use mutextree::{LockStore, MemoryStore};
    /// let store = MemoryStore::new();
    /// let _guard = store.mutex("org/team")?.owner("nightly backup").lock_owned()?;
    /// let locks = store.locks()?;
    /// assert_eq!(locks[0].path.to_string(), "org/team");
    /// assert_eq!(locks[0].owner.as_ref().map(|owner| owner.as_str()), Some("nightly backup"));
    /// # Ok::<(), mutextree::LockError>(())
    /// ```
    fn locks(&self) -> Result<Vec<HeldLock>, LockError> {
        self.list_locks()
    }

    /// Who holds, and who waits: to look at the whole tree, or at a part. It is a picture, taken a
    /// node at a time, and stops nobody for longer than that takes: see [`Snapshot`].
    ///
    /// # Errors
    /// [`LockError::Store`] if the store fails, or cannot list.
    ///
    /// ```
    /// use mutextree::{LockStore, MemoryStore};
    /// let store = MemoryStore::new();
    /// assert_eq!(store.snapshot()?.to_string(), "nothing is held, and nobody waits\n");
    /// let _guard = store.mutex("org/team")?.shared().owner("backup").lock_owned()?;
    /// println!("{}", store.snapshot()?); // a tree
    /// assert_eq!(store.snapshot()?.holders().count(), 1);
    /// # Ok::<(), mutextree::LockError>(())
    /// ```
    fn snapshot(&self) -> Result<Snapshot, LockError> {
        self.take_snapshot()
    }

    /// Ends a held lock, whoever holds it, and lets those that wait for it go on: for an operator
    /// who knows that the holder hangs. `lock` comes from [`locks`](Self::locks) or a
    /// [`snapshot`](Self::snapshot). `false` if that lock has ended in the meantime; another one on
    /// the same node is left alone.
    ///
    /// The holder goes on believing that it holds the lock until it learns of the loss, as of any
    /// other: [`is_held`](crate::TreeMutexGuard::is_held), `refresh` and `unlock` say so, and
    /// [`lost_locks`](Self::lost_locks) tells. In memory that is at once. Over Redis it is when the
    /// holder next renews its lease, or by the end of the lease at the latest. So what the lock
    /// protects should refuse [fencing tokens](crate::TreeMutexGuard::fencing_token) up to the
    /// broken one's.
    ///
    /// # Errors
    /// [`LockError::Store`] if the store fails, or cannot do it. In memory a lock with neither an
    /// owner nor a lease cannot be broken, as there is no record of it.
    ///
    /// ```
    /// use mutextree::{LockStore, MemoryStore};
    /// let store = MemoryStore::new();
    /// let hangs = store.mutex("org/team")?.owner("backup").lock_owned()?;
    /// for lock in store.locks()? {
    ///     assert!(store.break_lock(&lock)?);
    ///     assert!(!store.break_lock(&lock)?); // it has ended
    /// }
    /// assert!(!hangs.is_held());
    /// assert!(store.try_lock("org/team").is_ok());
    /// # Ok::<(), mutextree::LockError>(())
    /// ```
    fn break_lock(&self, lock: &HeldLock) -> Result<bool, LockError> {
        self.end_lock(lock)
    }

    /// Takes up a lock that outlived its guard, by its path and its token: see [`Lease`].
    ///
    /// # Errors
    /// [`LockError::NotHeld`] if there is no such lock any more, or never was; [`LockError::Path`]
    /// if `path` is no path; [`LockError::Store`] if the store fails.
    fn resume(&self, path: impl ToTreePath, token: &LeaseToken) -> Result<Lease<Self>, LockError> {
        Lease::attach(self.resolve(path.to_path_ref()?), token.clone())
    }

    /// Tells of each lock that is lost from now on while its guard lives: its lease ended, or the
    /// store forgot it. Each call makes a listener of its own, which hears of all losses until it
    /// is dropped; no program needs to listen.
    ///
    /// ```
    /// use mutextree::{LockStore, MemoryStore};
    /// let store = MemoryStore::new();
    /// let lost = store.lost_locks();
    /// let guard = store.lock("org/team")?;
    /// assert!(lost.try_recv().is_err()); // held without a lease: never lost
    /// # drop(guard);
    /// # Ok::<(), mutextree::LockError>(())
    /// ```
    fn lost_locks(&self) -> LostLocks {
        self.watch_losses()
    }
}

impl<B: Backend> LockStore for B {}

/// The node of a path.
fn find<S: Backend>(store: &S, path: &impl ToTreePath) -> Result<S::Node, PathError> {
    match recall(store, path) {
        Some(node) => Ok(node),
        None => path.to_path_ref().map(|path| store.resolve(path)),
    }
}

/// The same, if the store has it at hand.
#[inline(always)]
fn recall<S: Backend>(store: &S, path: &impl ToTreePath) -> Option<S::Node> {
    path.as_text().and_then(|text| store.recall(text))
}

#[inline(always)]
#[track_caller]
fn acquire<S: Backend>(store: &S, path: impl ToTreePath, wait: Wait) -> Result<OwnedTreeMutexGuard<S>, LockError> {
    let node = recall(store, &path);
    if let Some(known) = &node
        && let Some(grant) = S::acquire_at_once(known, PLAIN)
        && let Some(node) = node
    {
        return Ok(OwnedTreeMutexGuard::new(node, grant, Hold::begin::<S>(Meter::of(store), PLAIN.kind)));
    }
    // Not returned as it is: this is inlined into every caller, and the guard is to be in
    // registers.
    match acquire_slow(store, node, path, wait) {
        Ok((node, grant)) => Ok(OwnedTreeMutexGuard::new(node, grant, Hold::begin::<S>(Meter::of(store), PLAIN.kind))),
        Err(error) => Err(error),
    }
}

/// The same where the node is not at hand, or not free.
#[inline(never)]
#[track_caller]
fn acquire_slow<S: Backend>(
    store: &S,
    node: Option<S::Node>,
    path: impl ToTreePath,
    wait: Wait,
) -> Result<(S::Node, S::Grant), LockError> {
    let node = match node {
        Some(node) => node,
        None => {
            let node = store.resolve(path.to_path_ref()?);
            if let Some(grant) = S::acquire_at_once(&node, PLAIN) {
                return Ok((node, grant));
            }
            node
        }
    };
    let grant = observe::acquire::<S>(&node, PLAIN, wait)?;
    Ok((node, grant))
}
