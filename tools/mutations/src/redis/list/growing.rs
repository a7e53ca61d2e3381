//! A lock that came in place of those below it is in somebody's way; or its node is taken from
//! another process, again and again.

use super::{Fault, GRANTS, GROW_LUA, KEEP, KEEP_GROW};
use crate::redis::runner::Runner::{Servers, Shuttle, Unit};

const SCRIPT: &str = "scripts::changes::to_grow_takes_what_is_named_and_only_where_nothing_else_is";
const RECALLED: &str =
    "redis::protocol::keep::grow::tests::a_recall_while_a_node_is_asked_for_counts_whatever_the_answer";
const COOLS: &str =
    "redis::protocol::keep::grow::tests::a_node_that_was_refused_is_not_asked_for_for_a_time_that_doubles";

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        what: "a node is grown although somebody else has a lock below it",
        edits: &[(GROW_LUA, "if grace > 0 or obstacle(held, #list, 1) or", "if grace > 0 or")],
        runner: Servers,
        fails: &[SCRIPT, "keeping::growing::nothing_is_grown_where_somebody_else_is_or_waits"],
    },
    Fault {
        what: "a node is grown past one who waits there",
        edits: &[(GROW_LUA, " or obstacle(counts(WAITING, list), #list, 1) then", " then")],
        runner: Servers,
        fails: &[SCRIPT, "keeping::growing::nothing_is_grown_where_somebody_else_is_or_waits"],
    },
    Fault {
        what: "a grown lock is not shrunk for others, who are refused",
        edits: &[(GROW_LUA, "token, 1, about, lease)", "token, 1, (about:gsub(',%d+,', ',0,', 1)), lease)")],
        runner: Servers,
        fails: &["keeping::growing::a_try_is_not_refused_by_what_was_grown"],
    },
    Fault {
        what: "to grow a node does not say which tokens were given out below it",
        edits: &[(GROW_LUA, "  draw_up_to(it, it.last)\n", "")],
        runner: Servers,
        fails: &["keeping::growing::tokens_rise_when_a_node_grows_though_the_clock_was_set_back"],
    },
    Fault {
        what: "a late request to grow a node is carried out after it was given up",
        edits: &[(KEEP_GROW, "                self.host.doubt();\n", "")],
        runner: Unit,
        fails: &["redis::protocol::keep::grow::tests::without_an_answer_all_goes_back"],
    },
    Fault {
        what: "a recall that comes while a node is asked for is forgotten once it is granted",
        edits: &[(KEEP_GROW, ".with_recalls(recalls)", ".with_recalls(u64::MAX)")],
        runner: Unit,
        fails: &[RECALLED],
    },
    Fault {
        what: "a recall that comes while a node is asked for is forgotten once it is refused",
        edits: &[(
            KEEP_GROW,
            "if !self.may_keep(&lock, &Target::new(lock.path.clone()), it.kind, now) {",
            "if self.is_over {",
        )],
        runner: Unit,
        fails: &[RECALLED],
    },
    Fault {
        what: "recalls are counted from when what is kept was given for a node",
        edits: &[(
            KEEP_GROW,
            "        self.of(node).growing.entry(node.into()).or_default().is_grown = true;\n",
            "        self.of(node).growing.entry(node.into()).or_default().is_grown = true;\n        host.count_from(u64::MAX);\n",
        )],
        runner: Shuttle,
        fails: &["redis::protocol::keep::tests::models::no_recall_is_lost_while_a_node_grows"],
    },
    Fault {
        what: "what is given for a node is lent meanwhile",
        edits: &[(
            KEEP_GROW,
            "            self.given.push(it.lock.clone());\n",
            "            self.given.push(it.lock.clone());\n            let its = Kept { lock: it.lock.clone(), kind: it.kind, since: it.since, guests: Vec::new() };\n            self.kept.entry(keys::encode(&it.lock.path).into()).or_default().push(its);\n            self.count += 1;\n",
        )],
        runner: Unit,
        fails: &[
            "redis::protocol::keep::grow::tests::after_some_locks_below_it_a_node_is_asked_for_and_serves_further_ones",
        ],
    },
    Fault {
        what: "what is broken while it is given is lent later",
        edits: &[(KEEP, "it.has_had(fencing_token)).for_each(|it| it.lose());", "it.has_had(fencing_token)).count();")],
        runner: Unit,
        fails: &["redis::protocol::keep::grow::tests::what_is_broken_while_it_is_given_is_kept_no_more"],
    },
    Fault {
        what: "a node that was refused is asked for again at once",
        edits: &[(KEEP_GROW, "self.until = now.saturating_add(self.cools);", "self.until = now;")],
        runner: Unit,
        fails: &[COOLS],
    },
    Fault {
        what: "a node that was recalled after it had grown is asked for again at once",
        edits: &[(KEEP_GROW, "            if it.is_grown {\n                it.cool(now);\n            }\n", "")],
        runner: Unit,
        fails: &[
            "redis::protocol::keep::grow::tests::a_grown_node_that_was_recalled_cools_and_longer_than_before_unless_that_is_long_ago",
        ],
    },
    Fault {
        what: "a recall near a node does not begin its count anew",
        edits: &[(KEEP_GROW, "            it.asked = 0;\n            if", "            if")],
        runner: Unit,
        fails: &["redis::protocol::keep::grow::tests::a_recall_near_a_node_begins_its_count_anew"],
    },
    Fault {
        what: "a task that is gone leaves its lock below a grown one",
        edits: &[(
            GRANTS,
            "if !keeping::below::leave(&self.engine.client, lock, target, true).unwrap_or(false) {",
            "{",
        )],
        runner: Servers,
        fails: &["keeping::growing::a_task_that_is_gone_leaves_nothing_below_what_was_grown"],
    },
];
