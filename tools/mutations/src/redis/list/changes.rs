//! Locks that are narrowed, widened and upgraded.

use super::{CHANGE, Fault, NARROW_LUA, TREE_LUA, UPGRADE_LUA, WIDEN_LUA};
use crate::redis::runner::Runner::{Servers, Unit};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        what: "to narrow a lock frees what is kept for a moment",
        edits: &[
            (
                NARROW_LUA,
                "for _, node in ipairs(kept) do\n  grant(",
                "ungrant(list, counts(NODES, list), token, it.kind)\nhand_over(it.path, it.kind % 2 == 1, '')\nfor _, node in ipairs(kept) do\n  grant(",
            ),
            (NARROW_LUA, "end\nungrant(list, counts(NODES, list), token, it.kind)\nif tombstone", "end\nif tombstone"),
        ],
        runner: Servers,
        fails: &["changes::what_is_kept_stays_and_the_rest_is_served_at_once"],
    },
    Fault {
        what: "a late narrow brings back what was kept",
        edits: &[(
            NARROW_LUA,
            "      return { 0, false }\n",
            "      grant(node.list, counts(NODES, node.list), node.token, 1, node.about, node.lease)\n",
        )],
        runner: Servers,
        fails: &["scripts::changes::a_narrow_sent_again_does_nothing_and_a_late_one_revives_nothing"],
    },
    Fault {
        what: "to narrow a lock serves nobody",
        edits: &[(
            NARROW_LUA,
            "hand_over(it.path, it.kind % 2 == 1, '')\nreturn { 1, rest() }",
            "return { 1, rest() }",
        )],
        runner: Servers,
        fails: &["scripts::changes::a_narrow_sent_again_does_nothing_and_a_late_one_revives_nothing"],
    },
    Fault {
        what: "a narrow without an answer is taken for one that was not done",
        edits: &[(CHANGE, "        if !self.tries.unsure {", "        if true {")],
        runner: Unit,
        fails: &["redis::protocol::change::tests::what_may_have_been_narrowed_is_given_back_whole"],
    },
    Fault {
        what: "a widened lock keeps its token",
        edits: &[(WIDEN_LUA, "local fence = next_tick()\ncall", "local fence = it.number\ncall")],
        runner: Servers,
        fails: &["changes::a_lock_is_widened_if_nobody_else_is_there"],
    },
    Fault {
        what: "a lock is widened past one who waits",
        edits: &[(WIDEN_LUA, "look(to.list, kind, nil, it, token)", "look(to.list, kind, 0, it, token)")],
        runner: Servers,
        fails: &["changes::a_lock_is_not_widened_past_one_who_waits"],
    },
    Fault {
        what: "an upgrade lets in a reader that came before it",
        edits: &[(TREE_LUA, "    number = 0\n", "    number = number + 0\n")],
        runner: Servers,
        fails: &["scripts::changes::an_upgrade_goes_before_all_others"],
    },
    Fault {
        what: "of two upgrades the second waits",
        edits: &[(UPGRADE_LUA, "  if not other then\n", "  if true then\n")],
        runner: Servers,
        fails: &["scripts::changes::a_second_upgrade_is_refused"],
    },
    Fault {
        what: "a late upgrade is carried out",
        edits: &[(UPGRADE_LUA, ".number >= attempt then", ".number > attempt then")],
        runner: Servers,
        fails: &["scripts::changes::a_late_attempt_does_nothing_and_a_new_one_does"],
    },
    Fault {
        what: "what ends a lock leaves its upgrade in the queue",
        edits: &[(TREE_LUA, "  if kind >= 3 then\n    drop_upgrade(token, list)\n  end\n", "")],
        runner: Servers,
        fails: &["scripts::changes::what_ends_a_lock_ends_its_upgrade"],
    },
    Fault {
        what: "an upgrade that is given up serves nobody",
        edits: &[(UPGRADE_LUA, "  hand_over(it.path, kind == 1, '')\nend\nreturn { REFUSED", "end\nreturn { REFUSED")],
        runner: Servers,
        fails: &["scripts::changes::a_late_attempt_does_nothing_and_a_new_one_does"],
    },
    Fault {
        what: "the message of an earlier grant makes a lock exclusive",
        edits: &[(CHANGE, "fencing_token > self.lock.fencing_token() && ", "")],
        runner: Unit,
        fails: &["redis::protocol::change::tests::a_message_of_an_earlier_grant_is_not_believed"],
    },
];
