//! Every length of time in the protocol, in microseconds, and the arithmetic on them.

use std::time::Duration;

/// No time at all: what never comes.
pub(in crate::redis) const NEVER: u64 = u64::MAX;

/// The longest time that is counted with: a hundred years. The server can still add it to its
/// clock, and a sum of two does not overflow.
const LONGEST: u64 = 100 * 365 * 86_400 * 1_000_000;

/// A caller whose time is up, or that does not wait, gets this much for the answer all the same.
pub(super) const GRACE: u64 = 50_000;

/// How long a request that does not wait has what is in its way recalled, before it is refused. A
/// client that keeps something answers within a few round trips.
pub(in crate::redis) const RECALL: u64 = 200_000;
/// The longest pause between two such requests; the first is an eighth of it.
const LONGEST_LOOK: u64 = 8_000;

/// The first pause after an error; it doubles with each further error.
const FIRST_PAUSE: u64 = 10_000;
const LONGEST_PAUSE: u64 = 500_000;

/// The shortest time between two tries in the background.
pub(super) const RETRY: u64 = 50_000;
/// The longest time between two tries to give back a lock.
pub(super) const LONGEST_RETRY: u64 = 1_000_000;

/// The time between two calls that clear away what has expired. In between the server has time for
/// others, and while it lasts every call of theirs clears some.
pub(super) const TIDY_PAUSE: u64 = 10_000;

/// The longest time for which a tombstone is kept. A request that arrives even later may still be
/// granted; its lease then ends it.
const LONGEST_TOMBSTONE: u64 = 60_000_000;

/// The longest time that a release in the background waits for its answer.
const LONGEST_RELEASE: u64 = 1_000_000;

/// A length of time in microseconds, at most a hundred years.
pub(in crate::redis) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).map_or(LONGEST, |time| time.min(LONGEST))
}

/// The times that a store is set up with.
#[derive(Clone, Copy, Debug)]
pub(in crate::redis) struct Timing {
    /// The lease of a lock that asks for none of its own.
    pub(in crate::redis) lease: u64,
    /// How often a waiter shows that it lives.
    pub(in crate::redis) heartbeat: u64,
    /// How long one call may take.
    pub(in crate::redis) timeout: u64,
    /// How long a grace period lasts, and so the longest lease there may be; 0: there is none.
    pub(in crate::redis) grace: u64,
}

impl Timing {
    /// A waiter without a heartbeat for this long counts as dead; a lock that was handed over must
    /// be claimed within it.
    pub(in crate::redis) fn claim_window(&self) -> u64 {
        (self.heartbeat.saturating_mul(7) / 2).min(LONGEST)
    }

    /// The deadline of a call that begins now and has all the time that a call may have.
    pub(in crate::redis) fn call_deadline(&self, now: u64) -> u64 {
        now.saturating_add(self.timeout)
    }

    /// For how long a tombstone has to keep a late request for a lock from being granted, or
    /// queued: what it could be granted or queued for.
    pub(super) fn tombstone(&self, lease: u64) -> u64 {
        lease.max(self.claim_window()).min(LONGEST_TOMBSTONE)
    }

    /// How long a renewal waits for its answer, if the first lease in its batch has this time left.
    /// Others are under way by then, over other connections; the rest of the time is for one more.
    pub(in crate::redis) fn renewal_limit(&self, left: u64) -> u64 {
        self.timeout.min(left - left / 4).max(RETRY)
    }

    /// How long a heartbeat waits for its answer. Later it is of no use: the waiter counts as dead.
    pub(in crate::redis) fn heartbeat_limit(&self) -> u64 {
        self.timeout.min(self.claim_window()).max(RETRY)
    }

    /// How long a release in the background waits for its answer. A connection that is silent holds
    /// up those behind it, so this is bounded whatever the timeout.
    pub(in crate::redis) fn release_limit(&self) -> u64 {
        self.timeout.min(LONGEST_RELEASE)
    }
}

/// When a renewal that has no answer yet is sent again.
pub(super) fn renewal_retry(now: u64, deadline: u64) -> u64 {
    now + (deadline.saturating_sub(now) / 4).max(RETRY)
}

/// The pause before it is asked again whether what is kept in the way has been given back.
pub(in crate::redis) fn recall_pause(asked: u32) -> u64 {
    ((LONGEST_LOOK / 8) << asked.min(3)).min(LONGEST_LOOK)
}

/// The pause after so many errors in a row. The first try after an error is at once: most often
/// only the connection was stale.
pub(super) fn pause(failures: u32) -> u64 {
    match failures {
        ..2 => 0,
        failures => (FIRST_PAUSE << failures.min(10)).min(LONGEST_PAUSE),
    }
}

#[cfg(test)]
mod tests;
