//! What all stores say about locks: [`HeldLock`] in listings, [`LostLock`] when one is lost, and
//! [`LeaseToken`], the name of a lock without a guard.

use std::fmt;
use std::time::Duration;

use crate::path::TreePath;
use crate::request::{Kind, Owner};
use crate::text::shared_text;

shared_text! {
    /// The name of a lock without a guard, a [`Lease`](crate::Lease): with its path, the lock is
    /// found by it. It is text that can be written down and sent, and no secret.
    LeaseToken,
    /// The token as text.
    as_str
}

/// One lock of a listing: see [`LockStore::locks`](crate::LockStore::locks).
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
    pub kind: Kind,
    /// The holder's name, if the lock was taken with an [`owner`](crate::TreeMutex::owner).
    pub owner: Option<Owner>,
    /// The time until its lease ends, if it has one.
    pub remaining: Option<Duration>,
    /// What it is [resumed](crate::LockStore::resume) by, if it outlived its guard: see
    /// [`Lease`](crate::Lease).
    pub token: Option<LeaseToken>,
}

impl HeldLock {
    /// A lock without an owner, a lease or a token. For implementors of
    /// [`Backend`](crate::Backend), who set what they know.
    pub fn new(path: TreePath, kind: Kind) -> Self {
        Self { path, kind, owner: None, remaining: None, token: None }
    }
}

/// A lock that was lost while its guard lives: see
/// [`LockStore::lost_locks`](crate::LockStore::lost_locks).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LostLock {
    /// The node that had been locked.
    pub path: TreePath,
    /// The holder's name, if the lock was taken with an [`owner`](crate::TreeMutex::owner).
    pub owner: Option<Owner>,
    /// The [fencing token](crate::TreeMutexGuard::fencing_token) of the lock that was lost.
    pub fencing_token: u64,
}

impl LostLock {
    /// The loss of the lock on `path`. For implementors of [`Backend`](crate::Backend).
    pub fn new(path: TreePath, owner: Option<Owner>, fencing_token: u64) -> Self {
        Self { path, owner, fencing_token }
    }
}

impl fmt::Display for LostLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` was lost: its lease has ended", self.path)
    }
}
