//! [`Lease`]: a lock that outlives its guard. [`HeldLock`]: a line of a listing.

use std::fmt;
use std::time::Duration;

use crate::error::LockError;
use crate::guard::OwnedTreeMutexGuard;
use crate::memory::MemoryStore;
use crate::path::TreePath;
use crate::request::{Mode, Owner, Scope};
use crate::store::LockStore;
use crate::sync::PlainArc;

/// What a [`Lease`] is found by, together with its path: text that can be written down and sent. It
/// is a name, not a secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LeaseToken(PlainArc<str>);

impl LeaseToken {
    /// The token as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<T: Into<PlainArc<str>>> From<T> for LeaseToken {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for LeaseToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A lock without a guard: it is held until it is [released](Self::release) or its time is up,
/// whatever becomes of this value.
///
/// For locks that are taken in one request and given back in another, as WebDAV's are. A guard
/// becomes one by [`into_lease`](OwnedTreeMutexGuard::into_lease), and whoever has the path and the
/// token can take it up again by [`LockStore::resume`]. Nobody renews it but
/// [`refresh`](Self::refresh) and [`refresh_for`](Self::refresh_for); without a
/// [`lease`](crate::TreeMutex::lease) its lock never ends by itself.
///
/// ```
/// use mutextree::{LockStore, MemoryStore};
/// use std::time::Duration;
///
/// let store = MemoryStore::new();
/// let lease = store.mutex("docs/report")?.lease(Duration::from_secs(60)).lock_owned()?.into_lease()?;
/// let (path, token) = (lease.path().clone(), lease.token().clone()); // sent to a client, say
/// drop(lease);
/// assert!(store.mutex("docs/report")?.is_locked());
///
/// let lease = store.resume(&path, &token)?; // the client is back
/// lease.refresh_for(Duration::from_secs(90))?;
/// lease.release()?;
/// assert!(!store.mutex("docs/report")?.is_locked());
/// assert!(store.resume(&path, &token).is_err());
/// # Ok::<(), mutextree::LockError>(())
/// ```
pub struct Lease<S: LockStore = MemoryStore> {
    node: S::Node,
    grant: S::Grant,
    token: LeaseToken,
}

impl<S: LockStore> Lease<S> {
    pub(crate) fn attach(node: S::Node, token: LeaseToken) -> Result<Self, LockError> {
        let grant = S::attach(&node, &token)?;
        Ok(Self { node, grant, token })
    }

    /// The path of the locked node.
    pub fn path(&self) -> &TreePath {
        S::path(&self.node)
    }

    /// What it is found by, together with the path.
    pub fn token(&self) -> &LeaseToken {
        &self.token
    }

    /// How the lock is held.
    pub fn mode(&self) -> Mode {
        S::mode(&self.grant)
    }

    /// The lock's fencing token: see [`OwnedTreeMutexGuard::fencing_token`].
    pub fn fencing_token(&self) -> u64 {
        S::fencing_token(&self.node, &self.grant)
    }

    /// Whether the lock is still held: not released, through this value or another, and its time
    /// not up.
    pub fn is_held(&self) -> bool {
        S::is_held(&self.node, &self.grant)
    }

    /// Starts the lease anew with its full length.
    ///
    /// # Errors
    /// [`LockError::NotHeld`] if the lock is held no more.
    pub fn refresh(&self) -> Result<(), LockError> {
        S::refresh(&self.node, &self.grant, None)
    }

    /// Sets the time until the lease ends to exactly `remaining`.
    ///
    /// # Errors
    /// [`LockError::NotHeld`] if the lock is held no more.
    pub fn refresh_for(&self, remaining: Duration) -> Result<(), LockError> {
        S::refresh(&self.node, &self.grant, Some(remaining))
    }

    /// Releases the lock.
    ///
    /// # Errors
    /// [`LockError::NotHeld`] if the lock was held no more.
    pub fn release(self) -> Result<(), LockError> {
        S::release(&self.node, self.grant)
    }

    /// A guard for the lock, which releases it when it is dropped.
    pub fn into_guard(self) -> OwnedTreeMutexGuard<S> {
        OwnedTreeMutexGuard::new(self.node, self.grant)
    }
}

impl<S: LockStore> fmt::Debug for Lease<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("path", self.path())
            .field("mode", &self.mode())
            .field("token", &self.token.as_str())
            .finish_non_exhaustive()
    }
}

/// One lock of a listing: see [`LockStore::locks`].
///
/// ```
/// # use mutextree::{LockStore, MemoryStore};
/// let store = MemoryStore::new();
/// store.mutex("docs/report")?.owner("a client that never came back").lock_owned()?.into_lease()?;
///
/// for lock in store.locks()? {
///     if let Some(token) = &lock.token {
///         store.resume(&lock.path, token)?.release()?; // an operator ends it
///     }
/// }
/// assert!(store.locks()?.is_empty());
/// # Ok::<(), mutextree::LockError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeldLock {
    /// The locked node.
    pub path: TreePath,
    /// How it is locked.
    pub mode: Mode,
    /// The node's subtree or the node alone.
    pub scope: Scope,
    /// Who holds it, if that is known.
    pub owner: Option<Owner>,
    /// The time until its lease ends, if it has one.
    pub remaining: Option<Duration>,
    /// What it is [resumed](LockStore::resume) by, if it outlived its guard: see [`Lease`].
    pub token: Option<LeaseToken>,
}

impl HeldLock {
    /// A lock without an owner, a lease or a token; for implementors of [`LockStore`].
    pub fn new(path: TreePath, mode: Mode, scope: Scope) -> Self {
        Self { path, mode, scope, owner: None, remaining: None, token: None }
    }
}
