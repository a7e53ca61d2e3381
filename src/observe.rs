//! What the features `tracing` and `metrics` show: spans and events, counters and histograms.
//! `docs/observability.md` lists them. Without the features every type here is empty, every
//! function does nothing, and no other file of the crate has to know.
//!
//! * `waiting.rs` an acquisition: its attempt, its wait, its outcome; `no_waiting.rs` without both
//! * `hold.rs` a held lock; `no_hold.rs`
//! * `link.rs` connections to a server: which one, and whether it broke; `no_link.rs`
//! * `kept.rs` what is kept, and recalled
//! * `spans.rs` what is said to `tracing`; `no_spans.rs` without the feature
//! * `meters.rs`, `series.rs` what is counted with `metrics`; `no_meters.rs`
//!
//! # Who calls
//!
//! | what | is seen by |
//! |---|---|
//! | an attempt and its outcome, a held lock, a refresh | [`TreeMutex`](crate::TreeMutex) and guards, for every store |
//! | that an acquisition has to wait | the store, which alone knows; for a user's own store, below |
//! | a loss | the store that notices it; for a user's own store the guard, when it is released |
//! | renewals, round trips, connections, recalls of what is kept | the store over Redis |
//!
//! In memory an acquisition begins to wait when it first sleeps. One that gets its lock while it
//! spins, in a few microseconds, shows as no wait, and pays for none.
//!
//! # Rules
//!
//! 1. **The uncontended path is left alone.** A wait is begun once the lock has been seen not to be
//!    free. What counts each lock ([`Meter`]) is one branch where it is off.
//! 2. **A wait is begun and ended by the one who waits**: by the thread, or in a poll or the drop
//!    of the future. So its span has the right parent. A store that finds out on another thread
//!    that a task has to wait leaves [`News`] for the future, and wakes it.
//! 3. **No code of users under a lock of ours.** Subscribers and recorders are code of users.
//! 4. **What goes up comes down.** A gauge goes down when the value is dropped that made it go up,
//!    by the same handle: after a time-out, a cancelled future, a panic and a loss, too.
//! 5. **Their panics are theirs.** A subscriber or recorder that panics loses what it was told, and
//!    no lock, thread or waiter with it.
//! 6. **No label holds a path**, nor anything else that grows with what is locked.
//!
//! # A user's own store
//!
//! It says nothing. A thread first tries without waiting, and begins a wait if that is refused:
//! one more call of [`Backend::acquire`](crate::Backend::acquire) for an acquisition that has to
//! wait. The thread that the provided `acquire_async` starts does the same. A store with an
//! `acquire_async` of its own begins a wait when that is not ready at its first poll.

use std::any::TypeId;

use crate::memory::MemoryStore;

#[cfg_attr(not(feature = "metrics"), path = "observe/no_hold.rs")]
mod hold;

#[cfg(feature = "redis")]
mod kept;

#[cfg(feature = "redis")]
#[cfg_attr(not(any(feature = "metrics", feature = "tracing")), path = "observe/no_link.rs")]
pub(crate) mod link;

#[cfg_attr(not(feature = "metrics"), path = "observe/no_meters.rs", allow(dead_code))]
pub(crate) mod meters;

#[cfg(feature = "metrics")]
mod series;

#[cfg_attr(not(feature = "tracing"), path = "observe/no_spans.rs", allow(dead_code))]
mod spans;

#[cfg_attr(not(any(feature = "metrics", feature = "tracing")), path = "observe/no_waiting.rs")]
mod waiting;

pub(crate) use hold::{Hold, Meter};
#[cfg(feature = "redis")]
pub(crate) use kept::{Recalled, recalled};
#[cfg(feature = "metrics")]
pub use meters::describe_metrics;
pub(crate) use waiting::{
    News, SEES_WAITS, Waiting, Watching, acquire, acquire_all, acquire_all_async, acquire_async, ends_itself, lost,
    refreshed, release, release_all, watch,
};

/// Which store it is, for labels and fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(any(feature = "metrics", feature = "tracing")), allow(dead_code))]
pub(crate) enum Store {
    Memory,
    #[cfg_attr(not(feature = "redis"), allow(dead_code))]
    Redis,
    Other,
}

#[cfg_attr(not(any(feature = "metrics", feature = "tracing")), allow(dead_code))]
impl Store {
    fn of<S: 'static>() -> Self {
        let id = TypeId::of::<S>();
        if id == TypeId::of::<MemoryStore>() {
            return Self::Memory;
        }
        #[cfg(feature = "redis")]
        if id == TypeId::of::<crate::redis::RedisStore>() {
            return Self::Redis;
        }
        Self::Other
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Redis => "redis",
            Self::Other => "other",
        }
    }
}
