//! Each rule on both sides: what it objects to, and what comes closest without being wrong.

use std::fmt;

use crate::{Claim, Judge, Rule};

/// A part of a row of nodes, to be read or written.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Part {
    from: u32,
    to: u32,
    writes: bool,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}..{}", if self.writes { "writes" } else { "reads" }, self.from, self.to)
    }
}

impl Claim for Part {
    fn conflicts_with(&self, other: &Self) -> bool {
        (self.writes || other.writes) && self.from < other.to && other.from < self.to
    }
}

const ALL: Part = Part { from: 0, to: 9, writes: true };
const LEFT: Part = Part { from: 0, to: 5, writes: true };
const RIGHT: Part = Part { from: 5, to: 9, writes: true };

fn reads(part: Part) -> Part {
    Part { writes: false, ..part }
}

fn rules(judge: &Judge<Part>) -> Vec<Rule> {
    judge.violations().iter().map(|violation| violation.rule).collect()
}

#[test]
fn an_overlap_is_told_once_and_names_both() {
    let mut judge = Judge::new();
    judge.granted(1, ALL, 10, 100, 200, 95);
    judge.granted(2, LEFT, 11, 199, 300, 190);
    judge.extended(1, 199, 210, 198);
    assert_eq!(rules(&judge), [Rule::Overlap]);
    let [violation] = judge.violations() else { panic!() };
    assert_eq!((violation.at, violation.id, violation.other), (199, 2, Some(1)));
    for part in ["1 (writes 0..9, token 10, since 100, until 200", "2 (writes 0..5, token 11", "at 199"] {
        assert!(violation.text.contains(part), "{}", violation.text);
    }
    assert_eq!((judge.grants(), judge.losses()), (2, 0));
}

#[test]
fn one_that_ends_as_the_next_begins_does_not_overlap() {
    let mut judge = Judge::new();
    judge.granted(1, ALL, 10, 100, 200, 95);
    judge.granted(2, LEFT, 11, 200, 300, 190);
    judge.granted(3, RIGHT, 11, 210, 900, 205);
    judge.ended(2, 250);
    judge.granted(4, LEFT, 12, 250, 300, 190);
    // What is shorter now, and released after it had ended.
    judge.extended(3, 260, 270, 255);
    judge.granted(5, RIGHT, 12, 270, 300, 265);
    judge.ended(3, 280);
    judge.granted(6, reads(LEFT), 13, 300, 400, 295);
    judge.granted(7, reads(ALL), 14, 301, 400, 295);
    assert_eq!(rules(&judge), []);
}

#[test]
fn what_is_extended_is_held_for_longer() {
    let mut judge = Judge::new();
    judge.granted(1, ALL, 10, 100, 200, 95);
    judge.extended(1, 150, 250, 145);
    judge.granted(2, LEFT, 11, 220, 300, 190);
    assert_eq!(rules(&judge), [Rule::Overlap]);
}

#[test]
fn a_downgrade_lets_readers_in_and_nobody_else() {
    let mut judge = Judge::new();
    judge.granted(1, ALL, 10, 100, 200, 95);
    judge.changed(1, 110, reads(ALL));
    judge.granted(2, reads(LEFT), 11, 120, 130, 115);
    assert_eq!(rules(&judge), []);
    judge.granted(3, RIGHT, 12, 140, 150, 135);
    assert_eq!(rules(&judge), [Rule::Overlap]);
    // The other way round.
    judge.changed(2, 129, LEFT);
    assert_eq!(rules(&judge), [Rule::Overlap, Rule::Overlap]);
    // What has ended changes nothing.
    judge.ended(1, 150);
    judge.changed(1, 160, ALL);
    judge.granted(4, RIGHT, 13, 170, 180, 165);
    assert_eq!(rules(&judge), [Rule::Overlap, Rule::Overlap]);
}

