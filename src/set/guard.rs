//! [`TreeMutexSetGuard`] and [`OwnedTreeMutexSetGuard`]: a held set. Both release on drop; they
//! differ in what they borrow.

use std::borrow::Borrow;
use std::fmt;
use std::time::Duration;

use crate::backend::{Backend, Member};
use crate::error::LockError;
use crate::guard::OwnedTreeMutexGuard;
use crate::memory::MemoryStore;
use crate::observe::{self, Hold, Meter};
use crate::path::TreePath;
use crate::sync::PlainArc;

/// The grants of a set, in the order of its members.
pub(super) enum Grants<S: Backend> {
    /// Of a set of one: taken, refreshed and released as a single lock.
    One(S::Grant),
    All(Vec<S::Grant>),
}

impl<S: Backend> Grants<S> {
    fn as_slice(&self) -> &[S::Grant] {
        match self {
            Self::One(grant) => std::slice::from_ref(grant),
            Self::All(grants) => grants,
        }
    }

    fn into_vec(self) -> Vec<S::Grant> {
        match self {
            Self::One(grant) => vec![grant],
            Self::All(grants) => grants,
        }
    }
}

/// Grants and their members, borrowed or owned: all that a guard is. Releases on drop.
struct Held<S: Backend, M: Borrow<[Member<S>]>> {
    members: M,
    /// `None` once the set is released or split.
    grants: Option<Grants<S>>,
    /// They end after the release. None if locks are not timed.
    holds: Vec<Hold>,
}

impl<S: Backend, M: Borrow<[Member<S>]>> Held<S, M> {
    fn new(members: M, grants: Grants<S>, meter: Meter) -> Self {
        let begin = |member: &Member<S>| Hold::begin::<S>(meter, member.request.kind);
        let holds = if meter.is_on() { members.borrow().iter().map(begin).collect() } else { Vec::new() };
        Self { members, grants: Some(grants), holds }
    }

    fn members(&self) -> &[Member<S>] {
        self.members.borrow()
    }

    fn each(&self) -> impl Iterator<Item = (&S::Node, &S::Grant)> {
        let grants = self.grants.as_ref().map_or(&[][..], Grants::as_slice);
        self.members().iter().map(|member| &member.node).zip(grants)
    }

    fn refresh(&self, lease: Option<Duration>) -> Result<(), LockError> {
        let grants = self.grants.as_ref().expect("a guard has its grants until it is dropped");
        observe::refreshed::<S>(match (self.members(), grants) {
            ([one], Grants::One(grant)) => S::refresh(&one.node, grant, lease),
            (members, grants) => S::refresh_all(members, grants.as_slice(), lease),
        })
    }

    fn release(&mut self) -> Result<(), LockError> {
        match (self.grants.take(), self.members.borrow()) {
            (None, _) => Ok(()),
            (Some(Grants::One(grant)), [one, ..]) => observe::release::<S>(&one.node, grant),
            (Some(grants), members) => observe::release_all::<S>(members, grants.into_vec()),
        }
    }

    fn debug(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name).field("members", &self.members()).finish_non_exhaustive()
    }
}

impl<S: Backend, M: Borrow<[Member<S>]>> Drop for Held<S, M> {
    fn drop(&mut self) {
        let _ = self.release(); // `unlock` reports what this cannot
    }
}

