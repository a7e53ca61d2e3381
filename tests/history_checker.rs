//! The checker of histories (`common/history.rs`) objects to each kind of broken history, and to no
//! sound one.

mod common;

use common::history::{End, Limits, Op, Violation, check};
use common::kinds::{Ask, EXCLUSIVE, EXCLUSIVE_NODE, Kind, SHARED};
use mutextree::ToTreePath;

const STRICT: Limits = Limits { overtaken: 1, unblocked: 10 };

/// Asked for, had, given back: before the call, after it, before the release, after it.
fn held(path: &str, kind: Kind, [asked, from, before, after]: [u64; 4]) -> Op {
    let end = End::Held { from, downgraded: None, released: [before, after], token: None };
    Op { ask: Ask::new(path, kind), asked, end }
}

fn downgraded(mut op: Op, times: [u64; 2]) -> Op {
    let End::Held { downgraded, .. } = &mut op.end else { unreachable!() };
    *downgraded = Some(times);
    op
}

fn with_token(mut op: Op, number: u64) -> Op {
    let End::Held { token, .. } = &mut op.end else { unreachable!() };
    *token = Some(number);
    op
}

fn failed(path: &str, kind: Kind, [asked, at]: [u64; 2], named: &str) -> Op {
    let end = End::Failed { at, named: Some(named.to_tree_path().unwrap()) };
    Op { ask: Ask::new(path, kind), asked, end }
}

/// Asked for, and without an answer when the record ended.
fn waits(path: &str, kind: Kind, asked: u64) -> Op {
    Op { ask: Ask::new(path, kind), asked, end: End::Waits }
}

/// The names of the violations found, whichever way round the history is given.
fn found(history: &[Op]) -> Vec<&'static str> {
    let names = |history| {
        let name = |violation: &Violation| match violation {
            Violation::Overlap(..) => "overlap",
            Violation::Invented(_) => "invented",
            Violation::WrongName(_) => "wrong name",
            Violation::Missed(..) => "missed",
            Violation::Starved(..) => "starved",
            Violation::Tokens(..) => "tokens",
        };
        let mut names: Vec<_> = check(history, STRICT).iter().map(name).collect();
        names.sort();
        names
    };
    let backwards = history.iter().rev().cloned().collect();
    assert_eq!(names(history.to_vec()), names(backwards), "the order in the list means nothing");
    names(history.to_vec())
}

#[track_caller]
fn assert_sound(history: &[Op]) {
    assert_eq!(found(history), [""; 0]);
}

#[test]
fn nothing_at_all_is_sound() {
    assert_sound(&[]);
}

#[test]
fn conflicting_locks_held_at_once() {
    let inner = held("a", EXCLUSIVE, [1, 3, 7, 8]);
    assert_eq!(found(&[inner.clone(), held("a/b", SHARED, [2, 5, 9, 10])]), ["overlap"]);
    assert_eq!(found(&[inner.clone(), held("a/b", SHARED, [4, 5, 6, 9])]), ["overlap"]);
    assert_eq!(found(&[inner.clone(), held("/", SHARED, [0, 2, 9, 10])]), ["overlap"]);
    // Three readers and a writer among them: each pair counts.
    let readers = [2, 4, 6].map(|at| held("a", SHARED, [at, at + 1, 20 + at, 21 + at]));
    assert_eq!(found(&[&readers[..], &[held("a/b", EXCLUSIVE, [9, 10, 11, 12])]].concat()), ["overlap"; 3]);
    // Much else going on in between, and far apart.
    let others = (10..20).map(|at| held("b", EXCLUSIVE, [at * 10, at * 10 + 1, at * 10 + 2, at * 10 + 3]));
    let long = [held("a", EXCLUSIVE, [3, 4, 1000, 1001]), held("/", EXCLUSIVE, [997, 998, 999, 1002])];
    assert_eq!(found(&others.chain(long).collect::<Vec<_>>()), ["overlap"]);
}

#[test]
fn locks_that_may_be_held_at_once() {
    let inner = held("a", EXCLUSIVE, [1, 3, 7, 8]);
    assert_sound(&[inner.clone(), held("b", EXCLUSIVE, [2, 4, 5, 6])]);
    assert_sound(&[inner.clone(), held("/", EXCLUSIVE_NODE, [2, 4, 5, 6])]);
    assert_sound(&[held("a", SHARED, [1, 3, 7, 8]), held("a/b", SHARED, [2, 4, 5, 6])]);
    // One is let in before the release has returned to the other: no proof that both were in.
    assert_sound(&[inner, held("a", EXCLUSIVE, [2, 9, 10, 11])]);
    assert_sound(&[held("a", EXCLUSIVE, [1, 3, 5, 8]), held("a", EXCLUSIVE, [4, 6, 9, 10])]);
}

