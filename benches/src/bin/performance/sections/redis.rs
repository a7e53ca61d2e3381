//! Latency over Redis by number of locks held: acquire + release at depth 4, uncontended, against a bare `SET NX PX` and a
//! compare-and-delete script over the same client.

use mutextree_benches::measure::Effort;

use crate::page::Section;

/// Nothing, until the crate has a Redis store to measure.
pub(crate) fn measure(_: &Effort) -> Option<Section> {
    None
}
