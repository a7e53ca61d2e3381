//! Sleeping, waking, gates: models in `waking.rs` and `gating.rs`.

use super::{ACQUIRE, CLAIM, Mutation, WAIT};

pub(super) const MUTATIONS: &[Mutation] = &[
    Mutation {
        what: "a release does not wake",
        edits: &[(
            CLAIM,
            "if self.word.fetch_sub(kind.unit(), Ordering::Release) & PARKED != 0 {",
            "if self.word.fetch_sub(kind.unit(), Ordering::Release) & PARKED != 0 && false {",
        )],
        fails: &["three_on_one_node", "a_reader_and_a_writer_behind_a_writer"],
    },
    Mutation {
        what: "a sleeper does not look again after setting PARKED",
        edits: &[(WAIT, "let asleep = slow.holds_up(&waiter, word);", "let asleep = true;")],
        fails: &["three_on_one_node"],
    },
    Mutation {
        what: "PARKED is set before the queue is locked and looked at again",
        edits: &[(
            WAIT,
            "let word = self.word.fetch_or(bits, Ordering::SeqCst);",
            "let word = self.word.load(Ordering::SeqCst);\n        self.word.fetch_or(bits, Ordering::SeqCst);",
        )],
        fails: &["three_on_one_node"],
    },
    Mutation {
        what: "PARKED stays when the queue is empty",
        edits: &[(WAIT, "            node.word.fetch_and(!PARKED, Ordering::SeqCst);\n", "")],
        fails: &["three_on_one_node"],
    },
    Mutation {
        what: "PARKED goes while somebody is in the queue",
        edits: &[(
            WAIT,
            "        if self.queue.is_empty() {\n            node.word",
            "        {\n            node.word",
        )],
        fails: &["three_on_one_node"],
    },
    Mutation {
        what: "one that has to withdraw keeps its claim while it sleeps",
        edits: &[(
            ACQUIRE,
            "                            self.node.drop_claim(self.kind);\n                            self.wait_at(above, Place::Above, None);",
            "                            self.wait_at(above, Place::Above, None);",
        )],
        fails: &["one_wants_the_node_one_below"],
    },
    Mutation {
        what: "a waiter for something below keeps those behind it asleep",
        edits: &[(
            WAIT,
            "            if place == Place::Here {\n                pretended |= kind.unit();\n            }",
            "            pretended |= kind.unit();",
        )],
        fails: &["one_wants_the_node_one_below"],
    },
    Mutation {
        what: "a release wakes one waiter only",
        edits: &[(
            WAIT,
            "                next.push(waiter.sleeper);\n",
            "                next.push(waiter.sleeper);\n                break;\n",
        )],
        fails: &["two_siblings_behind_the_root"],
    },
    Mutation {
        what: "a shared waiter keeps the shared ones behind it asleep",
        edits: &[(WAIT, "if place == Place::Here && kind == Kind::Xs {", "if place == Place::Here {")],
        fails: &["two_readers_behind_a_writer"],
    },
    Mutation {
        what: "a drain waits its turn",
        edits: &[
            (WAIT, "(self.place != Place::Below, self.stamp)", "(false, self.stamp)"),
            (WAIT, "let seen = if place == Place::Below { word } else { pretended };", "let seen = pretended;"),
        ],
        fails: &["draining_past_a_waiter"],
    },
    Mutation {
        what: "opening a gate wakes nobody",
        edits: &[(
            WAIT,
            "        let next = slow.take_next(self, patience);\n        drop(slow);\n        unpark(next);\n    }\n\n    /// Makes everyone",
            "    }\n\n    /// Makes everyone",
        )],
        fails: &["gates_open_again"],
    },
    Mutation {
        what: "an opened gate leaves its bit",
        edits: &[(WAIT, "        self.word.fetch_and(!(GATES & !closed), Ordering::SeqCst);\n", "")],
        fails: &["gates_open_again"],
    },
    Mutation {
        what: "a gate binds those who are older than the one who closed it",
        edits: &[(WAIT, "gate.stamp < stamp)", "gate.stamp != stamp)")],
        fails: &["the_oldest_passes_all_gates"],
    },
    Mutation {
        what: "a gate binds the one who closed it",
        edits: &[(WAIT, "gate.stamp < stamp)", "gate.stamp <= stamp)")],
        fails: &["the_oldest_passes_all_gates"],
    },
    Mutation {
        what: "whoever wakes others and closes a gate for a sleeper does not tell it",
        edits: &[(WAIT, "                    waiter.sleeper.gated.store(true, Ordering::Release);\n", "")],
        fails: &["an_overtaken_sleeper_closes_gates"],
    },
    Mutation {
        what: "one that is woken does not note the gate that was closed for it",
        edits: &[(ACQUIRE, "                    self.note_gate(at);\n", "")],
        fails: &["an_overtaken_sleeper_closes_gates"],
    },
];
