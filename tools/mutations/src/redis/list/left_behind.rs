//! What is left behind, on the server and in the process.

use super::{ACQUIRE_FAST, Fault, HUB, PRELUDE_LUA, TURNS_LUA, WORKERS};
use crate::redis::runner::Runner::Servers;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        what: "a message sets no end for a mailbox",
        edits: &[(PRELUDE_LUA, "    call('PEXPIRE', mailbox, MAILBOX_MS)\n", "")],
        runner: Servers,
        fails: &["scripts::a_mailbox_goes_away"],
    },
    Fault {
        what: "fast acquisitions never go the long way for the sake of the expired",
        edits: &[(ACQUIRE_FAST, "if fence <= now + 1 and now % 16 > 0 then", "if fence <= now + 1 then")],
        runner: Servers,
        fails: &["scripts::a_dead_lock_that_is_in_nobodys_way_goes"],
    },
    Fault {
        what: "a release leaves no tombstone",
        edits: &[(TURNS_LUA, "if tombstone > 0 or grace > 0 then", "if grace > 0 then")],
        runner: Servers,
        fails: &["scripts::a_late_request_leaves_nobody_behind"],
    },
    Fault {
        what: "the name of a client is ignored",
        edits: &[(
            HUB,
            "servers.client_name.clone(), servers.timeout",
            "servers.client_name.clone().and(None), servers.timeout",
        )],
        runner: Servers,
        fails: &["clients::every_connection_has_the_name_that_was_given"],
    },
    Fault {
        what: "the listener never stops",
        edits: &[("redis/run/listener.rs", "while !client.is_stopped() {", "loop {")],
        runner: Servers,
        fails: &["clients::the_last_handle_ends_every_connection"],
    },
    Fault {
        what: "the driver never stops",
        edits: &[(WORKERS, "        self.driver.stop();\n", "")],
        runner: Servers,
        fails: &["clients::the_last_handle_ends_every_connection"],
    },
];
