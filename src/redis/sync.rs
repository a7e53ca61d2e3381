//! Primitives and time under one name, for the files that have not moved into a layer yet.

pub(crate) use super::clock::{as_micros, clock, now, until};
pub(crate) use super::primitives::*;
