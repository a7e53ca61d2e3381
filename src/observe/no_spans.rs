//! Without the feature `tracing` nothing is said.

use std::time::Duration;

use super::Store;
use super::waiting::Outcome;
use crate::error::Blocker;
use crate::path::TreePath;
use crate::request::{Owner, Request};

pub(super) struct WaitSpan;

impl WaitSpan {
    pub(super) fn begin(_: Store, _: &TreePath, _: &Request, _: impl FnOnce() -> Option<Blocker>) -> Self {
        Self
    }

    pub(super) fn end(self, _: Store, _: Outcome, _: Duration, _: Option<(&Request, &Blocker)>) {}
}

pub(super) fn lost(_: Store, _: &TreePath, _: Option<&Owner>, _: Option<u64>) {}

pub(super) fn reconnected(_: &str) {}

pub(super) fn moved(_: &str, _: &str, _: &str) {}

#[cfg(feature = "redis")]
pub(super) fn recalled(_: &TreePath, _: crate::request::Kind, _: &str, _: super::Recalled) {}
