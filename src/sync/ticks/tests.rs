use std::time::{Duration, Instant};

use super::{coarse_ticks, instant_at, tick_after, ticks, ticks_in};

#[test]
fn a_tick_is_a_millisecond_and_each_second_begins_with_one() {
    assert_eq!([0, 999, 1000, 61_000].map(|millis| ticks_in(Duration::from_millis(millis))), [0, 952, 1024, 61 << 10]);
    let (first, second) = (instant_at(5 << 10), instant_at(6 << 10));
    assert_eq!(second - first, Duration::from_secs(1));
    assert_eq!(instant_at(1) - instant_at(0), Duration::from_nanos(1 << 20));
}

#[test]
fn the_end_of_a_time_is_not_early() {
    for millis in [0, 1, 100, 12_345] {
        let time = Duration::from_millis(millis);
        let before = Instant::now();
        let end = instant_at(tick_after(time));
        assert!(end >= before + time && end <= Instant::now() + time + Duration::from_millis(2));
    }
}

/// Over many of the kernel's interrupts. How late it is, is the machine's: a second is much.
#[test]
fn the_coarse_clock_goes_on_and_is_never_early() {
    let first = coarse_ticks();
    let mut last = first;
    while last < first + 20 {
        let now = coarse_ticks();
        let exact = ticks();
        assert!(last <= now && now <= exact && exact - now < 1000, "{last} {now} {exact}");
        last = now;
    }
}
