//! [`Unchanged`]: what failed, and the guard as it was.

use std::fmt;

use super::LockError;

/// A change of a held lock failed. The guard is as it was, unless the error says
/// [`NotHeld`](LockError::NotHeld).
///
/// With `?` in a function that returns [`LockError`] the guard is dropped, which releases the lock.
pub struct Unchanged<G> {
    /// The lock, held as before.
    pub guard: G,
    /// Why it could not be changed.
    pub error: LockError,
}

impl<G> Unchanged<G> {
    /// For implementors of [`Backend`](crate::Backend).
    pub const fn new(guard: G, error: LockError) -> Self {
        Self { guard, error }
    }
}

impl<G> fmt::Debug for Unchanged<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unchanged").field("error", &self.error).finish_non_exhaustive()
    }
}

impl<G> fmt::Display for Unchanged<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<G> std::error::Error for Unchanged<G> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

impl<G> From<Unchanged<G>> for LockError {
    fn from(unchanged: Unchanged<G>) -> Self {
        unchanged.error
    }
}
