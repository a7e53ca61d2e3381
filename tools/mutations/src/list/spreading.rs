//! Readers that sit: models in `spreading.rs`.

use super::{CLAIM, Mutation, RECLAIM, SPREAD, TENTATIVE, UPGRADE, WAIT, WORD};

const MOVES: &str = "                self.word.fetch_add(kind.unit(), Ordering::SeqCst); // first (G3)
                if !seats.leave(seat, claim) {
                    self.word.fetch_sub(kind.unit(), Ordering::Release); // it has just left
                }
";

pub(super) const MUTATIONS: &[Mutation] = &[
    Mutation {
        what: "the reader does not look once more after it has taken its seat",
        edits: &[(SPREAD, "        may_stay || !self.seats()", "        may_stay || true || !self.seats()")],
        fails: &["a_reader_that_sits_against_a_writer"],
    },
    Mutation {
        what: "a reader that may not stay claims anew though its claim has been counted",
        edits: &[(
            SPREAD,
            "        may_stay || !self.seats().leave(seat, self.claim_in_seat(kind))\n",
            "        let _ = may_stay || self.seats().leave(seat, self.claim_in_seat(kind));\n        may_stay\n",
        )],
        fails: &["a_reader_that_sits_against_a_writer"],
    },
    Mutation {
        what: "a gathering closes no gates",
        edits: &[(SPREAD, "        self.word.fetch_or(gates, Ordering::SeqCst);\n", "")],
        fails: &["a_reader_that_sits_against_a_writer"],
    },
    Mutation {
        what: "a waiter goes to sleep without a gathering",
        edits: &[(WAIT, "        self.gather_under(&mut slow); // (G4)\n", "")],
        fails: &["spread_before_a_writer_sleeps"],
    },
    Mutation {
        what: "a claim is counted after its seat was emptied",
        edits: &[(
            SPREAD,
            MOVES,
            "if seats.leave(seat, claim) { self.word.fetch_add(kind.unit(), Ordering::SeqCst); }\n",
        )],
        fails: &["a_reader_comes_again_during_a_gathering"],
    },
    Mutation {
        what: "a reader whose seat was emptied leaves its claim",
        edits: &[(
            SPREAD,
            "        if !self.seats().leave(seat, self.claim_in_seat(kind)) {",
            "        if !self.seats().leave(seat, self.claim_in_seat(kind)) && false {",
        )],
        fails: &["two_readers_that_sit_against_a_writer", "a_seat_is_given_to_another"],
    },
    Mutation {
        what: "a reader that leaves also takes its claim off the count",
        edits: &[(
            SPREAD,
            "        if !self.seats().leave(seat, self.claim_in_seat(kind)) {",
            "        let left = self.seats().leave(seat, self.claim_in_seat(kind));\n        if !left || kind.count(self.word.load(Ordering::SeqCst)) > 0 {",
        )],
        fails: &["a_seat_is_given_to_another"],
    },
    Mutation {
        what: "a gathering moves claims of kinds for which the node is not spread",
        edits: &[(SPREAD, "SHARED.into_iter().filter(|kind| spread & kind.spread() != 0)", "SHARED")],
        fails: &["spread_for_another_kind"],
    },
    Mutation {
        what: "a claim below takes no notice of readers that sit above",
        edits: &[(WORD, "table([XS, XN, SS | SPREAD_S, SN | SPREAD_N])", "table([XS, XN, SS, SN | SPREAD_N])")],
        fails: &["a_reader_that_sits_against_a_lock_below"],
    },
    Mutation {
        what: "a node below readers that sit gets `CLEAR`",
        edits: &[(WORD, "XS | SS | SPREAD_S | MARK_X | MARK_S;", "XS | SS | MARK_X | MARK_S;")],
        fails: &["a_reader_that_sits_against_a_lock_below"],
    },
    Mutation {
        what: "a walk passes spread nodes",
        edits: &[(WORD, "table([XS, XN, SS | SPREAD_S, SN | SPREAD_N])", "table([XS, XN, SS | SPREAD_S, SN])")],
        fails: &["a_reader_that_sits_against_a_lock_above"],
    },
    Mutation {
        what: "a look up is refused for seats that are empty",
        edits: &[(
            CLAIM,
            "            let word = above.word_for(kind, Place::Above);\n            if word & claims",
            "            let word = above.word.load(Ordering::SeqCst);\n            if word & claims",
        )],
        fails: &["an_empty_table_refuses_nobody"],
    },
    Mutation {
        what: "a glance believes the counts of a spread node",
        edits: &[(TENTATIVE, "found != 0 && found & SPREAD == 0", "found & !SPREAD != 0")],
        fails: &["who_has_left_refuses_no_try"],
    },
    Mutation {
        what: "one that tries to upgrade believes the counts of a spread node",
        edits: &[(
            UPGRADE,
            "readers(self.word_for(Kind::Xn, Place::Here)) > 1",
            "readers(self.word.load(Ordering::SeqCst)) > 1",
        )],
        fails: &["who_has_left_refuses_no_upgrade"],
    },
    Mutation {
        what: "the gates of a gathering are taken for a waiter's",
        edits: &[(TENTATIVE, " && self.gated_for(kind, None).is_some();", ";")],
        fails: &["who_gathers_refuses_no_reader"],
    },
    Mutation {
        what: "an upgrade begins without a gathering",
        edits: &[(UPGRADE, "            node.gather_under(slow); // (G4)\n", "            let _ = slow;\n")],
        fails: &["an_upgrade_against_a_reader_that_sits"],
    },
    Mutation {
        what: "one that only tries does not mind the bit",
        edits: &[(UPGRADE, "!is_upgrading(word) && word & SPREAD == 0;", "!is_upgrading(word);")],
        fails: &["an_upgrade_against_a_reader_that_sits"],
    },
    Mutation {
        what: "a sweep takes the bit off without a gathering",
        edits: &[(
            RECLAIM,
            "spread.into_iter().for_each(|node| node.gather());",
            "spread.into_iter().for_each(|node| drop(node.word.fetch_and(!SPREAD, Ordering::SeqCst)));",
        )],
        fails: &["a_sweep_against_a_reader_that_sits"],
    },
];
