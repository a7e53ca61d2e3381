//! Locks for things that form a tree. Lock `org/team/project`, and no other thread can lock it,
//! anything above it, or anything below it; siblings run side by side. It costs what one flat mutex
//! costs, at any depth.
//!
//! ```
//! use mutextree::{LockStore, MemoryStore};
//!
//! let store = MemoryStore::new();
//! let project = store.mutex("org/team/project")?; // made once and kept, like a `Mutex`
//! {
//!     let _guard = project.lock()?; // the project and all that is in it
//!     assert!(store.try_lock("org/team/project/file").is_err());
//!     assert!(store.try_lock("org/team").is_err());
//!     assert!(store.try_lock("org/team/other").is_ok());
//! } // released
//! let _file = store.lock("org/team/project/file")?; // a lock taken once
//! # Ok::<(), mutextree::LockError>(())
//! ```
//!
//! # What a lock means
//!
//! A lock on a node covers its whole subtree, unless it is [node only](TreeMutex::node_only). Locks
//! are on names: a node need not exist anywhere to be locked.
//!
//! | request on N | conflicts with |
//! |---|---|
//! | exclusive, subtree (default) | every lock on N, on any ancestor whose scope is subtree, on any descendant |
//! | shared, subtree | exclusive locks on N, on its ancestors (subtree scope), on its descendants |
//! | exclusive, node only | locks on N; subtree locks on an ancestor. Not with locks on descendants |
//! | shared, node only | exclusive locks on N; exclusive subtree locks on an ancestor |
//!
//! Two shared locks never conflict. Siblings never touch each other. [`conflicts`] is this table as
//! a function.
//!
//! # Which one
//!
//! The *store* says who shares the locks:
//!
//! | who locks | store | |
//! |---|---|---|
//! | threads and tasks of one process | [`MemoryStore`] | needs nothing |
//! | processes, on one machine or many | [`RedisStore`] | feature `redis`, and a Redis server |
//! | | your own | implement [`Backend`] |
//!
//! The *method* says what happens if another lock is in the way:
//!
//! | method | another lock in the way |
//! |---|---|
//! | [`lock`](TreeMutex::lock) | blocks the thread until it can be had |
//! | [`try_lock`](TreeMutex::try_lock) | fails at once |
//! | [`try_lock_for`](TreeMutex::try_lock_for), [`try_lock_until`](TreeMutex::try_lock_until) | blocks, and fails when the time is over |
//! | [`lock_async`](TreeMutex::lock_async) | lets the task wait, in the same queue as threads: see [locks in tasks](docs::tasks) |
//! | [`with`](TreeMutex::with) | blocks, runs a closure, and releases |
//!
//! The *guard* releases the lock when it is dropped. A guard of [`lock`](TreeMutex::lock) borrows
//! its mutex. A guard of [`lock_owned`](TreeMutex::lock_owned), or of
//! [`store.lock(path)`](LockStore::lock), borrows nothing: it can be stored, and sent to another
//! thread. A [`Lease`] keeps a lock without a guard.
//!
//! A mutex can also be [shared](TreeMutex::shared) between readers, and name its
//! [owner](TreeMutex::owner) in the errors of others. For a resource that must refuse late writes,
//! each guard has a [fencing token](TreeMutexGuard::fencing_token).
//!
//! A [`TreeMutexSet`] takes several nodes as one lock, all or none. To hold one lock while waiting
//! for another can deadlock, in any order: see
//! [several locks at once](docs::patterns#several-locks-at-once).
//!
//! [Patterns](docs::patterns) has programs for common tasks: renaming, a job for a whole tenant, a
//! cache that is dropped by prefix, a tree that is mostly read, a lock that is narrowed to what a
//! job needs.
//!
//! A held lock can change without being let go: [narrow](OwnedTreeMutexGuard::narrow) it to nodes
//! below, [widen](OwnedTreeMutexGuard::try_widen) it, [upgrade](TreeMutexGuard::try_upgrade_for) it
//! from shared to exclusive, or [downgrade](TreeMutexGuard::downgrade) it.
//!
//! To see who holds and who waits, print [`store.snapshot()`](LockStore::snapshot): it is a tree,
//! with a line for each lock. [`blockers`](TreeMutex::blockers) tells who is in the way of one
//! lock. See [who holds and who waits](docs::patterns#see-who-holds-and-who-waits). A store can
//! look for [deadlocks](docs::patterns#deadlocks), and name who waits for whom, and where in the
//! code.
//!
//! # What is promised
//!
//! 1. **Exclusion.** Two conflicting locks are never held at once.
//! 2. **No invented conflict.** A request waits or fails only because of a conflicting lock, or of
//!    an earlier waiter. The error names it.
//! 3. **No lost wake-up**, without polling.
//! 4. **No starvation.** A waiter is overtaken for about a millisecond, then it is next.
//! 5. **Cancel anywhere.** A wait that times out, or a future that is dropped, leaves nothing
//!    behind.
//! 6. **Bounded memory.** At most twice the nodes in use, plus a constant, and one for each
//!    processor.
//! 7. **Guards are `Send`.** They release on drop, also while unwinding. There is no poisoning.
//! 8. **To lock again blocks.** A thread that locks what it already holds, or part of it, blocks as
//!    with [`std::sync::Mutex`]; or is told so, where [deadlocks](docs::patterns#deadlocks) are
//!    looked for.
//!
//! [What checks each promise](docs::proof) says how far that is proved. Over Redis they hold while
//! leases are honoured; [`RedisStore`] says what that means.
//!
//! # How it works
//!
//! A lock is one compare-and-swap on its own node's cache line: the *claim*. Only if something
//! above may be locked does it *look up*, and only if something below may be does it *look down*.
//! Siblings never write to a common cache line, except the first time a name is used. Each node
//! lists the children used since the last look down; a look down visits only these, and tells each
//! to look up from then on.
//!
//! [The algorithm](docs::algorithm) has all of it, with a picture, an example run and its
//! invariants; [the store over Redis](docs::redis) has its own page.
//!
//! # Features
//!
//! None is on by default.
//!
//! * `redis`: [`RedisStore`].
//! * `cli`: the command `mutextree`, which runs commands under locks, and shows and ends locks: see
//!   [its manual](docs::command). No part of the library.
//! * `redis-tls`: `rediss://`, with the system's root certificates.
//! * `redis-sentinel`, `redis-cluster`: the master that Sentinels name; the node of a cluster that
//!   has the tree.
//! * `tracing`: spans of waits, and events.
//! * `metrics`: counters and histograms. [Both](docs::observability) have a page.
//! * `serde`: `Serialize` for [`Snapshot`], [`HeldLock`], [`WaitingLock`], [`Blocker`],
//!   [`Deadlock`], [`TreePath`], [`Kind`], [`Mode`], [`Scope`], [`Owner`], [`LeaseToken`], and the
//!   errors [`LockError`] and [`PathError`]. Paths, kinds, owners and tokens can be read back.
//!   Times are seconds.
//!
#![cfg_attr(feature = "redis", doc = "[`RedisStore`]: RedisStore")]
#![cfg_attr(
    not(feature = "redis"),
    doc = "[`RedisStore`]: https://docs.rs/mutextree/latest/mutextree/struct.RedisStore.html"
)]
#![forbid(unsafe_code)]
// On docs.rs, items of a feature say which.
#![cfg_attr(docsrs, feature(doc_cfg))]
// For `scripts/lines` alone: see `src/sync/counted/counts.rs`.
#![cfg_attr(mutextree_lines, feature(arbitrary_self_types))]

