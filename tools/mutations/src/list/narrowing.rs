//! Narrowing: models in `narrowing.rs`.

use super::{Mutation, NARROW};

const LETS_GO: &str = "        None => node.drop_claim(kind),\n        Some(token) => node.end_moved(token)?,";

pub(super) const MUTATIONS: &[Mutation] = &[
    Mutation {
        what: "a narrowing lock lets go before it claims",
        edits: &[
            (NARROW, "    for wanted in to {\n", "    node.drop_claim(kind);\n    for wanted in to {\n"),
            (NARROW, LETS_GO, "        None => {}\n        Some(token) => node.end_moved(token)?,"),
        ],
        fails: &["narrow_against_the_kept_node", "narrow_against_a_lock_above"],
    },
    Mutation {
        what: "a narrowing lock does not look down",
        edits: &[(
            NARROW,
            "    let mut walk = Walk::new(wanted, kind, Marks::Strike).past_upgrades();\n    while let Some(below) = walk.next_conflict() {",
            "    let walk = Walk::new(wanted, kind, Marks::Strike);\n    drop(walk);\n    if let Some(below) = None::<PlainArc<Node>> {",
        )],
        fails: &["narrow_against_a_lock_below", "narrow_against_a_new_lock_below"],
    },
    Mutation {
        what: "a narrowing lock does not look between",
        edits: &[(
            NARROW,
            "let between = wanted.depth() - change.node.depth() - 1;",
            "let between = 0 * change.node.depth();",
        )],
        fails: &["narrow_against_a_lock_between", "narrow_a_shared_lock"],
    },
    Mutation {
        what: "a narrowing lock wakes nobody",
        edits: &[(
            NARROW,
            LETS_GO,
            "        None => drop(node.word.fetch_sub(kind.unit(), Ordering::SeqCst)),\n        Some(token) => node.end_moved(token)?,",
        )],
        fails: &["narrow_wakes_waiters_for_the_rest"],
    },
];
