//! What a future of a handle asks with: the handle itself, by reference.

use super::TreeMutex;
use crate::backend::{Asker, Backend};
use crate::guard::{OwnedTreeMutexGuard, TreeMutexGuard};
use crate::request::Request;

/// What a future asks with that gives a guard which borrows the handle.
pub(super) struct Borrowing<'a, S: Backend>(pub(super) &'a TreeMutex<S>);

/// What a future asks with that gives a guard which borrows nothing.
pub(super) struct Owning<'a, S: Backend>(pub(super) &'a TreeMutex<S>);

macro_rules! asker {
    ($asker:ident, $guard:ty, |$handle:ident, $grant:ident| $granted:expr) => {
        impl<'a, S: Backend> Asker<'a, S> for $asker<'a, S> {
            type Guard = $guard;

            #[inline(always)]
            fn node(self) -> &'a S::Node {
                &self.0.node
            }

            #[inline(always)]
            fn request(self) -> &'a Request {
                &self.0.request
            }

            #[inline(always)]
            fn granted(self, $grant: S::Grant) -> $guard {
                let $handle = self.0;
                $granted
            }
        }

        impl<S: Backend> Clone for $asker<'_, S> {
            fn clone(&self) -> Self {
                *self
            }
        }

        impl<S: Backend> Copy for $asker<'_, S> {}
    };
}

asker!(Borrowing, TreeMutexGuard<'a, S>, |handle, grant| TreeMutexGuard::new(&handle.node, grant, handle.hold()));
asker!(Owning, OwnedTreeMutexGuard<S>, |handle, grant| {
    OwnedTreeMutexGuard::new(handle.node.clone(), grant, handle.hold())
});
