//! Widening: models in `widening.rs`.

use super::{Mutation, WALK, WIDEN};

pub(super) const MUTATIONS: &[Mutation] = &[
    Mutation {
        what: "a widened lock does not look down",
        edits: &[(
            WIDEN,
            "self.look_up(kind).cloned().or_else(look_down)",
            "self.look_up(kind).cloned().or_else(|| look_down().filter(|_| false))",
        )],
        fails: &["widen_against_a_sibling", "widen_a_shared_lock"],
    },
    Mutation {
        what: "a widening lock takes itself for a conflict",
        edits: &[(
            WALK,
            "PlainArc::ptr_eq(node, child) => kind.without_one(word),",
            "PlainArc::ptr_eq(node, child) => word.max(kind.unit()),",
        )],
        fails: &["widen_against_a_try_below"],
    },
    Mutation {
        what: "a widened lock lets go before it claims",
        edits: &[
            (WIDEN, "    let token = loop {\n", "    node.drop_claim(own.kind);\n    let token = loop {\n"),
            (WIDEN, "        own.node.drop_claim(own.kind);\n", ""),
        ],
        fails: &["widen_against_a_try_below", "widen_against_a_try_above"],
    },
    Mutation {
        what: "a widening lock takes newcomers below for locks",
        edits: &[(WALK, "Some(_) if is_covered => {", "Some(_) if is_covered && false => {")],
        fails: &["widen_against_a_try_below"],
    },
    Mutation {
        what: "a widening lock goes past pending upgrades below its own",
        edits: &[(
            WALK,
            "                if is_upgrading(word) {\n                    word\n",
            "                if is_upgrading(word) && false {\n                    word\n",
        )],
        fails: &["widen_against_an_upgrade"],
    },
];
