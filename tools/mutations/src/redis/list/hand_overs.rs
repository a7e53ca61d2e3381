//! Somebody waits too long, or loses the place in the queue.

use super::{
    ACQUIRE_FAST, ACQUIRE_LUA, ACQUISITION, AGENDA, CALLER, Fault, LISTENER, REFRESH_LUA, RELEASE_FAST, SENDING,
    TURNS_LUA,
};
use crate::redis::runner::Runner::{Servers, Unit};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        what: "a hand-over is for the waiter's lease, and not for its claim",
        edits: &[(TURNS_LUA, "lives and waiter.claim or 0", "lives and waiter.lease or 0")],
        runner: Servers,
        fails: &["times::dead_clients::a_lock_that_was_handed_to_the_dead_is_handed_on"],
    },
    Fault {
        what: "a fast hand-over is for the waiter's lease, and not for its claim",
        edits: &[(RELEASE_FAST, "'^%d,%d+,()%d+,%d+,(%d+),", "'^%d,%d+,()%d+,(%d+),%d+,")],
        runner: Servers,
        fails: &["times::dead_clients::a_lock_that_was_handed_to_the_dead_is_handed_on"],
    },
    Fault {
        what: "a heartbeat does not set the waiter's end anew",
        edits: &[(REFRESH_LUA, "  set_end(token, now + claim)\n  local at", "  local at")],
        runner: Servers,
        fails: &["times::dead_clients::a_waiter_that_lives_keeps_its_place"],
    },
    Fault {
        what: "a heartbeat does not serve the waiter's node",
        edits: &[(REFRESH_LUA, "    local stopped = serve(it.path)\n", "    local stopped\n")],
        runner: Servers,
        fails: &["scripts::heartbeats_go_on_with_what_a_dead_client_left_undone"],
    },
    Fault {
        what: "a waiter's heartbeat is not sent",
        edits: &[(AGENDA, "let due = now + self.until_heartbeat(left.unwrap_or(NEVER));", "let due = NEVER;")],
        runner: Unit,
        fails: &["redis::protocol::agenda::tests::a_waiter_shows_that_it_lives_and_again_while_there_is_no_answer"],
    },
    Fault {
        what: "an acquisition is refused although there is more to take away",
        edits: &[(ACQUIRE_LUA, "if expired then\n  return { AGAIN,", "if false then\n  return { AGAIN,")],
        runner: Servers,
        fails: &[
            "scripts::what_is_in_the_way_goes_a_bounded_number_a_call",
            "faults::after_a_crash::a_try_above_a_few_hundred_dead_locks_succeeds_at_once",
        ],
    },
    Fault {
        what: "a caller does not ask again while what is dead is taken away",
        edits: &[(ACQUISITION, "if now < until {", "if false {")],
        runner: Unit,
        fails: &[
            "redis::protocol::acquisition::tests::a_caller_waits_for_the_clearing_of_what_is_dead_as_long_as_it_has_time",
        ],
    },
    Fault {
        what: "readers of a node count as alike behind an exclusive lock of it (node only)",
        edits: &[(RELEASE_FAST, "alike = xn > 0 and xs + ss + sn == 0", "alike = xn > 0 and xs + ss == 0")],
        runner: Servers,
        fails: &["scripts::order::who_came_first_gets_in_first"],
    },
    Fault {
        what: "shared subtrees count as alike behind an exclusive lock of a node (node only)",
        edits: &[(RELEASE_FAST, "alike = xn > 0 and xs + ss + sn == 0", "alike = xn > 0 and xs + sn == 0")],
        runner: Servers,
        fails: &["scripts::order::who_came_first_gets_in_first"],
    },
    Fault {
        what: "exclusive subtrees count as alike behind an exclusive lock of a node (node only)",
        edits: &[(RELEASE_FAST, "alike = xn > 0 and xs + ss + sn == 0", "alike = xn > 0 and ss + sn == 0")],
        runner: Servers,
        fails: &["scripts::order::who_came_first_gets_in_first"],
    },
    Fault {
        what: "node-only waiters count as alike behind an exclusive lock",
        edits: &[(
            RELEASE_FAST,
            "alike = xs > 0 and xn + ss + sn + x_below + s_below == 0",
            "alike = xs > 0 and ss + x_below + s_below == 0",
        )],
        runner: Servers,
        fails: &["scripts::order::who_came_first_gets_in_first"],
    },
    Fault {
        what: "shared subtrees count as alike behind an exclusive lock",
        edits: &[(
            RELEASE_FAST,
            "alike = xs > 0 and xn + ss + sn + x_below + s_below == 0",
            "alike = xs > 0 and xn + sn + x_below + s_below == 0",
        )],
        runner: Servers,
        fails: &["scripts::order::who_came_first_gets_in_first"],
    },
    Fault {
        what: "waiters below count as alike behind an exclusive lock",
        edits: &[(
            RELEASE_FAST,
            "alike = xs > 0 and xn + ss + sn + x_below + s_below == 0",
            "alike = xs > 0 and xn + ss + sn == 0",
        )],
        runner: Servers,
        fails: &["scripts::order::who_came_first_gets_in_first"],
    },
    Fault {
        what: "exclusive waiters above count as alike",
        edits: &[(RELEASE_FAST, "alike = xs == 0 and ss == 0", "alike = ss == 0")],
        runner: Servers,
        fails: &["scripts::order::who_came_first_gets_in_first"],
    },
    Fault {
        what: "shared waiters above count as alike",
        edits: &[(RELEASE_FAST, "alike = xs == 0 and ss == 0", "alike = xs == 0")],
        runner: Servers,
        fails: &["scripts::order::who_came_first_gets_in_first"],
    },
    Fault {
        what: "the fast path of acquire does not look whether somebody waits",
        edits: &[(ACQUIRE_FAST, "nodes[1] and not nodes[3] and not nodes[4]", "nodes[1] and not nodes[4]")],
        runner: Servers,
        fails: &["scripts::order::who_came_first_gets_in_first"],
    },
    Fault {
        what: "a release hands over to nobody below",
        edits: &[(
            TURNS_LUA,
            "  hand_over(it.path, it.kind % 2 == 1, '')\n  return it",
            "  hand_over(it.path, false, '')\n  return it",
        )],
        runner: Servers,
        fails: &["scripts::a_call_grants_no_more_than_its_limit", "scripts::order::who_came_first_gets_in_first"],
    },
    Fault {
        what: "a release hands over to nobody above",
        edits: &[(
            TURNS_LUA,
            "  for i = 1, last do\n    local node, here",
            "  for i = last, last do\n    local node, here",
        )],
        runner: Servers,
        fails: &["scripts::order::who_came_first_gets_in_first"],
    },
    Fault {
        what: "a hand-over ignores who came earlier",
        edits: &[(TURNS_LUA, "path .. '\\0' .. kind .. earliest(list, waiting, kind)", "path .. '\\0' .. kind .. ':'")],
        runner: Servers,
        fails: &["scripts::order::who_came_first_gets_in_first"],
    },
    Fault {
        what: "a wait that is given up keeps its place",
        edits: &[(
            ACQUIRE_LUA,
            "if it then\n  dequeue(list, waiting, token, it)\n  hand_over(path, kind % 2 == 1, '')\nend",
            "if it then\n  hand_over(path, kind % 2 == 1, '')\nend",
        )],
        runner: Servers,
        fails: &["basic::a_wait_that_times_out_leaves_nothing"],
    },
    Fault {
        what: "a wait that is given up lets nobody through",
        edits: &[(ACQUIRE_LUA, "  hand_over(path, kind % 2 == 1, '')\n", "")],
        runner: Servers,
        fails: &["scripts::order::who_gives_up_lets_the_next_one_in"],
    },
    Fault {
        what: "a listener that is back does not have all waiters beat",
        edits: &[(LISTENER, "            client.agenda(|agenda| agenda.beat_soon(clock()));\n", "")],
        runner: Servers,
        fails: &["times::rare_heartbeats::a_message_that_was_lost_is_made_up_for_when_the_listener_is_back"],
    },
    Fault {
        what: "a message for a waiter whose first answer has not come is dropped",
        edits: &[
            (AGENDA, "Stage::Asks { waiter } | Stage::Waits { waiter, .. } =>", "Stage::Waits { waiter, .. } =>"),
            (
                AGENDA,
                "            Stage::Held { .. } => self.upgrades.get(&number).cloned(),\n",
                "            _ => self.upgrades.get(&number).cloned(),\n",
            ),
        ],
        runner: Unit,
        fails: &["redis::protocol::agenda::tests::a_message_is_for_a_waiter_and_not_for_a_holder"],
    },
    Fault {
        what: "a waiter gives up at the second failure",
        edits: &[(
            ACQUISITION,
            "            _ if self.waits => now > self.lock.waited_at().saturating_add(timing.lease),\n",
            "",
        )],
        runner: Unit,
        fails: &["redis::protocol::acquisition::tests::a_waiter_sits_out_a_lease_without_a_server_and_no_longer"],
    },
    Fault {
        what: "idle connections survive a broken one",
        edits: &[(
            "redis/wire/pool.rs",
            "            state.generation += 1;\n            state.busy += state.idle.len(); // a permit each, until they are closed\n            std::mem::take(&mut state.idle)",
            "            state.generation += 0;\n            Vec::<Box<Shared<C::Transport>>>::new()",
        )],
        runner: Servers,
        fails: &["clients::the_first_call_after_all_connections_broke_succeeds"],
    },
    Fault {
        what: "a server that is out of memory is an error at once",
        edits: &[(
            "redis/wire/refusal.rs",
            "[\"BUSY\", \"OOM\", \"NOREPLICAS\", \"MISCONF\"]",
            "[\"BUSY\", \"BUSY\", \"NOREPLICAS\", \"MISCONF\"]",
        )],
        runner: Unit,
        fails: &["redis::wire::refusal::tests::the_table"],
    },
    Fault {
        what: "what failed to be given back goes to the back of the queue",
        edits: &[(SENDING, "push(client, job, true)", "push(client, job, false)")],
        runner: Servers,
        fails: &["times::late_requests::what_failed_to_be_given_back_is_given_back_first"],
    },
    Fault {
        what: "a thread ignores what its release has left to do",
        edits: &[(
            CALLER,
            "            let outcome = release.answered(answer.as_ref().map_err(Failure::clone), hopeless);\n            if let Ok(released) = answer {\n                client.left_over(released.more);\n            }\n",
            "            let outcome = release.answered(answer.as_ref().map_err(Failure::clone), hopeless);\n",
        )],
        runner: Servers,
        fails: &["times::rare_heartbeats::three_hundred_readers_get_in_at_once"],
    },
    Fault {
        what: "the driver ignores what a task's release has left to do",
        edits: &[(
            SENDING,
            "    if let Ok(released) = answer {\n        client.left_over(released.more);\n    }\n",
            "",
        )],
        runner: Servers,
        fails: &["times::rare_heartbeats::three_hundred_readers_get_in_at_once"],
    },
    Fault {
        what: "the end of the lease in the way is not waited for",
        edits: &[(AGENDA, "self.until_heartbeat(left.unwrap_or(NEVER))", "self.until_heartbeat(NEVER)")],
        runner: Servers,
        fails: &["times::rare_heartbeats::a_waiter_asks_again_when_the_lease_in_its_way_ends"],
    },
];
