//! Without the feature `metrics` nothing is counted.

use std::time::Duration;

use super::Store;
use super::waiting::Outcome;
use crate::error::LockError;
use crate::request::Kind;

pub(super) fn attempted(_: Store, _: Kind, _: Outcome) {}

pub(super) struct Waits;

impl Waits {
    pub(super) fn begin(_: Store, _: Kind) -> Self {
        Self
    }

    pub(super) fn end(self) {}
}

pub(super) fn waited(_: Store, _: Kind, _: Outcome, _: Duration) {}

pub(super) fn lost(_: Store) {}

pub(super) fn refreshed(_: Store, _: &Result<(), LockError>) {}

pub(crate) struct RoundTrip;

impl RoundTrip {
    #[inline]
    pub(crate) fn begin() -> Self {
        Self
    }

    #[inline]
    pub(crate) fn end(self, _: bool) {}
}

#[inline]
pub(crate) fn retried(_: usize) {}

#[inline]
pub(crate) fn renewed(_: usize, _: usize, _: usize) {}

pub(crate) fn reconnected() {}

#[inline]
pub(crate) fn kept(_: bool) {}

pub(crate) fn exchanged() {}

pub(crate) fn grown() {}

pub(crate) struct Recall;

impl Recall {
    #[inline]
    pub(crate) fn begin() -> Self {
        Self
    }

    #[inline]
    pub(crate) fn end(self) {}
}

pub(super) fn recalled(_: &str) {}
