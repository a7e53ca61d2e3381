//! Names in the word.

use super::{GRANT_NAMED, LEASES, LOSS, Mutation, NAME, RECORD};

pub(super) const MUTATIONS: &[Mutation] = &[
    Mutation {
        what: "the name stays in the word of a lock that is put on record",
        edits: &[(NAME, "compare_exchange(word, unnamed(word), ", "compare_exchange(word, word | unnamed(word), ")],
        fails: &["a_named_lock_against_a_look"],
    },
    Mutation {
        what: "the mark that there is a record comes after the name has gone",
        edits: &[
            (NAME, "            self.cold().expect_record();\n            match", "            match"),
            (
                NAME,
                "return slow.records.add_named(token, name, &terms);",
                "self.cold().expect_record();\n                    return slow.records.add_named(token, name, &terms);",
            ),
        ],
        fails: &["a_named_lock_against_a_refusal"],
    },
    Mutation {
        what: "the name of the lock that is held lets its handle in again",
        edits: &[(
            NAME,
            "free + named_claim(name), Ordering::SeqCst, Ordering::Relaxed).is_ok()",
            "free + named_claim(name), Ordering::SeqCst, Ordering::Relaxed).is_ok() || self.has_name(name)",
        )],
        fails: &["a_named_lock_and_its_own_handle"],
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
            "        self.stray(&mut slow, &record);\n        drop(slow);\n        let was_held = !record.has_expired();\n        self.take_away(&record);",
            "        drop(slow);\n        let was_held = !record.has_expired();\n        self.take_away(&record);\n        self.stray(&mut self.cold().slow.lock(), &record);",
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
    Mutation {
        what: "a lock that is revoked does not stray",
        edits: &[(LEASES, "expired.iter().for_each(|record| self.stray(&mut slow, record));", "")],
        fails: &["an_ended_lease_in_the_word"],
    },
    Mutation {
        what: "a sleeper does not see the end of a lease in the word",
        edits: &[(
            LEASES,
            "self.end_of_named().into_iter().chain(slow.records.first_expiry()).min()",
            "slow.records.first_expiry()",
        )],
        fails: &["a_waiter_outlives_a_lease_in_the_word"],
    },
    Mutation {
        what: "a claim with a name does not look for listeners",
        edits: &[(GRANT_NAMED, "Losses::anywhere()", "false && Losses::anywhere()")],
        fails: &["a_listener_against_a_lease_in_the_word"],
    },
    Mutation {
        what: "a listener does not write the words that it looks at",
        edits: &[(LOSS, "node.word.fetch_or(0, Ordering::AcqRel);", "node.word.load(Ordering::Acquire);")],
        fails: &["a_listener_against_a_lease_in_the_word"],
    },
];
