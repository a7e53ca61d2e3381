//! Claim and look up, downgrade, release: models in `excluding.rs`.

use super::{ACQUIRE, CLAIM, Mutation, WALK, WORD};

pub(super) const MUTATIONS: &[Mutation] = &[
    Mutation {
        what: "a conflict found by looking up is ignored",
        edits: &[(
            ACQUIRE,
            "if let Some(above) = self.node().look_up(self.kind()) {",
            "if let Some(above) = self.node().look_up(self.kind()).filter(|_| false) {",
        )],
        fails: &["ancestor_against_descendant_slowly", "three_on_one_chain"],
    },
    Mutation {
        what: "nobody looks down",
        edits: &[(ACQUIRE, "} else if matches!(made, Claim::Inner) {", "} else if false {")],
        fails: &["ancestor_against_descendant", "ancestor_against_descendant_slowly"],
    },
    Mutation {
        what: "a claim is taken off without releasing what was written under it",
        edits: &[(
            CLAIM,
            "self.word.fetch_sub(unit, Ordering::Release) & PARKED",
            "self.word.fetch_sub(unit, Ordering::Relaxed) & PARKED",
        )],
        fails: &["ancestor_against_descendant", "readers_and_a_writer"],
    },
    Mutation {
        what: "a look up stops at the parent",
        edits: &[(CLAIM, "for above in self.ancestors() {", "for above in self.ancestors().iter().take(1) {")],
        fails: &["three_on_one_chain"],
    },
    Mutation {
        what: "a walk enters no inner node",
        edits: &[(WALK, "return Found::Inner(child.clone());", "self.left = at;")],
        fails: &["three_on_one_chain"],
    },
    Mutation {
        what: "a shared claim does not keep out exclusive ones below",
        edits: &[(
            WORD,
            "reaches && !(self.is_shared() && other.is_shared())",
            "reaches && !(other.is_shared() && (self.is_shared() || matches!(place, Place::Above)))",
        )],
        fails: &["shared_inner_exclusive_leaf"],
    },
    Mutation {
        what: "two shared claims conflict",
        edits: &[(WORD, "reaches && !(self.is_shared() && other.is_shared())", "reaches")],
        fails: &["shared_inner_exclusive_leaf"],
    },
    Mutation {
        what: "an exclusive claim does not look at the shared ones on its node",
        edits: &[(
            WORD,
            "reaches && !(self.is_shared() && other.is_shared())",
            "reaches && !(other.is_shared() && (self.is_shared() || matches!(place, Place::Here)))",
        )],
        fails: &["readers_and_a_writer"],
    },
    Mutation {
        what: "the fast path of a shared claim looks for nothing on its node",
        edits: &[(
            WORD,
            "let unusual = self.obstacles() | self.conflicting_marks(Place::Here) | self.spread() | below;",
            "let unusual = self.spread() | below;",
        )],
        fails: &["readers_and_a_writer"],
    },
    Mutation {
        what: "the fast path of a shared claim does not look down",
        edits: &[(WORD, "let below = if self.is_subtree() { KIDS } else { 0 };", "let below = 0;")],
        fails: &["shared_inner_exclusive_leaf"],
    },
    Mutation {
        what: "a lock on the node alone counts for those below",
        edits: &[(WORD, "Place::Above => other.is_subtree(),", "Place::Above => true,")],
        fails: &["node_only_between_root_and_leaf"],
    },
    Mutation {
        what: "a lock on the node alone is not kept out from above",
        edits: &[
            (
                CLAIM,
                "let claims = kind.conflicts(Place::Above);",
                "let claims = if kind.is_subtree() { kind.conflicts(Place::Above) } else { 0 };",
            ),
            (
                CLAIM,
                "if above & (kind.conflicts(Place::Above)",
                "if kind.is_subtree() && above & (kind.conflicts(Place::Above)",
            ),
        ],
        fails: &["node_only_between_root_and_leaf"],
    },
    Mutation {
        what: "a lock on the node alone looks down",
        edits: &[
            (WORD, "Place::Below => self.is_subtree(),", "Place::Below => true,"),
            (CLAIM, "let is_inner = word & KIDS != 0 && kind.is_subtree();", "let is_inner = word & KIDS != 0;"),
        ],
        fails: &["node_only_above_a_holder"],
    },
    Mutation {
        what: "a look up takes a sibling's traces for a conflict",
        edits: &[
            (CLAIM, "let claims = kind.conflicts(Place::Above);", "let claims = kind.conflicts(Place::Above) | KIDS;"),
            (CLAIM, "if above & (kind.conflicts(Place::Above)", "if above & (KIDS | kind.conflicts(Place::Above)"),
        ],
        fails: &["siblings_run_together"],
    },
    Mutation {
        what: "downgrading is a release and a new claim",
        edits: &[(
            CLAIM,
            "let difference = kind.downgraded().unit().wrapping_sub(kind.unit());",
            "let difference = kind.downgraded().unit();\n        self.word.fetch_sub(kind.unit(), Ordering::Release);",
        )],
        fails: &["downgrading_never_lets_go"],
    },
    Mutation {
        what: "downgrading wakes nobody",
        edits: &[(CLAIM, "if self.downgrade_word(kind) {", "if self.downgrade_word(kind) && false {")],
        fails: &["downgrading_wakes_readers"],
    },
    Mutation {
        what: "a claim is not taken off while unwinding",
        edits: &[(
            CLAIM,
            "    pub(super) fn drop_claim(self: &PlainArc<Self>, kind: Kind) {\n",
            "    pub(super) fn drop_claim(self: &PlainArc<Self>, kind: Kind) {\n        if std::thread::panicking() {\n            return;\n        }\n",
        )],
        fails: &["released_while_unwinding"],
    },
];
