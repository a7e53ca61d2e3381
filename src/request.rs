//! What is asked of a store: [`Mode`], [`Scope`], [`Wait`], [`Request`], and the conflict table as
//! a function.

use crate::sync::PlainArc;
use std::fmt;
use std::time::{Duration, Instant};

use crate::path::TreePath;

/// Whether a lock tolerates company.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Nobody else may hold a conflicting lock of either mode.
    #[default]
    Exclusive,
    /// Any number of shared locks coexist; an exclusive one does not.
    Shared,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exclusive => "exclusive",
            Self::Shared => "shared",
        })
    }
}

/// How far down a lock reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The node and everything below it.
    #[default]
    Subtree,
    /// The node alone: locks below it are no conflict.
    Node,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Subtree => "subtree",
            Self::Node => "node only",
        })
    }
}

/// How long an acquisition may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Not at all: a conflict is [`WouldBlock`](crate::LockError::WouldBlock).
    Never,
    /// Until this instant: then it is [`TimedOut`](crate::LockError::TimedOut). An instant in the
    /// past tries once.
    Until(Instant),
    /// For as long as it takes.
    Forever,
}

impl Wait {
    /// The wait that ends `timeout` from now; one too long for the clock to hold never ends.
    ///
    /// ```
    /// use mutextree::Wait;
    /// use std::time::Duration;
    /// assert_eq!(Wait::timeout(Duration::MAX), Wait::Forever);
    /// ```
    pub fn timeout(timeout: Duration) -> Self {
        match crate::sync::now().checked_add(timeout) {
            Some(deadline) => Self::Until(deadline),
            None => Self::Forever,
        }
    }
}

/// Who asks for a lock: a name for people, shown in errors and listings. It plays no part in what
/// conflicts.
///
/// ```
/// use mutextree::Owner;
/// let owner: Owner = "worker-7".into();
/// assert_eq!(owner.to_string(), "worker-7");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner(PlainArc<str>);

impl Owner {
    /// The name as given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<T: Into<PlainArc<str>>> From<T> for Owner {
    fn from(name: T) -> Self {
        Self(name.into())
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a [`TreeMutex`](crate::TreeMutex) asks of its store: everything but the path and the
/// patience.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Exclusive or shared.
    pub mode: Mode,
    /// The subtree or the node alone.
    pub scope: Scope,
    /// How long the lock may be held before it lapses; `None` is the store's default.
    pub lease: Option<Duration>,
    /// Who asks.
    pub owner: Option<Owner>,
}

/// Whether two locks exclude each other: the crate's conflict table, spelled out once.
///
/// A path and how it is locked, twice. The relation is symmetric. Two shared locks never conflict;
/// two locks on one node otherwise always do; and a lock reaches a node below its own only if its
/// scope is the subtree.
///
/// ```
/// use mutextree::{conflicts, Mode::*, Scope::*, TreePath};
/// let (team, file): (TreePath, TreePath) = ("org/team".parse()?, "org/team/file".parse()?);
/// assert!(conflicts(&team, Exclusive, Subtree, &file, Shared, Subtree));
/// assert!(!conflicts(&team, Exclusive, Node, &file, Exclusive, Subtree));
/// # Ok::<(), mutextree::PathError>(())
/// ```
pub fn conflicts(
    path: &TreePath,
    mode: Mode,
    scope: Scope,
    other: &TreePath,
    other_mode: Mode,
    other_scope: Scope,
) -> bool {
    if mode == Mode::Shared && other_mode == Mode::Shared {
        return false;
    }
    path == other
        || (scope == Scope::Subtree && other.starts_with(path))
        || (other_scope == Scope::Subtree && path.starts_with(other))
}
