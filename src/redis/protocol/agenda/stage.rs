//! What the agenda knows of a lock: its [`Stage`].

use super::super::lock::Lock;
use crate::redis::primitives::Arc;

pub(super) struct Kept<W> {
    pub(super) lock: Arc<Lock>,
    pub(super) stage: Stage<W>,
    pub(super) due: u64,
}

impl<W> Kept<W> {
    pub(super) fn waits(&self) -> bool {
        matches!(self.stage, Stage::Waits { .. })
    }
}

pub(super) enum Stage<W> {
    Asks {
        waiter: W,
    },
    Waits {
        waiter: W,
        /// When the first heartbeat was taken that has no answer yet, if that is later than the
        /// last answer.
        beat: u64,
    },
    Held {
        /// Whether a renewal was taken that has no answer yet.
        renewing: bool,
        /// Whether it had a user again after its renewal was due: then it is renewed though that
        /// one may have gone.
        is_used: bool,
    },
}

impl<W> Stage<W> {
    pub(super) const HELD: Self = Self::Held { renewing: false, is_used: false };
}
