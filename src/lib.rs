//! Locks for things that form a tree. Lock `org/team/project` and nobody else can lock it, anything above it, or anything
//! below it; siblings run side by side. It costs what one flat mutex costs, at any depth.
//!
//! ```
//! use mutextree::{LockStore, MemoryStore};
//!
//! let store = MemoryStore::new();
//! let project = store.mutex("org/team/project")?; // made once and kept, like a `Mutex`
//! {
//!     let _guard = project.lock()?; // the project and all that is in it
//!     assert!(store.mutex("org/team/project/file")?.try_lock().is_err());
//!     assert!(store.mutex("org/team")?.try_lock().is_err());
//!     assert!(store.mutex("org/team/other")?.try_lock().is_ok());
//! } // released
//! let _file = store.lock("org/team/project/file")?; // a lock taken once
//! # Ok::<(), mutextree::LockError>(())
//! ```
//!
//! # What a lock means
//!
//! A lock on a node covers its whole subtree, unless it is [node only](TreeMutex::node_only). Nodes are names: they need not exist anywhere.
//!
//! | request on N | conflicts with |
//! |---|---|
//! | exclusive, subtree (default) | every lock on N, on any ancestor whose scope is subtree, on any descendant |
//! | shared, subtree | exclusive locks on N, on its ancestors (subtree scope), on its descendants |
//! | exclusive, node only | locks on N; subtree locks on an ancestor. Not with locks on descendants |
//! | shared, node only | exclusive locks on N; exclusive subtree locks on an ancestor |
//!
//! Two shared locks never conflict. Siblings never touch each other. [`conflicts`] is this table as a function.
//!
//! # What is promised
//!
//! 1. **Exclusion**: two conflicting locks are never held at once.
//! 2. **No invented conflict**: waiting and failing have a cause, a conflicting lock or an earlier waiter, and errors name it.
//! 3. **No lost wake-up**, without polling.
//! 4. **No starvation**: a waiter is overtaken for about a millisecond, then it is next.
//! 5. **Cancel anywhere**: a wait that times out, or a future that is dropped, leaves nothing behind.
//! 6. **Bounded memory**: at most twice the nodes in use, plus a constant.
//! 7. Guards are `Send`, and release on drop, also while unwinding. No poisoning.
//! 8. Locking what you already hold, or part of it, blocks, as with [`std::sync::Mutex`].
//!
//! How each is proved: `docs/proof.md`. How it works: `docs/algorithm.md`.
//!
//! # Several locks at once
//!
//! Hold one lock and *wait* for another, and two threads that do it in different order wait for each other for ever. In a tree there is one more trap: even in path
//! order, if you hold `a/x` and ask for `a/y`, somebody who asks for all of `a` in between waits for your `a/x` and keeps you from `a/y`. So either lock the node that
//! contains both, or wait for one lock with empty hands and only [try](TreeMutex::try_lock) the others, releasing all when one fails; `examples/workspace/locks.rs` does
//! that for moves.
#![forbid(unsafe_code)]

#[cfg(doctest)]
mod compile_fail;

/// The README's program runs as written.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

mod error;
mod guard;
mod lease;
mod memory;
mod mutex;
mod offload;
mod path;
#[cfg(feature = "redis")]
mod redis;
mod request;
mod store;
mod sync;

pub use error::{Blocker, LockError};
pub use guard::{OwnedTreeMutexGuard, TreeMutexGuard};
pub use lease::{HeldLock, Lease, LeaseToken};
pub use memory::{MemoryGrant, MemoryNode, MemoryStore, MemoryStoreBuilder};
pub use mutex::TreeMutex;
pub use path::{Components, PathError, PathRef, ToTreePath, TreePath};
#[cfg(feature = "redis")]
pub use redis::{RedisGrant, RedisNode, RedisStore, RedisStoreBuilder, RedisStoreError};
pub use request::{Mode, Owner, Request, Scope, Wait, conflicts};
pub use store::{LockStore, LostLock};
