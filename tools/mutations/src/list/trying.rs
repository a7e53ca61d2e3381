//! Tries: models in `trying.rs`.

use super::{CLAIM, Mutation, TENTATIVE, WALK, WORD};

const FIRM: (&str, &str, &str) = (TENTATIVE, "self.claim(kind, None, How::Mark)", "self.claim(kind, None, How::Firm)");
const FIRM_WITHDRAWN: (&str, &str, &str) = (
    TENTATIVE,
    "            self.word.fetch_and(!kind.mark(), Ordering::SeqCst);\n            return Err(node);",
    "            self.drop_claim(kind);\n            return Err(node);",
);
const FIRM_GRANTED: (&str, &str, &str) = (TENTATIVE, "        self.grant_mark(kind)\n", "        Ok(true)\n");

pub(super) const MUTATIONS: &[Mutation] = &[
    Mutation {
        what: "an inner try claims for good before it looks",
        edits: &[FIRM, FIRM_WITHDRAWN, FIRM_GRANTED],
        fails: &["two_racing_tries_never_both_fail", "shared_try_above_exclusive_try", "two_inner_tries"],
    },
    Mutation {
        what: "only exclusive tries are tentative",
        edits: &[
            (
                TENTATIVE,
                "self.claim(kind, None, How::Mark)",
                "self.claim(kind, None, if kind == Kind::Xs { How::Mark } else { How::Firm })",
            ),
            (
                TENTATIVE,
                "            self.word.fetch_and(!kind.mark(), Ordering::SeqCst);\n            return Err(node);",
                "            if kind == Kind::Xs { self.word.fetch_and(!kind.mark(), Ordering::SeqCst); } else { self.drop_claim(kind); }\n            return Err(node);",
            ),
            (
                TENTATIVE,
                "        self.grant_mark(kind)\n",
                "        if kind == Kind::Xs { self.grant_mark(kind) } else { Ok(true) }\n",
            ),
        ],
        fails: &["shared_try_above_exclusive_try"],
    },
    Mutation {
        what: "a try steps back for a mark above",
        edits: &[(CLAIM, "            if word & claims != 0 {\n", "            if word & (claims | marks) != 0 {\n")],
        fails: &["two_racing_tries_never_both_fail", "two_inner_tries"],
    },
    Mutation {
        what: "tries on one node do not take turns",
        edits: &[(TENTATIVE, "        let _turn = self.cold().probe.lock();\n", "")],
        fails: &["two_tries_on_one_inner_node"],
    },
    Mutation {
        what: "the walk of a try strikes out what it meets",
        edits: &[(
            TENTATIVE,
            "look_up(kind).cloned().or_else(|| Walk::new(self, kind, Marks::Conflict)",
            "look_up(kind).cloned().or_else(|| Walk::new(self, kind, Marks::Strike)",
        )],
        fails: &["tries_do_not_keep_each_other_busy"],
    },
    Mutation {
        what: "a try is granted though it was struck out",
        edits: &[(
            TENTATIVE,
            "(word & mark != 0 && !kind.is_full(word)).then(|| word - mark + kind.unit())",
            "(!kind.is_full(word)).then(|| (word & !mark) + kind.unit())",
        )],
        fails: &["try_against_lock_below"],
    },
    Mutation {
        what: "looking up strikes nobody out",
        edits: &[(CLAIM, "            to_strike |= word & marks != 0;\n", "")],
        fails: &["try_against_lock_below"],
    },
    Mutation {
        what: "one who has struck out does not look again",
        edits: &[(
            CLAIM,
            "above.word_for(kind, Place::Above) & claims != 0\n            });",
            "false\n            });",
        )],
        fails: &["try_against_lock_below"],
    },
    Mutation {
        what: "a claim that looks up goes past marks above",
        edits: &[(
            CLAIM,
            "if above & (kind.conflicts(Place::Above) | kind.conflicting_marks(Place::Above)) != 0 {",
            "if above & kind.conflicts(Place::Above) != 0 {",
        )],
        fails: &["fast_claim_behind_a_try"],
    },
    Mutation {
        what: "a walk overlooks marks",
        edits: &[(WALK, "Marks::Strike => child.strike(kind, Place::Below),", "Marks::Strike => self.left = at,")],
        fails: &["try_against_lock_above"],
    },
    Mutation {
        what: "a claim leaves the mark that is on its node",
        edits: &[(CLAIM, "(word & !kind.conflicting_marks(Place::Here))", "word")],
        fails: &["try_against_lock_here"],
    },
    Mutation {
        what: "a fast claim leaves the mark that is on its node",
        edits: &[(
            WORD,
            "let unusual = self.obstacles() | self.conflicting_marks(Place::Here) | self.spread() | below;",
            "let unusual = self.obstacles() | self.spread() | below;",
        )],
        fails: &["fast_try_against_try_here"],
    },
    Mutation {
        what: "a try that fails leaves its mark",
        edits: &[(
            TENTATIVE,
            "            self.word.fetch_and(!kind.mark(), Ordering::SeqCst);\n            return Err(node);",
            "            return Err(node);",
        )],
        fails: &["try_against_lock_below"],
    },
];
