//! Faults that were ours until simulated histories found them.

use super::{ACQUIRE_LUA, ACQUISITION, AGENDA, CALLER, Fault, HELD, LOCK, REFRESH_LUA, TURNS_LUA};
use crate::redis::runner::Runner::{Servers, Unit};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        what: "the turn of a waiter that asks after its time was up is taken away while it asks",
        edits: &[(ACQUIRE_LUA, "  set_end(token, now + claim)\nend\nlocal held", "end\nlocal held")],
        runner: Servers,
        fails: &["scripts::a_waiter_that_asks_after_its_time_was_up_has_its_turn"],
    },
    Fault {
        what: "a lock by message is believed in for a claim window, though its lease is shorter",
        edits: &[(
            ACQUISITION,
            ".fold(timing.claim_window(), u64::min)",
            ".fold(timing.claim_window(), |window, _| window)",
        )],
        runner: Unit,
        fails: &["redis::protocol::acquisition::tests::a_lease_shorter_than_the_claim_window_ends_first"],
    },
    Fault {
        what: "the late answer to a refresh undoes the renewals since its request",
        edits: &[(
            LOCK,
            "            self.set(deadline.max(self.deadline()));\n        }\n        true\n    }\n\n    /// The answer to a renewal",
            "            self.set(deadline.max(1));\n        }\n        true\n    }\n\n    /// The answer to a renewal",
        )],
        runner: Unit,
        fails: &["redis::protocol::lock::tests::an_answer_that_is_late_does_not_undo_the_renewals_since_its_request"],
    },
    Fault {
        what: "a lock is first renewed a third of its lease after the answer that granted it",
        edits: &[(
            AGENDA,
            "self.keep(lock, Stage::HELD, due(lock));",
            "self.keep(lock, Stage::HELD, due(lock) + 2 * lock.lease / 3);",
        )],
        runner: Unit,
        fails: &["redis::protocol::agenda::tests::a_lock_whose_answer_was_late_is_renewed_at_once"],
    },
    Fault {
        what: "to detach a lock does not cut its deadline to what is asked for",
        edits: &[(
            HELD,
            "let version = lock.begin_to_set(left, now);",
            "let version = lock.begin_to_set(left.max(lock.deadline()), now);",
        )],
        runner: Unit,
        fails: &[
            "redis::protocol::held::tests::a_lock_that_is_detached_is_believed_in_for_no_longer_than_is_asked_for",
        ],
    },
    Fault {
        what: "the agenda is not told of the deadline that a refresh cuts",
        edits: &[(
            CALLER,
            "            client.agenda(|agenda| agenda.reschedule(lock));\n            send_refresh",
            "            send_refresh",
        )],
        runner: Servers,
        fails: &["faults::losses::a_loss_by_a_shorter_lease_is_told_in_time_while_the_request_for_it_hangs"],
    },
    Fault {
        what: "who stands behind a set in an exclusive queue is served when a call goes on there",
        edits: &[(
            TURNS_LUA,
            "start, after = kind > 2 and entry or path .. '\\0' .. kind + 1, '('",
            "start, after = entry, '('",
        )],
        runner: Servers,
        fails: &["scripts::sets::nobody_passes_a_set_that_stays"],
    },
    Fault {
        what: "a heartbeat revives what is left of a set",
        edits: &[(
            REFRESH_LUA,
            "    if not it or it.kind == 0 then\n      return LOST\n",
            "    if not it or it.kind == 0 then\n      break\n",
        )],
        runner: Servers,
        fails: &["scripts::sets::half_of_a_set_whose_time_is_up_comes_to_nothing"],
    },
];
