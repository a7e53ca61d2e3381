//! The promises of a store and of the locks made from it, a test each. Nothing in here knows which
//! store it runs on, and nothing expects one to be fast.
//!
//! Every promise is a function of a factory, which makes an empty tree at each call.
//! [`conformance!`] makes them the tests of one store: it lists them by name, so a new one is added
//! to its list. `conformance!(changing name, factory)` is for what changes a held lock, which not
//! every store can.

use mutextree::{LockError, LockStore, OwnedTreeMutexGuard, ToTreePath};

use crate::common::kinds::{EXCLUSIVE, Kind, mutex};

/// Whether what stays locked is free for a moment.
mod gaps;
/// What a guard is and does: release, panics, threads, downgrade.
pub(crate) mod guards;
/// Leases: how they end, and what is told then.
pub(crate) mod leases;
/// Who holds and who waits; breaking a lock.
pub(crate) mod looking;
/// From a lock on a subtree to locks on nodes in it.
pub(crate) mod narrowing;
/// Trying, waiting for a while, waiting for ever.
pub(crate) mod patience;
/// Several locks as one.
pub(crate) mod sets;
/// The store's own `lock`, `try_lock` and so on.
pub(crate) mod shorthands;
/// What conflicts with what; which paths are one lock; whom an error names.
pub(crate) mod table;
/// Fencing tokens.
pub(crate) mod tokens;
/// From a shared lock to an exclusive one.
pub(crate) mod upgrading;
/// Who waits gets in; who gives up leaves nothing behind.
pub(crate) mod waiting;
/// From a lock to one on the subtree of a node above it.
pub(crate) mod widening;

/// `conformance!(name, factory)`: every promise as a test of this store, in a module of this name.
macro_rules! conformance {
    ($store:ident, $make:expr) => {
        mod $store {
            use super::*;
            conformance! { @tests $make;
                table: every_row_of_the_table, siblings_never_touch, the_root_covers_everything, depth_makes_no_difference,
                    equal_paths_are_one_lock, different_paths_are_not, clones_share_and_stores_do_not,
                    a_clone_of_a_mutex_asks_as_it_does, a_mutex_outlives_its_store, an_error_names_what_is_in_the_way, an_error_names_the_owner,
                    what_is_no_path_is_an_error, is_locked_says_what_a_try_would;
                patience: every_way_to_ask, locking_again_blocks, a_try_is_refused_at_once, no_time_at_all_is_one_try,
                    endless_timeouts_wait, a_timeout_takes_its_time, any_time_will_do;
                shorthands: a_shorthand_is_exclusive_and_owned, a_shorthand_is_refused_as_a_mutex_is,
                    a_shorthand_waits_for_its_turn, the_future_of_a_shorthand_stands_alone;
                waiting: a_release_lets_the_waiter_in, shared_waiters_get_in_together, everybody_gets_a_turn,
                    an_inner_wait_that_times_out_leaves_nothing, a_leaf_wait_that_times_out_leaves_nothing,
                    who_gives_up_lets_those_behind_through, who_waits_keeps_off_only_what_it_conflicts_with,
                    a_failed_try_leaves_nothing;
                guards: guards_can_be_sent, a_guard_tells_what_it_holds, a_drop_and_an_unlock_release,
                    another_thread_can_release, a_panic_releases, with_locks_and_releases,
                    shared_locks_are_counted, downgrade_lets_shared_ones_in, downgrade_keeps_exclusive_ones_out,
                    downgrade_of_a_shared_lock_does_nothing;
                tokens: a_token_stays_and_is_never_0, tokens_order_conflicting_holders, tokens_order_across_threads;
                leases: without_a_lease_nothing_ends, a_lease_ends_by_itself, a_lease_ends_even_if_nobody_looks, whoever_lost_a_lock_is_told,
                    losing_a_lock_disturbs_nobody, a_lease_can_be_shortened, a_lease_can_be_lengthened,
                    a_refresh_starts_the_lease_anew, the_end_of_a_lease_lets_relatives_in, a_shared_lease_is_its_own,
                    with_tells_a_loss, downgrade_keeps_the_lease, an_endless_lease_does_not_overflow,
                    a_guard_says_how_long_its_lease_lasts;
                sets: a_set_locks_all_or_nothing, every_way_to_ask_for_a_set, what_a_set_covers_is_absorbed,
                    a_set_that_makes_no_sense_is_an_error, an_error_names_the_blocked_member, a_waiting_set_gets_in,
                    a_set_that_gives_up_leaves_nothing, sets_and_single_locks_in_any_order,
                    racing_tries_of_sets_never_both_fail, a_set_that_is_refused_disturbs_no_try,
                    a_set_of_eight_gets_through_a_storm, a_set_splits_into_its_members, a_set_has_one_token,
                    leases_of_members_end, a_panic_releases_a_set, a_set_that_waits_is_seen;
                looking: what_is_held_is_seen, who_waits_is_seen_in_order, who_waits_for_what_is_below_holds_nothing_yet,
                    tasks_are_seen, blockers_are_who_is_in_the_way, what_is_broken_is_lost, under_load_each_node_is_true;
            }
        }
    };
    // What a store may say that it cannot do.
    (changing $store:ident, $make:expr) => {
        mod $store {
            use super::*;
            conformance! { @tests $make;
                narrowing: narrow_keeps_what_is_named, narrow_merges_what_covers_each_other, narrow_to_nothing_is_a_release,
                    narrow_to_elsewhere_is_an_error, narrow_lets_waiters_for_the_rest_in, narrow_outlives_the_store,
                    narrow_keeps_lease_and_owner, narrow_of_a_lost_lock_is_an_error, narrow_leaves_no_gap,
                    narrow_is_seen_all_the_time;
                upgrading: upgrade_makes_it_exclusive, upgrade_is_refused_by_what_conflicts,
                    upgrade_waits_for_readers_and_lets_none_in, upgrade_passes_those_that_wait,
                    upgrade_below_those_that_wait_for_each_other, upgrade_tells_the_second_one,
                    upgrade_that_times_out_leaves_nothing, upgrade_keeps_lease_and_owner, upgrade_that_is_lost,
                    upgrade_is_seen, upgrade_under_load;
                widening: widen_covers_the_subtree, widen_is_refused_by_what_conflicts, widen_to_elsewhere_is_an_error,
                    widen_keeps_lease_and_owner, widen_leaves_no_gap, widen_and_narrow_under_waiters;
            }
        }
    };
    (@tests $make:expr; $($group:ident: $($promise:ident),+;)+) => {
        $($(
            #[test]
            fn $promise() {
                $crate::common::asking::in_time(|| $crate::common::conformance::$group::$promise($make));
            }
        )+)+
    };
}

/// Takes the lock if it can be had right now.
fn take<S: LockStore>(store: &S, path: impl ToTreePath, kind: Kind) -> Result<OwnedTreeMutexGuard<S>, LockError> {
    mutex(store, path, kind).try_lock_owned()
}

/// Takes a lock that must be free.
#[track_caller]
fn hold<S: LockStore>(store: &S, path: impl ToTreePath, kind: Kind) -> OwnedTreeMutexGuard<S> {
    take(store, path, kind).expect("nothing is in the way")
}

/// That nothing whatever is left in the tree.
#[track_caller]
fn assert_all_free<S: LockStore>(store: &S) {
    let root = mutex(store, "/", EXCLUSIVE);
    assert!(!root.is_locked(), "something is still locked");
    drop(root.try_lock().expect("something is still locked"));
}
