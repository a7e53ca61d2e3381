use super::*;

const MS: u64 = 1000;
const SECOND: u64 = 1_000_000;
const TIMING: Timing = Timing { lease: 900 * MS, heartbeat: 100 * MS, timeout: 5000 * MS, grace: 0 };

#[test]
fn a_length_of_time_is_at_most_a_hundred_years() {
    assert_eq!(micros(Duration::from_millis(3)), 3000);
    assert_eq!(micros(Duration::MAX), LONGEST);
    assert_eq!(micros(Duration::from_secs(LONGEST / SECOND + 1)), LONGEST);
    assert_eq!(LONGEST / SECOND / 86_400, 36_500);
    assert!(LONGEST.checked_mul(2).is_some());
}

#[test]
fn a_claim_window_is_three_and_a_half_heartbeats() {
    assert_eq!(TIMING.claim_window(), 350 * MS);
    assert_eq!(Timing { heartbeat: u64::MAX, ..TIMING }.claim_window(), LONGEST);
}

#[test]
fn a_call_has_the_timeout_from_when_it_begins() {
    assert_eq!(TIMING.call_deadline(7), 7 + 5000 * MS);
    assert_eq!(Timing { timeout: u64::MAX, ..TIMING }.call_deadline(7), NEVER);
}

#[test]
fn a_tombstone_is_kept_for_what_a_late_request_could_get_and_a_minute_at_most() {
    assert_eq!(TIMING.tombstone(2 * SECOND), 2 * SECOND);
    assert_eq!(TIMING.tombstone(0), 350 * MS, "as a waiter it could queue");
    assert_eq!(TIMING.tombstone(3600 * SECOND), 60 * SECOND);
}

/// Then there is time for one more, over another connection (P6).
#[test]
fn a_renewal_waits_for_less_than_what_is_left() {
    assert_eq!(TIMING.renewal_limit(600 * MS), 450 * MS);
    assert_eq!(TIMING.renewal_limit(600 * SECOND), 5 * SECOND, "the timeout");
    assert_eq!(TIMING.renewal_limit(0), 50 * MS, "and for some time at all");
}

#[test]
fn a_heartbeat_waits_for_no_longer_than_its_waiter_counts_as_alive() {
    assert_eq!(TIMING.heartbeat_limit(), 350 * MS);
    assert_eq!(Timing { timeout: 200 * MS, ..TIMING }.heartbeat_limit(), 200 * MS);
    assert_eq!(Timing { heartbeat: 0, ..TIMING }.heartbeat_limit(), 50 * MS);
}

#[test]
fn a_release_in_the_background_waits_for_a_second_at_most() {
    assert_eq!(TIMING.release_limit(), SECOND);
    assert_eq!(Timing { timeout: 200 * MS, ..TIMING }.release_limit(), 200 * MS);
}

#[test]
fn a_renewal_is_sent_again_after_a_quarter_of_what_is_left() {
    assert_eq!(renewal_retry(100 * MS, 900 * MS), 300 * MS);
    assert_eq!(renewal_retry(100 * MS, 200 * MS), 150 * MS, "not more often than every 50 ms");
    assert_eq!(renewal_retry(100 * MS, 0), 150 * MS);
}

#[test]
fn the_first_try_after_an_error_is_at_once_and_then_the_pause_doubles() {
    let pauses: Vec<u64> = (0..8).map(|failures| pause(failures) / MS).collect();
    assert_eq!(pauses, [0, 0, 40, 80, 160, 320, 500, 500]);
    assert_eq!(pause(u32::MAX), 500 * MS);
}
