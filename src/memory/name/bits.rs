//! A name in 48 bits: a slot, and a time in [`ticks`]. That is when the lock was taken, by the
//! coarse clock; or, if [`LEASED`] is set, when its lease ends, by the exact one.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use crate::memory::word::NAME_BITS;
use crate::sync::{coarse_ticks, instant_at, tick_after, ticks, ticks_in};

/// The bits of a name that are the time. They last for two years; a process that is older than that
/// has no names.
const TIME_BITS: u32 = 36;
const TIME: u64 = (1 << TIME_BITS) - 1;

/// Set if the time is the end of a lease.
const LEASED: u64 = 1 << TIME_BITS;

const SLOT_SHIFT: u32 = TIME_BITS + 1;

/// How many slots a node has. Handles for which there is none have no names.
pub(super) const SLOTS: usize = 1 << (NAME_BITS - SLOT_SHIFT);

/// The leases that a name may have. The shortest is a hundred ticks: it may end up to a tick too
/// late. The longest is about a year, so that its end is no trouble to add.
pub(in crate::memory) const LEASES: RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(1 << 25);

/// The name of a lock without a lease that is taken now.
#[inline]
pub(in crate::memory) fn taken_now(slot: usize) -> Option<u64> {
    name(slot, coarse_ticks())
}

/// The name of a lock with this lease, one of [`LEASES`], that is taken now.
#[inline]
pub(in crate::memory) fn leased_now(slot: usize, lease: Duration) -> Option<u64> {
    name(slot, tick_after(lease)).map(|name| name | LEASED)
}

fn name(slot: usize, time: u64) -> Option<u64> {
    (time <= TIME).then_some((slot as u64) << SLOT_SHIFT | time)
}

pub(super) fn slot_of(name: u64) -> usize {
    (name >> SLOT_SHIFT) as usize
}

/// When the lock was taken: to within a tick if it has a lease, which this is, and otherwise as the
/// coarse clock has it.
pub(in crate::memory) fn since(name: u64, lease: Option<Duration>) -> Instant {
    match lease {
        None => instant_at(name & TIME),
        Some(lease) => {
            // The tick before the end, so that it is not in the future.
            let end = instant_at((name & TIME).saturating_sub(1));
            end.checked_sub(lease).unwrap_or(end)
        }
    }
}

/// When its lease ends, if it has one.
pub(in crate::memory) fn ends(name: u64) -> Option<Instant> {
    has_lease(name).then(|| instant_at(name & TIME))
}

/// Whether it has a lease.
#[inline]
pub(in crate::memory) fn has_lease(name: u64) -> bool {
    name & LEASED != 0
}

/// Whether it has a lease that has ended.
#[inline]
pub(in crate::memory) fn has_ended(name: u64) -> bool {
    has_lease(name) && name & TIME <= ticks()
}

/// While a lease has more left than this, by the coarse clock, its guard takes it to be held.
const NEAR: u64 = ticks_in(Duration::from_millis(50));

/// The same for the guard, if nobody else has seen to the lock: quick, unless the end is near.
#[inline]
pub(in crate::memory) fn has_ended_for_its_guard(name: u64) -> bool {
    has_lease(name) && name & TIME <= coarse_ticks() + NEAR && has_ended(name)
}

/// The name of a lock whose lease has ended, or never does.
#[cfg(all(test, mutextree_loom))]
pub(in crate::memory) fn leased_in_model(slot: usize, has_ended: bool) -> u64 {
    name(slot, u64::from(!has_ended)).unwrap() | LEASED
}
