//! Latency over Redis by number of locks held: acquire + release at depth 4, uncontended, against a bare `SET NX PX` and a
//! compare-and-delete script over the same client.

use super::Measure;

/// None: `redis_table` prints these figures; they have no plot yet.
pub(super) const SECTION: Option<Measure> = None;
