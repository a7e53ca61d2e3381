//! What is asked of a store: [`Kind`], which is [`Mode`] and [`Scope`]; [`Wait`]; [`Request`]; and
//! the conflict table as a function, [`conflicts`].
//!
//! The table has five copies where speed wants them: one in bits (`memory/word.rs`), four in Lua
//! (`obstacle` and `earliest` in `redis/lua/tree.lua`, `acquire_fast.lua`, `release_fast.lua`).
//! `tests/conflict_table.rs` and `tests/redis/programs.rs` hold all of them against this one.

use std::fmt;
use std::time::{Duration, Instant};

use crate::path::TreePath;
use crate::text::shared_text;

/// Whether other locks may be held at the same time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Mode {
    /// No conflicting lock of either mode is held at the same time.
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
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
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

/// How a node is locked: a [`Mode`] and a [`Scope`]. By default exclusive, with the subtree.
///
/// ```
/// use mutextree::{Kind, Mode, Scope};
/// let kind = Kind::new(Mode::Shared, Scope::Node);
/// assert_eq!(kind.to_string(), "shared, node only");
/// assert_eq!(Kind::default(), Kind::new(Mode::Exclusive, Scope::Subtree));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct Kind {
    /// Exclusive or shared.
    pub mode: Mode,
    /// The subtree or the node alone.
    pub scope: Scope,
}

impl Kind {
    /// The kind of this mode and this scope.
    pub const fn new(mode: Mode, scope: Scope) -> Self {
        Self { mode, scope }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.mode, self.scope)
    }
}

/// How long an acquisition may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Not at all. If there is a conflict, the error is
    /// [`WouldBlock`](crate::LockError::WouldBlock).
    Never,
    /// Until this instant. Then the error is [`TimedOut`](crate::LockError::TimedOut). An instant
    /// in the past tries once.
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

    /// When the wait ends; `None` if it never does, or never begins.
    ///
    /// ```
    /// use mutextree::Wait;
    /// use std::time::Instant;
    /// let now = Instant::now();
    /// assert_eq!(Wait::Until(now).deadline(), Some(now));
    /// assert_eq!(Wait::Never.deadline(), None);
    /// assert_eq!(Wait::Forever.deadline(), None);
    /// ```
    pub const fn deadline(self) -> Option<Instant> {
        match self {
            Self::Until(deadline) => Some(deadline),
            Self::Never | Self::Forever => None,
        }
    }
}

shared_text! {
    /// The name of a lock's holder, for people: errors and listings show it. It plays no part in
    /// what conflicts.
    ///
    /// ```
    /// use mutextree::Owner;
    /// let owner: Owner = "worker-7".into();
    /// assert_eq!(owner.to_string(), "worker-7");
    /// ```
    Owner,
    /// The name as given.
    as_str
}

/// What a [`TreeMutex`](crate::TreeMutex) asks of its store: all but the path and how long to wait.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// How to lock.
    pub kind: Kind,
    /// How long the lock may be held before its lease ends; `None` is the store's default.
    pub lease: Option<Duration>,
    /// The name of who asks.
    pub owner: Option<Owner>,
}

impl Request {
    /// A request for a [`Kind::default`], without a lease or an owner.
    pub(crate) const PLAIN: Self = Self::new(Kind::new(Mode::Exclusive, Scope::Subtree));

    /// A request without a lease or an owner. For callers of a [`Backend`](crate::Backend), who set
    /// what else they ask for.
    ///
    /// ```
    /// use mutextree::{Backend, Kind, MemoryStore, ToTreePath, Request, Wait};
    /// let store = MemoryStore::new();
    /// let node = store.resolve("org/team".to_path_ref()?);
    /// let mut request = Request::new(Kind::default());
    /// request.owner = Some("nightly backup".into());
    /// let grant = MemoryStore::acquire(&node, &request, Wait::Forever)?;
    /// MemoryStore::release(&node, grant)?;
    /// # Ok::<(), mutextree::LockError>(())
    /// ```
    pub const fn new(kind: Kind) -> Self {
        Self { kind, lease: None, owner: None }
    }

    /// Whether it is the usual one: exclusive, for the subtree, without a lease or an owner.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        let Kind { mode, scope } = self.kind;
        mode == Mode::Exclusive && scope == Scope::Subtree && self.lease.is_none() && self.owner.is_none()
    }
}

/// Whether two locks exclude each other, each given as a path and how it is locked.
///
/// The relation is symmetric. Two shared locks never conflict. Otherwise two locks on one node
/// always do, and a lock reaches a node below its own only if its scope is the subtree.
///
/// ```
/// use mutextree::{Kind, Mode::*, Scope::*, TreePath, conflicts};
/// let (team, file): (TreePath, TreePath) = ("org/team".parse()?, "org/team/file".parse()?);
/// let (whole, alone) = (Kind::new(Exclusive, Subtree), Kind::new(Exclusive, Node));
/// assert!(conflicts((&team, whole), (&file, Kind::new(Shared, Subtree))));
/// assert!(!conflicts((&team, alone), (&file, whole)));
/// # Ok::<(), mutextree::PathError>(())
/// ```
pub fn conflicts((path, kind): (&TreePath, Kind), (other, other_kind): (&TreePath, Kind)) -> bool {
    if kind.mode == Mode::Shared && other_kind.mode == Mode::Shared {
        return false;
    }
    path == other
        || (kind.scope == Scope::Subtree && other.starts_with(path))
        || (other_kind.scope == Scope::Subtree && path.starts_with(other))
}
