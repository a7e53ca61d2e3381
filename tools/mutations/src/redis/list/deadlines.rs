//! Two hold one lock, or one is held by nobody: what a holder believes is longer than what the
//! server keeps, or what should last does not.

use super::{ACQUIRE_LUA, ACQUISITION, AGENDA, CALLS, Fault, HELD, LOCK, NODE, TIMING};
use crate::redis::runner::Runner::{Servers, Unit};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        what: "a claim of what was handed over does not start the lease",
        edits: &[(ACQUIRE_LUA, "  set_end(token, now + lease, it.version > 0 or it.client == '')\n", "")],
        runner: Servers,
        fails: &["times::what_lasts::a_lease_that_was_asked_for_starts_when_the_lock_is_claimed"],
    },
    Fault {
        what: "a lock that came by message counts from when the message was read",
        edits: &[(
            ACQUISITION,
            "let deadline = self.lock.waited_at().saturating_add(window);",
            "let deadline = now.saturating_add(window);",
        )],
        runner: Unit,
        fails: &[
            "redis::protocol::acquisition::tests::a_message_counts_from_the_last_answer_that_said_it_waits",
            "redis::protocol::acquisition::tests::a_message_is_not_believed_if_it_is_late_or_about_an_earlier_grant",
        ],
    },
    Fault {
        what: "a grant's deadline counts from the answer",
        edits: &[(ACQUISITION, "sent.saturating_add(lock.lease).max(1)", "now.saturating_add(lock.lease).max(1)")],
        runner: Unit,
        fails: &["redis::protocol::acquisition::tests::a_grant_counts_from_before_its_request_was_sent"],
    },
    Fault {
        what: "a renewal's deadline counts from the answer",
        edits: &[(
            AGENDA,
            "lock.renewed(renewal.epoch, sent.saturating_add(lock.lease), now)",
            "lock.renewed(renewal.version, now.saturating_add(lock.lease), now)",
        )],
        runner: Unit,
        fails: &["redis::protocol::agenda::tests::an_answer_to_any_try_renews_the_lease"],
    },
    Fault {
        what: "a refresh's deadline counts from the answer",
        edits: &[(
            HELD,
            "let deadline = sent.saturating_add(self.length);",
            "let deadline = now.saturating_add(self.length);",
        )],
        runner: Unit,
        fails: &["redis::protocol::held::tests::a_refresh_counts_from_before_the_try_that_was_answered"],
    },
    Fault {
        what: "a message of an earlier grant is believed",
        edits: &[(ACQUISITION, "fencing_token <= self.lock.arrival() || ", "")],
        runner: Unit,
        fails: &[
            "redis::protocol::acquisition::tests::a_message_is_not_believed_if_it_is_late_or_about_an_earlier_grant",
        ],
    },
    Fault {
        what: "a message whose claim is over, or nearly, is believed",
        edits: &[(ACQUISITION, " || deadline < now.saturating_add(window / 4)", "")],
        runner: Unit,
        fails: &[
            "redis::protocol::acquisition::tests::a_message_is_not_believed_if_it_is_late_or_about_an_earlier_grant",
        ],
    },
    Fault {
        what: "a lease that was asked for is believed by a message",
        edits: &[(
            ACQUISITION,
            "News::Granted(fencing_token) if !self.wanted.iter().any(|it| it.ends) =>",
            "News::Granted(fencing_token) =>",
        )],
        runner: Unit,
        fails: &["redis::protocol::acquisition::tests::a_lease_that_was_asked_for_begins_with_the_claim"],
    },
    Fault {
        what: "nobody takes down that a request may still be under way",
        edits: &[(ACQUISITION, "            self.lock.all().for_each(|lock| lock.doubt());\n", "")],
        runner: Unit,
        fails: &[
            "redis::protocol::acquisition::tests::a_caller_that_does_not_wait_yet_hears_of_the_second_failure",
            "redis::protocol::acquisition::tests::what_nobody_wants_any_more_is_given_back_if_the_server_may_know_it",
        ],
    },
    Fault {
        what: "no release asks for a tombstone",
        edits: &[(CALLS, "let tombstone = if lock.is_unsure() {", "let tombstone = if false {")],
        runner: Unit,
        fails: &["redis::protocol::release::tests::a_tombstone_is_left_where_a_request_may_be_under_way"],
    },
    Fault {
        what: "a request that may be under way finds no tombstone when it arrives late",
        edits: &[(CALLS, "let tombstone = if lock.is_unsure() {", "let tombstone = if false {")],
        runner: Servers,
        fails: &["times::late_requests::a_request_that_arrives_after_the_release_is_granted_to_nobody"],
    },
    Fault {
        what: "a refresh_for that failed leaves the old deadline",
        edits: &[(LOCK, "            self.set(self.deadline().min(now.saturating_add(length)).max(1));\n", "")],
        runner: Unit,
        fails: &[
            "redis::protocol::lock::tests::a_shorter_lease_is_believed_before_the_request_is_sent",
            "redis::protocol::held::tests::a_refresh_that_fails_leaves_the_earlier_of_both_deadlines",
        ],
    },
    Fault {
        what: "a lock that came by message is first renewed after a third of the lease",
        edits: &[(AGENDA, "let due = now + lock.deadline().saturating_sub(now) / 2;", "let due = due(lock);")],
        runner: Unit,
        fails: &["redis::protocol::agenda::tests::a_lock_by_message_is_renewed_within_its_claim_window"],
    },
    Fault {
        what: "a late renewal brings a lock back",
        edits: &[(
            LOCK,
            "        let state = self.state.lock();\n        if !self.expire(&state, now) {\n            return false;\n        }\n",
            "        let state = self.state.lock();\n",
        )],
        runner: Unit,
        fails: &["redis::protocol::lock::tests::a_late_answer_finds_the_loss_though_nobody_looked"],
    },
    Fault {
        what: "a late refresh brings a lock back",
        edits: &[(
            LOCK,
            "        let mut state = self.state.lock();\n        if !self.expire(&state, now) {\n            return false;\n        }\n",
            "        let mut state = self.state.lock();\n",
        )],
        runner: Unit,
        fails: &["redis::protocol::held::tests::a_late_answer_brings_nothing_back"],
    },
    Fault {
        what: "a renewal undoes a refresh_for that began after it",
        edits: &[(LOCK, "if state.epoch() == epoch && state.renews {", "if epoch <= state.epoch() {")],
        runner: Unit,
        fails: &["redis::protocol::lock::tests::a_renewal_counts_only_if_no_request_that_sets_the_end_began_since"],
    },
    Fault {
        what: "the answer to the older of two requests that set the end is believed",
        edits: &[(
            LOCK,
            "        if state.version == version {\n            state.renews = renews;",
            "        if version > 0 {\n            state.renews = renews;",
        )],
        runner: Unit,
        fails: &["redis::protocol::lock::tests::of_two_requests_that_set_the_end_the_younger_counts"],
    },
    Fault {
        what: "a renewal that failed is never tried again",
        edits: &[(AGENDA, "                None => now + RETRY,", "                None => NEVER,")],
        runner: Unit,
        fails: &["redis::protocol::agenda::tests::an_answer_to_any_try_renews_the_lease"],
    },
    Fault {
        what: "a renewal without an answer is not sent again",
        edits: &[(AGENDA, "kept.due = renewal_retry(now, deadline);", "kept.due = deadline;")],
        runner: Unit,
        fails: &["redis::protocol::agenda::tests::a_lease_is_renewed_after_a_third_and_again_while_there_is_no_answer"],
    },
    Fault {
        what: "of all that is due the keeper sends the first call only",
        edits: &[(AGENDA, "renewals: renewals.chunks(BATCH).map(", "renewals: renewals.chunks(BATCH).take(1).map(")],
        runner: Unit,
        fails: &["redis::protocol::agenda::tests::no_call_renews_too_many"],
    },
    Fault {
        what: "a store with very many locks renews some of them",
        edits: &[
            (AGENDA, "renewals: renewals.chunks(BATCH).map(", "renewals: renewals.chunks(BATCH).take(1).map("),
            (AGENDA, "kept.due = renewal_retry(now, deadline);", "kept.due = deadline;"),
        ],
        runner: Servers,
        fails: &["times::what_lasts::ten_thousand_locks_are_renewed_in_time"],
    },
    Fault {
        what: "a refresh makes a lease that was asked for renew itself",
        edits: &[(NODE, "let renews = length.is_none() && !grant.ends;", "let renews = length.is_none();")],
        runner: Servers,
        fails: &["times::what_lasts::a_refresh_makes_nothing_renew_itself_that_was_to_end"],
    },
    Fault {
        what: "a detached lock goes on renewing itself",
        edits: &[(
            HELD,
            "let length = if lock.stop_renewing() { lock.lease } else { 0 };",
            "let length = if lock.renews() { lock.lease } else { 0 };",
        )],
        runner: Unit,
        fails: &[
            "redis::protocol::held::tests::a_lock_that_is_detached_renews_itself_no_more_and_starts_anew_if_it_did",
        ],
    },
    Fault {
        what: "detach does not start the lease anew",
        edits: &[(
            HELD,
            "let length = if lock.stop_renewing() { lock.lease } else { 0 };",
            "let length = if lock.stop_renewing() { 0 } else { 0 };",
        )],
        runner: Unit,
        fails: &[
            "redis::protocol::held::tests::a_lock_that_is_detached_renews_itself_no_more_and_starts_anew_if_it_did",
        ],
    },
    Fault {
        what: "a renewal may wait for a silent server past the first deadline",
        edits: &[(TIMING, "self.timeout.min(left - left / 4).max(RETRY)", "self.timeout.max(left.min(RETRY))")],
        runner: Unit,
        fails: &["redis::protocol::timing::tests::a_renewal_waits_for_less_than_what_is_left"],
    },
];
