//! Looks at the tree, and breaking a lock.

use super::{LOOK, Mutation, RECORD};

pub(super) const MUTATIONS: &[Mutation] = &[
    Mutation {
        what: "a look reads the word before it takes the slow lock",
        edits: &[
            (
                LOOK,
                "        let slow = self.cold_if_any().map(|cold| cold.slow.lock());\n",
                "        let early = self.word.load(Ordering::Acquire);\n        let slow = self.cold_if_any().map(|cold| cold.slow.lock());\n",
            ),
            (
                LOOK,
                "        let claims = Kind::ALL.map(|kind| if is_held(kind) { kind.count(word) } else { 0 });",
                "        let claims = Kind::ALL.map(|kind| kind.count(early));\n        let _ = word;",
            ),
        ],
        fails: &["a_look_against_a_release"],
    },
    Mutation {
        what: "a claim ends before its record is taken off",
        edits: &[(
            RECORD,
            "        let record = self.cold().slow.lock().records.take(token).ok_or(Lost)?;\n        let expired = record.has_expired();\n        self.end(&record);",
            "        let kind = self.cold().slow.lock().records.held(token)?.kind;\n        self.drop_claim(kind);\n        let record = self.cold().slow.lock().records.take(token).ok_or(Lost)?;\n        let expired = record.has_expired();",
        )],
        fails: &["a_look_against_a_release"],
    },
    Mutation {
        what: "a claim that drains hides the other locks of its kind",
        edits: &[(LOOK, "claim.of_kind.saturating_sub(*here).min(*most)", "claim.of_kind.min(0)")],
        fails: &["a_look_against_a_drain"],
    },
    Mutation {
        what: "the one who breaks a lock does not take its record off",
        edits: &[(
            RECORD,
            "        let taken = cold.slow.lock().records.take(token);\n        let Some(record) = taken else { return false };\n        let was_held = !record.has_expired();\n        self.take_away(&record);",
            "        let mut slow = cold.slow.lock();\n        let Ok(record) = slow.records.held(token) else { return false };\n        let (kind, was_held) = (record.kind, true);\n        drop(slow);\n        self.drop_claim(kind);",
        )],
        fails: &["breaking_against_releasing"],
    },
];
