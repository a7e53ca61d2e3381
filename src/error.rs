//! [`LockError`]: why a lock could not be had, or is held no more.

use std::fmt;

use crate::path::{PathError, TreePath};
use crate::request::Owner;

/// The lock, or the earlier waiter, that stood in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocker {
    path: TreePath,
    owner: Option<Owner>,
}

impl Blocker {
    /// A blocker at `path`, and who holds it if that is known. For implementors of [`LockStore`](crate::LockStore).
    pub fn new(path: TreePath, owner: Option<Owner>) -> Self {
        Self { path, owner }
    }

    /// The node on which the conflicting lock sits.
    pub fn path(&self) -> &TreePath {
        &self.path
    }

    /// Who holds it, if that lock was taken with an [`owner`](crate::TreeMutex::owner).
    pub fn owner(&self) -> Option<&Owner> {
        self.owner.as_ref()
    }
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.path)?;
        match &self.owner {
            Some(owner) => write!(f, ", held by {owner}"),
            None => Ok(()),
        }
    }
}

/// Why a lock could not be had, or is held no more.
///
/// ```
/// use mutextree::{LockError, LockStore, MemoryStore};
/// let store = MemoryStore::new();
/// let _team = store.mutex("org/team")?.owner("nightly backup").lock_owned()?;
/// let error = store.mutex("org/team/project")?.try_lock().unwrap_err();
/// assert!(matches!(error, LockError::WouldBlock { .. }));
/// assert_eq!(error.to_string(), "`org/team/project` is blocked by a lock on `org/team`, held by nightly backup");
/// # Ok::<(), LockError>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum LockError {
    /// A `try_lock` met a conflicting lock, or an earlier waiter.
    WouldBlock {
        /// What was asked for.
        path: TreePath,
        /// What stood in the way.
        blocker: Box<Blocker>,
    },
    /// The time given ran out before the conflicting lock was released.
    TimedOut {
        /// What was asked for.
        path: TreePath,
        /// What stood in the way when the time was up.
        blocker: Box<Blocker>,
    },
    /// The lock was lost before it was released: its lease ended.
    NotHeld {
        /// What had been locked.
        path: TreePath,
    },
    /// The path given is no path.
    Path(PathError),
    /// The store itself failed; the memory store never does.
    Store(Box<dyn std::error::Error + Send + Sync + 'static>),
}

impl LockError {
    /// The path of the lock, or of the earlier waiter, that stood in the way, if that is why it failed.
    pub fn blocking_path(&self) -> Option<&TreePath> {
        match self {
            Self::WouldBlock { blocker, .. } | Self::TimedOut { blocker, .. } => Some(blocker.path()),
            _ => None,
        }
    }
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WouldBlock { path, blocker } => write!(f, "`{path}` is blocked by a lock on {blocker}"),
            Self::TimedOut { path, blocker } => {
                write!(f, "timed out waiting for `{path}`, blocked by a lock on {blocker}")
            }
            Self::NotHeld { path } => write!(f, "`{path}` is not held any more: its lease has ended"),
            Self::Path(error) => error.fmt(f),
            Self::Store(error) => write!(f, "the lock store failed: {error}"),
        }
    }
}

impl std::error::Error for LockError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Path(error) => Some(error),
            Self::Store(error) => Some(&**error),
            _ => None,
        }
    }
}

impl From<PathError> for LockError {
    fn from(error: PathError) -> Self {
        Self::Path(error)
    }
}
