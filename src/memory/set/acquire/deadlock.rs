//! A wait for a set that would never end: as `memory/acquire/deadlock.rs` for one node.

use super::super::super::record::Own;
use super::super::super::sleeper::Watched;
use super::super::phase::{kind, node};
use super::SetAcquisition;
use crate::deadlock::Deadlock;
use crate::request::Owner;

impl SetAcquisition<'_> {
    /// For its sleeper: the tree looks for deadlocks while it sleeps.
    pub(super) fn watched(&self) -> Option<Watched> {
        let mut owners: Vec<Owner> = self.members.iter().filter_map(|member| member.request.owner.clone()).collect();
        owners.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
        owners.dedup();
        node(&self.members[0]).watched(self.asks.as_ref()?, owners)
    }

    /// Each member, as none of them is had before all are.
    fn own_lock_in_the_way(&self) -> Option<Deadlock> {
        let (asks, owners) = (self.asks.as_ref()?, self.sleeper.as_ref()?.owners());
        self.members.iter().find_map(|member| {
            let own = Own { kind: kind(member), asks, owners };
            own.in_the_way(node(member), member.request.owner.as_ref(), self.stamp)
        })
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
