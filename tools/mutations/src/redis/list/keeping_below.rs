//! What is held below a kept lock is in somebody's way for ever, or is forgotten; or two have it.

use super::{DRIVER, EXCHANGE, EXCHANGE_LUA, Fault, KEEP, KEEP_BELOW, LOCK_BELOW, RUN_BELOW};
use crate::redis::runner::Runner::{Servers, Shuttle, Unit};

const EXCHANGED: &str = "redis::protocol::keep::below::tests::a_recall_has_a_host_exchanged_for_its_guests";

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        what: "a recall finds nothing that has others below it",
        edits: &[(
            KEEP,
            "self.drain(&node, |it| conflicts(",
            "self.drain(&node, |it| it.guests.is_empty() && conflicts(",
        )],
        runner: Unit,
        fails: &[EXCHANGED],
    },
    Fault {
        what: "two that are in conflict are below a kept lock",
        edits: &[(KEEP_BELOW, " || it.is_in_conflict(target, kind) {", " {")],
        runner: Unit,
        fails: &["redis::protocol::keep::below::tests::what_a_kept_lock_covers_is_taken_below_it_by_several"],
    },
    Fault {
        what: "what is below a kept lock is held after that is over",
        edits: &[(LOCK_BELOW, ".filter(|host| host.is_held(now))", "")],
        runner: Unit,
        fails: &["redis::protocol::keep::below::tests::a_guest_lasts_as_long_as_its_host"],
    },
    Fault {
        what: "an exchange forgets a holder",
        edits: &[(EXCHANGE, "guests.map(|(lock, kind)|", "guests.skip(1).map(|(lock, kind)|")],
        runner: Unit,
        fails: &[EXCHANGED],
    },
    Fault {
        what: "who lets go during an exchange leaves a lock behind",
        edits: &[(KEEP_BELOW, "(true, false) => result.back.push(lock.clone()),", "(true, false) => {}")],
        runner: Unit,
        fails: &["redis::protocol::keep::below::tests::who_leaves_during_the_exchange_is_given_back_after_it"],
    },
    Fault {
        what: "a thread does not wait for the exchange of what it lets go",
        edits: &[(RUN_BELOW, "(clock(), of_task || waited.is_err())", "(clock(), of_task || true)")],
        runner: Servers,
        fails: &["keeping::below::what_is_let_go_while_it_is_exchanged_is_in_nobodys_way"],
    },
    Fault {
        what: "what a task lets go during an exchange is not waited for",
        edits: &[(DRIVER, "        keeping::below::settle(&self.client, deadline);\n", "")],
        runner: Servers,
        fails: &["keeping::below::what_is_let_go_while_it_is_exchanged_is_in_nobodys_way"],
    },
    Fault {
        what: "who lets go just as the exchange begins is given back before it",
        edits: &[(
            KEEP_BELOW,
            "        if let Some(left) = self.leave_exchanged(lock, may_owe, now) {\n            return left;\n        }\n",
            "",
        )],
        runner: Shuttle,
        fails: &["redis::protocol::keep::tests::models::an_exchange_forgets_nobody"],
    },
    Fault {
        what: "the loss of a kept lock is none of those below it",
        edits: &[(
            KEEP_BELOW,
            "it.lock.number == host.number).iter().for_each(Kept::lose);",
            "it.lock.number == host.number).clear();",
        )],
        runner: Unit,
        fails: &["redis::protocol::keep::below::tests::a_guest_lasts_as_long_as_its_host"],
    },
    Fault {
        what: "an exchange does not say which token was given out last",
        edits: &[(EXCHANGE_LUA, "  draw_up_to(it, last) -- before anybody is handed a lock\n", "")],
        runner: Servers,
        fails: &["keeping::below::tokens_rise_across_an_exchange_though_the_clock_was_set_back"],
    },
    Fault {
        what: "an exchange lets nobody through",
        edits: &[(
            EXCHANGE_LUA,
            "  give_up(token, tombstone)\nend\n",
            "  local list = chain(it.path)\n  ungrant(list, counts(NODES, list), token, it.kind)\nend\n",
        )],
        runner: Servers,
        fails: &["scripts::changes::an_exchange_serves_who_waits_beside_what_is_held_and_sent_again_does_nothing"],
    },
    Fault {
        what: "nobody renews a kept lock for those below it",
        edits: &[(LOCK_BELOW, "            state.keeping.is_host = true;\n", "")],
        runner: Unit,
        fails: &["redis::protocol::agenda::tests::unused::what_nobody_uses_is_renewed_for_those_below_it"],
    },
];
