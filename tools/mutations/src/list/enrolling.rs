//! Enrolment, walks and sweeps: models in `enrolling.rs` and `reclaiming.rs`.

use super::{CLAIM, ENROL, MAP, Mutation, RECLAIM, WALK, WORD};

pub(super) const MUTATIONS: &[Mutation] = &[
    Mutation {
        what: "a claim does not expect ENROLLED",
        edits: &[(CLAIM, "if word & ENROLLED == 0 {\n", "if false {\n")],
        fails: &["first_lock_against_walk"],
    },
    Mutation {
        what: "a claim that looks up does not expect ENROLLED",
        edits: &[(WORD, "word & unusual == 0 && word & ENROLLED != 0", "word & unusual == 0")],
        fails: &["first_lock_against_walk", "first_shared_lock_against_walk"],
    },
    Mutation {
        what: "a child is admitted to a parent that is not enrolled any more",
        edits: &[(ENROL, "(word & ENROLLED != 0).then_some(word | KIDS)", "Some(word | KIDS)")],
        fails: &["first_lock_against_walk"],
    },
    Mutation {
        what: "a node with children is un-enrolled",
        edits: &[(
            ENROL,
            "(word & !(CLEAR | BARRED) == ENROLLED).then_some(word & BARRED)",
            "(word & !(CLEAR | ENROLLED | KIDS) == 0).then_some(word & KIDS)",
        )],
        fails: &["first_lock_against_walk"],
    },
    Mutation {
        what: "a claimed node is un-enrolled",
        edits: &[(
            ENROL,
            "(word & !(CLEAR | BARRED) == ENROLLED).then_some(word & BARRED)",
            "Some(word & !(CLEAR | ENROLLED))",
        )],
        fails: &["asking_against_a_lock"],
    },
    Mutation {
        what: "a child is pushed without KIDS",
        edits: &[(ENROL, "(slow.kids.is_empty() && !self.set_kids())", "!self.is_enrolled()")],
        fails: &["first_lock_against_walk"],
    },
    Mutation {
        what: "a child is on the list before KIDS is set",
        edits: &[
            (
                ENROL,
                "if child.is_enrolled() || (slow.kids.is_empty() && !self.set_kids()) {\n            return None;\n        }",
                "if child.is_enrolled() || !self.is_enrolled() {\n            return None;\n        }",
            ),
            (
                ENROL,
                "child.word.fetch_or(ENROLLED | clear, Ordering::SeqCst);\n",
                "child.word.fetch_or(ENROLLED | clear, Ordering::SeqCst);\n        self.set_kids();\n",
            ),
        ],
        fails: &["first_lock_against_walk"],
    },
    Mutation {
        what: "a removal does not clear KIDS",
        edits: &[(ENROL, "parent.word.fetch_and(!KIDS, Ordering::SeqCst);", "")],
        fails: &["two_children_against_walk"],
    },
    Mutation {
        what: "KIDS is cleared while there is a child",
        edits: &[(
            ENROL,
            "        if self.is_empty() {\n            self.0 = Vec::new();\n            parent",
            "        if true {\n            parent",
        )],
        fails: &["two_children_against_walk"],
    },
    Mutation {
        what: "a child that somebody else has admitted is pushed again",
        edits: &[(ENROL, "if child.is_enrolled() || (", "if (")],
        fails: &["two_first_locks"],
    },
    Mutation {
        what: "a walk stops at what it has waited for",
        edits: &[(
            WALK,
            "Round::Stopping => return Found::Conflict(child.clone()),",
            "Round::Stopping => {\n                        self.left = at;\n                        return Found::Conflict(child.clone());\n                    }",
        )],
        fails: &["walk_enters_what_it_has_waited_for"],
    },
    Mutation {
        what: "a walk skips the one that a removal has moved",
        edits: &[(
            WALK,
            "self.left = self.left.min(slow.kids.len());",
            "if self.left == usize::MAX {\n                self.left = slow.kids.len();\n            } else if self.left > slow.kids.len() {\n                return Found::End;\n            }",
        )],
        fails: &["walk_goes_on_after_waiting"],
    },
    Mutation {
        what: "a sweep removes a node without looking at its references",
        edits: &[(MAP, "map.insert(key, there);", "drop(there);")],
        fails: &["sweep_against_resolve"],
    },
    Mutation {
        what: "a sweep un-enrols without looking whether the node is idle",
        edits: &[
            (
                ENROL,
                "(word & !(CLEAR | BARRED) == ENROLLED).then_some(word & BARRED)",
                "Some(word & !(CLEAR | ENROLLED))",
            ),
            (RECLAIM, "if PlainArc::strong_count(kid) == 2 && !stays {", "if !stays {"),
        ],
        fails: &["sweep_against_holder"],
    },
];
