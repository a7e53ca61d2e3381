//! [`Lease`]: a lock that outlives its guard.

use std::fmt;
use std::time::Duration;

use crate::backend::{Backend, LeaseToken};
use crate::error::LockError;
use crate::guard::{OwnedTreeMutexGuard, held_methods};
use crate::memory::MemoryStore;
use crate::observe::Hold;
use crate::path::TreePath;
use crate::request::Mode;

/// A lock without a guard: it is held until it is [released](Self::release) or its lease ends.
/// Dropping this value does not release it.
///
/// For locks that are taken in one request and given back in another, as WebDAV's are. A guard
/// becomes one by [`into_lease`](OwnedTreeMutexGuard::into_lease). With its path and its token the
/// lock can be taken up again, by [`LockStore::resume`](crate::LockStore::resume). Only
/// [`refresh`](Self::refresh) and [`refresh_for`](Self::refresh_for) renew it. In memory, a lock
/// that was taken without a [`lease`](crate::TreeMutex::lease) never ends by itself.
///
/// ```
/// use mutextree::{LockStore, MemoryStore};
/// use std::time::Duration;
///
/// let store = MemoryStore::new();
/// let minute = Duration::from_secs(60);
/// let lease = store.mutex("docs/report")?.lease(minute).lock_owned()?.into_lease()?;
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
pub struct Lease<S: Backend = MemoryStore> {
    node: S::Node,
    grant: S::Grant,
    token: LeaseToken,
}

impl<S: Backend> Lease<S> {
    pub(crate) fn attach(node: S::Node, token: LeaseToken) -> Result<Self, LockError> {
        let grant = S::attach(&node, &token)?;
        Ok(Self { node, grant, token })
    }

    fn node(&self) -> &S::Node {
        &self.node
    }

    fn grant(&self) -> &S::Grant {
        &self.grant
    }

    held_methods!();

    /// What the lock is found by, together with its path.
    pub fn token(&self) -> &LeaseToken {
        &self.token
    }

    /// Releases the lock.
    ///
    /// # Errors
    /// [`LockError::NotHeld`] if the lock was not held any more; [`LockError::Store`] if the store
    /// fails.
    pub fn release(self) -> Result<(), LockError> {
        S::release(&self.node, self.grant)
    }

    /// A guard for the lock, which releases it when it is dropped.
    pub fn into_guard(self) -> OwnedTreeMutexGuard<S> {
        OwnedTreeMutexGuard::new(self.node, self.grant, Hold::unknown())
    }
}

impl<S: Backend> OwnedTreeMutexGuard<S> {
    /// Keeps the lock and gives up the guard: see [`Lease`].
    ///
    /// # Errors
    /// [`LockError::NotHeld`] if the lock had been lost; [`LockError::Store`] if the store fails,
    /// or cannot keep locks without a guard. The lock is then released.
    pub fn into_lease(self) -> Result<Lease<S>, LockError> {
        let (node, grant) = self.into_parts();
        let (token, grant) = S::detach(&node, grant)?;
        Ok(Lease { node, grant, token })
    }
}

impl<S: Backend> fmt::Debug for Lease<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("path", self.path())
            .field("mode", &self.mode())
            .field("token", &self.token.as_str())
            .finish_non_exhaustive()
    }
}