#[cfg(doctest)]
mod compile_fail;

pub mod docs;

/// The README's program runs as written.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

mod backend;
mod deadlock;
mod error;
mod guard;
mod lease;
mod memory;
mod mutex;
mod observe;
mod path;
#[cfg(feature = "redis")]
mod redis;
mod request;
#[cfg(feature = "serde")]
mod serialize;
mod set;
mod snapshot;
mod store;
mod sync;
mod text;
mod unwind;

pub use backend::{Backend, HeldLock, LeaseToken, LostLock, LostLocks, Member, WaitingLock};
pub use deadlock::{Agent, Deadlock, Wanted};
pub use error::{Blocker, InvalidInput, LockError, Unchanged};
pub use guard::{OwnedTreeMutexGuard, TreeMutexGuard};
pub use lease::Lease;
pub use memory::{MemoryGrant, MemoryNode, MemoryStore, MemoryStoreBuilder};
pub use mutex::TreeMutex;
#[cfg(feature = "metrics")]
pub use observe::describe_metrics;
pub use path::{Components, PathError, PathRef, ToTreePath, TreePath};
#[cfg(mutextree_sim)]
pub use redis::simulator;
#[cfg(feature = "redis")]
pub use redis::{
    KeptLocks, RedisClient, RedisClientBuilder, RedisGrant, RedisNode, RedisStore, RedisStoreBuilder, RedisStoreError,
    RedisTreeBuilder,
};
pub use request::{Kind, Mode, Owner, Request, Scope, Wait, conflicts};
pub use set::{OwnedTreeMutexSetGuard, TreeMutexSet, TreeMutexSetGuard};
pub use snapshot::{Snapshot, SnapshotNode};
pub use store::LockStore;

/// Which cache lines an operation touches, for `tests/lines.rs`.
#[cfg(mutextree_lines)]
pub mod lines {
    pub use crate::sync::counted::{Access, record};
}
