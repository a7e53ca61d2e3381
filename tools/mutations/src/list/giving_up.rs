//! Timeouts and cancellation: models in `giving_up.rs` and `gating.rs`, and of tasks in
//! `polling.rs`.

use super::{ACQUIRE, Mutation, WAIT};

const WALKS: &str = "let next = if here.is_some() {";

pub(super) const MUTATIONS: &[Mutation] = &[
    Mutation {
        what: "one that was woken and gives up wakes nobody in its place",
        edits: &[(WAIT, WALKS, "let next = if here.is_some() && !sleeper.is_woken() {")],
        fails: &["timeout_against_release", "dropped_after_it_was_woken"],
    },
    Mutation {
        what: "one that gives up in the queue only takes itself off it",
        edits: &[(WAIT, WALKS, "let next = if false {")],
        fails: &["behind_one_that_gives_up", "timeout_against_release", "dropped_against_a_release"],
    },
    Mutation {
        what: "one that gives up does not wake the one that follows it",
        edits: &[(
            WAIT,
            "{ slow.take_next(self, patience) } else { next };",
            "{ slow.take_next(self, patience) } else { Woken::default() };",
        )],
        fails: &["dropped_with_one_that_follows"],
    },
    Mutation {
        what: "one that gives up stays in the queue",
        edits: &[(
            WAIT,
            "let (left, next) = slow.take_out(self, sleeper, rank);",
            "let (left, next): (Option<Waiter>, _) = (None, Woken::default());",
        )],
        fails: &["behind_one_that_gives_up"],
    },
    Mutation {
        what: "a drain that gives up keeps its claim",
        edits: &[(
            ACQUIRE,
            "        if has_claim {\n            self.node().drop_claim(self.kind());\n        }\n",
            "",
        )],
        fails: &["a_drain_gives_up", "dropped_while_draining", "dropped_while_it_drains"],
    },
    Mutation {
        what: "one that gives up leaves its gates closed",
        edits: &[(ACQUIRE, "        self.open_gates();\n        in_the_way\n", "        in_the_way\n")],
        fails: &["a_gate_is_opened_by_giving_up", "an_overtaken_sleeper_gives_up"],
    },
    Mutation {
        what: "dropping an acquisition does not undo it",
        edits: &[(ACQUIRE, "            self.undo();\n        }\n    }\n}", "        }\n    }\n}")],
        fails: &["dropped_while_draining"],
    },
];
