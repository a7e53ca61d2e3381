//! Ticks: the time since this process first asked for it, or up to a second before, for where there
//! is little room.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// When time begins here.
static ORIGIN: OnceLock<Instant> = OnceLock::new();

#[inline]
fn origin() -> Instant {
    *ORIGIN.get_or_init(coarse::origin)
}

#[inline]
pub(super) fn since_origin() -> Duration {
    origin().elapsed()
}

/// A tick is so many nanoseconds, to the power of two: a millisecond. Each second begins with one,
/// so that no 64 bits are multiplied or divided: the clock is read at each lock with an owner.
const TICK: u32 = 20;
/// More than the ticks of a second, to the power of two.
const TICKS: u32 = 10;

/// The ticks that have begun by then.
#[inline]
pub(crate) const fn ticks_in(time: Duration) -> u64 {
    time.as_secs() << TICKS | (time.subsec_nanos() >> TICK) as u64
}

/// How many ticks have passed.
#[inline]
pub(crate) fn ticks() -> u64 {
    ticks_in(since_origin())
}

/// The same in a quarter of the time, by a clock that the kernel puts forward when it is
/// interrupted. It is late by up to a hundredth of a second, and by more if a host takes the
/// processor away from the kernel; never early.
#[inline]
pub(crate) fn coarse_ticks() -> u64 {
    coarse::ticks()
}

/// The first tick that begins after so long, which is no more than some years.
#[inline]
pub(crate) fn tick_after(time: Duration) -> u64 {
    ticks_in(since_origin() + time) + 1
}

/// When that tick began.
pub(crate) fn instant_at(tick: u64) -> Instant {
    let nanos = u32::try_from(tick & ((1 << TICKS) - 1)).expect("so few bits are left") << TICK;
    origin() + Duration::new(tick >> TICKS, nanos)
}

/// Linux has a clock that is read without asking the processor. It shows what the clock of
/// `Instant` showed at the kernel's last interrupt. So that its seconds are those of the ticks,
/// time begins with one of them.
#[cfg(any(target_os = "linux", target_os = "android"))]
mod coarse {
    use std::sync::OnceLock;
    use std::time::{Duration, Instant};

    use rustix::time::{ClockId, clock_gettime};

    use super::{TICK, TICKS, since_origin};

    /// When this second began. Not later, so that no tick is early; a little earlier, by the time
    /// between two looks.
    pub(in crate::sync) fn origin() -> Instant {
        loop {
            let now = Instant::now();
            let into = Duration::new(0, clock_gettime(ClockId::Monotonic).tv_nsec as u32);
            // Unless the thread was interrupted for long.
            if now.elapsed() < Duration::from_millis(1) {
                return now.checked_sub(into).unwrap_or(now);
            }
        }
    }

    /// Which second that was.
    fn first_second() -> i64 {
        static FIRST: OnceLock<i64> = OnceLock::new();
        *FIRST.get_or_init(|| {
            let since = since_origin();
            let now = clock_gettime(ClockId::Monotonic);
            // To the nearest, as the looks are not at the same time.
            let half = Duration::from_millis(500);
            let began = Duration::new(now.tv_sec as u64, now.tv_nsec as u32).saturating_sub(since) + half;
            began.as_secs() as i64
        })
    }

    #[inline]
    pub(super) fn ticks() -> u64 {
        let time = clock_gettime(ClockId::MonotonicCoarse);
        let seconds = time.tv_sec - first_second();
        // It can be late by more than has passed.
        if seconds < 0 { 0 } else { (seconds as u64) << TICKS | time.tv_nsec as u64 >> TICK }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod coarse {
    pub(super) use super::ticks;
    pub(in crate::sync) fn origin() -> std::time::Instant {
        std::time::Instant::now()
    }
}

#[cfg(test)]
mod tests;
