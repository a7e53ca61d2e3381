//! A wait that would never end, in a tree that looks for [deadlocks](crate::deadlock): what a
//! waiter finds out by itself, and what it is told.

use super::super::record::Own;
use super::super::sleeper::Watched;
use super::Acquisition;
use crate::deadlock::Deadlock;

impl Acquisition<'_> {
    /// For its sleeper: the tree looks for deadlocks while it sleeps.
    pub(super) fn watched(&self) -> Option<Watched> {
        self.node.watched(self.asks.as_deref()?, self.owner.cloned().into_iter().collect())
    }

    fn own_lock_in_the_way(&self) -> Option<Deadlock> {
        let owners = self.sleeper.as_ref()?.owners();
        let own = Own { kind: self.kind, asks: self.asks.as_deref()?, owners };
        own.in_the_way(self.node, self.owner, self.stamp)
    }

    /// While it sleeps: why it would never end, if that is known. `first`: it sleeps for the first
    /// time.
    pub(in crate::memory) fn deadlock(&self, first: bool) -> Option<Deadlock> {
        if self.asks.is_none() || self.is_woken() {
            return None;
        }
        let own = if first { self.own_lock_in_the_way() } else { None };
        own.or_else(|| self.sleeper.as_ref()?.take_verdict())
    }
}