#[test]
fn a_downgraded_lock_is_exclusive_before_and_shared_after() {
    let writer = downgraded(held("a", EXCLUSIVE, [1, 2, 20, 21]), [10, 11]);
    assert_sound(&[writer.clone(), held("a/b", SHARED, [3, 12, 15, 16])]);
    assert_eq!(found(&[writer.clone(), held("a/b", SHARED, [3, 8, 15, 16])]), ["overlap"]);
    assert_eq!(found(&[writer.clone(), held("a/b", EXCLUSIVE, [3, 12, 15, 16])]), ["overlap"]);
    assert_sound(&[writer.clone(), failed("a/b", SHARED, [3, 5], "a")]);
    assert_eq!(found(&[writer, failed("a/b", SHARED, [12, 15], "a")]), ["invented"]);
}

#[test]
fn a_failure_because_of_nobody() {
    assert_eq!(found(&[failed("a", EXCLUSIVE, [1, 2], "a")]), ["invented"]);
    let other = held("b", EXCLUSIVE, [1, 2, 7, 8]);
    assert_eq!(found(&[other.clone(), failed("a", EXCLUSIVE, [3, 4], "b")]), ["invented"]);
    assert_eq!(found(&[other.clone(), failed("b", EXCLUSIVE, [9, 10], "b")]), ["invented"]);
    let reader = held("a", SHARED, [1, 2, 7, 8]);
    assert_eq!(found(&[reader.clone(), failed("a/b", SHARED, [3, 4], "a")]), ["invented"]);
    assert_sound(&[other, failed("/", EXCLUSIVE, [3, 4], "b")]);
    assert_sound(&[reader.clone(), failed("a/b", EXCLUSIVE, [3, 4], "a")]);
    // It was on its way, or was being released.
    assert_sound(&[reader.clone(), failed("a", EXCLUSIVE, [0, 3], "a")]);
    assert_sound(&[held("a", EXCLUSIVE, [1, 5, 7, 8]), failed("a", EXCLUSIVE, [3, 4], "a")]);
    assert_sound(&[held("a", EXCLUSIVE, [1, 2, 3, 8]), failed("a", EXCLUSIVE, [4, 5], "a")]);
}

#[test]
fn two_racing_tries_that_both_fail() {
    let (inner, leaf) = (failed("a", EXCLUSIVE, [1, 4], "a/b"), failed("a/b", EXCLUSIVE, [2, 3], "a"));
    assert_eq!(found(&[inner.clone(), leaf.clone()]), ["invented"; 2]);
    // With somebody who is in the way of one of them it is no wonder that the other one fails, too.
    assert_sound(&[inner.clone(), leaf.clone(), held("a/c", EXCLUSIVE, [0, 5, 6, 7])]);
    // But not if that one conflicts with neither, or comes later.
    assert_eq!(found(&[inner.clone(), leaf.clone(), held("b", EXCLUSIVE, [0, 5, 6, 7])]), ["invented"; 2]);
    assert_eq!(found(&[inner, leaf, held("a", EXCLUSIVE, [5, 6, 7, 8])]), ["invented"; 2]);
}

#[test]
fn a_failure_that_names_the_wrong_path() {
    let (reader, writer) = (held("a", SHARED, [1, 2, 20, 21]), held("a/b", SHARED, [3, 4, 20, 22]));
    let history = |named| [reader.clone(), writer.clone(), failed("a/b/c", EXCLUSIVE, [5, 6], named)];
    assert_sound(&history("a"));
    assert_sound(&history("a/b"));
    assert_eq!(found(&history("a/b/c")), ["wrong name"]);
    assert_eq!(found(&history("/")), ["wrong name"]);
    // Something is there, but it does not conflict.
    let other = held("a/c", SHARED, [7, 8, 20, 23]);
    let asked = failed("a", SHARED, [9, 10], "a/c");
    assert_eq!(found(&[other, held("a/d", EXCLUSIVE, [11, 12, 13, 14]), asked.clone()]), ["invented"]);
    let (other, writer) = (held("a/c", SHARED, [7, 8, 20, 23]), held("a/d", EXCLUSIVE, [1, 2, 13, 14]));
    assert_eq!(found(&[other, writer, asked]), ["wrong name"]);
}

