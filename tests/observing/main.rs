//! What the features `tracing` and `metrics` show: each thing when it should, and nothing when it
//! should not; for threads and tasks, on every store.

#[macro_use]
#[path = "../common/mod.rs"]
mod common;

/// What a subscriber and a recorder saw.
mod seen;

/// Held locks, refreshes and losses.
mod holding;
/// What is kept, and recalled.
#[cfg(feature = "redis")]
mod keeping;
/// What only a server has.
#[cfg(feature = "redis")]
mod over_redis;
/// A subscriber or a recorder that panics.
mod panicking;
#[cfg(feature = "redis")]
#[path = "../redis/server.rs"]
mod server;
/// Waits, and what came of them.
mod waiting;

use common::naive::NaiveStore;
use mutextree::{LockStore, MemoryStore};

/// A store that measures each lock.
trait Watched: LockStore {
    const NAME: &str;
    /// Whether it says itself that a lock was lost, before its guard is released.
    const TELLS: bool;

    fn make() -> Self;
}

impl Watched for MemoryStore {
    const NAME: &str = "memory";
    const TELLS: bool = true;

    fn make() -> Self {
        Self::builder().metrics(true).build()
    }
}

impl Watched for NaiveStore {
    const NAME: &str = "other";
    const TELLS: bool = false;

    fn make() -> Self {
        Self::default()
    }
}

#[cfg(feature = "redis")]
impl Watched for mutextree::RedisStore {
    const NAME: &str = "redis";
    const TELLS: bool = true;

    fn make() -> Self {
        server::new_tree()
    }
}

/// The tests of every store, on one of them.
macro_rules! on {
    ($store:ident, $type:ty) => {
        on! { $store, $type,
            waiting::{a_free_lock_is_no_wait, a_thread_waits, a_task_waits, a_task_gives_up, a_thread_times_out,
                a_refused_try_is_no_wait, a_wait_has_the_span_around_it_as_its_parent, many_at_once_add_up}
            holding::{a_hold_is_timed, a_panic_ends_a_hold, downgrade_moves_a_hold, a_lease_is_no_hold,
                a_refresh_is_counted, a_loss_is_told_once, a_loss_seen_at_the_release_is_told}
        }
    };
    ($store:ident, $type:ty, $($module:ident::{$($test:ident),+ $(,)?})+) => {
        mod $store {
            $($(
                #[test]
                fn $test() {
                    $crate::common::asking::in_time($crate::$module::$test::<$type>);
                }
            )+)+
        }
    };
}

on!(upgrades_in_memory, mutextree::MemoryStore, waiting::{an_upgrade_waits});
#[cfg(feature = "redis")]
on!(upgrades_over_redis, mutextree::RedisStore, waiting::{an_upgrade_waits});
on!(memory, mutextree::MemoryStore);
on!(naive, crate::common::naive::NaiveStore);
#[cfg(feature = "redis")]
on!(redis, mutextree::RedisStore);
