//! Several locks as one.

use super::{ACQUIRE_SET, Fault, REFRESH_LUA, RELEASE_FAST, SETS_LUA};
use crate::redis::runner::Runner::Servers;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        what: "a set is granted in part",
        edits: &[(
            SETS_LUA,
            "  for _, it in ipairs(members) do\n    grant(",
            "  for _, it in ipairs({ members[1] }) do\n    grant(",
        )],
        runner: Servers,
        fails: &["scripts::sets::it_is_handed_over_whole"],
    },
    Fault {
        what: "a set is handed over whatever holds its other members",
        edits: &[(
            SETS_LUA,
            "    if obstacle(counts(NODES, it.list), last, it.kind) then",
            "    if n == 1 and obstacle(counts(NODES, it.list), last, it.kind) then",
        )],
        runner: Servers,
        fails: &["scripts::sets::it_is_handed_over_whole"],
    },
    Fault {
        what: "a set's tickets stay at a member",
        edits: &[(
            SETS_LUA,
            "  for _, it in ipairs(members) do\n    waiting = counts",
            "  for _, it in ipairs({ members[1] }) do\n    waiting = counts",
        )],
        runner: Servers,
        fails: &["scripts::sets::given_up_it_leaves_every_queue_and_those_behind_go_on"],
    },
    Fault {
        what: "the fast path of release takes a set for a lock",
        edits: &[(RELEASE_FAST, "if record and sub(record, 1, 1) == ARGV[4] then", "if record then")],
        runner: Servers,
        fails: &["scripts::sets::a_set_that_is_first_in_line_is_not_handed_half"],
    },
    Fault {
        what: "a late request takes a set of which a part was given back",
        edits: &[(ACQUIRE_SET, "  if lives and many < #members then", "  if false then")],
        runner: Servers,
        fails: &["scripts::sets::what_was_given_back_does_not_come_back"],
    },
    Fault {
        what: "a renewal revives what is left of a set whose time is up",
        edits: &[(
            REFRESH_LUA,
            "or not beats and time_left(token) <= 0",
            "or not beats and it.client == '' and time_left(token) <= 0",
        )],
        runner: Servers,
        fails: &["scripts::sets::a_renewal_revives_no_part_of_a_set_whose_time_is_up"],
    },
    Fault {
        what: "a renewal of what waits in older data is taken for its heartbeat",
        edits: &[(REFRESH_LUA, "if text and (ARGV[i + 1] ~= '0' or version ~= '0') then", "if false then")],
        runner: Servers,
        fails: &["scripts::sets::a_renewal_of_what_waits_finds_it_lost"],
    },
];
