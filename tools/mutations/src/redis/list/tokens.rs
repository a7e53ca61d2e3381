//! Fencing tokens rise, and time goes on, also when the server's clock was set back.

use super::{ACQUIRE_FAST, ACQUIRE_LUA, Fault, RELEASE, RELEASE_FAST, TREE_LUA};
use crate::redis::runner::Runner::{Servers, Unit};

const GUARD_OF_ACQUIRE: &str = "    if fence <= now + 1 and now % 16 > 0 then\n      if fence < now then\n";
const GUARD_OF_RELEASE: &str = "local record = fence <= now + 1 and call('ZSCORE', DEADLINES, next) + 0 > now and";

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        what: "the slow path's token is the time, and not at least the last one plus one",
        edits: &[(TREE_LUA, "raise_tick(math.max(tick + 1, now))", "raise_tick(now)")],
        runner: Servers,
        fails: &["scripts::clock::tokens_rise_when_the_clock_was_set_back"],
    },
    Fault {
        what: "a time before the last tick is believed",
        edits: &[(TREE_LUA, "  if now < tick then\n    call('HSET'", "  if false then\n    call('HSET'")],
        runner: Servers,
        fails: &[
            "scripts::clock::a_lease_is_its_length_when_the_clock_was_set_back",
            "scripts::clock::heartbeats_count_from_now_when_the_clock_was_set_back",
        ],
    },
    Fault {
        what: "the fast path of acquire takes the time for a token",
        edits: &[(ACQUIRE_FAST, GUARD_OF_ACQUIRE, "    if now % 16 > 0 then\n      if true then\n")],
        runner: Servers,
        fails: &["scripts::clock::a_fast_hand_over_draws_a_greater_token"],
    },
    Fault {
        what: "the fast path of acquire does not see that the clock was set back",
        edits: &[(ACQUIRE_FAST, "if fence <= now + 1 and now % 16 > 0 then", "if now % 16 > 0 then")],
        runner: Servers,
        fails: &["scripts::clock::a_lease_is_its_length_when_the_clock_was_set_back"],
    },
    Fault {
        what: "the fast path of release takes the time for a token",
        edits: &[
            (RELEASE_FAST, GUARD_OF_RELEASE, "local record = call('ZSCORE', DEADLINES, next) + 0 > now and"),
            (RELEASE_FAST, "        if fence < now then\n", "        if true then\n"),
        ],
        runner: Servers,
        fails: &["scripts::clock::a_fast_hand_over_draws_a_greater_token"],
    },
    Fault {
        what: "the fast path of release does not see that the clock was set back",
        edits: &[(RELEASE_FAST, GUARD_OF_RELEASE, "local record = call('ZSCORE', DEADLINES, next) + 0 > now and")],
        runner: Servers,
        fails: &["scripts::clock::a_lease_is_its_length_when_the_clock_was_set_back"],
    },
    Fault {
        what: "the fast path of acquire forgets the offset",
        edits: &[(ACQUIRE_FAST, "time[2] + (nodes[2] or 0), nodes[1] + 1", "time[2], nodes[1] + 1")],
        runner: Servers,
        fails: &["scripts::clock::a_lease_is_its_length_when_the_clock_has_caught_up"],
    },
    Fault {
        what: "the fast path of release forgets the offset",
        edits: &[(RELEASE_FAST, "time[2] + (nodes[2] or 0), nodes[1] + 1", "time[2], nodes[1] + 1")],
        runner: Servers,
        fails: &["scripts::clock::a_lease_is_its_length_when_the_clock_has_caught_up"],
    },
    Fault {
        what: "an end is set, and the time of that is not noted",
        edits: &[(TREE_LUA, "  if tick < now then\n    raise_tick(now)\n  end\n", "")],
        runner: Servers,
        fails: &["scripts::clock::what_was_renewed_lasts_no_longer_when_the_clock_is_set_back"],
    },
    Fault {
        what: "a re-sent acquire takes the lock twice",
        edits: &[(
            ACQUIRE_LUA,
            "if text then\n  return claimed(text)\nend\ntext = anyone_waits",
            "text = anyone_waits",
        )],
        runner: Servers,
        fails: &["scripts::a_late_request_does_not_shorten_a_lease"],
    },
    Fault {
        what: "a server that forgot is believed to have carried out a release",
        edits: &[(RELEASE, "released.born.is_some_and(|born| born <= lock.fencing_token())", "true")],
        runner: Unit,
        fails: &["redis::protocol::release::tests::a_server_that_forgot_has_not_released_it"],
    },
    Fault {
        what: "the tree does not note since when it remembers",
        edits: &[(TREE_LUA, "    call('HSET', NODES, 'born', to)\n", "")],
        runner: Servers,
        fails: &["faults::losses::a_release_whose_answer_was_lost_is_no_loss"],
    },
];
