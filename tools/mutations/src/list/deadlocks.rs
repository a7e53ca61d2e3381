//! Deadlock detection: models in `deadlocks.rs`.

use super::{CHANGE, Mutation, SLEEPER, WAIT};

pub(super) const MUTATIONS: &[Mutation] = &[
    Mutation {
        what: "a verdict wakes nobody",
        edits: &[(
            SLEEPER,
            "            watched.condemned.store(sleep, Ordering::Release);\n            self.unpark();\n",
            "            watched.condemned.store(sleep, Ordering::Release);\n",
        )],
        fails: &["verdict_ends_a_wait"],
    },
    Mutation {
        what: "one that is told leaves the queue without waking the next",
        edits: &[(
            WAIT,
            "        let next = if here.is_some() { slow.take_next(self, patience) } else { next };\n        // The blocker",
            "        let next = if here.is_some() && !sleeper.is_condemned() { slow.take_next(self, patience) } else { next };\n        // The blocker",
        )],
        fails: &["verdict_against_a_release"],
    },
    Mutation {
        what: "an upgrade that is told stays in the queue",
        edits: &[(
            CHANGE,
            "                at.leave(&sleeper, rank);\n                return Err(Ended::Deadlock",
            "                return Err(Ended::Deadlock",
        )],
        fails: &["verdict_on_an_upgrade"],
    },
];
