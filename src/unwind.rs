//! Unwind safety: all public types may be used in and after a `catch_unwind`, as std's locks may.
//!
//! The compiler cannot see it, as it takes every cell, and every error in a box, for something that
//! a panic may leave half changed. It is true of these:
//!
//! * **Stores, nodes, grants.** No code of users runs under a lock of the crate's own, so no panic
//!   of theirs leaves its state half changed. A guard releases when it is dropped by the unwinding.
//! * **Listeners.** The same, and taking a message from a channel is one step.
//! * **Errors.** They are made whole, and only looked at.

use std::panic::{RefUnwindSafe, UnwindSafe};

use crate::backend::LostLocks;
use crate::error::LockError;
use crate::memory::{MemoryNode, MemoryStore};

impl UnwindSafe for LockError {}
impl RefUnwindSafe for LockError {}

impl UnwindSafe for LostLocks {}
impl RefUnwindSafe for LostLocks {}

impl UnwindSafe for MemoryStore {}
impl RefUnwindSafe for MemoryStore {}
impl UnwindSafe for MemoryNode {}
impl RefUnwindSafe for MemoryNode {}

#[cfg(feature = "redis")]
mod redis {
    use super::{RefUnwindSafe, UnwindSafe};
    use crate::redis::{RedisGrant, RedisNode, RedisStore};

    impl UnwindSafe for RedisStore {}
    impl RefUnwindSafe for RedisStore {}
    impl UnwindSafe for RedisNode {}
    impl RefUnwindSafe for RedisNode {}
    impl UnwindSafe for RedisGrant {}
    impl RefUnwindSafe for RedisGrant {}
}