#[test]
fn a_wake_up_that_is_missed() {
    let holder = held("a", EXCLUSIVE, [1, 2, 5, 6]);
    assert_eq!(found(&[holder.clone(), failed("a/b", EXCLUSIVE, [3, 100], "a")]), ["missed"]);
    assert_sound(&[holder.clone(), failed("a/b", EXCLUSIVE, [3, 14], "a")]);
    // Later ones that do not conflict are no excuse, those that do are.
    let waiter = failed("a/b", EXCLUSIVE, [3, 100], "a");
    assert_eq!(found(&[holder.clone(), waiter.clone(), held("a/c", EXCLUSIVE, [90, 91, 92, 93])]), ["missed"]);
    assert_sound(&[holder, waiter, held("a", SHARED, [90, 91, 92, 93])]);
}

#[test]
fn a_request_that_many_overtake() {
    let storm =
        |times: u64| (1..=times).map(|at| held("a/b", EXCLUSIVE, [at * 10, at * 10 + 1, at * 10 + 2, at * 10 + 3]));
    let after = |op: Op, times| storm(times).chain([op]).collect::<Vec<_>>();
    let inner = |from| held("a", EXCLUSIVE, [1, from, from + 101, from + 102]);
    assert_sound(&after(inner(15), 1));
    assert_eq!(found(&after(inner(25), 2)), ["starved"]);
    assert_eq!(found(&after(inner(55), 5)), ["starved"]);
    assert_eq!(found(&after(failed("a", EXCLUSIVE, [1, 54], "a/b"), 5)), ["starved"]);
    // Those that do not conflict, or were there before, overtake nobody.
    let other = [held("b", SHARED, [0, 2, 98, 99]), held("b", EXCLUSIVE, [1, 100, 101, 102])];
    assert_sound(&storm(5).chain(other).collect::<Vec<_>>());
    let early = (1..=5).map(|at| held("a", SHARED, [at, at + 10, at + 20, at + 30]));
    assert_sound(&early.chain([held("a", EXCLUSIVE, [9, 45, 101, 102])]).collect::<Vec<_>>());
}

#[test]
fn a_request_that_is_overtaken_without_end() {
    // Readers who take turns, so that one of them is always there, and a writer that is never let
    // in.
    let relay =
        |times: u64| (1..=times).map(|at| held("a/b", SHARED, [at * 10, at * 10 + 1, at * 10 + 15, at * 10 + 16]));
    let with = |op: Op, times| relay(times).chain([op]).collect::<Vec<_>>();
    for writer in [waits("a", EXCLUSIVE, 22), waits("a/b", EXCLUSIVE, 22), waits("/", EXCLUSIVE, 22)] {
        assert_eq!(found(&with(writer.clone(), 100)), ["starved"]);
        assert_eq!(found(&with(writer.clone(), 4)), ["starved"]);
        assert_sound(&with(writer, 3)); // overtaken once, so far
    }
    // Or let in when the others had enough of it.
    assert_eq!(found(&with(held("a", EXCLUSIVE, [22, 1020, 1021, 1022]), 100)), ["starved"]);
    // A reader among them is let in, or has nothing to wait for.
    assert_sound(&with(held("a", SHARED, [22, 23, 1021, 1022]), 100));
    // Each overtakes the other once: who is overtaken by whom is counted for each by itself.
    assert_sound(&[
        held("a", EXCLUSIVE, [1, 20, 21, 22]),
        held("a", EXCLUSIVE, [2, 10, 11, 12]),
        held("a", EXCLUSIVE, [3, 30, 31, 32]),
    ]);
}

