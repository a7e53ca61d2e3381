//! Grants that replicas are to have: one is given out that too few have.

use super::{CONFIRM, Fault};
use crate::redis::runner::Runner::Unit;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        what: "a grant is given out though too few replicas have it",
        edits: &[(CONFIRM, "count if count >= replicas.count =>", "_ if true =>")],
        runner: Unit,
        fails: &["redis::protocol::confirm::tests::who_has_time_left_is_asked_about_again"],
    },
    Fault {
        what: "a grant is given out that the server does not have",
        edits: &[(CONFIRM, "_ if !held =>", "_ if false =>")],
        runner: Unit,
        fails: &["redis::protocol::confirm::tests::what_the_server_does_not_have_is_not_confirmed"],
    },
    Fault {
        what: "too few replicas: the server is asked to wait for ever",
        edits: &[(CONFIRM, ".div_ceil(1000).max(1)", ".div_ceil(1000)")],
        runner: Unit,
        fails: &["redis::protocol::confirm::tests::the_server_is_never_asked_to_wait_for_ever"],
    },
];
