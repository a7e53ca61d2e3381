//! What is told is not so.

use super::{CALLER, CHECK, Fault, LIST_LUA, LOOK, PROBE_LUA, TURNS_LUA};
use crate::redis::runner::Runner::Servers;

const PROBED: &str = "refusals::each_command_that_is_missing_is_named_before_there_is_a_lock";

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        what: "the listing shows locks that have ended",
        edits: &[(LIST_LUA, "elseif left > 0 then\n", "else\n")],
        runner: Servers,
        fails: &["times::dead_clients::a_lock_that_has_ended_is_not_listed"],
    },
    Fault {
        what: "a release after the end, found on the server, is no loss",
        edits: &[(TURNS_LUA, "it and tonumber(ends) > now or", "it or")],
        runner: Servers,
        fails: &["times::dead_clients::a_lease_that_has_ended_cannot_be_released"],
    },
    Fault {
        what: "unlock looks only at what the server found",
        edits: &[(CALLER, "Ok(true) if was_held => Ok(()),", "Ok(true) => Ok(()),")],
        runner: Servers,
        fails: &["times::what_lasts::what_is_lost_here_is_not_held_though_the_server_has_it"],
    },
    Fault {
        what: "without a server nothing is locked",
        edits: &[(LOOK, "twice(client, &call) else { return true };", "twice(client, &call) else { return false };")],
        runner: Servers,
        fails: &["clients::without_a_server_everything_is_locked"],
    },
    Fault {
        what: "the probe does not try HMGET",
        edits: &[(PROBE_LUA, "{ 'HMGET', '1' }, ", "")],
        runner: Servers,
        fails: &[PROBED],
    },
    Fault {
        what: "the probe does not try PEXPIRE",
        edits: &[(PROBE_LUA, "{ 'RPUSH', '1' }, { 'PEXPIRE', '1' },", "{ 'RPUSH', '1' },")],
        runner: Servers,
        fails: &[PROBED],
    },
    Fault {
        what: "permissions are not looked at",
        edits: &[(CHECK, "    check_permissions(client)?;\n", "    let _ = check_permissions;\n")],
        runner: Servers,
        fails: &[PROBED, "refusals::a_user_without_permission_is_told_for_what"],
    },
    Fault {
        what: "a clone of a mutex has no owner",
        edits: &[(
            "mutex.rs",
            "request: self.request.clone(), meter: self.meter }",
            "request: Request { owner: None, ..self.request.clone() }, meter: self.meter }",
        )],
        runner: Servers,
        fails: &["suite::a_clone_of_a_mutex_asks_as_it_does"],
    },
    Fault {
        what: "a clone of a mutex has no lease",
        edits: &[(
            "mutex.rs",
            "request: self.request.clone(), meter: self.meter }",
            "request: Request { lease: None, ..self.request.clone() }, meter: self.meter }",
        )],
        runner: Servers,
        fails: &["suite::a_clone_of_a_mutex_asks_as_it_does"],
    },
];
