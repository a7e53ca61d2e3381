//! [`Member`]: one of the locks that are taken as one.

use std::fmt;

use super::Backend;
use crate::request::Request;

/// One member of a set of locks: the node, and how it is to be locked. For implementors of
/// [`Backend::acquire_all`].
pub struct Member<S: Backend> {
    /// What to lock.
    pub node: S::Node,
    /// How.
    pub request: Request,
}

impl<S: Backend> Clone for Member<S> {
    fn clone(&self) -> Self {
        Self { node: self.node.clone(), request: self.request.clone() }
    }
}

impl<S: Backend> fmt::Debug for Member<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member")
            .field("path", S::path(&self.node))
            .field("kind", &self.request.kind)
            .finish_non_exhaustive()
    }
}
