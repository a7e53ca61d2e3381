//! What a process keeps is somebody else's too late, or never; or two have it.

use super::{ACQUIRE_LUA, Fault, GIVE_BACK_LUA, IN_USE_LUA, KEEP, KEEP_PARTS, KEPT_LUA, LENT, LISTENER};
use crate::redis::runner::Runner::{Servers, Shuttle, Unit};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        what: "nobody is told that what is kept is wanted",
        edits: &[(KEPT_LUA, "  if waits or not busy then\n", "  if false then\n")],
        runner: Servers,
        fails: &[
            "keeping::a_waiter_has_it_recalled_on_its_node_above_and_below",
            "keeping::a_try_is_not_refused_by_what_nobody_uses",
        ],
    },
    Fault {
        what: "a try is refused by what nobody uses",
        edits: &[(ACQUIRE_LUA, "return { kept and not it and KEPT or REFUSED,", "return { REFUSED,")],
        runner: Servers,
        fails: &["keeping::a_try_is_not_refused_by_what_nobody_uses"],
    },
    Fault {
        what: "a recall finds what is kept on its own node alone",
        edits: &[(KEEP, "        nodes.extend(below.map(|(node, _)| node.clone()));\n", "        drop(below);\n")],
        runner: Unit,
        fails: &["redis::protocol::keep::tests::a_recall_takes_what_is_in_conflict_and_nothing_else"],
    },
    Fault {
        what: "what was recalled while in use is kept",
        edits: &[
            // Or the node would be hot.
            (KEEP, "        if is_wanted {\n", "        if is_wanted && false {\n"),
            (KEEP, "        !is_wanted && self.hot", "        self.hot"),
        ],
        runner: Unit,
        fails: &["redis::protocol::keep::tests::what_is_recalled_while_in_use_is_not_kept"],
    },
    Fault {
        what: "recalls count from when a lock was asked for, though it was lent since",
        edits: &[(
            LENT,
            "        state.keeping.since = recalls;\n        Lend::Yes",
            "        let _ = recalls;\n        Lend::Yes",
        )],
        runner: Unit,
        fails: &["redis::protocol::keep::tests::a_lent_lock_is_kept_again_whatever_came_before_it_was_lent"],
    },
    Fault {
        what: "a lock that waited is kept",
        edits: &[(LENT, "            && state.arrival == 0\n", "")],
        runner: Unit,
        fails: &["redis::protocol::keep::tests::only_what_was_granted_at_once_is_kept"],
    },
    Fault {
        what: "a kept lock that was lent is lent again",
        edits: &[(
            KEEP,
            "let lock = all.swap_remove(at).lock;\n        self.count -= 1;\n        if all.is_empty() {\n",
            "let lock = all[at].lock.clone();\n        if all.is_empty() {\n",
        )],
        runner: Unit,
        fails: &["redis::protocol::keep::tests::what_was_let_go_of_is_lent_to_whoever_wants_the_same"],
    },
    Fault {
        what: "a kept lock is lent after its deadline",
        edits: &[(
            KEEP,
            "        let lend = match lasts(lock, now) {",
            "        let lend = match lasts(lock, now) || true {",
        )],
        runner: Unit,
        fails: &["redis::protocol::keep::tests::what_is_nearly_over_is_not_lent"],
    },
    Fault {
        what: "a kept lock whose renewal was due has a user again, and nobody renews it",
        edits: &[(LENT, "        self.is_left.load(Ordering::Relaxed) &&", "        false &&")],
        runner: Unit,
        fails: &["redis::protocol::agenda::tests::unused::what_nobody_uses_is_renewed_once_it_has_a_user_again"],
    },
    Fault {
        what: "what is said to be in use is kept all the same",
        edits: &[(KEEP, "        if is_in_use {\n            lock.never_keep();\n        }\n", "")],
        runner: Shuttle,
        fails: &["redis::protocol::keep::tests::models::what_is_said_to_be_in_use_is_not_kept"],
    },
    Fault {
        what: "whether it may be kept is one step, and to keep it another",
        edits: &[
            (KEEP, "if !self.may_keep(lock, target, kind, now) || !lock.let_go(now) {", "if !lock.let_go(now) {"),
            (
                KEEP_PARTS,
                "        self.of(target.text()).keep(lock, target, kind, now)\n",
                "        self.of(target.text()).may_keep(lock, target, kind, now)\n            \
                 && self.of(target.text()).keep(lock, target, kind, now)\n",
            ),
        ],
        runner: Shuttle,
        fails: &["redis::protocol::keep::tests::models::no_recall_is_lost"],
    },
    Fault {
        what: "a recall is looked for in the first part alone",
        edits: &[(
            KEEP_PARTS,
            "        for mut part in self.each() {\n            let before",
            "        for mut part in self.each().take(1) {\n            let before",
        )],
        runner: Unit,
        fails: &["redis::protocol::keep::tests::a_recall_takes_what_is_in_conflict_and_nothing_else"],
    },
    Fault {
        what: "whether a kept lock has a user is one step, and to leave its renewal another",
        edits: &[(
            LENT,
            "        if is_left {\n",
            "        drop(state);\n        let _state = self.state.lock();\n        if is_left {\n",
        )],
        runner: Shuttle,
        fails: &["redis::protocol::keep::tests::models::a_user_has_the_lock_renewed"],
    },
    Fault {
        what: "whether it was lost is one step, and to let go of it another",
        edits: &[(
            LENT,
            "        let mut state = self.state.lock();\n        if self.deadline() == 0 {\n",
            "        let is_lost = self.deadline() == 0;\n        let mut state = self.state.lock();\n        \
             if is_lost {\n",
        )],
        runner: Shuttle,
        fails: &["redis::protocol::keep::tests::models::a_loss_is_told_or_the_lock_is_kept"],
    },
    Fault {
        what: "what was lost is kept when its user lets go",
        edits: &[(LENT, "        if self.deadline() == 0 {\n            return false;\n        }\n", "")],
        runner: Unit,
        fails: &["redis::protocol::agenda::tests::unused::what_was_lost_is_not_let_go_of"],
    },
    Fault {
        what: "the next user of a kept lock has the token of the one before",
        edits: &[(LENT, "            self.fencing_token.store(next, Ordering::Relaxed);\n", "")],
        runner: Unit,
        fails: &[
            "redis::protocol::keep::tests::each_exclusive_user_has_the_next_token_and_no_more_than_one_a_microsecond",
        ],
    },
    Fault {
        what: "what goes back does not say with which token it was lent",
        edits: &[(
            GIVE_BACK_LUA,
            "  draw_up_to(text and parse(text), tonumber(ARGV[i + 1])) -- before anybody is handed the lock\n",
            "",
        )],
        runner: Servers,
        fails: &["keeping::tokens_rise_though_the_clock_was_set_back"],
    },
    Fault {
        what: "what is in use is never said to be",
        edits: &[(IN_USE_LUA, "'%.0f,0,%s,%d,'", "'%.0f,1,%s,%d,'")],
        runner: Servers,
        fails: &["keeping::a_try_is_refused_by_what_is_in_use_and_is_told_by_whom"],
    },
    Fault {
        what: "what was kept when the listener's connection was lost stays",
        edits: &[(
            LISTENER,
            "if std::mem::replace(&mut has_listened, true) {",
            "if std::mem::replace(&mut has_listened, true) && false {",
        )],
        runner: Servers,
        fails: &["keeping::a_connection_that_is_cut_is_a_recall_of_everything"],
    },
];
