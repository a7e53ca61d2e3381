//! What somebody else wants of what a store keeps. Neither feature need be on: then the functions
//! called here do nothing.

use super::{meters, spans};
use crate::path::TreePath;
use crate::request::Kind;
use crate::sync::contain;

/// Another client has had recalled what is in the way of a lock of this kind: so many that nobody
/// used go back, and so many are in use.
pub(crate) fn recalled(path: &TreePath, kind: Kind, given_back: usize, in_use: usize) {
    let outcome = match (given_back, in_use) {
        (0, 0) => "gone",
        (_, 0) => "given_back",
        _ => "in_use",
    };
    contain(|| meters::recalled(outcome));
    contain(|| spans::recalled(path, kind, outcome, given_back, in_use));
}