#[test]
fn tokens_rise_along_conflicts_and_nowhere_else() {
    let mut judge = Judge::new();
    judge.granted(1, LEFT, 10, 100, 110, 95);
    judge.granted(2, RIGHT, 5, 120, 130, 115);
    judge.granted(3, RIGHT, 6, 140, 150, 135);
    assert_eq!(rules(&judge), [], "siblings draw as they like");
    judge.granted(4, ALL, 10, 160, 170, 155);
    assert_eq!(rules(&judge), [Rule::TokenNotRisen], "not greater, though greater than the last one");
    assert!(judge.violations()[0].text.contains("1 (writes 0..5, token 10)"), "{}", judge.violations()[0].text);
    judge.granted(5, ALL, 11, 180, 190, 175);
    judge.granted(6, reads(ALL), 13, 191, 199, 190);
    judge.granted(7, reads(ALL), 12, 192, 199, 190);
    assert_eq!(rules(&judge).len(), 1, "readers may come in any order");
    judge.granted(8, RIGHT, 13, 200, 210, 195);
    assert_eq!(rules(&judge).len(), 2);
    judge.tokens_may_fall();
    judge.granted(9, ALL, 1, 220, 230, 215);
    assert_eq!(rules(&judge).len(), 2);
}

#[test]
fn what_has_ended_is_not_extended() {
    let mut judge = Judge::new();
    judge.granted(1, LEFT, 10, 100, 200, 95);
    judge.extended(1, 200, 300, 195);
    assert_eq!(rules(&judge), [], "at the last moment");
    judge.extended(1, 301, 400, 299);
    assert_eq!(rules(&judge), [Rule::HeldAfterLost]);
    judge.granted(2, RIGHT, 10, 310, 900, 305);
    judge.ended(2, 320);
    judge.extended(2, 320, 900, 315); // at the same time, and afterwards
    judge.extended(3, 340, 900, 335);
    assert_eq!(rules(&judge), [Rule::HeldAfterLost; 3]);
    // It is not held again by that.
    judge.granted(4, ALL, 11, 350, 400, 345);
    assert_eq!(rules(&judge), [Rule::HeldAfterLost; 3]);
}

#[test]
fn a_loss_excuses_what_rests_on_the_time_before_it() {
    let mut judge = Judge::new();
    judge.granted(1, LEFT, 10, 100, 900, 95);
    judge.granted(2, RIGHT, 10, 100, 900, 95);
    judge.data_lost(200);
    judge.granted(3, ALL, 11, 220, 300, 210);
    assert_eq!((judge.losses(), rules(&judge)), (2, vec![]));
    judge.extended(1, 230, 900, 199);
    assert_eq!((judge.losses(), rules(&judge)), (2, vec![]), "the same two are counted once");
    judge.extended(1, 240, 900, 200);
    assert_eq!((judge.losses(), rules(&judge)), (2, vec![Rule::Overlap]), "both were confirmed");
}

#[test]
fn a_loss_excuses_no_one_who_asked_after_it() {
    let mut judge = Judge::new();
    judge.data_lost(200);
    judge.granted(1, LEFT, 10, 250, 900, 200);
    judge.granted(2, ALL, 11, 260, 300, 255);
    assert_eq!((judge.losses(), rules(&judge)), (0, vec![Rule::Overlap]));
}

/// Its lease ends early, whatever it has become since. A renewal sets another end.
#[test]
fn a_jump_of_the_clock_excuses_ends_that_were_set_before_it() {
    for is_renewed in [false, true] {
        let mut judge = Judge::new();
        judge.granted(1, LEFT, 10, 100, 900, 95);
        judge.clock_jumped(200);
        judge.raised(1, 220, ALL, 11, 210);
        judge.extended(1, 230, if is_renewed { 950 } else { 900 }, 225);
        judge.granted(2, RIGHT, 12, 240, 900, 235);
        let expected = if is_renewed { vec![Rule::Overlap] } else { vec![] };
        assert_eq!(rules(&judge), expected);
    }
}

