//! The only file that names std::sync, parking_lot, dashmap, loom or `Instant::now`.
pub(crate) use std::sync::Arc as PlainArc;
use std::time::Instant;
#[inline]
pub(crate) fn now() -> Instant {
    Instant::now()
}
