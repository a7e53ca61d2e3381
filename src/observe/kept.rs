//! What somebody else wants of what a store keeps. Neither feature need be on: then the functions
//! called here do nothing.

use super::{meters, spans};
use crate::path::TreePath;
use crate::request::Kind;
use crate::sync::contain;

/// What is in the way of a recalled lock.
#[derive(Clone, Copy)]
pub(crate) struct Recalled {
    /// How many that nobody used go back.
    pub(crate) given_back: usize,
    /// How many become just what is held below them.
    pub(crate) exchanged: usize,
    /// How many are in use.
    pub(crate) in_use: usize,
}

impl Recalled {
    fn outcome(self) -> &'static str {
        match self {
            Self { in_use: 1.., .. } => "in_use",
            Self { exchanged: 1.., .. } => "exchanged",
            Self { given_back: 1.., .. } => "given_back",
            _ => "gone",
        }
    }
}

/// Another client has had recalled what is in the way of a lock of this kind.
pub(crate) fn recalled(path: &TreePath, kind: Kind, recalled: Recalled) {
    let outcome = recalled.outcome();
    contain(|| meters::recalled(outcome));
    contain(|| spans::recalled(path, kind, outcome, recalled));
}
