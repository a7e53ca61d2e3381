//! Without the feature `metrics` no lock is timed.

// The signatures are those of `hold.rs`.
#![allow(clippy::extra_unused_type_parameters)]

use crate::backend::Backend;
use crate::request::{Kind, Mode};

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Meter(());

impl Meter {
    #[inline(always)]
    pub(crate) fn of<S: Backend>(_: &S) -> Self {
        Self(())
    }

    pub(crate) fn is_on(self) -> bool {
        false
    }
}

pub(crate) struct Hold;

impl Hold {
    #[inline(always)]
    pub(crate) fn begin<S: Backend>(_: Meter, _: Kind) -> Self {
        Self
    }

    #[inline(always)]
    pub(crate) fn unknown() -> Self {
        Self
    }

    pub(crate) fn widened(&mut self) {}

    pub(crate) fn split(self, count: usize) -> Vec<Self> {
        (0..count).map(|_| Self).collect()
    }

    #[inline(always)]
    pub(crate) fn became(&mut self, _: Mode) {}
}
