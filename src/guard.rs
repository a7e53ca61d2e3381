//! [`TreeMutexGuard`] and [`OwnedTreeMutexGuard`]: a held lock. Both release on drop; they differ
//! in what they borrow.
//!
//! * `algebra.rs` more or less than was locked: narrow, widen, upgrade

use std::borrow::Borrow;
use std::fmt;
use std::time::Duration;

use crate::backend::Backend;
use crate::error::LockError;
use crate::memory::MemoryStore;
use crate::observe::{self, Hold};
use crate::path::TreePath;
use crate::request::{Mode, Wait};

mod algebra;

/// A grant and its node, borrowed or owned: all that a guard is. Releases on drop.
struct Held<S: Backend, N: Borrow<S::Node>> {
    node: N,
    /// `None` once the lock is released, or kept without a guard.
    grant: Option<S::Grant>,
    /// Ends after the release.
    hold: Hold,
}

impl<S: Backend, N: Borrow<S::Node>> Held<S, N> {
    #[inline]
    fn new(node: N, grant: S::Grant, hold: Hold) -> Self {
        Self { node, grant: Some(grant), hold }
    }

    #[inline]
    fn grant(&self) -> &S::Grant {
        self.grant.as_ref().expect("a guard has its grant until it is dropped")
    }

    fn downgrade(&mut self) -> Result<(), LockError> {
        let grant = self.grant.as_mut().expect("a guard has its grant until it is dropped");
        let result = S::downgrade(self.node.borrow(), grant);
        self.hold.became(S::mode(grant));
        result
    }

    #[track_caller]
    fn upgrade(&mut self, wait: Wait) -> Result<(), LockError> {
        let grant = self.grant.as_mut().expect("a guard has its grant until it is dropped");
        let result = S::upgrade(self.node.borrow(), grant, wait);
        self.hold.became(S::mode(grant));
        result
    }

    fn release(&mut self) -> Result<(), LockError> {
        self.grant.take().map_or(Ok(()), |grant| observe::release::<S>(self.node.borrow(), grant))
    }

    fn debug(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("path", S::path(self.node.borrow()))
            .field("mode", &S::mode(self.grant()))
            .finish_non_exhaustive()
    }
}

impl<S: Backend, N: Borrow<S::Node>> Drop for Held<S, N> {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(grant) = self.grant.take() {
            // `unlock` reports what this cannot.
            let _ = observe::release::<S>(self.node.borrow(), grant);
        }
    }
}

/// What the guards and [`Lease`](crate::Lease) have in common: the methods of a lock that is held,
/// for a type with `node()` and `grant()`.
macro_rules! held_methods {
    () => {
        /// The path of the locked node.
        pub fn path(&self) -> &TreePath {
            S::path(self.node())
        }

        /// How the lock is held now.
        pub fn mode(&self) -> Mode {
            S::mode(self.grant())
        }

        /// A number that is greater than that of every conflicting lock held before. Never 0, and
        /// the same at each call.
        ///
        /// It is for the resource itself: refuse a write whose token is below the greatest one
        /// seen.
        ///
        /// In memory it is drawn when it is first asked for. Conflicting locks are not held at the
        /// same time, so their tokens are in order, provided that each holder asks while its lock
        /// [is held](Self::is_held).
        pub fn fencing_token(&self) -> u64 {
            S::fencing_token(self.node(), self.grant())
        }

        /// Whether the lock is still held: not [released](crate::Lease::release) elsewhere, and its
        /// lease, if it has one, has not ended. Once `false`, it stays so.
        pub fn is_held(&self) -> bool {
            S::is_held(self.node(), self.grant())
        }

        /// Starts the lease anew with its full length. Does nothing if the lock has no lease.
        ///
        /// # Errors
        /// [`LockError::NotHeld`] if the lock is not held any more; [`LockError::Store`] if the
        /// store fails.
        pub fn refresh(&self) -> Result<(), LockError> {
            crate::observe::refreshed::<S>(S::refresh(self.node(), self.grant(), None))
        }

        /// Sets the time until the lease ends to exactly `remaining`, which may also be less than
        /// was left. A lock without a lease gets one.
        ///
        /// # Errors
        /// As [`refresh`](Self::refresh).
        pub fn refresh_for(&self, remaining: Duration) -> Result<(), LockError> {
            crate::observe::refreshed::<S>(S::refresh(self.node(), self.grant(), Some(remaining)))
        }
    };
}

pub(crate) use held_methods;

