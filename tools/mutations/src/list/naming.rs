//! Names in the word.

use super::{Mutation, NAME, RECORD};

pub(super) const MUTATIONS: &[Mutation] = &[
    Mutation {
        what: "the name stays in the word of a lock that is put on record",
        edits: &[(NAME, "compare_exchange(word, unnamed(word), ", "compare_exchange(word, word | unnamed(word), ")],
        fails: &["a_named_lock_against_a_look"],
    },
    Mutation {
        what: "a lock that has strayed does not bar names",
        edits: &[(NAME, "self.word.fetch_or(BARRED, Ordering::AcqRel);", "self.word.fetch_or(0, Ordering::AcqRel);")],
        fails: &["a_broken_named_lock"],
    },
    Mutation {
        what: "names are barred only after the claim of the broken lock has ended",
        edits: &[(
            RECORD,
            "        if let Some(name) = record.name {\n            self.stray(&mut slow, name, token);\n        }\n        drop(slow);\n        let was_held = !record.has_expired();\n        self.take_away(&record);",
            "        drop(slow);\n        let was_held = !record.has_expired();\n        self.take_away(&record);\n        if let Some(name) = record.name {\n            self.stray(&mut self.cold().slow.lock(), name, token);\n        }",
        )],
        fails: &["a_broken_named_lock"],
    },
    Mutation {
        what: "a slot is free before the lock that has it is on record",
        edits: &[(
            NAME,
            "map(slot_of) == Some(slot) {\n            self.put_on_record(&mut slow);\n",
            "map(slot_of) == Some(slot) {\n",
        )],
        fails: &["a_handle_goes_before_its_guard"],
    },
];
