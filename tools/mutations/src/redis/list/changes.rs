//! Locks that are narrowed, widened and upgraded.

use super::{
    CALLS_REFRESH, CHANGE, DOWNGRADE_LUA, Fault, HELD, LOCK, NARROW_LUA, RECLAIM_LUA, REFRESH_LUA, RELEASE, TREE_LUA,
    TURNS_LUA, UPGRADE_LUA, WIDEN_LUA,
};
use crate::redis::runner::Runner::{Servers, Unit};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        what: "to narrow a lock frees what is kept for a moment",
        edits: &[
            (
                NARROW_LUA,
                "for _, node in ipairs(kept) do\n  grant(",
                "give_up(token, tombstone)\nfor _, node in ipairs(kept) do\n  grant(",
            ),
            (NARROW_LUA, "end\ngive_up(token, tombstone)\n", "end\nhand_over(it.path, it.kind % 2 == 1, '')\n"),
        ],
        runner: Servers,
        fails: &["scripts::changes::a_narrow_sent_again_does_nothing_and_a_late_one_revives_nothing"],
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
            "give_up(token, tombstone)\nreturn { 1, rest() }",
            "local list = chain(it.path)\nungrant(list, counts(NODES, list), token, it.kind)\nreturn { 1, rest() }",
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
        edits: &[(
            CHANGE,
            "fencing_token > self.lock.drawn()\n            && fencing_token > self.lock.fencing_token()\n            && ",
            "",
        )],
        runner: Unit,
        fails: &["redis::protocol::change::tests::a_message_of_an_earlier_grant_is_not_believed"],
    },
    Fault {
        what: "the next upgrade takes away the tombstone of one that was given up",
        edits: &[(
            UPGRADE_LUA,
            "  if not queued then\n",
            "  if not queued then\n    call('HDEL', NODES, late)\n    call('ZREM', DEADLINES, late)\n",
        )],
        runner: Servers,
        fails: &["scripts::changes::the_next_attempt_does_not_bring_back_a_late_one"],
    },
    Fault {
        what: "the tombstone of a later upgrade is over before that of an earlier one",
        edits: &[(UPGRADE_LUA, "set_end(late, now + tombstone, given_up)", "set_end(late, now + tombstone)")],
        runner: Servers,
        fails: &["scripts::changes::the_next_attempt_does_not_bring_back_a_late_one"],
    },
    Fault {
        what: "an upgrade forgets that a request of an earlier one may be under way",
        edits: &[(LOCK, "(state.upgrades, state.upgrade_is_unsure)\n", "(state.upgrades, false)\n")],
        runner: Unit,
        fails: &["redis::protocol::change::tests::the_next_attempt_leaves_a_tombstone_for_those_before_it"],
    },
    Fault {
        what: "a late widen moves a lock that was raised since",
        edits: &[(WIDEN_LUA, "if it.number > number then", "if false then")],
        runner: Servers,
        fails: &["scripts::changes::what_a_lock_was_before_it_was_raised_is_not_changed"],
    },
    Fault {
        what: "a late widen makes a lock exclusive that was downgraded since",
        edits: &[(WIDEN_LUA, "if kind <= 2 and it.kind > 2 then", "if false then")],
        runner: Servers,
        fails: &["scripts::changes::what_a_lock_was_before_it_was_raised_is_not_changed"],
    },
    Fault {
        what: "a late downgrade makes a lock shared that was raised since",
        edits: &[(DOWNGRADE_LUA, "if it.number > number then", "if false then")],
        runner: Servers,
        fails: &["scripts::changes::what_a_lock_was_before_it_was_raised_is_not_changed"],
    },
    Fault {
        what: "a late upgrade makes a lock exclusive that was downgraded since",
        edits: &[(UPGRADE_LUA, "if it.number > number then", "if false then")],
        runner: Servers,
        fails: &["scripts::changes::what_a_lock_was_before_it_was_raised_is_not_changed"],
    },
    Fault {
        what: "a server with older data renews a lock as what it was before it was raised",
        edits: &[(REFRESH_LUA, "if is_undone(token, it, raised) then", "if false then")],
        runner: Servers,
        fails: &["scripts::changes::what_was_raised_and_is_not_is_lost"],
    },
    Fault {
        what: "what a lock was before it was raised stays when it is lost",
        edits: &[(TURNS_LUA, "  if undone then\n    remove(token)\n  end\n", "")],
        runner: Servers,
        fails: &["scripts::changes::what_was_raised_and_is_not_is_lost"],
    },
    Fault {
        what: "a release of what was raised does not find that it is less",
        edits: &[(TURNS_LUA, "if raised and it and it.number < raised then", "if false then")],
        runner: Servers,
        fails: &["scripts::changes::what_was_raised_and_is_not_is_lost"],
    },
    Fault {
        what: "what was raised is given back as any lock",
        edits: &[(RELEASE, " || self.lock.raised_to().is_some()", "")],
        runner: Unit,
        fails: &["redis::protocol::release::tests::what_was_raised_is_given_back_as_that"],
    },
    Fault {
        what: "a renewal does not say what the lock was raised to",
        edits: &[(CALLS_REFRESH, "match lock.raised_to() {", "match lock.raised_to().filter(|_| false) {")],
        runner: Unit,
        fails: &["redis::protocol::calls::tests::to_say_what_a_lock_was_raised_to"],
    },
    Fault {
        what: "what was raised is detached as what it was before",
        edits: &[(HELD, "if detached.fencing_token >= self.lock.drawn() =>", "if true =>")],
        runner: Unit,
        fails: &["redis::protocol::held::tests::what_was_raised_and_is_not_is_not_detached"],
    },
    Fault {
        what: "in a grace period what was raised is not put back as that",
        edits: &[(RECLAIM_LUA, " or old.kind > 0 and old.number < raised)", ")")],
        runner: Servers,
        fails: &["scripts::grace::what_was_raised_is_put_back_as_that_if_nothing_is_in_its_way"],
    },
    Fault {
        what: "what was raised is put back, and its upgrade waits on",
        edits: &[(RECLAIM_LUA, "          drop_upgrade(token, from)\n", "")],
        runner: Servers,
        fails: &["scripts::grace::an_upgrade_that_waited_in_older_data_goes_with_its_lock"],
    },
    Fault {
        what: "a raise is believed though a renewal was answered since it was asked for",
        edits: &[(
            CHANGE,
            "if self.lock.deadline() > self.asked_with => {\n                self.lock.doubt_upgrade();",
            "if false => {\n                self.lock.doubt_upgrade();",
        )],
        runner: Unit,
        fails: &["redis::protocol::change::tests::a_raise_is_asked_for_again_if_a_renewal_was_answered_since"],
    },
    Fault {
        what: "a lock that was widened, which is not believed yet, is released where it was",
        edits: &[(
            CHANGE,
            "                self.lock.doubt(); // the server has it where it is not believed to be\n",
            "",
        )],
        runner: Unit,
        fails: &["redis::protocol::change::tests::a_raise_is_asked_for_again_if_a_renewal_was_answered_since"],
    },
    Fault {
        what: "a renewal of before a lock was raised makes its deadline later",
        edits: &[(LOCK, "self.version + self.raises\n", "self.version\n")],
        runner: Unit,
        fails: &["redis::protocol::lock::tests::a_renewal_of_before_it_was_raised_does_not_make_the_deadline_later"],
    },
];
