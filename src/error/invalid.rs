//! [`InvalidInput`]: what was asked for makes no sense.

use std::fmt;

use crate::path::TreePath;

/// What was asked for makes no sense, whoever holds what. The text names the input and the rule.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidInput {
    /// A set of no locks.
    EmptySet,
    /// A set of locks of more than one tree.
    OtherTree {
        /// A member that is not of the tree of the first one.
        path: TreePath,
    },
    /// A set of more locks than the store takes in one step, or a lock narrowed to more than that.
    TooMany {
        /// How many were asked for.
        count: usize,
        /// As many as there may be.
        most: usize,
    },
    /// A lock can be narrowed to nodes that it covers, and to no other.
    NotBelow {
        /// What was asked for.
        path: TreePath,
        /// What is held.
        held: TreePath,
    },
    /// A lock can be widened to its own node and to those above it, and to no other.
    NotAbove {
        /// What was asked for.
        path: TreePath,
        /// What is held.
        held: TreePath,
    },
}

impl InvalidInput {
    /// The path that was asked for.
    pub(super) fn path(&self) -> Option<&TreePath> {
        match self {
            Self::EmptySet | Self::TooMany { .. } => None,
            Self::OtherTree { path } | Self::NotBelow { path, .. } | Self::NotAbove { path, .. } => Some(path),
        }
    }
}

impl fmt::Display for InvalidInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptySet => f.write_str("a set of locks needs at least one member"),
            Self::OtherTree { path } => {
                write!(f, "`{path}` is in another tree than the first member: a set of locks is taken in one tree")
            }
            Self::TooMany { count, most } => {
                write!(f, "{count} locks in one step are more than this store takes: {most} at the most")
            }
            Self::NotBelow { path, held } => {
                write!(f, "the lock on `{held}` cannot be narrowed to `{path}`, which it does not cover")
            }
            Self::NotAbove { path, held } => {
                write!(f, "the lock on `{held}` cannot be widened to `{path}`, which is not above it")
            }
        }
    }
}

impl std::error::Error for InvalidInput {}
