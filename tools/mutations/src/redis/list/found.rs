//! Faults that were ours until simulated histories found them.

use super::{ACQUIRE_LUA, ACQUISITION, AGENDA, CALLER, Fault, HELD, LOCK};
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
        edits: &[(ACQUISITION, "timing.claim_window().min(self.lock.lease)", "timing.claim_window()")],
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
            "self.keep(lock, Stage::Held { renewing: false }, due(lock));",
            "self.keep(lock, Stage::Held { renewing: false }, due(lock) + 2 * lock.lease / 3);",
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
];
