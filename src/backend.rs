//! [`Backend`]: what a store of locks must do. What users call is [`LockStore`](crate::LockStore),
//! which is implemented for every backend.
//!
//! A backend has two types, `Node` and `Grant`. Six functions do the work: `resolve`, `acquire`,
//! `release`, `downgrade`, `refresh`, `is_locked`. Four answer a question: `path`, `mode`,
//! `fencing_token`, `is_held`. The rest is provided.
//!
//! * `asker.rs` what a future of a lock asks with
//! * `member.rs` one member of a set of locks: [`Member`]
//! * `held.rs` what all stores say about locks: [`HeldLock`], [`WaitingLock`], [`LostLock`],
//!   [`LeaseToken`]
//! * `loss.rs` telling listeners of locks that were lost
//! * `offload.rs` waiting in a task for a store that can only block a thread

use std::fmt::Debug;
use std::future::Future;
use std::panic::Location;
use std::time::Duration;

use crate::error::{Blocker, LockError, Unchanged};
use crate::path::{PathRef, TreePath};
use crate::request::{Kind, Mode, Request, Scope, Wait};
use crate::snapshot::Snapshot;

pub use self::held::{HeldLock, LeaseToken, LostLock, WaitingLock};
pub use self::loss::LostLocks;
pub use self::member::Member;

pub(crate) use self::asker::Asker;

mod asker;
mod held;
pub(crate) mod loss;
mod member;
mod offload;

