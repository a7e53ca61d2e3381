//! [`LockStore`]: what a place to keep locks must do.

use std::fmt::{self, Debug};
use std::future::Future;
use std::time::Duration;

use crossbeam_channel::Receiver;

use crate::error::LockError;
use crate::guard::OwnedTreeMutexGuard;
use crate::lease::{HeldLock, Lease, LeaseToken};
use crate::mutex::TreeMutex;
use crate::path::{PathError, PathRef, ToTreePath, TreePath};
use crate::request::{Mode, Owner, Request, Scope, Wait};

/// A place to keep the locks of one tree: [`MemoryStore`](crate::MemoryStore), a distributed one,
/// or your own.
///
/// Users of locks call [`mutex`](Self::mutex) and [`lock`](Self::lock) and nothing else here. The
/// other methods are the contract between a store and [`TreeMutex`]; most are associated functions
/// on a [`Node`](Self::Node), so that a guard needs no handle to the store, and two threads on
/// disjoint paths touch no common reference count.
///
/// # Contract
///
/// 1. **Clones share.** A clone of a store is the same tree of locks.
/// 2. **Resolve once.** [`resolve`](Self::resolve) gives equal paths nodes that conflict with each
///    other, and a node stays good for as long as it lives, whatever becomes of the store handle it
///    came from.
/// 3. **The table decides.** Between the return of an [`acquire`](Self::acquire) and the call of
///    the matching [`release`](Self::release), no acquire of a request that
///    [`conflicts`](crate::conflicts()) returns `Ok`, unless the grant's lease has ended.
/// 4. **No invented conflict.** An acquire waits or fails with `WouldBlock` or `TimedOut` only
///    because of a conflicting lock or an earlier waiter. Of two racing exclusive acquires with
///    [`Wait::Never`], and nobody holding anything, at least one succeeds.
/// 5. **Waiting ends.** [`Wait::Never`] never waits for another holder; [`Wait::Until`] returns
///    about when the deadline has passed at the latest, with `TimedOut`, and tries at least once;
///    [`Wait::Forever`] returns once the lock can be had, or when the store fails.
/// 6. **A failed acquire leaves nothing behind**, whether it returned an error or unwound.
/// 7. **A grant is released exactly once** by whoever uses the store, from any thread, also while
///    unwinding. `release` must not panic and must not wait for other holders. It returns
///    [`LockError::NotHeld`] if the lock had been lost before.
/// 8. **Downgrade never lets go**: nobody exclusive gets in between. Downgrading a shared grant
///    does nothing.
/// 9. **Fencing tokens order conflicting holders**: if two grants conflict, the token of the later
///    one is the greater one. One grant always answers the same token, and no token is 0.
/// 10. **Loss is told**: once a lease has ended [`is_held`](Self::is_held) is `false` for good, and
///     [`refresh`](Self::refresh) is `NotHeld`.
pub trait LockStore: Clone + Send + Sync + 'static {
    /// A resolved path: what [`acquire`](Self::acquire) works on without looking anything up again.
    type Node: Clone + Debug + Send + Sync + 'static;
    /// A held lock: what it takes to give it back.
    type Grant: Debug + Send + Sync + 'static;

    /// Finds or makes the node of a path. Never fails: whatever can go wrong with a store goes
    /// wrong in [`acquire`](Self::acquire).
    fn resolve(&self, path: PathRef<'_>) -> Self::Node;

    /// The path that the node was resolved from.
    fn path(node: &Self::Node) -> &TreePath;

    /// Takes the lock: contract 3 to 6.
    fn acquire(node: &Self::Node, request: &Request, wait: Wait) -> Result<Self::Grant, LockError>;

    /// Takes the lock without blocking the thread: [`acquire`](Self::acquire) with
    /// [`Wait::Forever`], as a future. Contract 3, 4 and 6; dropped before it is ready, at any
    /// point, it leaves nothing behind, and whoever waited on its account goes on.
    ///
    /// What is provided waits on a thread of its own. A store that has a better way should take it.
    fn acquire_async<'a>(
        node: &'a Self::Node,
        request: &'a Request,
    ) -> impl Future<Output = Result<Self::Grant, LockError>> + Send + 'a {
        crate::offload::acquire::<Self>(node.clone(), request.clone())
    }

    /// Gives the lock back: contract 7.
    fn release(node: &Self::Node, grant: Self::Grant) -> Result<(), LockError>;

    /// Turns an exclusive grant into a shared one of the same scope: contract 8. `NotHeld` if it
    /// was lost.
    fn downgrade(node: &Self::Node, grant: &mut Self::Grant) -> Result<(), LockError>;

    /// How the lock is held now.
    fn mode(grant: &Self::Grant) -> Mode;

    /// The grant's fencing token: contract 9.
    fn fencing_token(node: &Self::Node, grant: &Self::Grant) -> u64;

    /// Whether the lock is still held: contract 10. Always `true` for a grant without a lease.
    fn is_held(node: &Self::Node, grant: &Self::Grant) -> bool;

    /// Sets the time until the lease ends to `lease`, or to its full length if `None`: contract 10.
    /// Does nothing to a grant without a lease, unless a `lease` is given, which then starts one.
    fn refresh(node: &Self::Node, grant: &Self::Grant, lease: Option<Duration>) -> Result<(), LockError>;

    /// Keeps the lock without a guard, and names it: from now on only [`refresh`](Self::refresh)
    /// renews it, and only [`release`](Self::release) or the end of its lease ends it, through any
    /// grant that [`attach`](Self::attach) gives for that name. On an error the lock is released.
    ///
    /// What is provided says that the store cannot do it.
    fn detach(node: &Self::Node, grant: Self::Grant) -> Result<LeaseToken, LockError> {
        Self::release(node, grant)?;
        Err(unsupported("keep locks without a guard"))
    }

    /// A grant for a lock that was [detached](Self::detach) under this name: `NotHeld` if there is
    /// none. There may be several at a time; dropping one does nothing, and the first release
    /// decides.
    fn attach(node: &Self::Node, token: &LeaseToken) -> Result<Self::Grant, LockError> {
        let _ = (node, token);
        Err(unsupported("keep locks without a guard"))
    }

    /// Every lock that is held, in no particular order: for people to look at, as it changes while
    /// it is taken. What is being acquired may show as held.
    ///
    /// What is provided says that the store cannot do it.
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
        Err(unsupported("list its locks"))
    }

    /// Whether an exclusive acquire of this scope with [`Wait::Never`] would fail right now. Takes
    /// nothing and waits for nobody.
    fn is_locked(node: &Self::Node, scope: Scope) -> bool;

    /// Tells of each lock that is lost from now on while its guard lives: its lease ended, or the
    /// store forgot it. Every call makes a channel of its own, which hears of all losses until it
    /// is dropped; nobody has to listen.
    ///
    /// Provided for stores whose locks are never lost: a channel on which nothing ever comes.
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
    fn lost_locks(&self) -> Receiver<LostLock> {
        crossbeam_channel::never()
    }

    /// The mutex of one node: [`TreeMutex::new`] from the store's side.
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
    fn mutex(&self, path: impl ToTreePath) -> Result<TreeMutex<Self>, PathError>
    where
        Self: Sized,
    {
        TreeMutex::new(self, path)
    }

    /// Takes up a lock that outlived its guard: see [`Lease`].
    ///
    /// # Errors
    /// [`LockError::NotHeld`] if there is no such lock any more, or never was.
    fn resume(&self, path: impl ToTreePath, token: &LeaseToken) -> Result<Lease<Self>, LockError>
    where
        Self: Sized,
    {
        Lease::attach(self.resolve(path.to_path_ref()?), token.clone())
    }

    /// Locks `path` exclusively with its subtree and blocks until that is possible: for a lock
    /// taken once. For a path locked again and again, keep a [`mutex`](Self::mutex): it skips the
    /// look-up.
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
    fn lock(&self, path: impl ToTreePath) -> Result<OwnedTreeMutexGuard<Self>, LockError>
    where
        Self: Sized,
    {
        const PLAIN: &Request = &Request { mode: Mode::Exclusive, scope: Scope::Subtree, lease: None, owner: None };
        let node = self.resolve(path.to_path_ref()?);
        let grant = Self::acquire(&node, PLAIN, Wait::Forever)?;
        Ok(OwnedTreeMutexGuard::new(node, grant))
    }
}

/// A lock that was lost while its guard lives: what [`LockStore::lost_locks`] tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostLock {
    path: TreePath,
    owner: Option<Owner>,
    fencing_token: u64,
}

impl LostLock {
    /// The loss of the lock on `path`. For implementors of [`LockStore`].
    pub fn new(path: TreePath, owner: Option<Owner>, fencing_token: u64) -> Self {
        Self { path, owner, fencing_token }
    }

    /// What had been locked.
    pub fn path(&self) -> &TreePath {
        &self.path
    }

    /// Who held it, if it was taken with an [`owner`](TreeMutex::owner).
    pub fn owner(&self) -> Option<&Owner> {
        self.owner.as_ref()
    }

    /// The [fencing token](crate::TreeMutexGuard::fencing_token) of the lock that was lost.
    pub fn fencing_token(&self) -> u64 {
        self.fencing_token
    }
}

impl fmt::Display for LostLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` was lost: its lease has ended", self.path)
    }
}

#[cold]
fn unsupported(what: &str) -> LockError {
    LockError::Store(format!("this store cannot {what}").into())
}
