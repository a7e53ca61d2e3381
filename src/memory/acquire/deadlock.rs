//! A wait that would never end, in a tree that looks for [deadlocks](crate::deadlock): what a
//! waiter finds out by itself, and what it is told.

use super::super::record::Own;
use super::super::sleeper::Watched;
use super::Acquisition;
use crate::backend::WaitingLock;
use crate::deadlock::Deadlock;
use crate::sync::{PlainArc, Stamp};

impl Acquisition<'_> {
    /// For its sleeper: the tree looks for deadlocks while it sleeps.
    pub(super) fn watched(&self) -> Option<Watched> {
        let (asks, watch) = (self.asks.clone()?, self.node.shared().watch.as_ref()?);
        Some(Watched::new(asks, watch.begin(PlainArc::downgrade(self.node.root_of_tree()))))
    }

    /// Before it sleeps for the first time: the lock of its own that is in its way, as an error. If
    /// one is near, others may make a circle of it: then that is looked for at once.
    fn own_lock_in_the_way(&self) -> Option<Deadlock> {
        let (asks, sleeper) = (self.asks.as_ref()?, self.sleeper.as_ref()?);
        if !asks.agent.is_on_record() && self.owner.is_none() {
            return None;
        }
        let own = Own { kind: self.kind, asks, owner: self.owner };
        let (conflicts, lock) = self.node.own_lock_around(&own)?;
        if !conflicts {
            self.node.shared().watch.as_ref()?.hurry();
            return None;
        }
        let mut wants = WaitingLock::new(self.node.path.clone(), self.kind.public());
        wants.owner = sleeper.owner().cloned();
        wants.waited = self.stamp.and_then(Stamp::age);
        (wants.agent, wants.asked_at) = (Some(asks.agent.clone()), Some(asks.place));
        Some(Deadlock::with_itself(lock, wants))
    }

    /// While it sleeps: why it would never end, if that is known. `first`: it sleeps for the first
    /// time.
    pub(super) fn deadlock(&self, first: bool) -> Option<Deadlock> {
        if self.asks.is_none() || self.is_woken() {
            return None;
        }
        let own = if first { self.own_lock_in_the_way() } else { None };
        own.or_else(|| self.sleeper.as_ref()?.take_verdict())
    }
}
