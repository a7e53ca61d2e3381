//! The scripts' books: what each keeps in step with what it grants, and what one call may do.

use super::{ACQUIRE_FAST, DETACHED_LUA, DOWNGRADE_LUA, Fault, REFRESH_LUA, RELEASE_FAST, TREE_LUA, TURNS_LUA};
use crate::redis::runner::Runner::Servers;

const PROGRAMS: &str = "programs::the_scripts_do_as_the_list";

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        what: "the fast path of acquire enters nothing in the list of holders",
        edits: &[(ACQUIRE_FAST, "      call('ZADD', HOLDERS, '0', ARGV[4] .. '\\0' .. ARGV[3] .. token)\n", "")],
        runner: Servers,
        fails: &[PROGRAMS],
    },
    Fault {
        what: "the fast path of acquire sets no end",
        edits: &[(ACQUIRE_FAST, "      call('ZADD', DEADLINES, now + ARGV[5], token)\n", "")],
        runner: Servers,
        fails: &[PROGRAMS],
    },
    Fault {
        what: "the fast path of acquire does not look for a tombstone",
        edits: &[(ACQUIRE_FAST, "nodes[1] and not nodes[3] and not nodes[4]", "nodes[1] and not nodes[3]")],
        runner: Servers,
        fails: &[PROGRAMS],
    },
    Fault {
        what: "the fast path of acquire overlooks shared locks above",
        edits: &[(ACQUIRE_FAST, "free = free and xs == 0 and (ss == 0 or kind > 2)", "free = free and xs == 0")],
        runner: Servers,
        fails: &[PROGRAMS],
    },
    Fault {
        what: "the fast path of acquire overlooks what is below",
        edits: &[(ACQUIRE_FAST, " and (kind == 2 or x_below + s_below == 0)", "")],
        runner: Servers,
        fails: &[PROGRAMS],
    },
    Fault {
        what: "the fast path of acquire overlooks exclusive locks below a shared one",
        edits: &[(ACQUIRE_FAST, " and (kind == 4 or x_below == 0)", "")],
        runner: Servers,
        fails: &[PROGRAMS],
    },
    Fault {
        what: "the fast path of release leaves its end",
        edits: &[(
            RELEASE_FAST,
            "    call('ZREM', DEADLINES, token)\n    call('ZREM', HOLDERS, path",
            "    call('ZREM', HOLDERS, path",
        )],
        runner: Servers,
        fails: &[PROGRAMS],
    },
    Fault {
        what: "the fast path of release leaves its entry in the list of holders",
        edits: &[(RELEASE_FAST, "    call('ZREM', HOLDERS, path .. '\\0' .. ARGV[4] .. token)\n", "")],
        runner: Servers,
        fails: &[PROGRAMS],
    },
    Fault {
        what: "a fast hand-over leaves the waiter's tickets above",
        edits: &[(RELEASE_FAST, "for i = 1, size - 1 do\n          tickets", "for i = 1, 0 do\n          tickets")],
        runner: Servers,
        fails: &[PROGRAMS],
    },
    Fault {
        what: "a fast hand-over goes to the dead",
        edits: &[(RELEASE_FAST, " and call('ZSCORE', DEADLINES, next) + 0 > now and", " and")],
        runner: Servers,
        fails: &["scripts::the_turn_of_a_dead_waiter_is_passed_over"],
    },
    Fault {
        what: "a dead waiter's turn is for its claim",
        edits: &[(TURNS_LUA, "local lives = more_expired == false or time_left(token) > 0", "local lives = true")],
        runner: Servers,
        fails: &["scripts::dead_waiters_are_in_nobodys_way", "scripts::the_turn_of_a_dead_waiter_is_passed_over"],
    },
    Fault {
        what: "the last waiter to go leaves the mark that somebody waits",
        edits: &[(TREE_LUA, "    call('HDEL', NODES, 'waiting') -- the fast paths look at this alone (I9)\n", "")],
        runner: Servers,
        fails: &[PROGRAMS],
    },
    Fault {
        what: "a waiter stands in no queue above its node",
        edits: &[(TREE_LUA, "  for i = 1, last do\n    each(", "  for i = last, last do\n    each(")],
        runner: Servers,
        fails: &[PROGRAMS],
    },
    Fault {
        what: "an exclusive request overlooks shared locks above",
        edits: &[(TREE_LUA, "      elseif kind <= 2 and node[3] > 0 then\n        return i, 3\n", "")],
        runner: Servers,
        fails: &[PROGRAMS],
    },
    Fault {
        what: "a downgrade lets nobody in",
        edits: &[(DOWNGRADE_LUA, "hand_over(it.path, it.kind == 1, '')\n", "")],
        runner: Servers,
        fails: &[PROGRAMS],
    },
    Fault {
        what: "a downgrade lets nobody in below",
        edits: &[(DOWNGRADE_LUA, "hand_over(it.path, it.kind == 1, '')\n", "hand_over(it.path, false, '')\n")],
        runner: Servers,
        fails: &[PROGRAMS],
    },
    Fault {
        what: "a late refresh_for undoes a later one",
        edits: &[(REFRESH_LUA, "elseif version < 0 or version >= it.version then", "else")],
        runner: Servers,
        fails: &["scripts::a_late_request_does_not_shorten_a_lease"],
    },
    Fault {
        what: "a late renewal shortens a lease",
        edits: &[(
            REFRESH_LUA,
            "set_end(token, now + (length > 0 and length or claim), true)",
            "set_end(token, now + (length > 0 and length or claim))",
        )],
        runner: Servers,
        fails: &["scripts::a_late_request_does_not_shorten_a_lease"],
    },
    Fault {
        what: "a detached lock that has ended is renewed",
        edits: &[(
            REFRESH_LUA,
            "or not beats and time_left(token) <= 0",
            "or not beats and it.client ~= '' and time_left(token) <= 0",
        )],
        runner: Servers,
        fails: &["scripts::what_is_over_is_not_shown_and_cannot_be_taken_up"],
    },
    Fault {
        what: "a detached lock that has ended is taken up",
        edits: &[(DETACHED_LUA, "if time_left(token) <= 0 then\n  return { 0 }\nend\n", "")],
        runner: Servers,
        fails: &["scripts::what_is_over_is_not_shown_and_cannot_be_taken_up"],
    },
    Fault {
        what: "a detach that is sent again sets the end again",
        edits: &[(
            DETACHED_LUA,
            "\nif it.client ~= '' then\n  local about",
            "\nif it.client ~= '' or detach == '1' then\n  local about",
        )],
        runner: Servers,
        fails: &["scripts::a_late_request_does_not_shorten_a_lease"],
    },
    Fault {
        what: "a call hands over without end",
        edits: &[(TURNS_LUA, "    if stopped or visited >= MAX_VISITED then", "    if stopped then")],
        runner: Servers,
        fails: &["scripts::a_call_visits_no_more_than_its_limit"],
    },
    Fault {
        what: "heartbeats of one call grant without end",
        edits: &[(TURNS_LUA, "    local room = MAX_GRANTED - granted\n", "    local room = MAX_GRANTED\n")],
        runner: Servers,
        fails: &["scripts::many_heartbeats_grant_no_more_than_the_limit"],
    },
    Fault {
        what: "a call takes away without end",
        edits: &[(TURNS_LUA, "if left > 0 or reaped >= MAX_REAPED then", "if left > 0 then")],
        runner: Servers,
        fails: &["scripts::what_is_in_the_way_goes_a_bounded_number_a_call"],
    },
];
