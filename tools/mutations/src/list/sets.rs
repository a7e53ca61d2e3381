//! Sets: models in `sets.rs`.

use super::{LAPSE, Mutation, SET_ACQUIRE, SET_PHASE, TENTATIVE};

pub(super) const MUTATIONS: &[Mutation] = &[
    Mutation {
        what: "a set does not look up",
        edits: &[
            (
                SET_PHASE,
                "    if let Some(above) = node.look_up(kind) {\n",
                "    if let Some(above) = node.look_up(kind).filter(|_| false) {\n",
            ),
            (SET_PHASE, "    if !inner.is_empty() {\n", "    if false {\n"),
        ],
        fails: &["set_against_inner_lock_against_leaf"],
    },
    Mutation {
        what: "a set does not look down at its members",
        edits: &[
            (SET_ACQUIRE, "Drain::new(self.members, inner)", "Drain::new(self.members, Vec::new())"),
            (SET_ACQUIRE, "Drain::new(members, inner)", "Drain::new(members, Vec::new())"),
        ],
        fails: &["set_against_inner_lock_against_leaf"],
    },
    Mutation {
        what: "a set that is blocked keeps the claims that it has",
        edits: &[(
            SET_PHASE,
            "                order().take(made).for_each(|claimed| withdraw(&members[claimed], woken));\n",
            "                let _ = made;\n",
        )],
        fails: &["two_sets_in_opposite_orders", "a_try_beside_a_set_that_withdraws"],
    },
    Mutation {
        what: "a set that is blocked above keeps its claim there",
        edits: &[(SET_PHASE, "done + usize::from(place == Place::Above)", "done")],
        fails: &["a_set_that_drains_below_one_that_drains"],
    },
    Mutation {
        what: "phases overlap",
        edits: &[(
            SET_PHASE,
            "    let phase = sets(members).begin();\n    let result = claim_each(members, first,",
            "    let phase = String::new();\n    let result = claim_each(members, first,",
        )],
        fails: &["a_try_of_a_set_beside_one_that_waits"],
    },
    Mutation {
        what: "a set that drains trusts in `CLEAR`",
        edits: &[(SET_PHASE, "    if !inner.is_empty() {\n", "    if false {\n")],
        fails: &["two_sets_that_would_drain_for_each_other"],
    },
    Mutation {
        what: "tries of sets do not take turns",
        edits: &[(
            SET_PHASE,
            "    let phase = sets(members).begin();\n    let result = claim_each(members, 0,",
            "    let phase = String::new();\n    let result = claim_each(members, 0,",
        )],
        fails: &["two_racing_tries_of_sets", "two_racing_tries_of_sets_with_one_node_in_common"],
    },
    Mutation {
        what: "a set's try looks down when its turn is over",
        edits: &[(
            SET_PHASE,
            "        .map_err(|obstacle| (obstacle.member, obstacle.in_the_way))\n        .and_then(|inner| {",
            "        .map_err(|obstacle| (obstacle.member, obstacle.in_the_way));\n    drop(phase);\n    let phase = String::new();\n    let result = result.and_then(|inner| {",
        )],
        fails: &["two_racing_tries_of_sets"],
    },
    Mutation {
        what: "a try beside a set does not try once more",
        edits: &[(SET_PHASE, "let is_sure = result.is_ok()", "let is_sure = result.is_ok() || result.is_err()")],
        fails: &["a_try_beside_a_set_that_withdraws", "a_try_of_a_set_against_a_try_below"],
    },
    Mutation {
        what: "a try beside a set looks only whether a phase is under way",
        edits: &[(
            SET_PHASE,
            "(sets.phases.load(Ordering::Acquire) == before && before.is_multiple_of(2))",
            "(sets.phases.load(Ordering::Acquire) % 2 == 0 && before < u64::MAX)",
        )],
        fails: &["a_try_beside_a_set_that_withdraws"],
    },
    Mutation {
        what: "a glance has no regard for sets",
        edits: &[(
            TENTATIVE,
            "        self.beside_sets(|| self.at_a_glance(kind).map_or(Ok(()), Err))\n",
            "        self.at_a_glance(kind).map_or(Ok(()), Err)\n",
        )],
        fails: &["a_glance_beside_a_set_that_withdraws"],
    },
    Mutation {
        what: "a phase does not count when it begins",
        edits: &[
            (SET_PHASE, "        self.advance(Ordering::Relaxed);\n", ""),
            (
                SET_PHASE,
                "        self.sets.advance(Ordering::Release);\n",
                "        self.sets.advance(Ordering::Release);\n        self.sets.advance(Ordering::Release);\n",
            ),
        ],
        fails: &["a_try_beside_a_set_that_withdraws"],
    },
    Mutation {
        what: "a set that withdraws a claim wakes nobody",
        edits: &[(
            SET_PHASE,
            "    unpark(woken); // S4\n    result\n}\n\nimpl Node {",
            "    drop(woken);\n    result\n}\n\nimpl Node {",
        )],
        fails: &["asleep_because_of_a_claim_that_is_withdrawn"],
    },
    Mutation {
        what: "a phase begins with another member than the one that was blocked",
        edits: &[(SET_ACQUIRE, "                        self.first = obstacle.member;\n", "")],
        fails: &["behind_a_set_that_goes_elsewhere"],
    },
    Mutation {
        what: "a set that gives up while it drains keeps its claims",
        edits: &[(SET_ACQUIRE, "        if draining {\n            drop_all(self.members);\n        }\n", "")],
        fails: &["a_set_that_drains_gives_up"],
    },
    Mutation {
        what: "a set that lapses drops one claim only",
        edits: &[(LAPSE, "waiter.claims().for_each(", "waiter.claims().take(1).for_each(")],
        fails: &["a_set_that_drains_lapses"],
    },
];