#[test]
fn a_request_that_never_has_an_answer() {
    let holder = held("a", EXCLUSIVE, [1, 2, 5, 6]);
    // The record ends at 60, with something that has nothing to do with it.
    let last = held("b", EXCLUSIVE, [57, 58, 59, 60]);
    assert_eq!(found(&[holder.clone(), waits("a/b", EXCLUSIVE, 3), last.clone()]), ["missed"]);
    assert_eq!(found(&[waits("a/b", EXCLUSIVE, 3), last.clone()]), ["invented"]);
    assert_eq!(found(&[waits("a/b", EXCLUSIVE, 3), waits("a", EXCLUSIVE, 4), last]), ["invented"; 2]);
    // There is still somebody, or has just been.
    assert_sound(&[holder.clone(), waits("a/b", EXCLUSIVE, 3)]);
    assert_sound(&[held("a", EXCLUSIVE, [1, 2, 50, 60]), waits("a/b", EXCLUSIVE, 3)]);
    // Whoever else fails may do so because of it.
    let holder = held("a", SHARED, [1, 2, 50, 60]);
    assert_sound(&[holder, waits("a", EXCLUSIVE, 3), failed("a/b", SHARED, [10, 11], "a")]);
}

#[test]
fn the_limits_to_the_tick() {
    let holder = held("a", EXCLUSIVE, [1, 2, 5, 6]);
    // Possibly there until 6; ten more are allowed.
    assert_sound(&[holder.clone(), failed("a", EXCLUSIVE, [3, 16], "a")]);
    assert_eq!(found(&[holder.clone(), failed("a", EXCLUSIVE, [3, 17], "a")]), ["missed"]);
    // Let in at last, by whatever it was: late is late.
    assert_sound(&[holder.clone(), held("a", EXCLUSIVE, [3, 16, 20, 21])]);
    assert_eq!(found(&[holder.clone(), held("a", EXCLUSIVE, [3, 17, 20, 21])]), ["missed"]);
    assert_eq!(found(&[held("a", EXCLUSIVE, [3, 17, 20, 21])]), ["missed"]);
    // Surely held from 2 to 5: one tick in common is too many, none is none.
    assert_eq!(found(&[holder.clone(), held("a", EXCLUSIVE, [3, 4, 7, 8])]), ["overlap"]);
    assert_sound(&[held("a", EXCLUSIVE, [1, 2, 5, 7]), held("a", EXCLUSIVE, [3, 6, 8, 9])]);
    // Possibly there until 6: a try that begins at 7 meets nobody, one that ended at 0 neither.
    assert_eq!(found(&[holder.clone(), failed("a", EXCLUSIVE, [7, 8], "a")]), ["invented"]);
    assert_eq!(found(&[held("a", EXCLUSIVE, [3, 4, 5, 6]), failed("a", EXCLUSIVE, [1, 2], "a")]), ["invented"]);
    assert_sound(&[held("a", EXCLUSIVE, [1, 2, 3, 6]), failed("a", EXCLUSIVE, [5, 7], "a")]);
    // A shared one downgrades nothing for those above or below that were exclusive all along.
    let writer = downgraded(held("a", EXCLUSIVE, [1, 2, 20, 21]), [10, 12]);
    assert_sound(&[writer.clone(), failed("a/b", SHARED, [11, 13], "a")]);
    assert_eq!(found(&[writer, failed("a/b", SHARED, [13, 14], "a")]), ["invented"]);
}

#[test]
fn tokens_that_do_not_rise() {
    let (first, then) = (held("a", EXCLUSIVE, [1, 2, 3, 4]), held("a/b", SHARED, [5, 6, 7, 8]));
    let last = held("/", EXCLUSIVE, [9, 10, 11, 12]);
    let tokens = |numbers: [u64; 3]| {
        let ops = [first.clone(), then.clone(), last.clone()];
        ops.into_iter().zip(numbers).map(|(op, number)| with_token(op, number)).collect::<Vec<_>>()
    };
    assert_sound(&tokens([1, 2, 3]));
    assert_eq!(found(&tokens([2, 1, 3])), ["tokens"]);
    assert_eq!(found(&tokens([1, 1, 2])), ["tokens"]);
    assert_eq!(found(&tokens([2, 3, 1])), ["tokens"; 2]);
    // The order of those that do not conflict means nothing.
    let readers = [with_token(held("a", SHARED, [1, 2, 3, 4]), 2), with_token(held("a/b", SHARED, [5, 6, 7, 8]), 1)];
    assert_sound(&readers);
}

#[test]
fn what_is_found_can_be_read() {
    let history = vec![held("a", EXCLUSIVE, [1, 3, 7, 8]), held("a/b", SHARED, [2, 5, 9, 10])];
    let violations = check(history, STRICT);
    let text = violations[0].to_string();
    assert!(text.contains("exclusive subtree on `a`") && text.contains("shared subtree on `a/b`"), "{text}");
}
