//! The clock that leases are counted by: it goes on while the machine is suspended, as a lease on a
//! server does. Times are since some start that all processes of the machine share.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

#[cfg(any(target_os = "linux", target_os = "android"))]
const CLOCK: ClockId = ClockId::Boottime;
/// On the BSDs and on macOS it goes on in suspend.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const CLOCK: ClockId = ClockId::Monotonic;

pub(crate) fn now() -> Duration {
    let time = clock_gettime(CLOCK);
    let nanos = u32::try_from(time.tv_nsec).expect("nanoseconds of a clock are below a second");
    Duration::new(time.tv_sec.unsigned_abs(), nanos)
}
