//! What a future of a handle asks with: the handle itself, by reference.

use super::TreeMutex;
use crate::backend::{Asker, Backend};
use crate::guard::OwnedTreeMutexGuard;
use crate::request::Request;

/// What a future asks with that gives a guard which borrows nothing.
pub(super) struct Owning<'a, S: Backend>(pub(super) &'a TreeMutex<S>);

impl<'a, S: Backend> Asker<'a, S> for Owning<'a, S> {
    type Guard = OwnedTreeMutexGuard<S>;

    #[inline(always)]
    fn node(self) -> &'a S::Node {
        &self.0.node
    }

    #[inline(always)]
    fn request(self) -> &'a Request {
        &self.0.request
    }

    #[inline(always)]
    fn granted(self, grant: S::Grant) -> OwnedTreeMutexGuard<S> {
        OwnedTreeMutexGuard::new(self.0.node.clone(), grant, self.0.hold())
    }
}

impl<S: Backend> Clone for Owning<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: Backend> Copy for Owning<'_, S> {}
