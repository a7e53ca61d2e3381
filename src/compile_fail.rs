//! What must not compile, each with a twin that differs in that alone and does.
//!
//! # A borrowed guard does not outlive its mutex
//! ```compile_fail,E0597
//! use mutextree::{LockStore, MemoryStore};
//! let store = MemoryStore::new();
//! let guard;
//! {
//!     let mutex = store.mutex("a").unwrap();
//!     guard = mutex.lock().unwrap();
//! }
//! drop(guard);
//! ```
//! An owned one does:
//! ```
//! use mutextree::{LockStore, MemoryStore};
//! let store = MemoryStore::new();
//! let guard;
//! {
//!     let mutex = store.mutex("a").unwrap();
//!     guard = mutex.lock_owned().unwrap();
//! }
//! drop(guard);
//! ```
//!
//! # A guard that nobody keeps is a mistake
//! ```compile_fail
//! #![deny(unused_must_use)]
//! use mutextree::{LockStore, MemoryStore};
//! MemoryStore::new().mutex("a").unwrap().lock().unwrap();
//! ```
//! ```compile_fail
//! #![deny(unused_must_use)]
//! use mutextree::{LockStore, MemoryStore};
//! MemoryStore::new().lock("a").unwrap();
//! ```
//! Kept, it is none:
//! ```
//! #![deny(unused_must_use)]
//! use mutextree::{LockStore, MemoryStore};
//! let _guard = MemoryStore::new().lock("a").unwrap();
//! ```
//!
//! # A lock is released once
//! ```compile_fail,E0382
//! use mutextree::{LockStore, MemoryStore};
//! let guard = MemoryStore::new().lock("a").unwrap();
//! guard.unlock().unwrap();
//! guard.unlock().unwrap();
//! ```
//! ```
//! use mutextree::{LockStore, MemoryStore};
//! let guard = MemoryStore::new().lock("a").unwrap();
//! guard.unlock().unwrap();
//! ```
