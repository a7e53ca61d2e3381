//! What all stores say about locks: [`HeldLock`] and [`WaitingLock`] in listings, [`LostLock`] when
//! one is lost, and [`LeaseToken`], the name of a lock without a guard.
//!
//! Who holds and who waits is said by these two types wherever it is said: in a
//! [`Snapshot`](crate::Snapshot), and by a [`Blocker`], which is one of the two as somebody sees
//! it whom it keeps out.

use std::fmt;
use std::panic::Location;
use std::time::Duration;

use crate::deadlock::Agent;
use crate::error::Blocker;
use crate::path::TreePath;
use crate::request::{Kind, Owner};
use crate::text::shared_text;

shared_text! {
    /// The name of a lock without a guard, a [`Lease`](crate::Lease): with its path, the lock is
    /// found by it. It is text that can be written down and sent, and no secret.
    LeaseToken,
    /// The token as text.
    as_str
}

/// One lock that is held: see [`LockStore::locks`](crate::LockStore::locks) and
/// [`LockStore::snapshot`](crate::LockStore::snapshot).
///
/// What the store does not know of a lock is `None`. In memory a lock with neither an owner nor a
/// lease is no more than a bit: of it nothing is known but path and kind.
///
/// ```
/// # use mutextree::{LockStore, MemoryStore};
/// let store = MemoryStore::new();
/// store.mutex("docs/report")?.owner("a client that never came back").lock_owned()?.into_lease()?;
///
/// for lock in store.locks()? {
///     if let Some(token) = &lock.token {
///         store.resume(&lock.path, token)?.release()?; // an operator ends it
///     }
/// }
/// assert!(store.locks()?.is_empty());
/// # Ok::<(), mutextree::LockError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeldLock {
    /// The locked node.
    pub path: TreePath,
    /// How it is locked.
    pub kind: Kind,
    /// The holder's name, if the lock was taken with an [`owner`](crate::TreeMutex::owner).
    pub owner: Option<Owner>,
    /// The time until its lease ends, if it has one.
    pub remaining: Option<Duration>,
    /// What it is [resumed](crate::LockStore::resume) by, if it outlived its guard: see
    /// [`Lease`](crate::Lease).
    pub token: Option<LeaseToken>,
    /// For how long it has been held. In memory it is known of a lock with an owner or a lease. Of
    /// one without a lease it can be too long by a tick of the system's coarse clock, which is a
    /// hundredth of a second at the most; by more if a virtual machine was held up when the lock
    /// was taken. Over Redis it is reckoned on the server's clock.
    pub held_for: Option<Duration>,
    /// Its [fencing token](crate::TreeMutexGuard::fencing_token). In memory it is known of a lock
    /// with an owner or a lease, and of one that outlived its guard.
    pub fencing_token: Option<u64>,
    /// The name under which the process of the holder is known to the store. Over Redis each
    /// connected [`RedisStore`] has one, drawn at random. In memory there is none, nor is there for
    /// a lock that outlived its guard.
    ///
    #[cfg_attr(feature = "redis", doc = "[`RedisStore`]: crate::RedisStore")]
    #[cfg_attr(
        not(feature = "redis"),
        doc = "[`RedisStore`]: https://docs.rs/mutextree/latest/mutextree/struct.RedisStore.html"
    )]
    pub client: Option<String>,
    /// Whether the client may be keeping it without a user: then it gives it back as soon as
    /// somebody else wants it. Over Redis, of stores that
    /// [keep](crate::docs::distributed#kept-locks) locks.
    pub may_be_kept: bool,
    /// Who took it: a thread or a task. Known with
    /// [deadlock detection](crate::MemoryStoreBuilder::deadlock_detection) on, of locks of this
    /// process whose guard was not [handed over](crate::TreeMutexGuard::hand_over).
    pub agent: Option<Agent>,
    /// Where in the code it was taken. Known with deadlock detection on, of locks of this process.
    pub taken_at: Option<&'static Location<'static>>,
    /// What the store itself calls the lock, if that is not its fencing token: to
    /// [break](crate::LockStore::break_lock) it.
    pub(crate) name: Option<LeaseToken>,
}

impl HeldLock {
    /// A lock without an owner, a lease or a token. For implementors of
    /// [`Backend`](crate::Backend), who set what they know.
    pub fn new(path: TreePath, kind: Kind) -> Self {
        Self {
            path,
            kind,
            owner: None,
            remaining: None,
            token: None,
            held_for: None,
            fencing_token: None,
            client: None,
            may_be_kept: false,
            agent: None,
            taken_at: None,
            name: None,
        }
    }

