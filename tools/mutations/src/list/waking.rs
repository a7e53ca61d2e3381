//! Sleeping, waking, gates: models in `waking.rs` and `gating.rs`.

use super::{ACQUIRE, CLAIM, GATE, Mutation, WAIT, WAITER};

pub(super) const MUTATIONS: &[Mutation] = &[
    Mutation {
        what: "a release does not wake",
        edits: &[(
            CLAIM,
            "if self.word.fetch_sub(unit, Ordering::Release) & PARKED != 0 {",
            "if self.word.fetch_sub(unit, Ordering::Release) & PARKED != 0 && false {",
        )],
        fails: &["three_on_one_node", "a_reader_and_a_writer_behind_a_writer", "a_look_against_a_waiter_and_a_sweep"],
    },
    Mutation {
        what: "a sleeper does not look again after setting PARKED",
        edits: &[(
            WAIT,
            "let asleep = waiter.is_held_up(word, &slow.gates).then_some(waiter.role);",
            "let asleep = Some(waiter.role);",
        )],
        fails: &["three_on_one_node"],
    },
    Mutation {
        what: "PARKED is set before the queue is locked and looked at again",
        edits: &[(
            WAIT,
            "let word = self.word.fetch_or(PARKED, Ordering::SeqCst);",
            "let word = self.word.load(Ordering::SeqCst);\n        self.word.fetch_or(PARKED, Ordering::SeqCst);",
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
            "        if self.waiters.is_empty() {\n            node.word",
            "        {\n            node.word",
        )],
        fails: &["three_on_one_node"],
    },
    Mutation {
        what: "one that has to withdraw keeps its claim while it sleeps",
        edits: &[(
            ACQUIRE,
            "                            self.node().drop_claim(self.kind());\n                            self.wait_at(above, Place::Above, None, who, &mut spin);",
            "                            self.wait_at(above, Place::Above, None, who, &mut spin);",
        )],
        fails: &["one_wants_the_node_one_below"],
    },
    Mutation {
        what: "a waiter for something below keeps those behind it asleep",
        edits: &[(
            WAIT,
            "            if place == Place::Here && !goes_first {\n                pretended |= kind.unit();\n            }",
            "            pretended |= kind.unit();",
        )],
        fails: &["one_wants_the_node_one_below"],
    },
    Mutation {
        what: "a release wakes one waiter only",
        edits: &[(
            WAIT,
            "                    next.push(self.wake(at, node));\n                }\n",
            "                    next.push(self.wake(at, node));\n                    break;\n                }\n",
        )],
        fails: &["two_siblings_behind_the_root"],
    },
    Mutation {
        what: "one that runs does not wake the one that follows it",
        edits: &[(
            WAIT,
            "        let (waiter, next) = self.cold().slow.lock().take_out(self, sleeper, rank);\n        unpark(next);\n",
            "        let (waiter, _) = self.cold().slow.lock().take_out(self, sleeper, rank);\n",
        )],
        fails: &["two_for_one_node_behind_the_root"],
    },
    Mutation {
        what: "a shared waiter keeps the shared ones behind it asleep",
        edits: &[(WAIT, "pretended |= kind.unit();", "pretended |= Kind::Xs.unit();")],
        fails: &["two_readers_behind_a_writer"],
    },
    Mutation {
        what: "a drain waits its turn",
        edits: &[
            (WAITER, "(!goes_first, stamp)\n", "(false, stamp)\n"),
            (WAIT, "let seen = if goes_first { word } else { pretended };", "let seen = pretended;"),
        ],
        fails: &["draining_past_a_waiter"],
    },
    Mutation {
        what: "opening a gate wakes nobody",
        edits: &[(
            GATE,
            "        let next = slow.take_next(self, patience);\n        drop(slow);\n        unpark(next);\n",
            "",
        )],
        fails: &["gates_open_again"],
    },
    Mutation {
        what: "an opened gate leaves its bit",
        edits: &[(
            GATE,
            "self.word.fetch_and(!(GATES & !closed), Ordering::SeqCst);",
            "self.word.load(Ordering::SeqCst) | (GATES & !GATES & closed);",
        )],
        fails: &["gates_open_again"],
    },
    Mutation {
        what: "a gate binds those who are older than the one who closed it",
        edits: &[(GATE, "closer.stamp < stamp)", "closer.stamp != stamp)")],
        fails: &["the_oldest_passes_all_gates"],
    },
    Mutation {
        what: "a gate binds the one who closed it",
        edits: &[(GATE, "closer.stamp < stamp)", "closer.stamp <= stamp)")],
        fails: &["the_oldest_passes_all_gates"],
    },
    Mutation {
        what: "a gate that is closed for a sleeper is not noted with it",
        edits: &[(GATE, "            sleeper.note_gate(Gate { at: node.clone(), bits, stamp });\n", "")],
        fails: &["an_overtaken_sleeper_closes_gates", "an_overtaken_sleeper_gives_up"],
    },
    Mutation {
        what: "an opened gate stays on the node's list",
        edits: &[(GATE, "            alike.remove(&Closer::new(gate.stamp, sleeper));\n", "")],
        fails: &["an_overtaken_sleeper_closes_gates", "gates_open_again"],
    },
    Mutation {
        what: "one that is granted leaves its gates closed",
        edits: &[
            (ACQUIRE, "        self.open_gates();\n        Step::Granted\n", "        Step::Granted\n"),
            (ACQUIRE, " || self.sleeper.is_some() {", " {"),
        ],
        fails: &["gates_open_again"],
    },
];
