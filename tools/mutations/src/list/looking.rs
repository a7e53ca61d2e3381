//! Looks at the tree, and breaking a lock.

use super::{LOOK, Mutation, RECORD};

pub(super) const MUTATIONS: &[Mutation] = &[
    Mutation {
        what: "a look reads the word before it takes the slow lock",
        edits: &[
            (
                LOOK,
                "        let mut slow = self.cold_if_any().map(|cold| cold.slow.lock());\n",
                "        let early = self.word.load(Ordering::Acquire);\n        let mut slow = self.cold_if_any().map(|cold| cold.slow.lock());\n",
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
            "        let Some(record) = slow.records.take(token) else { return false };",
            "        let Ok(record) = slow.records.held(token).cloned() else { return false };",
        )],
        fails: &["breaking_against_releasing"],
    },
];
