use super::{BETWEEN, Left, MOST, Time};
use crate::clock::{MILLI, SECOND};

/// The time after so many trials of this length, with usual pauses between them.
fn after(trials: u64, length: u64, is_quick: bool) -> Time {
    let mut time = Time::new(7, SECOND);
    for _ in 0..trials {
        let begun = time.last + BETWEEN;
        time.tried(begun, begun + length, is_quick);
    }
    time
}

#[test]
fn all_time_counts_while_answers_are_quick() {
    assert_eq!(after(9, MILLI, true).left(), Left::Some);
    assert_eq!(after(10, MILLI, true).left(), Left::None);
    assert_eq!(after(2, SECOND / 2, true).left(), Left::None);
}

#[test]
fn who_cannot_have_an_answer_is_not_stuck() {
    let time = after(MOST - 1, SECOND - BETWEEN, false);
    assert_eq!((time.left(), time.counted), (Left::Some, 0));
    let time = after(MOST, SECOND - BETWEEN, false);
    assert_eq!((time.left(), time.counted), (Left::Unknown, 0));
}

#[test]
fn a_time_in_which_nobody_tried_hardly_counts() {
    let mut time = Time::new(0, SECOND);
    time.tried(SECOND, SECOND + MILLI, true);
    assert_eq!((time.left(), time.counted), (Left::Some, 2 * BETWEEN + MILLI));
}
