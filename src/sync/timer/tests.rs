//! What the timer keeps, and what it does in the end.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use super::*;

const HOUR: Duration = Duration::from_secs(3600);
const AT_MOST: Duration = Duration::from_secs(20);

#[test]
fn what_is_dropped_is_forgotten() {
    let kept = Arc::new(());
    let timeouts: Vec<_> = (0..100)
        .map(|at| {
            let kept = kept.clone();
            later(Instant::now() + HOUR - Duration::from_secs(at % 7), move || drop(kept))
        })
        .collect();
    assert_eq!(Arc::strong_count(&kept), 101);
    drop(timeouts);
    assert_eq!(Arc::strong_count(&kept), 1);
}

/// Set in an order in which the thread has to be woken for some and not for others.
#[test]
fn all_else_is_done_in_its_order() {
    let (done, order) = channel();
    let start = Instant::now();
    let timeouts = [30, 60, 10, 50, 20, 40].map(|millis| {
        let done = done.clone();
        later(start + Duration::from_millis(millis), move || done.send((millis, start.elapsed())).unwrap())
    });
    let mut last = 0;
    for _ in 0..timeouts.len() {
        let (millis, elapsed) = order.recv_timeout(AT_MOST).unwrap();
        assert!(elapsed >= Duration::from_millis(millis), "{millis} ms came after {elapsed:?}");
        // On a busy machine the thread may be so late that it begins with a later one.
        assert!(millis > last || elapsed >= Duration::from_millis(last));
        last = millis;
    }
    drop(timeouts);
}

/// While the thread sleeps for the sake of one that was dropped, it hears of an earlier one, and
/// wakes for a later one.
#[test]
fn one_that_was_dropped_holds_up_no_other() {
    for (dropped, due) in [(1000, 1), (10, 50)] {
        let (done, is_done) = channel();
        drop(later(Instant::now() + Duration::from_millis(dropped), || ()));
        let start = Instant::now();
        let timeout = later(start + Duration::from_millis(due), move || done.send(()).unwrap());
        is_done.recv_timeout(AT_MOST).unwrap();
        assert!(start.elapsed() >= Duration::from_millis(due));
        drop(timeout);
    }
}

#[test]
fn a_job_that_panics_is_not_the_last() {
    let (done, is_done) = channel();
    let now = Instant::now();
    let panics = later(now, || std::panic::resume_unwind(Box::new(())));
    let works = later(now, move || done.send(()).unwrap());
    is_done.recv_timeout(AT_MOST).unwrap();
    drop((panics, works));
}
