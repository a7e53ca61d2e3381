//! Records of locks that change: that move to other nodes, or become another kind.

use super::{Lost, Record};
use crate::memory::node::{Node, Slow};
use crate::memory::sleeper::Sleeper;
use crate::memory::word::Kind;
use crate::request::Owner;
use crate::sync::{Deadline, PlainArc};

impl Record {
    /// The same of a lock that has become another kind.
    pub(in crate::memory) fn renewed(self, kind: Kind, token: u64) -> Self {
        Self { kind, token, ..self }
    }
}

impl Node {
    /// What is known of a recorded lock, unless it was lost: for another node, to which it moves.
    pub(in crate::memory) fn copy_record(&self, token: u64) -> Result<Record, Lost> {
        let record = self.cold().slow.lock().records.held(token)?.clone();
        Ok(Record { changer: None, ..record })
    }

    /// Records a claim to which a lock on another node moves.
    pub(in crate::memory) fn adopt(self: &PlainArc<Self>, record: Record) {
        if record.detached {
            self.shared().detached.lock().insert(self.detached_key(record.token), self.clone());
        }
        self.put(record);
    }

    /// Ends a recorded claim that has moved to other nodes, unless it was lost.
    pub(in crate::memory) fn end_moved(self: &PlainArc<Self>, token: u64) -> Result<(), Lost> {
        let mut slow = self.cold().slow.lock();
        slow.records.held(token)?;
        let moved = slow.records.take(token).map(|record| Record { changer: None, ..record });
        drop(slow);
        moved.iter().for_each(|record| self.end(record));
        Ok(())
    }

    /// Notes who is to be told if a recorded lock is lost.
    pub(in crate::memory) fn note_changer(&self, token: u64, changer: &PlainArc<Sleeper>) -> Result<(), Lost> {
        self.cold().slow.lock().records.held(token)?.changer = Some(changer.clone());
        Ok(())
    }

    /// A recorded shared lock is pending from now on, unless it was lost. `set` changes the word.
    pub(in crate::memory) fn begin_upgrade_recorded(
        &self,
        token: u64,
        set: impl FnOnce(&mut Slow),
    ) -> Result<(), Lost> {
        let mut slow = self.cold().slow.lock();
        slow.records.held(token)?.upgrading = true;
        set(&mut slow);
        Ok(())
    }

    /// A recorded lock is of another kind from now on, unless it was lost, with a new token. `set`
    /// changes the word, or answers `None`.
    pub(in crate::memory) fn commit_recorded<T>(
        &self,
        token: u64,
        kind: Kind,
        set: impl FnOnce() -> Option<T>,
    ) -> Result<(Option<T>, u64), Lost> {
        let mut slow = self.cold().slow.lock();
        let record = slow.records.held(token)?;
        let done = set();
        if done.is_some() {
            let new = self.shared().next_token();
            *record = Record { changer: None, upgrading: false, ..record.clone() }.renewed(kind, new);
            if record.detached {
                let mut detached = self.shared().detached.lock();
                let kept = detached.remove(&self.detached_key(token));
                detached.extend(kept.map(|node| (self.detached_key(new), node)));
            }
        }
        Ok((done, record.token))
    }

    /// A recorded lock is pending no more. `false` if it is not there: then its claims are gone.
    pub(in crate::memory) fn end_upgrade_recorded(&self, token: u64) -> bool {
        let records = &mut self.cold().slow.lock().records;
        let pending = records.list.iter_mut().find(|record| record.token == token && record.upgrading);
        pending.is_some_and(|record| std::mem::replace(&mut record.upgrading, false))
    }

    /// Who holds a recorded lock, if that is known.
    pub(in crate::memory) fn owner_of(&self, token: u64) -> Option<Owner> {
        self.cold_if_any()?.slow.lock().records.held(token).ok()?.owner.clone()
    }

    /// When the lease of a recorded lock ends.
    pub(in crate::memory) fn expiry_of(&self, token: u64) -> Option<Deadline> {
        self.cold_if_any()?.slow.lock().records.held(token).ok()?.expires.map(Deadline::at)
    }
}
