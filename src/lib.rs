//! Locks for things that form a tree. Lock `org/team/project` and nobody else can lock it, anything
//! above it, or anything below it; siblings run side by side. It costs what one flat mutex costs,
//! at any depth.
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
//! With the feature `redis`,
//! [`RedisStore`](https://docs.rs/mutextree/latest/mutextree/struct.RedisStore.html) is the same
//! tree for processes on many machines; tasks wait with [`lock_async`](TreeMutex::lock_async), in
//! the same queues as threads. From here: [what a lock means](#what-a-lock-means),
//! [patterns](#patterns), [what is promised](#what-is-promised) and [how it works](#how-it-works).
//!
//! # What a lock means
//!
//! A lock on a node covers its whole subtree, unless it is [node only](TreeMutex::node_only). Nodes
//! are names: they need not exist anywhere.
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
//! # Patterns
//!
//! **Rename safely.** Moving a directory takes everything in it along, so lock both names whole,
//! and nobody has a path changed under their feet. Wait for the first with empty hands, and only
//! try the second: see [several locks at once](#several-locks-at-once).
//!
//! ```
//! # use mutextree::{LockError, LockStore, MemoryStore};
//! fn rename(store: &MemoryStore, from: &str, to: &str) -> Result<(), LockError> {
//!     let (from, to) = (store.mutex(from)?, store.mutex(to)?);
//!     loop {
//!         let held = from.lock()?; // waits with empty hands
//!         match to.try_lock() {
//!             Ok(_to) => return Ok(()), // std::fs::rename here
//!             // No wait can help if one contains the other: `a` cannot be moved to `a/b`.
//!             Err(error @ LockError::WouldBlock { .. }) if error.blocking_path() == Some(from.path()) => return Err(error),
//!             Err(LockError::WouldBlock { .. }) => {}
//!             Err(error) => return Err(error),
//!         }
//!         drop(held);
//!         drop(to.lock()?); // until it was free once
//!     }
//! }
//! # let store = MemoryStore::new();
//! # rename(&store, "inbox/draft", "sent/letter")?;
//! # assert!(rename(&store, "a", "a/b").is_err());
//! # Ok::<(), LockError>(())
//! ```
//!
//! **A job for a whole tenant.** Requests lock the document they work on, the nightly job locks the
//! tenant: it waits until the requests in there are through, new ones wait behind it, and other
//! tenants notice nothing.
//!
//! ```
//! # use mutextree::{LockError, LockStore, MemoryStore};
//! # use std::time::Duration;
//! # let store = MemoryStore::new();
//! // a request
//! let document = store.mutex(["acme", "site", "index.html"])?;
//! drop(document.lock()?);
//! // the job; if the tenant is busy for long, tomorrow will do
//! match store.mutex("acme")?.owner("nightly export").try_lock_for(Duration::from_secs(5)) {
//!     Ok(guard) => drop(guard), // in between nobody writes anything of acme's
//!     Err(LockError::TimedOut { blocker }) => eprintln!("not tonight: {blocker}"),
//!     Err(error) => return Err(error),
//! }
//! # Ok::<(), LockError>(())
//! ```
//!
//! **Invalidate a cache by prefix.** Whoever fills `articles/2024/7` holds it exclusively while
//! computing; whoever drops all of `articles/2024` takes the prefix, and so never races with a fill
//! that would put back what is out of date.
//!
//! ```
//! # use mutextree::{LockError, LockStore, MemoryStore};
//! # use std::{collections::BTreeMap, sync::Mutex};
//! # let (store, cache) = (MemoryStore::new(), Mutex::new(BTreeMap::<String, String>::new()));
//! let fill = |key: &str| -> Result<(), LockError> {
//!     store.mutex(key)?.with(|| {
//!         let page = format!("<h1>{key}</h1>"); // from what is true now; takes its time
//!         cache.lock().unwrap().insert(key.into(), page);
//!     })
//! };
//! let invalidate = |prefix: &str| -> Result<(), LockError> {
//!     store.mutex(prefix)?.with(|| cache.lock().unwrap().retain(|key, _| !key.starts_with(&format!("{prefix}/"))))
//! };
//! fill("articles/2024/7")?;
//! invalidate("articles/2024")?;
//! # assert!(cache.lock().unwrap().is_empty());
//! # Ok::<(), LockError>(())
//! ```
//!
//! **A tree that is mostly read**, as of settings or permissions: readers lock the node shared, and
//! see neither a half-made change to it nor one above. A change to a whole branch is one exclusive
//! lock on its root; one that concerns a node alone, such as its list of children, is [node
//! only](TreeMutex::node_only).
//!
//! ```
//! # use mutextree::{LockError, LockStore, MemoryStore};
//! # let store = MemoryStore::new();
//! let reader = store.mutex("settings/mail/smtp")?.shared();
//! let another = reader.clone();
//! let writer = store.mutex("settings/mail")?;
//! {
//!     let _both_read = (reader.lock()?, another.lock()?);
//!     assert!(writer.try_lock().is_err());
//! }
//! let mut guard = writer.lock()?; // change it all
//! guard.downgrade()?; // and go on reading what was written, before anybody else can write
//! assert!(reader.try_lock().is_ok());
//! # Ok::<(), LockError>(())
//! ```
//!
//! # What is promised
//!
//! 1. **Exclusion**: two conflicting locks are never held at once.
//! 2. **No invented conflict**: waiting and failing have a cause, a conflicting lock or an earlier
//!    waiter, and errors name it.
//! 3. **No lost wake-up**, without polling.
//! 4. **No starvation**: a waiter is overtaken for about a millisecond, then it is next.
//! 5. **Cancel anywhere**: a wait that times out, or a future that is dropped, leaves nothing
//!    behind.
//! 6. **Bounded memory**: at most twice the nodes in use, plus a constant.
//! 7. Guards are `Send`, and release on drop, also while unwinding. No poisoning.
//! 8. Locking what you already hold, or part of it, blocks, as with [`std::sync::Mutex`].
//!
//! How each is proved: `docs/proof.md` in the repository.
//!
//! # How it works
//!
//! A lock is one compare-and-swap on its own node's cache line: *claim*. Only if somebody above may
//! hold something it goes on to *look up*, and only if somebody below may, to *look down*. Siblings
//! share no cache line that any of them writes to, but for the first time that a name is used.
//! Nodes that were used since the last look down are on their parent's list, so it visits those and
//! no others, and tells them to look up from now on. `docs/algorithm.md` in the repository has all
//! of it, with its invariants, and where the ideas come from.
//!
//! # Several locks at once
//!
//! Hold one lock and *wait* for another, and two threads that do it in different order wait for
//! each other for ever. In a tree there is one more trap: even in path order, if you hold `a/x` and
//! ask for `a/y`, somebody who asks for all of `a` in between waits for your `a/x` and keeps you
//! from `a/y`. So either lock the node that contains both, or wait for one lock with empty hands
//! and only [try](TreeMutex::try_lock) the others, releasing all when one fails;
//! `examples/workspace/locks.rs` does that for moves.
#![forbid(unsafe_code)]

#[cfg(doctest)]
mod compile_fail;

/// The README's program runs as written.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

mod backend;
mod error;
mod guard;
mod lease;
mod memory;
mod mutex;
mod path;
#[cfg(feature = "redis")]
mod redis;
mod request;
mod store;
mod sync;
mod text;
mod unwind;

pub use backend::{Backend, HeldLock, LeaseToken, LostLock, LostLocks};
pub use error::{Blocker, LockError};
pub use guard::{OwnedTreeMutexGuard, TreeMutexGuard};
pub use lease::Lease;
pub use memory::{MemoryGrant, MemoryNode, MemoryStore, MemoryStoreBuilder};
pub use mutex::TreeMutex;
pub use path::{Components, PathError, PathRef, ToTreePath, TreePath};
#[cfg(feature = "redis")]
pub use redis::{RedisGrant, RedisNode, RedisStore, RedisStoreBuilder, RedisStoreError};
pub use request::{Kind, Mode, Owner, Request, Scope, Wait, conflicts};
pub use store::LockStore;
