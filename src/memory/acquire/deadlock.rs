//! A wait that would never end, in a tree that looks for [deadlocks](crate::deadlock): what a
//! waiter finds out by itself, and what it is told.

use super::super::record::Own;
use super::{Acquisition, Asked, Who};
use crate::deadlock::{Asks, Deadlock};

impl<'a, A: Asked<'a>> Acquisition<'a, A> {
    /// Makes the sleeper, if the tree looks for deadlocks while it sleeps.
    pub(super) fn is_asked_by(&mut self, asks: Option<Asks>, who: Who<'_>) {
        if let Some(asks) = asks {
            let owners = self.asked.owner().cloned().into_iter().collect();
            let watched = self.node().watched(&asks, owners);
            self.sleeper = Some(who.sleeper(self.asked.owner(), Vec::new(), watched));
        }
    }

    /// Who asks and where, if that is known.
    pub(super) fn asks(&self) -> Option<&Asks> {
        self.sleeper.as_ref()?.asks()
    }

    fn own_lock_in_the_way(&self) -> Option<Deadlock> {
        let owners = self.sleeper.as_ref()?.owners();
        let own = Own { kind: self.kind(), asks: self.asks()?, owners };
        own.in_the_way(self.node(), self.asked.owner(), self.stamp)
    }

    /// While it sleeps: why it would never end, if that is known. `first`: it sleeps for the first
    /// time.
    pub(in crate::memory) fn deadlock(&self, first: bool) -> Option<Deadlock> {
        if self.asks().is_none() || self.is_woken() {
            return None;
        }
        let own = if first { self.own_lock_in_the_way() } else { None };
        own.or_else(|| self.sleeper.as_ref()?.take_verdict())
    }
}