/// What only the guards have.
macro_rules! guard_methods {
    () => {
        fn node(&self) -> &S::Node {
            self.held.node.borrow()
        }

        fn grant(&self) -> &S::Grant {
            self.held.grant()
        }

        /// The time until the lease ends unless it is renewed. Never more than what is really left:
        /// over Redis it counts from before the last renewal was sent. Zero once the lock is lost.
        /// `None` if it has no lease: then it does not end by itself. Does not block.
        ///
        /// A holder that has to stop *before* the lock is lost looks at this. A lease that
        /// renews itself over Redis does so a third of its length after the last time.
        ///
        /// ```
        /// use mutextree::{LockStore, MemoryStore};
        /// use std::time::Duration;
        /// let store = MemoryStore::new();
        /// let minute = Duration::from_secs(60);
        /// let guard = store.mutex("jobs/1")?.lease(minute).lock_owned()?;
        /// assert!(guard.remaining().is_some_and(|left| left <= minute));
        /// assert_eq!(store.lock("jobs/2")?.remaining(), None); // held without a lease
        /// # Ok::<(), mutextree::LockError>(())
        /// ```
        pub fn remaining(&self) -> Option<Duration> {
            S::remaining(self.node(), self.grant())
        }

        /// Makes an exclusive lock a shared one without letting go: no exclusive lock gets in
        /// between. Does nothing to a shared lock, held or lost. Does not wait for other holders.
        ///
        /// # Errors
        /// [`LockError::NotHeld`] if the lock had been lost. [`LockError::Store`] if the store
        /// fails, which the memory store never does; [`mode`](Self::mode) then says as what the
        /// lock is surely held.
        ///
        /// ```
        /// use mutextree::{LockStore, MemoryStore, Mode};
        /// let store = MemoryStore::new();
        /// let settings = store.mutex("settings")?;
        /// let mut guard = settings.lock()?; // change them
        /// guard.downgrade()?; // and go on reading what was written
        /// assert_eq!(guard.mode(), Mode::Shared);
        /// assert!(settings.clone().shared().try_lock().is_ok());
        /// # Ok::<(), mutextree::LockError>(())
        /// ```
        pub fn downgrade(&mut self) -> Result<(), LockError> {
            self.held.downgrade()
        }

        /// Says that this guard goes to another thread, or to somebody else who releases it. Call
        /// it *before* that. Only
        /// [deadlock detection](crate::MemoryStoreBuilder::deadlock_detection) asks who holds a
        /// lock. Until [`take_over`](Self::take_over), it is held by its
        /// [`owner`](crate::TreeMutex::owner), or else by nobody that a thread could wait for.
        ///
        /// Without this, the thread that took the lock counts as its holder. If that thread then
        /// waits, a deadlock may be named that is none.
        ///
        /// ```
        /// use mutextree::{LockStore, MemoryStore};
        /// let store = MemoryStore::builder().deadlock_detection(true).build();
        /// let guard = store.lock("org/team")?;
        /// guard.hand_over();
        /// let other = std::thread::spawn(move || drop(guard));
        /// let _again = store.lock("org/team")?; // once the other thread has released it
        /// # other.join().unwrap();
        /// # Ok::<(), mutextree::LockError>(())
        /// ```
        pub fn hand_over(&self) {
            S::attribute(self.node(), self.grant(), false);
        }

        /// Says that the calling thread holds the lock from now on, and will release it: after
        /// [`hand_over`](Self::hand_over), on the thread that the guard came to. Only deadlock
        /// detection asks.
        ///
        /// ```
        /// use mutextree::{LockError, LockStore, MemoryStore};
        /// let store = MemoryStore::builder().deadlock_detection(true).build();
        /// let guard = store.lock("org/team")?;
        /// guard.hand_over();
        /// std::thread::scope(|scope| {
        ///     scope.spawn(|| {
        ///         guard.take_over();
        ///         assert!(matches!(store.lock("org"), Err(LockError::Deadlock(_))));
        ///         drop(guard);
        ///     });
        /// });
        /// # Ok::<(), LockError>(())
        /// ```
        pub fn take_over(&self) {
            S::attribute(self.node(), self.grant(), true);
        }

        /// Releases, and reports what a drop cannot.
        ///
        /// # Errors
        /// [`LockError::NotHeld`] if the lock had been lost before; [`LockError::Store`] if the
        /// store fails.
        pub fn unlock(mut self) -> Result<(), LockError> {
            self.held.release()
        }
    };
}

/// A held lock, which borrows its [`TreeMutex`](crate::TreeMutex) and releases when it is dropped,
/// on any thread.
///
/// A panic while holding releases as well; there is no poisoning.
#[must_use = "the lock is released at once if the guard is not kept"]
pub struct TreeMutexGuard<'a, S: Backend = MemoryStore> {
    held: Held<S, &'a S::Node>,
}

impl<'a, S: Backend> TreeMutexGuard<'a, S> {
    #[inline]
    pub(crate) fn new(node: &'a S::Node, grant: S::Grant, hold: Hold) -> Self {
        Self { held: Held::new(node, grant, hold) }
    }

    held_methods!();
    guard_methods!();
    algebra::upgrade_methods!();
}

impl<S: Backend> fmt::Debug for TreeMutexGuard<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.held.debug("TreeMutexGuard", f)
    }
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
pub struct OwnedTreeMutexGuard<S: Backend = MemoryStore> {
    held: Held<S, S::Node>,
}

impl<S: Backend> OwnedTreeMutexGuard<S> {
    #[inline]
    pub(crate) fn new(node: S::Node, grant: S::Grant, hold: Hold) -> Self {
        Self { held: Held::new(node, grant, hold) }
    }

    /// The lock without its guard: the caller has to release it.
    pub(crate) fn into_parts(mut self) -> (S::Node, S::Grant) {
        let grant = self.held.grant.take().expect("a guard has its grant until it is dropped");
        (self.held.node.clone(), grant)
    }

    held_methods!();
    guard_methods!();
    algebra::upgrade_methods!();
}

impl<S: Backend> fmt::Debug for OwnedTreeMutexGuard<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.held.debug("OwnedTreeMutexGuard", f)
    }
}
