//! A wait for a set that would never end: as `memory/acquire/deadlock.rs` for one node.

use super::super::super::record::Own;
use super::super::super::sleeper::Watched;
use super::super::phase::{kind, node};
use super::SetAcquisition;
use crate::backend::WaitingLock;
use crate::deadlock::Deadlock;
use crate::sync::{PlainArc, Stamp};

impl SetAcquisition<'_> {
    /// For its sleeper: the tree looks for deadlocks while it sleeps.
    pub(super) fn watched(&self) -> Option<Watched> {
        let first = node(&self.members[0]);
        let (asks, watch) = (self.asks.clone()?, first.shared().watch.as_ref()?);
        Some(Watched::new(asks, watch.begin(PlainArc::downgrade(first.root_of_tree()))))
    }

    /// Before it sleeps for the first time: the lock of its own that is in the way of a member, as
    /// an error. If one is near, others may make a circle of it: then that is looked for at once.
    fn own_lock_in_the_way(&self) -> Option<Deadlock> {
        let asks = self.asks.as_ref()?;
        let mut is_near = false;
        for member in self.members {
            let (wanted, kind, owner) = (node(member), kind(member), member.request.owner.as_ref());
            if !asks.agent.is_on_record() && owner.is_none() {
                continue;
            }
            match wanted.own_lock_around(&Own { kind, asks, owner }) {
                Some((true, lock)) => {
                    let mut wants = WaitingLock::new(wanted.path.clone(), kind.public());
                    wants.owner = owner.cloned();
                    wants.waited = self.stamp.and_then(Stamp::age);
                    (wants.agent, wants.asked_at) = (Some(asks.agent.clone()), Some(asks.place));
                    return Some(Deadlock::with_itself(lock, wants));
                }
                other => is_near |= other.is_some(),
            }
        }
        if is_near {
            node(&self.members[0]).shared().watch.as_ref()?.hurry();
        }
        None
    }

    /// While it sleeps: why it would never end, if that is known. `first`: it sleeps for the first
    /// time.
    pub(in super::super) fn deadlock(&self, first: bool) -> Option<Deadlock> {
        if self.asks.is_none() || self.is_woken() {
            return None;
        }
        let own = if first { self.own_lock_in_the_way() } else { None };
        own.or_else(|| self.sleeper.as_ref()?.take_verdict())
    }
}