    /// Whether the lock outlived its guard: it is a [`Lease`](crate::Lease), and has a
    /// [`token`](Self::token). Otherwise a guard keeps it.
    pub fn is_detached(&self) -> bool {
        self.token.is_some()
    }
}

/// One lock that somebody waits for: see [`LockStore::snapshot`](crate::LockStore::snapshot).
///
/// ```
/// # use mutextree::{LockStore, MemoryStore};
/// # use std::thread;
/// let store = MemoryStore::new();
/// let team = store.mutex("org/team")?.owner("backup").lock_owned()?;
/// let mail = store.mutex("org/team/mail")?.owner("mailer");
/// # thread::scope(|scope| {
/// # scope.spawn(|| drop(mail.lock()));
/// // another thread has called `mail.lock()`
/// # while store.snapshot()?.waiters().next().is_none() { thread::yield_now(); }
/// let snapshot = store.snapshot()?;
/// let waiter = snapshot.waiters().next().unwrap();
/// assert_eq!(waiter.path.to_string(), "org/team/mail");
/// assert_eq!(waiter.owner.as_ref().unwrap().as_str(), "mailer");
/// let behind = waiter.behind.as_ref().unwrap();
/// assert_eq!(behind.to_string(), "`org/team`, held by backup");
/// # drop(team);
/// # Ok::<(), mutextree::LockError>(())
/// # })?;
/// # Ok::<(), mutextree::LockError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WaitingLock {
    /// The node that it wants.
    pub path: TreePath,
    /// How it wants to lock it.
    pub kind: Kind,
    /// The waiter's name, if it asks with an [`owner`](crate::TreeMutex::owner).
    pub owner: Option<Owner>,
    /// For how long it has waited.
    pub waited: Option<Duration>,
    /// The name under which the process of the waiter is known to the store: see
    /// [`HeldLock::client`].
    pub client: Option<String>,
    /// If it is one of several that are waited for as one: a number that these have in common in
    /// this snapshot. See [`TreeMutexSet`](crate::TreeMutexSet).
    pub set: Option<u64>,
    /// Whether it is an [upgrade](crate::TreeMutexGuard::try_upgrade_for): the waiter holds this
    /// node as shared, and goes before all others.
    pub upgrades: bool,
    /// Who waits: a thread or a task. Known with
    /// [deadlock detection](crate::MemoryStoreBuilder::deadlock_detection) on, of this process.
    pub agent: Option<Agent>,
    /// Where in the code it was asked for. Known with deadlock detection on, of this process.
    pub asked_at: Option<&'static Location<'static>>,
    /// What is in its way: a lock that is held, or else the earliest waiter before it. There may be
    /// more: [`Snapshot::blockers`](crate::Snapshot::blockers) has all of them. If nothing is in
    /// the way of this member of a set, it is what is in the way of another one.
    ///
    /// `None` if its turn has come. Also `None` in an answer of
    /// [`TreeMutex::blockers`](crate::TreeMutex::blockers) if what it is behind lies elsewhere:
    /// that looks around one node only.
    pub behind: Option<Blocker>,
}

impl WaitingLock {
    /// A waiter of whom no more is known than what it wants. For implementors of
    /// [`Backend`](crate::Backend), who set what they know. What it is behind, is found by
    /// [`Snapshot::new`](crate::Snapshot::new).
    pub fn new(path: TreePath, kind: Kind) -> Self {
        Self {
            path,
            kind,
            owner: None,
            waited: None,
            client: None,
            set: None,
            upgrades: false,
            agent: None,
            asked_at: None,
            behind: None,
        }
    }
}

/// A lock that was lost while its guard lives: see
/// [`LockStore::lost_locks`](crate::LockStore::lost_locks).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LostLock {
    /// The node that had been locked.
    pub path: TreePath,
    /// The holder's name, if the lock was taken with an [`owner`](crate::TreeMutex::owner).
    pub owner: Option<Owner>,
    /// The [fencing token](crate::TreeMutexGuard::fencing_token) of the lock that was lost.
    pub fencing_token: u64,
}

impl LostLock {
    /// The loss of the lock on `path`. For implementors of [`Backend`](crate::Backend).
    pub fn new(path: TreePath, owner: Option<Owner>, fencing_token: u64) -> Self {
        Self { path, owner, fencing_token }
    }
}

impl fmt::Display for LostLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` was lost: its lease has ended, or it was broken", self.path)
    }
}
