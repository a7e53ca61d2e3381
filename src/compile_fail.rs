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
//! # A borrowed guard does not outlive the mutex of one line
//! ```compile_fail,E0716
//! use mutextree::{LockStore, MemoryStore};
//! let store = MemoryStore::new();
//! let guard = store.mutex("a").unwrap().try_lock().unwrap();
//! drop(guard);
//! ```
//! The store's shorthand has an owned one:
//! ```
//! use mutextree::{LockStore, MemoryStore};
//! let store = MemoryStore::new();
//! let guard = store.try_lock("a").unwrap();
//! drop(guard);
//! ```
//!
//! # A store is not a backend by `LockStore`
//! ```compile_fail,E0277
//! use mutextree::{LockStore, MemoryStore};
//! struct Mine(MemoryStore);
//! impl LockStore for Mine {}
//! ```
//! It is what every backend has:
//! ```
//! use mutextree::{LockStore, MemoryStore};
//! fn is_one(_: impl LockStore) {}
//! is_one(MemoryStore::new());
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
//! ```compile_fail
//! #![deny(unused_must_use)]
//! use mutextree::{LockStore, MemoryStore};
//! MemoryStore::new().try_lock("a").unwrap();
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
