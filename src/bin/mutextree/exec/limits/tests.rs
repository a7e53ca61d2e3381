use std::time::Duration;

use super::{Limits, Order, Stopper, TICK};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn stopper() -> Stopper {
    Stopper::new(Limits::of(seconds(30), None).unwrap())
}

#[test]
fn the_times_fit_into_the_lease() {
    let default = Limits::of(seconds(30), None).unwrap();
    assert_eq!((default.kill_after, default.margin), (seconds(5), seconds(1)));
    assert!(Limits::of(seconds(30), Some(seconds(9))).is_ok());
    assert!(Limits::of(seconds(30), Some(seconds(10))).is_err());
    assert!(Limits::of(Duration::from_millis(999), None).is_err());
    assert!(Limits::of(seconds(1), None).is_ok());
    assert!(Limits::of(Duration::MAX, None).is_ok());
    assert!(Limits::of(Duration::MAX, Some(Duration::MAX)).is_err());
}

#[test]
fn the_command_is_stopped_before_the_lease_ends() {
    let mut stopper = stopper();
    assert_eq!(stopper.look(seconds(100), Some(seconds(30)), true), Order::Nothing);
    assert_eq!(stopper.look(seconds(123), Some(seconds(7)), true), Order::Nothing);
    assert_eq!(stopper.pause(Duration::from_millis(123_900)), Duration::from_millis(100));
    assert_eq!(stopper.look(seconds(124), Some(seconds(6)), true), Order::Terminate);
    assert_eq!(stopper.look(seconds(125), Some(seconds(5)), true), Order::Nothing);
    // It goes on, also if the lease is renewed after all.
    assert_eq!(stopper.look(seconds(128), Some(seconds(30)), true), Order::Nothing);
    assert_eq!(stopper.look(seconds(129), Some(seconds(29)), true), Order::Kill);
    assert_eq!(stopper.look(seconds(130), None, false), Order::Nothing);
}

#[test]
fn a_lease_that_has_ended_meanwhile_kills_at_once() {
    let mut stopper = stopper();
    assert_eq!(stopper.look(seconds(100), Some(seconds(30)), true), Order::Nothing);
    assert_eq!(stopper.look(seconds(3000), Some(Duration::ZERO), false), Order::Kill);
}

#[test]
fn a_lock_that_was_broken_leaves_time_to_end() {
    let mut stopper = stopper();
    assert_eq!(stopper.look(seconds(100), Some(seconds(30)), true), Order::Nothing);
    assert_eq!(stopper.look(seconds(101), Some(Duration::ZERO), false), Order::Terminate);
    assert_eq!(stopper.look(seconds(105), Some(Duration::ZERO), false), Order::Nothing);
    assert_eq!(stopper.look(seconds(106), Some(Duration::ZERO), false), Order::Kill);
}

#[test]
fn a_lock_without_an_end_stops_nothing() {
    let mut stopper = stopper();
    assert_eq!(stopper.look(seconds(1), None, true), Order::Nothing);
    assert_eq!(stopper.pause(seconds(1)), TICK);
    assert!(!stopper.is_stopping());
}
