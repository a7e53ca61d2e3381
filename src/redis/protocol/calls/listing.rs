//! What is held and who waits, for people; and to end what they see.

use std::time::Duration;

use super::{Elements, Reply, new};
use crate::backend::{HeldLock, LeaseToken, WaitingLock};
use crate::redis::protocol::keys::{self, Target};
use crate::redis::protocol::script::{Call, Script};
use crate::redis::protocol::timing::Timing;
use crate::redis::value::Value;
use crate::request::Owner;

/// Where a listing goes on: the start is the default.
#[derive(Debug)]
pub(in crate::redis) struct Cursor {
    range: u64,
    entry: Vec<u8>,
}

impl Default for Cursor {
    fn default() -> Self {
        Self { range: 1, entry: Vec::new() }
    }
}

/// Lists what is held, and who waits if that is asked for: on a node, below it, and on those above.
pub(in crate::redis) fn list(target: &Target, waiters: bool, from: &Cursor, timing: &Timing) -> Call {
    let call = new(Script::List, timing).number(waiters.into()).bytes(target.text());
    call.number(from.range).bytes(&from.entry)
}

/// One lock of a listing.
#[derive(Debug)]
pub(in crate::redis) enum Entry {
    Held(HeldLock),
    Waiting { token: String, arrival: u64, lock: WaitingLock },
}

#[derive(Debug)]
pub(in crate::redis) struct Listed {
    pub(in crate::redis) entries: Vec<Entry>,
    /// Where to go on, if there is more.
    pub(in crate::redis) next: Option<Cursor>,
}

impl Reply for Listed {
    fn read(reply: &mut Elements) -> Option<Self> {
        let next = match reply.0.next()? {
            Value::List(at) => {
                let mut at = Elements(at.into_iter());
                Some(Cursor { range: at.number()?, entry: at.bytes()? })
            }
            _ => None,
        };
        let mut entries = Vec::new();
        while reply.0.len() > 0 {
            entries.push(reply.entry()?);
        }
        Some(Self { entries, next })
    }
}

impl Elements {
    fn entry(&mut self) -> Option<Entry> {
        let is_held = self.int()? == 1;
        let (path, kind, owner) = (self.path()?, keys::kind(self.number()?)?, self.text()?.map(Owner::from));
        let (client, token, number) = (self.text()?, self.text()??, self.number()?);
        let (age, left, may_be_kept) = (self.number()?, self.number()?, self.int()? == 1);
        let age = Some(Duration::from_micros(age));
        if !is_held {
            let mut lock = WaitingLock::new(path, kind);
            (lock.owner, lock.waited, lock.client) = (owner, age, client);
            lock.upgrades = token.ends_with('^');
            return Some(Entry::Waiting { token, arrival: number, lock });
        }
        let mut lock = HeldLock::new(path, kind);
        lock.token = client.is_none().then(|| LeaseToken::from(token.as_str()));
        (lock.owner, lock.held_for, lock.client) = (owner, age, client);
        lock.remaining = Some(Duration::from_micros(left));
        lock.fencing_token = Some(number);
        lock.may_be_kept = may_be_kept;
        lock.name = Some(token.into());
        Some(Entry::Held(lock))
    }
}

/// Ends a held lock, whoever holds it. It is known by its token, and by its fencing token if that
/// is not 0.
pub(in crate::redis) fn break_lock(token: &str, target: &Target, fencing_token: u64, timing: &Timing) -> Call {
    new(Script::Break, timing).bytes(token.as_bytes()).bytes(target.text()).number(fencing_token)
}
