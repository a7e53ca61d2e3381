//! Locks for things that form a tree.
#![forbid(unsafe_code)]

#[cfg(doctest)]
mod compile_fail;
mod error;
mod guard;
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
pub use memory::{MemoryGrant, MemoryNode, MemoryStore, MemoryStoreBuilder};
pub use mutex::TreeMutex;
pub use path::{Components, PathError, PathRef, ToTreePath, TreePath};
#[cfg(feature = "redis")]
pub use redis::{RedisGrant, RedisNode, RedisStore, RedisStoreBuilder, RedisStoreError};
pub use request::{Mode, Owner, Request, Scope, Wait, conflicts};
pub use store::{LockStore, LostLock};
