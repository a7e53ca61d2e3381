//! Timeouts and cancellation: models in `giving_up.rs` and `gating.rs`.

use super::{ACQUIRE, Mutation, WAIT};

const LEAVE: &str = "        let next = slow.take_next(self, patience);\n        drop(slow);\n        unpark(next);\n    }\n\n    /// Opens the gates";

pub(super) const MUTATIONS: &[Mutation] = &[
    Mutation {
        what: "one that was woken and gives up wakes nobody in its place",
        edits: &[(
            WAIT,
            "        slow.queue.retain(|waiter| !PlainArc::ptr_eq(&waiter.sleeper, sleeper));\n",
            "        let there = slow.queue.len();\n        slow.queue.retain(|waiter| !PlainArc::ptr_eq(&waiter.sleeper, sleeper));\n        if slow.queue.len() == there {\n            return;\n        }\n",
        )],
        fails: &["timeout_against_release"],
    },
    Mutation {
        what: "one that gives up in the queue only takes itself off it",
        edits: &[(WAIT, LEAVE, "        slow.unpark_bit(self);\n    }\n\n    /// Opens the gates")],
        fails: &["behind_one_that_gives_up", "timeout_against_release"],
    },
    Mutation {
        what: "one that gives up stays in the queue",
        edits: &[(ACQUIRE, "                    at.leave(sleeper);\n", "")],
        fails: &["behind_one_that_gives_up"],
    },
    Mutation {
        what: "a drain that gives up keeps its claim",
        edits: &[(ACQUIRE, "        if draining {\n            self.node.drop_claim(self.kind);\n        }\n", "")],
        fails: &["a_drain_gives_up", "dropped_while_draining"],
    },
    Mutation {
        what: "one that gives up leaves its gates closed",
        edits: &[(ACQUIRE, "        self.open_gates();\n        slept_at\n", "        slept_at\n")],
        fails: &["a_gate_is_opened_by_giving_up"],
    },
    Mutation {
        what: "one that gives up forgets the gate that was closed for it",
        edits: &[(ACQUIRE, "                self.note_gate(at.clone());\n", "")],
        fails: &["an_overtaken_sleeper_gives_up"],
    },
    Mutation {
        what: "dropping an acquisition does not undo it",
        edits: &[(ACQUIRE, "    fn drop(&mut self) {\n        self.undo();\n    }", "    fn drop(&mut self) {}")],
        fails: &["dropped_while_draining"],
    },
];
