//! Times of a caller: its deadline and when it sleeps until, on this process' clock and on the
//! system's.

use std::time::Instant;

use crate::redis::clock::{clock, now, until};
use crate::redis::protocol::acquisition::MayWait;
use crate::redis::protocol::timing::{NEVER, micros};
use crate::request::Wait;

/// A wait, on this process' clock.
pub(in crate::redis::run) fn may_wait(wait: Wait) -> MayWait {
    match wait {
        Wait::Never => MayWait::No,
        Wait::Forever => MayWait::Until(NEVER),
        Wait::Until(deadline) => {
            MayWait::Until(clock().saturating_add(micros(deadline.saturating_duration_since(now()))))
        }
    }
}

/// A time on this process' clock as one that a thread can sleep until; `None` for never.
pub(in crate::redis::run) fn instant(deadline: u64) -> Option<Instant> {
    if deadline == NEVER { None } else { now().checked_add(until(deadline)) }
}
