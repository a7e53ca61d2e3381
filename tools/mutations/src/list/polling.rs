//! Tasks: models in `polling.rs`.

use super::{ACQUIRE, Mutation, SLEEPER, WAIT};

const RENEW: &str = "            sleeper.set_waker(waker);\n";
const RISE: &str =
    "        self.cold().slow.lock().queue.take_out(self, sleeper, rank);\n        sleeper.take_turn()\n";

pub(super) const MUTATIONS: &[Mutation] = &[
    Mutation {
        what: "a task's new waker is set after the step",
        edits: &[
            (ACQUIRE, RENEW, "            let _ = sleeper;\n"),
            (
                ACQUIRE,
                "        self.advance(Who::Task(waker))\n    }\n\n    /// Goes as far",
                "        let step = self.advance(Who::Task(waker));\n        if let Some(sleeper) = &self.sleeper {\n            sleeper.set_waker(waker);\n        }\n        step\n    }\n\n    /// Goes as far",
            ),
        ],
        fails: &["polled_with_another_waker_while_woken"],
    },
    Mutation {
        what: "a task keeps its first waker",
        edits: &[(ACQUIRE, RENEW, "            let _ = sleeper;\n")],
        fails: &["polled_with_another_waker_while_woken"],
    },
    Mutation {
        what: "tasks are not woken",
        edits: &[(SLEEPER, "                waker.wake(); // under no lock\n", "")],
        fails: &["a_task_and_a_thread_in_one_queue"],
    },
    Mutation {
        what: "one that sleeps again leaves no waker",
        edits: &[(SLEEPER, "is_some_and(|waker| waker.will_wake(new))", "is_none_or(|waker| waker.will_wake(new))")],
        fails: &["a_task_and_a_thread_in_one_queue"],
    },
    Mutation {
        what: "one that was woken stays in the queue",
        edits: &[(WAIT, RISE, "        sleeper.take_turn()\n")],
        fails: &["a_task_and_a_thread_in_one_queue"],
    },
    Mutation {
        what: "one that is polled does not learn that it lapsed",
        edits: &[(
            WAIT,
            RISE,
            "        self.cold().slow.lock().queue.take_out(self, sleeper, rank);\n        Turn::Kept\n",
        )],
        fails: &["a_drain_lapses_against_a_poll_or_a_drop"],
    },
    Mutation {
        what: "one that is dropped does not learn that it lapsed",
        edits: &[(WAIT, "turn: sleeper.take_turn() }", "turn: Turn::Kept }")],
        fails: &["a_drain_lapses_against_a_poll_or_a_drop"],
    },
    Mutation {
        what: "a drain that lapses keeps its claim",
        edits: &[(WAIT, "            waiter.claims().for_each(|(node, kind)| node.drop_claim(kind));\n", "")],
        fails: &["a_drain_lapses_against_a_poll_or_a_drop"],
    },
    Mutation {
        what: "one that lapses leaves its gates closed",
        edits: &[(WAIT, "            waiter.sleeper.open_gates();\n", "")],
        fails: &["gates_of_one_that_lapses"],
    },
    Mutation {
        what: "one that lapses opens only the gates of the node where it slept",
        edits: &[(
            SLEEPER,
            "        for gate in gates {\n            gate.open(self);\n",
            "        for gate in gates.into_iter().take(if self.is_task() && self.is_woken() { 1 } else { usize::MAX }) {\n            gate.open(self);\n",
        )],
        fails: &["gates_of_one_that_lapses"],
    },
];
