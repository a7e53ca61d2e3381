//! [`LockError`]: why a lock could not be had, or is not held any more.
//!
//! * `invalid.rs` what was asked for makes no sense: [`InvalidInput`]
//! * `unchanged.rs` what failed, and the guard as it was: [`Unchanged`]

use std::fmt;

use crate::backend::{HeldLock, WaitingLock};
use crate::deadlock::Deadlock;
use crate::path::{PathError, TreePath};
use crate::request::{Kind, Owner, Wait};

pub use self::invalid::InvalidInput;
pub use self::unchanged::Unchanged;

mod invalid;
mod unchanged;

/// The lock, or the earlier waiter, that stood in the way: in errors, of
/// [waiters](crate::WaitingLock::behind), and in answer to
/// [`TreeMutex::blockers`](crate::TreeMutex::blockers).
///
/// An error says where, and whose if that is known. The answers of `blockers` have all that is
/// known of it: [`held`](Self::held) or [`waiting`](Self::waiting).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocker(Parts);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Parts {
    wanted: TreePath,
    who: Who,
}

/// Who is in the way, as far as that is known. What errors say of it needs no allocation: who polls
/// may not look at them.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Who {
    /// A lock, or a waiter, on this path.
    Somebody {
        path: TreePath,
        owner: Option<Owner>,
    },
    Held(Box<HeldLock>),
    Waiting(Box<WaitingLock>),
}

impl Blocker {
    /// What stood in the way of a lock on `wanted`: a lock on `path`, and the holder's name if that
    /// is known. For implementors of [`Backend`](crate::Backend).
    pub fn new(wanted: TreePath, path: TreePath, owner: Option<Owner>) -> Self {
        Self(Parts { wanted, who: Who::Somebody { path, owner } })
    }

    /// The node that was asked for.
    pub(crate) fn wanted(&self) -> &TreePath {
        &self.0.wanted
    }

    /// What stands in the way of a lock on `wanted` is this lock.
    pub fn by_holder(wanted: TreePath, lock: HeldLock) -> Self {
        Self(Parts { wanted, who: Who::Held(Box::new(lock)) })
    }

    /// What stands in the way of a lock on `wanted` is this waiter, who came earlier.
    pub fn by_waiter(wanted: TreePath, waiter: WaitingLock) -> Self {
        Self(Parts { wanted, who: Who::Waiting(Box::new(waiter)) })
    }

    /// The node on which the conflicting lock sits, or which the earlier waiter wants.
    pub fn path(&self) -> &TreePath {
        match &self.0.who {
            Who::Somebody { path, .. } => path,
            Who::Held(lock) => &lock.path,
            Who::Waiting(waiter) => &waiter.path,
        }
    }

    /// The name of the holder or the waiter, if it asked with an
    /// [`owner`](crate::TreeMutex::owner).
    pub fn owner(&self) -> Option<&Owner> {
        match &self.0.who {
            Who::Somebody { owner, .. } => owner.as_ref(),
            Who::Held(lock) => lock.owner.as_ref(),
            Who::Waiting(waiter) => waiter.owner.as_ref(),
        }
    }

    /// The lock that is in the way, if it is a lock, and more is known than path and owner.
    pub fn held(&self) -> Option<&HeldLock> {
        match &self.0.who {
            Who::Held(lock) => Some(lock),
            _ => None,
        }
    }

    /// The waiter that is in the way, if it is a waiter, and more is known than path and owner.
    pub fn waiting(&self) -> Option<&WaitingLock> {
        match &self.0.who {
            Who::Waiting(waiter) => Some(waiter),
            _ => None,
        }
    }

    /// How it is locked, or wanted, if that is known.
    pub fn kind(&self) -> Option<Kind> {
        match &self.0.who {
            Who::Somebody { .. } => None,
            Who::Held(lock) => Some(lock.kind),
            Who::Waiting(waiter) => Some(waiter.kind),
        }
    }
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.path())?;
        match (self.waiting().is_some(), self.owner()) {
            (false, Some(owner)) => write!(f, ", held by {owner}"),
            (false, None) => Ok(()),
            (true, Some(owner)) => write!(f, ", waited for by {owner}"),
            (true, None) => f.write_str(", waited for"),
        }
    }
}

