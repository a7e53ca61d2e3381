//! [`TreeMutexGuard`] and [`OwnedTreeMutexGuard`]: a held lock. Both release on drop; they differ
//! in what they borrow.

use std::borrow::Borrow;
use std::fmt;
use std::time::Duration;

use crate::error::LockError;
use crate::lease::Lease;
use crate::memory::MemoryStore;
use crate::path::TreePath;
use crate::request::Mode;
use crate::store::LockStore;

/// A grant and its node, borrowed or owned: all that a guard is. Releases on drop.
struct Held<S: LockStore, N: Borrow<S::Node>> {
    node: N,
    /// Taken when the lock is released.
    grant: Option<S::Grant>,
}

impl<S: LockStore, N: Borrow<S::Node>> Held<S, N> {
    #[inline]
    fn grant(&self) -> &S::Grant {
        self.grant.as_ref().expect("a guard has its grant until it is dropped")
    }

    fn release(&mut self) -> Result<(), LockError> {
        self.grant.take().map_or(Ok(()), |grant| S::release(self.node.borrow(), grant))
    }
}

impl<S: LockStore, N: Borrow<S::Node>> Drop for Held<S, N> {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(grant) = self.grant.take() {
            let _ = S::release(self.node.borrow(), grant); // `unlock` is for those who want to know
        }
    }
}

/// A held lock, which borrows its [`TreeMutex`](crate::TreeMutex) and releases when it is dropped,
/// on whichever thread that is.
///
/// A panic while holding releases as well; there is no poisoning.
#[must_use = "the lock is released at once if the guard is not kept"]
pub struct TreeMutexGuard<'a, S: LockStore = MemoryStore> {
    held: Held<S, &'a S::Node>,
}

/// A held lock that borrows nothing: it can be stored, returned, and sent to another thread. It
/// releases when it is dropped.
///
/// ```
/// use mutextree::{LockStore, MemoryStore};
/// let store = MemoryStore::new();
/// let guard = store.lock("org/team")?;
/// std::thread::spawn(move || drop(guard)).join().unwrap(); // released over there
/// assert!(!store.mutex("org/team")?.is_locked());
/// # Ok::<(), mutextree::LockError>(())
/// ```
#[must_use = "the lock is released at once if the guard is not kept"]
pub struct OwnedTreeMutexGuard<S: LockStore = MemoryStore> {
    held: Held<S, S::Node>,
}

macro_rules! guard {
    ([$($generics:tt)*], $guard:ty, $node:ty) => {
        impl<$($generics)*> $guard {
            #[inline]
            pub(crate) fn new(node: $node, grant: S::Grant) -> Self {
                Self { held: Held { node, grant: Some(grant) } }
            }

            fn node(&self) -> &S::Node {
                self.held.node.borrow()
            }

            /// The path of the locked node.
            pub fn path(&self) -> &TreePath {
                S::path(self.node())
            }

            /// How the lock is held now.
            pub fn mode(&self) -> Mode {
                S::mode(self.held.grant())
            }

            /// A number that is greater than that of every conflicting lock held before, for
            /// whoever guards the resource itself: refuse a write whose token is below the greatest
            /// one seen. Never 0, and the same at each call.
            ///
            /// In memory it is drawn when it is first asked for. Conflicting locks are not held at
            /// the same time, so their tokens are in order, provided that each holder asks while
            /// its lock [is held](Self::is_held).
            pub fn fencing_token(&self) -> u64 {
                S::fencing_token(self.node(), self.held.grant())
            }

            /// Whether the lock is still held: `true`, unless its lease has ended.
            pub fn is_held(&self) -> bool {
                S::is_held(self.node(), self.held.grant())
            }

            /// Starts the lease anew with its full length. Does nothing if the lock has no lease.
            ///
            /// # Errors
            /// [`LockError::NotHeld`] if the lease had ended.
            pub fn refresh(&self) -> Result<(), LockError> {
                S::refresh(self.node(), self.held.grant(), None)
            }

            /// Sets the time until the lease ends to exactly `remaining`.
            ///
            /// # Errors
            /// [`LockError::NotHeld`] if the lease had ended.
            pub fn refresh_for(&self, remaining: Duration) -> Result<(), LockError> {
                S::refresh(self.node(), self.held.grant(), Some(remaining))
            }

            /// Makes an exclusive lock a shared one without letting go: nobody exclusive gets in
            /// between. Does nothing to a shared lock.
            ///
            /// # Panics
            /// Never in memory. If the store cannot do it the lock stays exclusive.
            pub fn downgrade(&mut self) {
                let node: &S::Node = self.held.node.borrow();
                if let Some(grant) = &mut self.held.grant {
                    let _ = S::downgrade(node, grant); // it stays exclusive, which is safe, or is lost, which `is_held` says
                }
            }

            /// Releases, and reports what a drop cannot.
            ///
            /// # Errors
            /// [`LockError::NotHeld`] if the lock had been lost before; [`LockError::Store`] if the
            /// store fails.
            pub fn unlock(mut self) -> Result<(), LockError> {
                self.held.release()
            }
        }

        impl<$($generics)*> fmt::Debug for $guard {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($guard).split('<').next().unwrap_or_default().trim_end())
                    .field("path", self.path())
                    .field("mode", &self.mode())
                    .finish_non_exhaustive()
            }
        }
    };
}

guard!(['a, S: LockStore], TreeMutexGuard<'a, S>, &'a S::Node);
guard!([S: LockStore], OwnedTreeMutexGuard<S>, S::Node);

impl<S: LockStore> OwnedTreeMutexGuard<S> {
    /// Keeps the lock and gives up the guard: see [`Lease`].
    ///
    /// # Errors
    /// [`LockError::NotHeld`] if the lock had been lost; [`LockError::Store`] if the store fails,
    /// or cannot keep locks without a guard. The lock is then released.
    pub fn into_lease(mut self) -> Result<Lease<S>, LockError> {
        let grant = self.held.grant.take().expect("a guard has its grant until it is dropped");
        let token = S::detach(&self.held.node, grant)?;
        Lease::attach(self.held.node.clone(), token)
    }
}
