//! [`Asker`]: what a future of a lock asks with.

use std::panic::Location;

use super::Backend;
use crate::error::LockError;
use crate::observe;
use crate::request::Request;

/// A handle, by reference, that wants a guard of some kind. For the stores in this crate, whose
/// futures keep no more of it than its address.
#[doc(hidden)]
pub trait Asker<'a, S: Backend>: Copy + Send + 'a {
    /// What it wants.
    type Guard;
    /// The node that it is for.
    fn node(self) -> &'a S::Node;
    /// What to ask for.
    fn request(self) -> &'a Request;
    /// The grant that it gets becomes a guard.
    fn granted(self, grant: S::Grant) -> Self::Guard;
}

/// What a store that has nothing better does.
pub(super) async fn acquire<'a, S: Backend, A: Asker<'a, S>>(
    asker: A,
    place: &'static Location<'static>,
) -> Result<A::Guard, LockError> {
    if let Some(grant) = S::acquire_at_once(asker.node(), asker.request()) {
        return Ok(asker.granted(grant));
    }
    // Begun in here: a future that is begun outside and awaited in here is kept twice.
    let grant = observe::acquire_async::<S>(asker.node(), asker.request(), place).await?;
    Ok(asker.granted(grant))
}
