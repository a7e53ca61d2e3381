//! The host's monotonic clock, which all processes share.

use rustix::time::{ClockId, clock_gettime};

/// Microseconds.
pub(crate) fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000 + time.tv_nsec as u64 / 1000
}

pub(crate) const MILLI: u64 = 1000;
pub(crate) const SECOND: u64 = 1_000_000;
