//! What tasks are promised, on every store and on every kind of runtime. A store is one line at the
//! end.

#[path = "../common/mod.rs"]
mod common;

/// Waits that are dropped.
mod dropping;
/// A lock that goes from task to task.
mod handing;
/// Leases in the way of tasks.
mod leases;
/// A store that panics.
mod panicking;
/// What a store is provided with.
mod provided;
/// Tasks and threads at random.
mod random;
/// The distributed store, as they run on it.
#[cfg(feature = "redis")]
mod redis_store;
/// Tasks on a runtime, and threads beside them.
mod running;
/// Where tasks run.
mod runtimes;
/// Conflicts of every shape.
mod shapes;
/// What the tests run on.
mod stores;
/// What tokio's users do.
mod tokio_users;
/// Tasks that nobody polls.
mod unpolled;

/// `on!(name, Store)`: everything, on that store.
macro_rules! on {
    ($store:ident, $type:ty) => {
        mod $store {
            on! { @waits $type }
            on! { @quick $type }
            on! { @runtime tokio_threads, $type, $crate::runtimes::TokioThreads }
            on! { @runtime tokio_one_thread, $type, $crate::runtimes::TokioOneThread }
            on! { @runtime smol, $type, $crate::runtimes::Smol }
            on! { @runtime by_hand, $type, $crate::runtimes::ByHand }
        }
    };
    (@waits $type:ty) => {
        on! { @tests [<$type>]
            dropping::{at_every_point}
            unpolled::{those_behind_it_get_in, a_whole_queue_of_them, turns_lost_are_not_held_against_it}
        }
    };
    (@quick $type:ty) => {
        on! { @tests [<$type>]
            dropping::{before_the_first_poll, every_other_one}
            leases::{the_end_of_a_lease_lets_the_task_in, the_last_of_several_leases_counts, a_lease_that_is_moved,
                who_gives_up_is_forgotten}
            running::{futures_and_guards_are_send, a_crowd_gives_up}
            tokio_users::{select_takes_the_first, an_aborted_task_is_forgotten, a_blocking_thread_of_the_runtime_waits_beside_tasks}
        }
    };
    (@runtime $runtime:ident, $type:ty, $runtime_type:ty) => {
        mod $runtime {
            on! { @tests [<$type, $runtime_type>]
                running::{a_release_lets_the_task_in, tasks_and_threads_take_turns, nobody_starves,
                    a_guard_is_held_across_awaits, a_timeout_gives_up, a_panic_releases}
                random::{tasks_and_threads_at_random}
            }
        }
    };
    (@tests $types:tt $($module:ident::{$($test:ident),+ $(,)?})+) => {
        $($( on! { @test $types $module $test } )+)+
    };
    (@test [<$($type:ty),+>] $module:ident $test:ident) => {
        #[test]
        fn $test() {
            $crate::$module::$test::<$($type),+>();
        }
    };
}

on!(naive, crate::common::naive::NaiveStore);
on!(memory, mutextree::MemoryStore);
#[cfg(feature = "redis")]
mod redis {
    on! { @waits mutextree::RedisStore }
    on! { @quick mutextree::RedisStore }
    on! { @runtime tokio_threads, mutextree::RedisStore, crate::runtimes::TokioThreads }
    on! { @runtime by_hand, mutextree::RedisStore, crate::runtimes::ByHand }
}
/// With `keep` on: the name says so. The runtimes are those that the other has not, for the time
/// that it takes.
#[cfg(feature = "redis")]
mod redis_keeping {
    on! { @quick mutextree::RedisStore }
    on! { @runtime tokio_one_thread, mutextree::RedisStore, crate::runtimes::TokioOneThread }
    on! { @runtime smol, mutextree::RedisStore, crate::runtimes::Smol }
}

/// Where a free lock takes no thread and no message.
mod at_once {
    use mutextree::MemoryStore;

    #[test]
    fn a_free_lock_is_ready_at_once() {
        crate::tokio_users::a_free_lock_is_ready_at_once::<MemoryStore>();
    }

    #[test]
    fn a_dropped_wait_leaves_nothing() {
        crate::dropping::leaves_nothing_at_once::<MemoryStore>();
    }

    #[cfg(feature = "redis")]
    #[test]
    fn a_dropped_wait_leaves_nothing_over_redis() {
        crate::dropping::leaves_nothing_at_once::<mutextree::RedisStore>();
    }

    #[test]
    fn a_loop_takes_part_in_the_budget() {
        crate::tokio_users::a_loop_takes_part_in_the_budget::<MemoryStore>();
    }
}

/// On the runtimes whose tasks do not each take a thread.
mod crowds {
    use crate::runtimes::{Smol, TokioOneThread, TokioThreads};
    use mutextree::MemoryStore;

    #[test]
    fn drains_on_tokio() {
        crate::running::a_crowd_drains::<MemoryStore, TokioThreads>();
    }

    #[test]
    fn drains_on_one_thread() {
        crate::running::a_crowd_drains::<MemoryStore, TokioOneThread>();
    }

    #[test]
    fn drains_on_smol() {
        crate::running::a_crowd_drains::<MemoryStore, Smol>();
    }

    #[cfg(feature = "redis")]
    #[test]
    fn drains_over_redis() {
        crate::running::a_crowd_drains::<mutextree::RedisStore, TokioThreads>();
    }

    #[test]
    fn drains_from_threads_of_their_own() {
        crate::running::a_crowd_drains::<crate::common::naive::NaiveStore, TokioThreads>();
    }
}