/// Why a lock could not be had, or is not held any more.
///
/// The text says what happened and names the paths. What a store said, when it failed, is the
/// [`source`](std::error::Error::source): print the chain, as error reporters do.
///
/// ```
/// use mutextree::{LockError, LockStore, MemoryStore};
/// let store = MemoryStore::new();
/// let _team = store.mutex("org/team")?.owner("nightly backup").lock_owned()?;
/// let error = store.mutex("org/team/project")?.try_lock().unwrap_err();
/// assert!(matches!(error, LockError::WouldBlock { .. }));
/// let text = "`org/team/project` is blocked by a lock on `org/team`, held by nightly backup";
/// assert_eq!(error.to_string(), text);
/// # Ok::<(), LockError>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum LockError {
    /// A `try_lock` met a conflicting lock, or an earlier waiter.
    WouldBlock {
        /// What stood in the way.
        blocker: Blocker,
    },
    /// The time given ran out before the conflicting lock was released.
    TimedOut {
        /// What stood in the way when the time was up.
        blocker: Blocker,
    },
    /// The lock was lost before it was released: its lease ended, or somebody
    /// [broke](crate::LockStore::break_lock) it.
    NotHeld {
        /// What had been locked.
        path: TreePath,
    },
    /// The wait would never end, as it would close a circle of requests that wait for each other.
    /// Only with [deadlock detection](crate::MemoryStoreBuilder::deadlock_detection) on. Let go of
    /// what the others wait for, and lock anew.
    Deadlock(Deadlock),
    /// A shared lock cannot become exclusive, as another shared lock of the node is waiting for
    /// just that: each would wait for the other to go. Release this one, and lock anew.
    Upgrading {
        /// The other one.
        blocker: Blocker,
    },
    /// What was asked for makes no sense, whoever holds what. The text is that of the
    /// [`InvalidInput`], which names the input and the rule.
    InvalidInput(InvalidInput),
    /// The path given is no path. The text is that of the [`PathError`], which says what is wrong.
    Path(PathError),
    /// The store itself failed, as the [`source`](std::error::Error::source) says. The memory store
    /// never does.
    Store(Box<dyn std::error::Error + Send + Sync + 'static>),
}

impl LockError {
    /// The error of a request that could not be had within `wait`: [`WouldBlock`](Self::WouldBlock)
    /// if it was not to wait, else [`TimedOut`](Self::TimedOut). For implementors of
    /// [`Backend`](crate::Backend).
    pub fn refused(wait: Wait, blocker: Blocker) -> Self {
        match wait {
            Wait::Never => Self::WouldBlock { blocker },
            Wait::Until(_) | Wait::Forever => Self::TimedOut { blocker },
        }
    }

    /// The path of the lock that was asked for, or had been held. `None` if the path was no path,
    /// or the store failed.
    pub fn path(&self) -> Option<&TreePath> {
        match self {
            Self::WouldBlock { blocker } | Self::TimedOut { blocker } | Self::Upgrading { blocker } => {
                Some(&blocker.0.wanted)
            }
            Self::NotHeld { path } => Some(path),
            Self::Deadlock(deadlock) => deadlock.cycle().first().map(|first| &first.wants.path),
            Self::InvalidInput(input) => input.path(),
            Self::Path(_) | Self::Store(_) => None,
        }
    }

    /// The path of the lock, or of the earlier waiter, that stood in the way. `None` if the error
    /// has another reason.
    pub fn blocking_path(&self) -> Option<&TreePath> {
        match self {
            Self::WouldBlock { blocker } | Self::TimedOut { blocker } | Self::Upgrading { blocker } => {
                Some(blocker.path())
            }
            Self::Deadlock(deadlock) => deadlock.cycle().first()?.wants.behind.as_ref().map(Blocker::path),
            _ => None,
        }
    }
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WouldBlock { blocker } => write!(f, "`{}` is blocked by a lock on {blocker}", blocker.0.wanted),
            Self::TimedOut { blocker } => {
                write!(f, "timed out waiting for `{}`, blocked by a lock on {blocker}", blocker.0.wanted)
            }
            Self::NotHeld { path } => write!(f, "`{path}` is not held any more: its lease has ended, or it was broken"),
            Self::Upgrading { blocker } => write!(
                f,
                "the shared lock on `{}` cannot become exclusive: another one is waiting for that, on {blocker}",
                blocker.0.wanted
            ),
            Self::Deadlock(deadlock) if deadlock.cycle().len() == 1 => {
                write!(f, "a deadlock of one with itself: {deadlock}")
            }
            Self::Deadlock(deadlock) => write!(f, "a deadlock of {}:\n{deadlock}", deadlock.cycle().len()),
            Self::InvalidInput(input) => input.fmt(f),
            Self::Path(error) => error.fmt(f),
            Self::Store(_) => f.write_str("the lock store failed"),
        }
    }
}

impl std::error::Error for LockError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            // The text is the path error's own, so what comes next is what comes after that.
            Self::Path(error) => error.source(),
            Self::Store(error) => Some(&**error),
            Self::InvalidInput(input) => input.source(),
            Self::WouldBlock { .. }
            | Self::TimedOut { .. }
            | Self::NotHeld { .. }
            | Self::Deadlock(_)
            | Self::Upgrading { .. } => None,
        }
    }
}

impl From<InvalidInput> for LockError {
    fn from(input: InvalidInput) -> Self {
        Self::InvalidInput(input)
    }
}

impl From<PathError> for LockError {
    fn from(error: PathError) -> Self {
        Self::Path(error)
    }
}