macro_rules! guard_methods {
    () => {
        /// The paths of the locked nodes, in order.
        pub fn paths(&self) -> impl ExactSizeIterator<Item = &TreePath> + DoubleEndedIterator + Clone {
            self.held.members().iter().map(|member| S::path(&member.node))
        }

        /// A number that is greater than that of every lock held before which conflicts with a
        /// member. It is one for the whole set. Never 0, and the same at each call.
        ///
        /// It is for the resources themselves: refuse a write whose token is below the greatest
        /// one seen.
        pub fn fencing_token(&self) -> u64 {
            let (node, grant) = self.held.each().next().expect("a set has a member, and a guard its grants");
            S::fencing_token(node, grant)
        }

        /// Whether all members are still held. Once `false`, it stays so.
        pub fn is_held(&self) -> bool {
            self.held.each().all(|(node, grant)| S::is_held(node, grant))
        }

        /// The time until the first lease of a member ends unless it is renewed. Zero once a member
        /// is lost. `None` if no member has a lease. Does not block.
        ///
        /// ```
        /// use mutextree::{LockError, LockStore, MemoryStore, TreeMutexSet};
        /// use std::time::Duration;
        /// let store = MemoryStore::new();
        /// let minute = Duration::from_secs(60);
        /// let set = TreeMutexSet::new([store.mutex("a")?.lease(minute), store.mutex("b")?])?;
        /// assert!(set.lock()?.remaining().is_some_and(|left| left <= minute));
        /// # Ok::<(), LockError>(())
        /// ```
        pub fn remaining(&self) -> Option<Duration> {
            self.held.each().filter_map(|(node, grant)| S::remaining(node, grant)).min()
        }

        /// Starts the lease of each member anew with its full length. Does nothing to a member
        /// without a lease.
        ///
        /// # Errors
        /// [`LockError::NotHeld`] if a member is not held any more, with its path;
        /// [`LockError::Store`] if the store fails.
        pub fn refresh(&self) -> Result<(), LockError> {
            self.held.refresh(None)
        }

        /// Sets the time until the lease ends to exactly `remaining` for each member, which may
        /// also be less than was left. A member without a lease gets one.
        ///
        /// # Errors
        /// As [`refresh`](Self::refresh).
        pub fn refresh_for(&self, remaining: Duration) -> Result<(), LockError> {
            self.held.refresh(Some(remaining))
        }

        /// Says that this guard goes to another thread, or to somebody else who releases it. Call
        /// it *before* that: see [`hand_over`](crate::TreeMutexGuard::hand_over) of a single lock.
        pub fn hand_over(&self) {
            self.held.each().for_each(|(node, grant)| S::attribute(node, grant, false));
        }

        /// Says that the calling thread holds all members from now on: see
        /// [`take_over`](crate::TreeMutexGuard::take_over) of a single lock.
        ///
        /// ```
        /// use mutextree::{LockError, LockStore, MemoryStore, TreeMutexSet};
        /// let store = MemoryStore::builder().deadlock_detection(true).build();
        /// let guard = TreeMutexSet::new([store.mutex("a")?, store.mutex("b")?])?.lock_owned()?;
        /// guard.hand_over();
        /// let other = std::thread::spawn(move || {
        ///     guard.take_over();
        ///     assert!(matches!(store.lock("b/x"), Err(LockError::Deadlock(_))));
        /// });
        /// # other.join().unwrap();
        /// # Ok::<(), LockError>(())
        /// ```
        pub fn take_over(&self) {
            self.held.each().for_each(|(node, grant)| S::attribute(node, grant, true));
        }

        /// Releases all members, and reports what a drop cannot.
        ///
        /// # Errors
        /// [`LockError::NotHeld`] if a member had been lost before, with its path;
        /// [`LockError::Store`] if the store fails. The other members are released all the same.
        pub fn unlock(mut self) -> Result<(), LockError> {
            self.held.release()
        }
    };
}

/// A held [`TreeMutexSet`](crate::TreeMutexSet), which it borrows. It releases all members when it
/// is dropped, on any thread, also while a panic unwinds.
#[must_use = "the locks are released at once if the guard is not kept"]
pub struct TreeMutexSetGuard<'a, S: Backend = MemoryStore> {
    held: Held<S, &'a [Member<S>]>,
}

impl<'a, S: Backend> TreeMutexSetGuard<'a, S> {
    pub(super) fn new(members: &'a [Member<S>], grants: Grants<S>, meter: Meter) -> Self {
        Self { held: Held::new(members, grants, meter) }
    }

    guard_methods!();
}

impl<S: Backend> fmt::Debug for TreeMutexSetGuard<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.held.debug("TreeMutexSetGuard", f)
    }
}

/// A held [`TreeMutexSet`](crate::TreeMutexSet) that borrows nothing: it can be stored, returned,
/// and sent to another thread. It releases all members when it is dropped.
#[must_use = "the locks are released at once if the guard is not kept"]
pub struct OwnedTreeMutexSetGuard<S: Backend = MemoryStore> {
    held: Held<S, PlainArc<[Member<S>]>>,
}

impl<S: Backend> OwnedTreeMutexSetGuard<S> {
    pub(super) fn new(members: PlainArc<[Member<S>]>, grants: Grants<S>, meter: Meter) -> Self {
        Self { held: Held::new(members, grants, meter) }
    }

    guard_methods!();

    /// A guard for each member, in the order of [`paths`](Self::paths). No member is let go
    /// meanwhile. Each guard has the fencing token of the set, and releases its own node.
    ///
    /// ```
    /// use mutextree::{LockError, LockStore, MemoryStore, TreeMutexSet};
    /// let store = MemoryStore::new();
    /// let set = TreeMutexSet::new([store.mutex("inbox")?, store.mutex("sent")?])?;
    /// let mut guards = set.lock_owned()?.split();
    /// drop(guards.remove(0)); // done with `inbox`
    /// assert!(store.try_lock("inbox").is_ok());
    /// assert!(store.try_lock("sent").is_err());
    /// # Ok::<(), LockError>(())
    /// ```
    #[must_use = "the locks are released at once if the guards are not kept"]
    pub fn split(mut self) -> Vec<OwnedTreeMutexGuard<S>> {
        let grants = self.held.grants.take().map_or_else(Vec::new, Grants::into_vec);
        let holds = std::mem::take(&mut self.held.holds).into_iter().chain(std::iter::repeat_with(Hold::unknown));
        let nodes = self.held.members.iter().map(|member| member.node.clone());
        nodes.zip(grants).zip(holds).map(|((node, grant), hold)| OwnedTreeMutexGuard::new(node, grant, hold)).collect()
    }
}

impl<S: Backend> fmt::Debug for OwnedTreeMutexSetGuard<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.held.debug("OwnedTreeMutexSetGuard", f)
    }
}
