//! The table by itself, in a copy of its own.

use std::thread;

use super::*;

fn table() -> Seats {
    Seats([const { Line([const { AtomicU64::new(EMPTY) }; A_LINE]) }; LINES])
}

#[test]
fn a_thread_has_the_seats_of_one_line_and_no_more() {
    let seats = table();
    let taken: Vec<Seat> = (0..A_LINE).map(|_| seats.take(64).expect("an empty seat")).collect();
    assert_eq!(seats.take(64), None);
    assert_eq!(seats.with(64).collect::<Vec<_>>(), taken);
    assert_eq!(seats.with(128).next(), None);
    assert!(seats.leave(taken[3], 64));
    assert!(!seats.leave(taken[3], 64), "it is empty");
    assert!(!seats.leave(taken[4], 128), "it has another claim");
    assert_eq!(seats.take(128), Some(taken[3]));
}

/// Threads have the same number once there are many of them, as of other tests.
#[test]
fn other_threads_have_other_lines_and_may_empty_any() {
    let seats = table();
    let line = |seat: Seat| usize::from(seat.number()) / A_LINE;
    let here = seats.take(64).expect("an empty seat");
    let take = || thread::scope(|scope| scope.spawn(|| seats.take(64)).join().expect("no panic"));
    let mut there = std::iter::from_fn(take).take(A_LINE);
    assert!(there.any(|there| line(there) != line(here)), "all threads sit in one line");
    let all: Vec<Seat> = seats.with(64).collect();
    assert!(all.len() > 1 && all.contains(&here));
    assert!(all.into_iter().all(|seat| seats.leave(seat, 64)));
    assert_eq!(seats.with(64).next(), None);
}