/// A renewal after the loss finds that the server does not know what was raised before it.
#[test]
fn a_loss_excuses_what_was_raised_before_it_up_to_the_next_renewal() {
    for renewed in [false, true] {
        let mut judge = Judge::new();
        judge.granted(1, LEFT, 10, 100, 900, 95);
        judge.raised(1, 160, ALL, 11, 150);
        judge.data_lost(200);
        if renewed {
            judge.extended(1, 300, 950, 290);
        }
        judge.granted(2, RIGHT, 12, 340, 900, 335);
        assert_eq!(rules(&judge), if renewed { vec![Rule::Overlap] } else { vec![] });
    }
}

#[test]
fn an_overlap_outlives_a_loss_if_holders_claim_again() {
    for was_excused in [true, false] {
        let mut judge = Judge::new();
        judge.granted(1, LEFT, 10, 100, 900, 95);
        if was_excused {
            judge.clock_jumped(200);
            judge.granted(2, ALL, 11, 220, 900, 210);
            assert_eq!((judge.losses(), rules(&judge)), (1, vec![]));
        } else {
            judge.ended(1, 200);
            judge.granted(2, ALL, 11, 220, 900, 210);
        }
        judge.claimed_again(300);
        if was_excused {
            judge.extended(1, 320, 900, 310);
        } else {
            judge.granted(3, LEFT, 12, 320, 900, 310);
        }
        let expected = if was_excused { vec![] } else { vec![Rule::Overlap] };
        assert_eq!(rules(&judge), expected);
    }
}

#[test]
fn a_late_grant_of_before_a_loss_may_have_a_smaller_token() {
    let mut judge = Judge::new();
    judge.data_lost(200);
    judge.granted(1, LEFT, 10, 250, 260, 240);
    judge.granted(2, LEFT, 9, 270, 300, 199);
    assert_eq!(rules(&judge), []);
    judge.granted(3, LEFT, 9, 300, 310, 290);
    assert_eq!(rules(&judge), [Rule::TokenNotRisen]);
}

#[test]
fn after_older_data_has_come_back_tokens_begin_anew() {
    let mut judge = Judge::new();
    judge.granted(1, LEFT, 10, 100, 110, 90);
    judge.forget_tokens();
    judge.granted(2, LEFT, 9, 200, 210, 190);
    assert_eq!(rules(&judge), []);
    judge.granted(3, LEFT, 9, 300, 310, 290);
    assert_eq!(rules(&judge), [Rule::TokenNotRisen]);
}

#[test]
fn a_holder_that_has_more_than_before_is_judged_by_that() {
    let mut judge = Judge::new();
    judge.granted(1, reads(LEFT), 10, 100, 200, 95);
    judge.granted(2, reads(ALL), 11, 110, 120, 105);
    judge.raised(1, 120, ALL, 12, 115);
    assert_eq!(rules(&judge), [], "the other has ended");
    judge.granted(3, reads(RIGHT), 13, 130, 200, 125);
    assert_eq!(rules(&judge), [Rule::Overlap]);

    let mut judge = Judge::new();
    judge.granted(1, reads(LEFT), 10, 100, 200, 95);
    judge.granted(2, reads(LEFT), 11, 110, 120, 105);
    judge.raised(1, 120, LEFT, 11, 115);
    assert_eq!(rules(&judge), [Rule::TokenNotRisen]);
    judge.raised(1, 200, ALL, 99, 190);
    assert_eq!(rules(&judge).len(), 1, "it has ended");
}

/// One grant of several nodes has one token, and each node has a belief of its own.
#[test]
fn nodes_of_one_grant_share_a_token_and_end_one_by_one() {
    let mut judge = Judge::new();
    judge.granted(1, LEFT, 10, 100, 200, 95);
    judge.joined(1, 2, 110, RIGHT);
    assert_eq!(rules(&judge), []);
    judge.ended(1, 120);
    judge.granted(3, LEFT, 11, 120, 150, 115);
    assert_eq!(rules(&judge), []);
    judge.granted(4, RIGHT, 12, 130, 150, 125);
    assert_eq!(rules(&judge), [Rule::Overlap]);
    judge.joined(1, 5, 140, ALL);
    assert_eq!(rules(&judge).len(), 1, "it has ended");
}
