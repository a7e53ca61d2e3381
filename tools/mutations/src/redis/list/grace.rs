//! A grace period protects less than it says: another gets what a server has forgotten.

use super::{ACQUIRE_FAST, Fault, HELLO_LUA, LEADER, RECLAIM_LUA, RELEASE_FAST, TREE_LUA, TURNS_LUA};
use crate::redis::runner::Runner::{Servers, Unit};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        what: "a command for a server that is gone is sent to the one that took over",
        edits: &[(LEADER, "if connection.transport.is_to_another(run) {", "if false {")],
        runner: Unit,
        fails: &["redis::wire::tests::login::a_command_for_one_server_is_not_sent_to_another"],
    },
    Fault {
        what: "a follower's command for a server that is gone is sent to the one that took over",
        edits: &[(LEADER, "if transport.is_to_another(&request.run) {", "if false {")],
        runner: Unit,
        fails: &["redis::wire::pool::tests::random_deadlines"],
    },
    Fault {
        what: "a server with another run opens no grace period",
        edits: &[(HELLO_LUA, "greet(moved and 0 or now + length)", "greet(0)")],
        runner: Servers,
        fails: &[
            "scripts::grace::which_servers_open_a_period",
            "grace::with_a_grace_period_a_holder_keeps_what_a_server_forgot",
        ],
    },
    Fault {
        what: "a slot that moved opens a grace period",
        edits: &[(HELLO_LUA, "greet(moved and 0 or now + length)", "greet(now + length)")],
        runner: Servers,
        fails: &["scripts::grace::which_servers_open_a_period"],
    },
    Fault {
        what: "scripts run on a server that was not greeted",
        edits: &[(TREE_LUA, "if server and not (known and sub(known, 1, 40) == server) then", "if false then")],
        runner: Servers,
        fails: &["scripts::grace::a_server_that_was_not_greeted_does_nothing"],
    },
    Fault {
        what: "a request is granted in a grace period",
        edits: &[(
            TURNS_LUA,
            "        if grace > 0 then\n          return held",
            "        if false then\n          return held",
        )],
        runner: Servers,
        fails: &["scripts::grace::nothing_new_is_granted_until_it_is_over"],
    },
    Fault {
        what: "the fast path grants in a grace period",
        edits: &[(ACQUIRE_FAST, "(known == server or not server and #known == 40)", "true")],
        runner: Servers,
        fails: &["scripts::grace::nothing_new_is_granted_until_it_is_over"],
    },
    Fault {
        what: "a grace period grows by what the clock is set back",
        edits: &[(HELLO_LUA, "    raise_tick(now) -- as in `set_end`\n", "")],
        runner: Servers,
        fails: &["scripts::grace::a_period_has_its_length_when_the_clock_is_set_back"],
    },
    Fault {
        what: "a lock is handed over in a grace period",
        edits: &[(TURNS_LUA, "  if grace > 0 then\n    return false", "  if false then\n    return false")],
        runner: Servers,
        fails: &["scripts::grace::nothing_new_is_granted_until_it_is_over"],
    },
    Fault {
        what: "a release in a grace period leaves no tombstone",
        edits: &[(TURNS_LUA, "if tombstone > 0 or grace > 0 then", "if tombstone > 0 then")],
        runner: Servers,
        fails: &["scripts::grace::what_was_forgotten_is_put_back_while_it_lasts"],
    },
    Fault {
        what: "the fast path releases in a grace period",
        edits: &[(RELEASE_FAST, " and not (known and #known > 40)", "")],
        runner: Servers,
        fails: &["scripts::grace::what_was_forgotten_is_put_back_while_it_lasts"],
    },
    Fault {
        what: "a lock is put back beside one that conflicts",
        edits: &[(RECLAIM_LUA, "if not obstacle(held, last, kind) then", "if true then")],
        runner: Servers,
        fails: &["scripts::grace::what_was_forgotten_is_put_back_while_it_lasts"],
    },
    Fault {
        what: "a renewal does not say what is held",
        edits: &[("redis/protocol/calls/refresh.rs", "if timing.grace > 0 {", "if false {")],
        runner: Unit,
        fails: &["redis::protocol::calls::tests::to_set_ends_with_a_grace_period"],
    },
];
