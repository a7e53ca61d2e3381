//! Claims that need not look up: models in `clearing.rs`.

use super::{CLAIM, ENROL, Mutation, WALK, WORD};

pub(super) const MUTATIONS: &[Mutation] = &[
    Mutation {
        what: "there is no fence between claim and looks",
        edits: &[("sync/modelled.rs", "    loom::sync::atomic::fence(Ordering::SeqCst);\n", "")],
        fails: &["look_up_against_walk"],
    },
    Mutation {
        what: "a claim without CLEAR does not look up",
        edits: &[(CLAIM, "self.ancestors().iter().fold(0, look)", "self.ancestors().iter().take(0).fold(0, look)")],
        fails: &["look_up_against_walk"],
    },
    Mutation {
        what: "a walk leaves CLEAR",
        edits: &[(
            WALK,
            "word = child.word.fetch_and(!CLEAR, Ordering::SeqCst);",
            "word = child.word.load(Ordering::SeqCst);",
        )],
        fails: &["fast_claim_against_walk"],
    },
    Mutation {
        what: "a walk looks at the word before it takes CLEAR off",
        edits: &[
            (
                WALK,
                "word = child.word.fetch_and(!CLEAR, Ordering::SeqCst);",
                "child.word.fetch_and(!CLEAR, Ordering::SeqCst);",
            ),
            (WALK, "let mut word = child", "let word = child"),
        ],
        fails: &["fast_claim_against_walk"],
    },
    Mutation {
        what: "a fast claim does not expect CLEAR",
        edits: &[
            (CLAIM, "(Kind::Xs, FREE)", "(Kind::Xs, self.word.load(Ordering::Relaxed))"),
            (CLAIM, "if word & CLEAR == 0 || !kind", "if !kind"),
        ],
        fails: &["fast_claim_against_walk"],
    },
    Mutation {
        what: "CLEAR is set without the list's lock",
        edits: &[(ENROL, "let _list = self.parent().map(|parent| parent.cold().slow.lock());", "")],
        fails: &["clear_set_against_walk"],
    },
    Mutation {
        what: "CLEAR is set by a look from before the lock",
        edits: &[(ENROL, "        if !self.is_covered() {\n", "        {\n")],
        fails: &["clear_set_against_walk"],
    },
    Mutation {
        what: "a child is admitted as CLEAR without a look",
        edits: &[(ENROL, "let clear = if child.is_covered() { 0 } else { CLEAR };", "let clear = CLEAR;")],
        fails: &["tries_below_a_held_root"],
    },
    Mutation {
        what: "CLEAR outlives ENROLLED",
        edits: &[(
            ENROL,
            "(word & !(CLEAR | BARRED) == ENROLLED).then_some(word & BARRED)",
            "(word & !CLEAR == ENROLLED).then_some(word & CLEAR)",
        )],
        fails: &["tries_below_a_held_root"],
    },
    Mutation {
        what: "a look for CLEAR stops at the parent",
        edits: &[(ENROL, "self.ancestors().iter().any(", "self.ancestors().iter().take(1).any(")],
        fails: &["tries_below_a_held_root"],
    },
    Mutation {
        what: "a claim that looks up stops at the parent",
        edits: &[(CLAIM, "self.ancestors().iter().fold(0, look)", "self.ancestors().iter().take(1).fold(0, look)")],
        fails: &["tries_below_a_held_root"],
    },
    Mutation {
        what: "there is no fence between enrolling and the look for CLEAR",
        edits: &[(ENROL, "        claim_fence();\n", "")],
        fails: &["enrolling_against_a_lock"],
    },
    Mutation {
        what: "a mark above does not keep CLEAR from being set",
        edits: &[(WORD, "COVERS: u64 = XS | SS | SPREAD_S | MARK_X | MARK_S;", "COVERS: u64 = XS | SS;")],
        fails: &["enrolling_below_a_try"],
    },
    Mutation {
        what: "a lock waits before it has taken off every CLEAR",
        edits: &[(WALK, "Marks::Strike => Round::Passing { met: false },", "Marks::Strike => Round::Stopping,")],
        fails: &["no_newcomer_below_one_that_drains"],
    },
];
