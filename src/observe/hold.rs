//! A held lock, if each lock is to be counted and timed.

use std::panic::{RefUnwindSafe, UnwindSafe};

use super::Store;
use super::meters::{self, Holds};
use super::waiting::Outcome;
use crate::backend::Backend;
use crate::request::{Kind, Mode, Scope};
use crate::sync::contain;

/// Whether each lock of a store is counted and timed, also one that was free. Empty without the
/// feature `metrics`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Meter {
    on: bool,
}

impl Meter {
    pub(crate) fn new(on: bool) -> Self {
        Self { on }
    }

    #[inline]
    pub(crate) fn of<S: Backend>(store: &S) -> Self {
        Self { on: store.measures_locks() }
    }

    pub(crate) fn is_on(self) -> bool {
        self.on
    }
}

/// What a guard has for its lock. In a box, so that a guard whose lock is not timed is hardly
/// greater.
pub(crate) struct Hold(Option<Box<Holds>>);

impl Hold {
    /// The lock has just been acquired.
    #[inline(always)]
    pub(crate) fn begin<S: Backend>(meter: Meter, kind: Kind) -> Self {
        if meter.on { Self::begin_slow(Store::of::<S>(), kind) } else { Self(None) }
    }

    #[cold]
    fn begin_slow(store: Store, kind: Kind) -> Self {
        let mut hold = None;
        contain(|| {
            meters::attempted(store, kind, Outcome::Acquired);
            hold = Some(Box::new(Holds::begin(store, kind)));
        });
        Self(hold)
    }

    /// A lock that was not acquired here is not timed.
    pub(crate) fn unknown() -> Self {
        Self(None)
    }

    /// As what it is held has changed: that is a hold of another kind.
    pub(crate) fn became(&mut self, mode: Mode) {
        let Some(kind) = self.0.as_ref().map(|held| Kind { mode, ..held.kind }) else { return };
        self.became_kind(kind);
    }

    /// It covers the subtree from now on.
    pub(crate) fn widened(&mut self) {
        let Some(kind) = self.0.as_ref().map(|held| Kind { scope: Scope::Subtree, ..held.kind }) else { return };
        self.became_kind(kind);
    }

    fn became_kind(&mut self, kind: Kind) {
        let Some(old) = self.0.take_if(|held| held.kind != kind) else { return };
        contain(|| self.0 = Some(Box::new(old.of_kind(kind))));
    }

    /// One lock has become so many, held like it.
    pub(crate) fn split(mut self, count: usize) -> Vec<Self> {
        let mut parts = Vec::new();
        if let Some(held) = self.0.take_if(|_| count > 0) {
            contain(|| parts.extend((1..count).map(|_| Self(Some(Box::new(held.again()))))));
            parts.push(Self(Some(held)));
        }
        parts.resize_with(count, Self::unknown);
        parts
    }
}

/// Its drop, and so a guard's, does not panic, whatever a recorder does.
impl Drop for Hold {
    #[inline]
    fn drop(&mut self) {
        if let Some(held) = self.0.take() {
            contain(|| drop(held));
        }
    }
}

/// A recorder's handle is in there, which is only called, and never while something of ours is half
/// changed.
impl UnwindSafe for Hold {}
impl RefUnwindSafe for Hold {}
