//! Whose a lock is, where [deadlocks](crate::deadlock) are looked for.

use super::super::node::Node;
use super::super::word::{Kind, Place};
use super::Record;
use crate::backend::HeldLock;
use crate::deadlock::{Agent, Asks};
use crate::request::Owner;
use crate::sync::now;

/// A request that looks for locks of its own.
#[derive(Clone, Copy, Debug)]
pub(in crate::memory) struct Own<'a> {
    pub(in crate::memory) kind: Kind,
    pub(in crate::memory) asks: &'a Asks,
    pub(in crate::memory) owner: Option<&'a Owner>,
}

impl Own<'_> {
    /// Whose a lock is: D2 in `deadlock.rs`.
    fn is_its_own(&self, record: &Record) -> bool {
        if self.asks.replaces == Some(record.token) {
            return false;
        }
        let thread = record.by.as_ref().and_then(|by| by.agent.as_ref()).filter(|agent| !agent.is_task());
        match thread {
            Some(thread) => *thread == self.asks.agent,
            None => self.owner.is_some() && record.owner.as_ref() == self.owner,
        }
    }
}

impl Node {
    /// Says who holds a recorded lock: `None` if its guard is to move.
    pub(in crate::memory) fn attribute(&self, token: u64, agent: Option<Agent>) {
        let mut slow = self.cold().slow.lock();
        let by = slow.records.held(token).ok().and_then(|record| record.by.as_mut());
        let old = by.map(|by| std::mem::replace(&mut by.agent, agent));
        drop(slow);
        drop(old);
    }

    /// A lock of its own that lasts, at this node. `place` is where that lies, seen from the one it
    /// wants. One that conflicts (`true`) comes before one that does not.
    pub(in crate::memory) fn own_lock(&self, wants: &Own<'_>, place: Place) -> Option<(bool, HeldLock)> {
        let slow = self.cold_if_any()?.slow.lock();
        let own = slow.records.list.iter().filter(|record| record.lasts() && wants.is_its_own(record));
        let (conflicts, record) = own
            .map(|record| (record.kind.unit() & wants.kind.conflicts(place) != 0, record))
            .max_by_key(|(conflicts, _)| *conflicts)?;
        Some((conflicts, record.line(self, now())))
    }
}
