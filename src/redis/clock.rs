//! The only file of the Redis store that reads a clock: what time it is, and how long until then.
//!
//! Times are microseconds on [`clock`]; spans are microseconds, or a [`Duration`] where the
//! standard library wants one. All of it saturates: `u64::MAX` is never reached, so a deadline of
//! that means for ever.

use std::time::{Duration, Instant};

pub(in crate::redis) fn now() -> Instant {
    Instant::now()
}

/// Microseconds on a clock that goes on while the machine is suspended: a lease on the server does
/// not stop, either.
///
/// Linux's `CLOCK_MONOTONIC`, which is what `Instant` reads, stops in suspend, and `CLOCK_BOOTTIME`
/// does not.
#[cfg(all(any(target_os = "linux", target_os = "android"), not(mutextree_shuttle)))]
pub(in crate::redis) fn clock() -> u64 {
    micros(rustix::time::clock_gettime(rustix::time::ClockId::Boottime))
}

/// On the BSDs and on macOS `CLOCK_MONOTONIC` goes on in suspend.
#[cfg(all(unix, not(any(target_os = "linux", target_os = "android", mutextree_shuttle))))]
pub(in crate::redis) fn clock() -> u64 {
    micros(rustix::time::clock_gettime(rustix::time::ClockId::Monotonic))
}

/// Elsewhere `Instant` is what there is; on Windows it goes on in suspend.
#[cfg(not(any(unix, mutextree_shuttle)))]
pub(in crate::redis) fn clock() -> u64 {
    static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    1 + u64::try_from(START.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// Under shuttle each look at the clock is a microsecond, so that a schedule can be repeated.
#[cfg(mutextree_shuttle)]
pub(in crate::redis) fn clock() -> u64 {
    std::thread_local! {
        static NOW: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
    }
    NOW.set(NOW.get() + 1);
    NOW.get()
}

#[cfg(all(unix, not(mutextree_shuttle)))]
fn micros(time: rustix::time::Timespec) -> u64 {
    1 + time.tv_sec.unsigned_abs() * 1_000_000 + time.tv_nsec.unsigned_abs() / 1_000
}

/// The time from now until `then` on [`clock`]; zero if it has passed.
pub(in crate::redis) fn until(then: u64) -> Duration {
    Duration::from_micros(then.saturating_sub(clock()))
}