/// What a store of locks must do: [`MemoryStore`](crate::MemoryStore), a distributed one, or your
/// own.
///
/// Users of locks need none of this: they call [`LockStore`](crate::LockStore), which every backend
/// has. This is the contract between a store and [`TreeMutex`](crate::TreeMutex).
///
/// Most operations are associated functions on a [`Node`](Self::Node). So a guard needs no handle
/// to the store, and two threads on disjoint paths touch no common reference count.
///
/// # Contract
///
/// 1. **Clones share.** A clone of a store is the same tree of locks.
/// 2. **Resolve once.** [`resolve`](Self::resolve) gives equal paths nodes that conflict with each
///    other. A node stays good for as long as it lives, also after the store handle it came from is
///    dropped.
/// 3. **The table decides.** Between the return of an [`acquire`](Self::acquire) and the call of
///    the matching [`release`](Self::release), no acquire of a request that
///    [`conflicts`](crate::conflicts()) returns `Ok`, unless the grant's lease has ended.
/// 4. **No invented conflict.** An acquire waits or fails with `WouldBlock` or `TimedOut` only
///    because of a conflicting lock or an earlier waiter. Of two racing exclusive acquires with
///    [`Wait::Never`], and nobody holding anything, at least one succeeds.
/// 5. **Waiting ends.** [`Wait::Never`] never waits for another holder. [`Wait::Until`] tries at
///    least once, and returns `TimedOut` soon after the deadline. [`Wait::Forever`] returns once
///    the lock can be had, or when the store fails.
/// 6. **A failed acquire leaves nothing behind**, whether it returned an error or unwound.
/// 7. **A grant is released exactly once** by the caller, from any thread, also while unwinding.
///    `release` must not panic and must not wait for other holders. It returns
///    [`LockError::NotHeld`] if the lock had been lost before.
/// 8. **Downgrade never lets go**: no exclusive lock gets in between. Downgrading a shared grant
///    does nothing.
/// 9. **Fencing tokens order conflicting holders**: if two grants conflict, the token of the later
///    one is the greater one. One grant always answers the same token, and no token is 0.
/// 10. **Loss is told**: once a lease has ended [`is_held`](Self::is_held) is `false` for good, and
///     [`refresh`](Self::refresh) is `NotHeld`.
/// 11. **Any time will do**: no [`Duration`] and no [`Instant`](std::time::Instant) makes a call
///     panic. A time too long for the clock to hold never ends.
/// 12. **A snapshot is true of each node.** What [`take_snapshot`](Self::take_snapshot) tells of
///     one node was so at one moment of the call. So its locks on one node do not conflict. What is
///     held, or waited for, all the time during the call is in it. What ended before is not.
/// 13. **What was broken is lost.** Once [`end_lock`](Self::end_lock) has returned `true`, the
///     grant is as one whose lease has ended: contract 10. No refresh under way revives it.
/// 14. **A set is one lock.** [`acquire_all`](Self::acquire_all) takes all of its members or none.
///     Contract 3 to 6 and 11 hold for it as for one request. It waits without holding any member.
///     Among sets and single requests in any order nobody waits in a circle, and the one that has
///     waited longest gets through. The grants have one fencing token between them.
/// 15. **Narrowing keeps what it keeps.** There is no moment in which a kept node is free. Waiters
///     for the rest go on at once. The new grants have the fencing token of the old one.
/// 16. **Widening and upgrading never let go.** Whoever cannot have more keeps the grant as it was.
///     Whoever gets more gets a new fencing token: others may have held, and released, what is new.
/// 17. **One upgrade at a time.** While a shared grant waits to be exclusive, no new shared grant
///     on that node gets in. A second one that asks for the same is refused at once with
///     [`LockError::Upgrading`]: both would wait for each other.
///
/// # Writing one
///
/// Six functions do the work: `resolve`, `acquire`, `release`, `downgrade`, `refresh` and
/// `is_locked`; four answer a question. What is provided says what the store cannot do, or does it
/// in a plain way. `tests/common/naive.rs` in the repository is a whole backend in 200 lines, and
/// `tests/common/conformance` is the test suite that any backend should pass.
pub trait Backend: Clone + Send + Sync + 'static {
    /// A resolved path: what [`acquire`](Self::acquire) works on without looking anything up again.
    type Node: Clone + Debug + Send + Sync + 'static;
    /// A held lock: what it takes to give it back.
    type Grant: Debug + Send + Sync + 'static;

    /// Finds or makes the node of a path. It cannot fail: a store that fails does so in
    /// [`acquire`](Self::acquire).
    fn resolve(&self, path: PathRef<'_>) -> Self::Node;

    /// What [`resolve`](Self::resolve) gives for the path that is written like this, if the store
    /// knows it without reading the text. `None` says nothing. For the shorthands of this crate.
    #[doc(hidden)]
    #[inline(always)]
    fn recall(&self, text: &str) -> Option<Self::Node> {
        let _ = text;
        None
    }

    /// Finds or makes another node of the tree of `node`, for a path above or below its own, or its
    /// own, also if the handle to the store has been dropped: what [`narrow`](Self::narrow) and
    /// [`widen`](Self::widen) are then given.
    ///
    /// What is provided says that the store cannot do it.
    fn resolve_near(node: &Self::Node, path: PathRef<'_>) -> Result<Self::Node, LockError> {
        let _ = (node, path);
        Err(unsupported("find a node by the lock on another"))
    }

    /// The path that the node was resolved from.
    fn path(node: &Self::Node) -> &TreePath;

    /// Takes the lock: contract 3 to 6 and 11.
    #[track_caller]
    fn acquire(node: &Self::Node, request: &Request, wait: Wait) -> Result<Self::Grant, LockError>;

    /// The lock, if it can be had in one step. `None` does not say that somebody has it. For
    /// handles of this crate: with one node they always come with the same request.
    #[doc(hidden)]
    #[inline(always)]
    fn acquire_at_once(node: &Self::Node, request: &Request) -> Option<Self::Grant> {
        let _ = (node, request);
        None
    }

    /// Takes the lock without blocking the thread: [`acquire`](Self::acquire) with
    /// [`Wait::Forever`], as a future. Contract 3, 4 and 6. A future that is dropped before it is
    /// ready leaves nothing behind, and requests that waited behind it go on.
    ///
    /// What is provided waits on a thread of its own, for each future. It keeps that promise a
    /// moment later. The thread notices within a tenth of a second that its future was dropped.
    /// Until then its request waits in the store's queue. If it is granted the lock meanwhile it
    /// gives it back at once; a try of somebody else just then is refused. And a wait that lasts
    /// for more than a tenth of a second asks anew, so it may lose its place. A store that has a
    /// better way should take it.
    fn acquire_async<'a>(
        node: &'a Self::Node,
        request: &'a Request,
    ) -> impl Future<Output = Result<Self::Grant, LockError>> + Send + 'a {
        offload::acquire::<Self>(node.clone(), request.clone())
    }

    /// [`acquire_async`](Self::acquire_async), asked for at this place in the code. For the stores
    /// of this crate, where deadlocks are named with the place.
    #[doc(hidden)]
    fn acquire_async_at<'a>(
        node: &'a Self::Node,
        request: &'a Request,
        place: &'static Location<'static>,
    ) -> impl Future<Output = Result<Self::Grant, LockError>> + Send + 'a {
        let _ = place;
        Self::acquire_async(node, request)
    }

    /// The same for a handle, which wants a guard. For the stores in this crate.
    #[doc(hidden)]
    fn acquire_async_for<'a, A: Asker<'a, Self>>(
        asker: A,
        place: &'static Location<'static>,
    ) -> impl Future<Output = Result<A::Guard, LockError>> + Send + 'a {
        asker::acquire(asker, place)
    }

    /// Gives the lock back: contract 7.
    fn release(node: &Self::Node, grant: Self::Grant) -> Result<(), LockError>;

    /// Turns an exclusive grant into a shared one of the same scope: contract 8. `NotHeld` if it
    /// was lost. If the store fails, [`mode`](Self::mode) afterwards says what is surely true.
    fn downgrade(node: &Self::Node, grant: &mut Self::Grant) -> Result<(), LockError>;

    /// Whether both nodes are of one tree. A set of locks is taken in one tree.
    ///
    /// What is provided says yes, as a process that has one tree would.
    fn is_same_tree(node: &Self::Node, other: &Self::Node) -> bool {
        let _ = (node, other);
        true
    }

    /// Takes several locks as one: contract 14. No member covers another, and there is at least
    /// one. The grants are in the order of the members, and each of them can be released by itself.
    /// An error names the member that was blocked as the path that was
    /// [asked for](LockError::path).
    ///
    /// What is provided says that the store cannot do it.
    #[track_caller]
    fn acquire_all(members: &[Member<Self>], wait: Wait) -> Result<Vec<Self::Grant>, LockError> {
        let _ = (members, wait);
        Err(unsupported("lock several nodes as one"))
    }

    /// [`acquire_all`](Self::acquire_all) with [`Wait::Forever`] as a future, as
    /// [`acquire_async`](Self::acquire_async) is for one.
    ///
    /// What is provided waits on a thread of its own, as there.
    fn acquire_all_async<'a>(
        members: &'a [Member<Self>],
    ) -> impl Future<Output = Result<Vec<Self::Grant>, LockError>> + Send + 'a {
        offload::acquire_all::<Self>(members.to_vec())
    }

    /// The same for [`acquire_all_async`](Self::acquire_all_async), as
    /// [`acquire_async_at`](Self::acquire_async_at) for one.
    #[doc(hidden)]
    fn acquire_all_async_at<'a>(
        members: &'a [Member<Self>],
        place: &'static Location<'static>,
    ) -> impl Future<Output = Result<Vec<Self::Grant>, LockError>> + Send + 'a {
        let _ = place;
        Self::acquire_all_async(members)
    }

    /// Gives back what [`acquire_all`](Self::acquire_all) gave: contract 7. All are released, also
    /// if one of them was lost. The error is the first one.
    ///
    /// What is provided releases one after the other.
    fn release_all(members: &[Member<Self>], grants: Vec<Self::Grant>) -> Result<(), LockError> {
        let release = |result: Result<(), LockError>, (member, grant): (&Member<Self>, Self::Grant)| {
            result.and(Self::release(&member.node, grant))
        };
        members.iter().zip(grants).fold(Ok(()), release)
    }

    /// [Refreshes](Self::refresh) what [`acquire_all`](Self::acquire_all) gave. The error is the
    /// first one.
    ///
    /// What is provided refreshes one after the other.
    fn refresh_all(members: &[Member<Self>], grants: &[Self::Grant], lease: Option<Duration>) -> Result<(), LockError> {
        members.iter().zip(grants).try_for_each(|(member, grant)| Self::refresh(&member.node, grant, lease))
    }

    /// Makes a grant one for each of these nodes, which are at the granted node or below it, and
    /// none of which covers another: contract 15. If there are none this is a release. Mode, scope,
    /// owner, what is left of the lease and its full length stay.
    ///
    /// `NotHeld` if it was lost; [`InvalidInput::NotBelow`](crate::InvalidInput::NotBelow) if the
    /// grant is for its node alone, and one of these is another. What is provided says that the
    /// store cannot do it.
    fn narrow(
        node: &Self::Node,
        grant: Self::Grant,
        to: &[Self::Node],
    ) -> Result<Vec<Self::Grant>, Unchanged<Self::Grant>> {
        let _ = (node, to);
        Err(Unchanged::new(grant, unsupported("narrow a lock")))
    }

    /// Makes a grant one for the subtree of `ancestor`, which is at the granted node or above it:
    /// contract 16. Does nothing if it covers that already. Does not wait. The error is
    /// `WouldBlock` if anybody else is in that subtree, or waits for it.
    ///
    /// What is provided says that the store cannot do it.
    fn widen(
        node: &Self::Node,
        grant: Self::Grant,
        ancestor: &Self::Node,
    ) -> Result<Self::Grant, Unchanged<Self::Grant>> {
        let _ = (node, ancestor);
        Err(Unchanged::new(grant, unsupported("widen a lock")))
    }

    /// Turns a shared grant into an exclusive one of the same scope: contract 16 and 17. Does
    /// nothing to an exclusive one. An error leaves the grant as it was; `NotHeld` if it was lost.
    ///
    /// What is provided says that the store cannot do it.
    #[track_caller]
    fn upgrade(node: &Self::Node, grant: &mut Self::Grant, wait: Wait) -> Result<(), LockError> {
        let _ = (node, grant, wait);
        Err(unsupported("upgrade a lock"))
    }

    /// How the lock is held now.
    fn mode(grant: &Self::Grant) -> Mode;

    /// The grant's fencing token: contract 9.
    fn fencing_token(node: &Self::Node, grant: &Self::Grant) -> u64;

    /// Says who holds the lock from now on, for deadlock detection: the calling thread, or nobody
    /// in particular, as the guard is about to move. Changes nothing else.
    ///
    /// What is provided does nothing, as in a store without deadlock detection.
    fn attribute(node: &Self::Node, grant: &Self::Grant, to_this_thread: bool) {
        let _ = (node, grant, to_this_thread);
    }

    /// Whether the lock is still held: contract 10. Always `true` for a grant without a lease,
    /// unless it was broken (contract 13).
    fn is_held(node: &Self::Node, grant: &Self::Grant) -> bool;

    /// The time until the lease ends, as far as this process knows: never more than is left. Zero
    /// once the lock is lost; `None` if it has no lease. Never blocks, and asks no server.
    ///
    /// What is provided is for stores that cannot tell: zero or `None`, as
    /// [`is_held`](Self::is_held) says.
    fn remaining(node: &Self::Node, grant: &Self::Grant) -> Option<Duration> {
        if Self::is_held(node, grant) { None } else { Some(Duration::ZERO) }
    }

    /// Sets the time until the lease ends to `lease`, or to its full length if `None`: contract 10.
    /// Does nothing to a grant without a lease, unless a `lease` is given, which then starts one.
    fn refresh(node: &Self::Node, grant: &Self::Grant, lease: Option<Duration>) -> Result<(), LockError>;

    /// Keeps the lock without a guard: returns its name, and a grant as [`attach`](Self::attach)
    /// gives for it. From now on only [`refresh`](Self::refresh) renews the lock. Only
    /// [`release`](Self::release) of such a grant, or the end of its lease, ends it.
    ///
    /// This is one step. On an error the lock is released.
    ///
    /// What is provided releases, and says that the store cannot do it.
    fn detach(node: &Self::Node, grant: Self::Grant) -> Result<(LeaseToken, Self::Grant), LockError> {
        Self::release(node, grant)?;
        Err(unsupported("keep locks without a guard"))
    }

    /// A grant for a lock that was [detached](Self::detach) under this name: `NotHeld` if there is
    /// none. There may be several at a time; dropping one does nothing, and the first release
    /// decides.
    ///
    /// What is provided says that the store cannot do it.
    fn attach(node: &Self::Node, token: &LeaseToken) -> Result<Self::Grant, LockError> {
        let _ = (node, token);
        Err(unsupported("keep locks without a guard"))
    }

    /// Every lock that is held: see [`LockStore::locks`](crate::LockStore::locks).
    ///
    /// What is provided says that the store cannot do it.
    fn list_locks(&self) -> Result<Vec<HeldLock>, LockError> {
        Err(unsupported("list its locks"))
    }

    /// Who holds and who waits: contract 12, and
    /// [`LockStore::snapshot`](crate::LockStore::snapshot).
    ///
    /// What is provided is made of [`list_locks`](Self::list_locks), and tells of no waiters.
    fn take_snapshot(&self) -> Result<Snapshot, LockError> {
        Ok(Snapshot::new(self.list_locks()?, Vec::new()))
    }

    /// Who would be in the way of a lock of this kind right now: each holder, and each waiter, that
    /// [`conflicts`](crate::conflicts()) with it. Takes nothing and waits for nobody.
    ///
    /// What is provided says that the store cannot do it.
    fn blockers(node: &Self::Node, kind: Kind) -> Result<Vec<Blocker>, LockError> {
        let _ = (node, kind);
        Err(unsupported("say who is in the way"))
    }

    /// Ends a held lock, whoever holds it: contract 13, and
    /// [`LockStore::break_lock`](crate::LockStore::break_lock). `false` if it had ended before.
    ///
    /// What is provided says that the store cannot do it.
    fn end_lock(&self, lock: &HeldLock) -> Result<bool, LockError> {
        let _ = lock;
        Err(unsupported("break locks"))
    }

    /// Whether an exclusive acquire of this scope with [`Wait::Never`] would fail right now. Takes
    /// nothing and waits for nobody.
    fn is_locked(node: &Self::Node, scope: Scope) -> bool;

    /// Tells of each lock that is lost from now on: see
    /// [`LockStore::lost_locks`](crate::LockStore::lost_locks).
    ///
    /// What is provided is for stores whose locks are never lost: nothing is ever told.
    fn watch_losses(&self) -> LostLocks {
        LostLocks::never()
    }

    /// Whether each lock is counted and timed, also one that was free: see
    /// [what is measured](crate::docs::observability#metrics). Without the feature `metrics` nobody
    /// asks. The answer must not change, as a [`TreeMutex`](crate::TreeMutex) keeps it.
    ///
    /// What is provided says yes. Say no if a lock that is free takes less than a microsecond.
    fn measures_locks(&self) -> bool {
        true
    }
}

#[cold]
pub(crate) fn unsupported(what: &str) -> LockError {
    LockError::Store(format!("this store cannot {what}").into())
}
