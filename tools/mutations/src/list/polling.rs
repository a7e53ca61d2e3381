//! Tasks: models in `polling.rs`.

use super::{ACQUIRE, GATE, LAPSE, Mutation, SLEEPER, WAIT};

const RENEW: &str = "            sleeper.set_waker(waker);\n";
const RISE: &str = "        let (waiter, next) = self.cold().slow.lock().take_out(self, sleeper, rank);\n        unpark(next);\n        turn_of(waiter.as_ref(), sleeper)\n";

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
        edits: &[(ACQUIRE, "                who.renew(sleeper);\n", "")],
        fails: &["a_task_and_a_thread_in_one_queue"],
    },
    Mutation {
        what: "one that was woken stays in the queue",
        edits: &[(WAIT, RISE, "        turn_of(None, sleeper)\n")],
        fails: &["a_task_and_a_thread_in_one_queue"],
    },
    Mutation {
        what: "one that is polled does not learn that it lapsed",
        edits: &[(
            WAIT,
            RISE,
            "        let (_, next) = self.cold().slow.lock().take_out(self, sleeper, rank);\n        unpark(next);\n        Turn::Kept\n",
        )],
        fails: &["a_drain_lapses_against_a_poll_or_a_drop"],
    },
    Mutation {
        what: "one that is dropped does not learn that it lapsed",
        edits: &[(WAIT, "self.clone()), turn }", "self.clone()), turn: Turn::Kept }")],
        fails: &["a_drain_lapses_against_a_poll_or_a_drop"],
    },
    Mutation {
        what: "a drain that lapses keeps its claim",
        edits: &[(LAPSE, "            waiter.claims().for_each(|(node, kind)| node.drop_claim(kind));\n", "")],
        fails: &["a_drain_lapses_against_a_poll_or_a_drop"],
    },
    Mutation {
        what: "one that lapses leaves its gates closed",
        edits: &[(LAPSE, "            waiter.sleeper.open_gates();\n", "")],
        fails: &["gates_of_one_that_lapses"],
    },
    Mutation {
        what: "one that lapses opens only the gates of the node where it slept",
        edits: &[(
            GATE,
            "for gate in self.first.into_iter().chain(self.others) {",
            "for gate in self.first.into_iter().chain(self.others.into_iter().filter(|_| !(sleeper.is_task() && sleeper.is_woken()))) {",
        )],
        fails: &["gates_of_one_that_lapses"],
    },
];
