//! The faults: promises of the store over Redis, each broken in one place.
//!
//! Where the same promise is kept in two places (two fast paths, a thread and a task, Lua and Rust)
//! each place has a fault of its own.

mod changes;
mod confirming;
mod deadlines;
mod deadlocks;
mod found;
mod grace;
mod growing;
mod hand_overs;
mod keeping;
mod keeping_below;
mod left_behind;
mod many;
mod scripts;
mod sets;
mod tokens;
mod what_is_told;

use super::runner::Runner;
use crate::copy::Edit;

/// A promise broken.
pub(crate) struct Fault {
    /// What is wrong then.
    pub(crate) what: &'static str,
    pub(crate) edits: &'static [Edit],
    /// What runs the tests: where several would notice, the cheapest.
    pub(super) runner: Runner,
    /// The tests that fail.
    pub(super) fails: &'static [&'static str],
}

const ACQUISITION: &str = "redis/protocol/acquisition.rs";
const AGENTS: &str = "redis/run/agents.rs";
const AGENDA: &str = "redis/protocol/agenda.rs";
const CHANGE: &str = "redis/protocol/change.rs";
const CALLS_REFRESH: &str = "redis/protocol/calls/refresh.rs";
const CALLS: &str = "redis/protocol/calls.rs";
const GRANTS: &str = "redis/run/task/grants.rs";
const GRAPH: &str = "deadlock/graph.rs";
const HELD: &str = "redis/protocol/held.rs";
const EXCHANGE: &str = "redis/protocol/exchange.rs";
const KEEP: &str = "redis/protocol/keep.rs";
const KEEP_BELOW: &str = "redis/protocol/keep/below.rs";
const KEEP_GROW: &str = "redis/protocol/keep/grow.rs";
const KEEP_PARTS: &str = "redis/protocol/keep/parts.rs";
const LOCK_BELOW: &str = "redis/protocol/lock/below.rs";
const LENT: &str = "redis/protocol/lock/lent.rs";
const LOCK: &str = "redis/protocol/lock.rs";
const TIMING: &str = "redis/protocol/timing.rs";
const RELEASE: &str = "redis/protocol/release.rs";
const CALLER: &str = "redis/run/caller.rs";
const LOOK: &str = "redis/run/look.rs";
const CHECK: &str = "redis/run/check.rs";
const DRIVER: &str = "redis/run/driver.rs";
const SENDING: &str = "redis/run/driver/sending.rs";
const RUN_BELOW: &str = "redis/run/keeping/below.rs";
const HUB: &str = "redis/run/hub.rs";
const CONFIRM: &str = "redis/protocol/confirm.rs";
const LEADER: &str = "redis/wire/pool/leader.rs";
const LISTENER: &str = "redis/run/listener.rs";
const NODE: &str = "redis/node.rs";
const SUBSCRIBER: &str = "redis/run/subscriber.rs";
const WORKERS: &str = "redis/run/workers.rs";

const ACQUIRE_LUA: &str = "redis/lua/acquire.lua";
const ACQUIRE_FAST: &str = "redis/lua/acquire_fast.lua";
const ACQUIRE_SET: &str = "redis/lua/acquire_set.lua";
const DETACHED_LUA: &str = "redis/lua/detached.lua";
const DOWNGRADE_LUA: &str = "redis/lua/downgrade.lua";
const EXCHANGE_LUA: &str = "redis/lua/exchange.lua";
const GIVE_BACK_LUA: &str = "redis/lua/give_back.lua";
const GROW_LUA: &str = "redis/lua/grow.lua";
const HELLO_LUA: &str = "redis/lua/hello.lua";
const IN_USE_LUA: &str = "redis/lua/in_use.lua";
const KEPT_LUA: &str = "redis/lua/kept.lua";
const LIST_LUA: &str = "redis/lua/list.lua";
const NARROW_LUA: &str = "redis/lua/narrow.lua";
const PRELUDE_LUA: &str = "redis/lua/prelude.lua";
const PROBE_LUA: &str = "redis/lua/probe.lua";
const RECLAIM_LUA: &str = "redis/lua/reclaim.lua";
const REFRESH_LUA: &str = "redis/lua/refresh.lua";
const RELEASE_FAST: &str = "redis/lua/release_fast.lua";
const SETS_LUA: &str = "redis/lua/sets.lua";
const TREE_LUA: &str = "redis/lua/tree.lua";
const TURNS_LUA: &str = "redis/lua/turns.lua";
const UPGRADE_LUA: &str = "redis/lua/upgrade.lua";
const WIDEN_LUA: &str = "redis/lua/widen.lua";

pub(crate) fn all() -> impl Iterator<Item = &'static Fault> {
    let lists = [
        deadlines::FAULTS,
        tokens::FAULTS,
        hand_overs::FAULTS,
        scripts::FAULTS,
        what_is_told::FAULTS,
        left_behind::FAULTS,
        sets::FAULTS,
        changes::FAULTS,
        deadlocks::FAULTS,
        found::FAULTS,
        grace::FAULTS,
        confirming::FAULTS,
        keeping::FAULTS,
        keeping_below::FAULTS,
        growing::FAULTS,
        many::FAULTS,
    ];
    lists.into_iter().flatten()
}
