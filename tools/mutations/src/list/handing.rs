//! Locks that are handed over: models in `handing.rs`.

use super::{ACQUIRE, HAND_OVER, Mutation, WAITER};

pub(super) const MUTATIONS: &[Mutation] = &[
    Mutation {
        what: "the claim of the lock ends all the same",
        edits: &[(
            HAND_OVER,
            "            Some(next) => Woken::from(next),\n",
            "            Some(next) => {\n                self.word.fetch_sub(kind.unit(), Ordering::Release);\n                Woken::from(next)\n            }\n",
        )],
        fails: &[
            "a_lock_that_is_handed_over",
            "a_lock_that_goes_from_task_to_task",
            "a_lock_that_is_handed_over_below_one_that_drains",
        ],
    },
    Mutation {
        what: "one that has been handed the lock claims once more",
        edits: &[(ACQUIRE, "Turn::Granted => return self.granted(),", "Turn::Granted => Stage::Idle,")],
        fails: &["a_lock_that_is_handed_over"],
    },
    Mutation {
        what: "one that gives up keeps the lock",
        edits: &[(ACQUIRE, "Turn::Granted => true,", "Turn::Granted => false,")],
        fails: &["dropped_with_the_lock"],
    },
    Mutation {
        what: "one that lapses keeps the lock",
        edits: &[(WAITER, "self.has_lock || (self.is_draining()", "(self.is_draining()")],
        fails: &["a_task_with_the_lock_lapses"],
    },
];
