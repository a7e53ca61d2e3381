//! Upgrading: models in `upgrading.rs`.

use super::{Mutation, UPGRADE, UPGRADES, WAIT, WORD};

pub(super) const MUTATIONS: &[Mutation] = &[
    Mutation {
        what: "an upgrade does not wait for readers of its node",
        edits: &[(
            UPGRADE,
            "    while readers(node.word.load(Ordering::SeqCst)) > 1 {",
            "    while readers(node.word.load(Ordering::SeqCst)) > 9 {",
        )],
        fails: &["upgrade_against_a_reader_here"],
    },
    Mutation {
        what: "an upgrade sets no bit while it waits",
        edits: &[
            (UPGRADE, "Some((word & !marks) + kind.unit())", "Some(word & !marks)"),
            (
                UPGRADE,
                "let take_off = || node.word.fetch_sub(shared.unit(), Ordering::SeqCst) & PARKED != 0;",
                "let take_off = || node.word.fetch_add(shared.upgraded().unit().wrapping_sub(shared.unit()), Ordering::SeqCst) & PARKED != 0;",
            ),
        ],
        fails: &["upgrade_against_two_readers"],
    },
    Mutation {
        what: "an upgrade that ends wakes nobody",
        edits: &[(
            UPGRADE,
            "let take_off = || node.drop_claim(kind);",
            "let take_off = || drop(node.word.fetch_sub(kind.unit(), Ordering::SeqCst));",
        )],
        fails: &["upgrade_gives_up"],
    },
    Mutation {
        what: "an upgrade does not look down",
        edits: &[(UPGRADE, "    if kind.is_subtree() {\n        let mut walk", "    if false {\n        let mut walk")],
        fails: &["upgrade_against_a_reader_below"],
    },
    Mutation {
        what: "an upgrade does not look up",
        edits: &[(
            UPGRADE,
            "    for above in node.ancestors().iter().rev() {\n",
            "    for above in node.ancestors().iter().rev().take(0) {\n",
        )],
        fails: &["upgrade_against_a_reader_above"],
    },
    Mutation {
        what: "upgrades are not registered",
        edits: &[(
            UPGRADES,
            "        none_pending(&pending, node, kind)?;\n        pending.insert",
            "        pending.insert",
        )],
        fails: &["two_upgrades"],
    },
    Mutation {
        what: "an upgrade waits for exclusive claims above",
        edits: &[(WORD, "    Kind::Ss.count(word) > 0\n", "    word & (SS | XS) != 0\n")],
        fails: &["upgrade_passes_a_writer"],
    },
    Mutation {
        what: "a shared waiter drains while an upgrade is pending",
        edits: &[(WAIT, "            waiter.role = Role::Aside; // (13)\n", "")],
        fails: &["upgrade_passes_a_reader_that_drains"],
    },
    Mutation {
        what: "an upgrade leaves shared waiters asleep with their claim",
        edits: &[(UPGRADE, "            above.send_aside();\n", "")],
        fails: &["upgrade_passes_a_reader_that_drains"],
    },
    Mutation {
        what: "an upgrade leaves sets asleep with a claim below it",
        edits: &[(UPGRADE, "            below.send_aside();\n", "")],
        fails: &["upgrade_passes_a_set_that_drains"],
    },
    Mutation {
        what: "a set drains while an upgrade above its claim is pending",
        edits: &[(
            UPGRADES,
            "below || node.ancestors().iter().any(|above| pending.contains_key(&above.path))",
            "below",
        )],
        fails: &["upgrade_passes_a_set_that_drains"],
    },
    Mutation {
        what: "an upgrade that gives up keeps its bit",
        edits: &[(
            UPGRADE,
            "            None => take_off(),\n            // If the lock",
            "            None => {}\n            // If the lock",
        )],
        fails: &["upgrade_gives_up"],
    },
    Mutation {
        what: "an upgrade is granted though it was struck out",
        edits: &[(
            UPGRADE,
            "(word & kind.mark() != 0 && alone(word)).then(|| word - kind.mark() - shared.unit() + kind.unit())",
            "alone(word).then(|| (word & !kind.mark()) - shared.unit() + kind.unit())",
        )],
        fails: &["try_upgrade_against_locks_below"],
    },
    Mutation {
        what: "a try to upgrade looks at nothing",
        edits: &[(
            UPGRADE,
            "        if let Some(node) = in_the_way {\n",
            "        if let Some(node) = in_the_way.filter(|_| false) {\n",
        )],
        fails: &["try_upgrade_against_a_try_below"],
    },
    Mutation {
        what: "a narrowing lock waits for pending upgrades",
        edits: &[(
            WORD,
            "word & self.conflicts(place) != 0 && !(self.is_shared() && is_upgrading(word))",
            "word & self.conflicts(place) != 0",
        )],
        fails: &["narrow_past_an_upgrade"],
    },
];
