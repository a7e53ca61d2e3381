//! Many trees of one client.

use super::{Fault, HUB, PRELUDE_LUA, SUBSCRIBER};
use crate::redis::runner::Runner::Servers;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        what: "nothing is published for a client that has no mailbox",
        edits: &[(PRELUDE_LUA, "    redis.pcall('SPUBLISH', mailbox, text)\n", "")],
        runner: Servers,
        fails: &["many::a_grant_is_heard", "many::a_recall_is_heard"],
    },
    Fault {
        what: "who may not publish cannot give back",
        edits: &[(PRELUDE_LUA, "redis.pcall('SPUBLISH', mailbox, text)", "call('SPUBLISH', mailbox, text)")],
        runner: Servers,
        fails: &["many::who_may_not_publish_leaves_waiters_to_their_heartbeats"],
    },
    Fault {
        what: "over a new connection no channel is heard",
        edits: &[(SUBSCRIBER, "                self.all_again();\n", "")],
        runner: Servers,
        fails: &["many::a_grant_is_found_after_the_connection_was_lost"],
    },
    Fault {
        what: "waiters do not look when their channel is heard again",
        edits: &[(SUBSCRIBER, "        client.agenda(|agenda| agenda.beat_soon(clock()));\n", "")],
        runner: Servers,
        fails: &["many::a_grant_is_found_after_the_connection_was_lost"],
    },
    Fault {
        what: "the channel of a tree that was dropped stays",
        edits: &[(SUBSCRIBER, "            state.todo.push_back((channel, false));\n", "")],
        runner: Servers,
        fails: &["many::a_tree_that_is_dropped_leaves_nothing"],
    },
    Fault {
        what: "a site without trees keeps its threads",
        edits: &[(HUB, "            workers.stop();\n", "")],
        runner: Servers,
        fails: &["many::a_tree_that_is_dropped_leaves_nothing"],
    },
];
