//! Locks that outlive their guards, and the listing of all that is held.
//!
//! A detached lock is in the server's hands alone: no thread here keeps it, and what is held is
//! what the server says. So its grant is good on any machine, and there may be several.

use std::time::Duration;

use redis::Cmd;

use super::RedisStore;
use super::core::Over;
use super::entry::{Entry, is_token};
use super::error::{Failure, RedisStoreError};
use super::key;
use super::node::{RedisGrant, RedisNode, store};
use super::script::Reply;
use super::sync::{Arc, Ordering, clock};
use crate::error::LockError;
use crate::lease::{HeldLock, LeaseToken};

/// What the server says of a detached lock.
struct Detached {
    kind: u8,
    fence: u64,
    lease: u64,
    left: u64,
}

impl Detached {
    fn read(reply: &mut Reply) -> Option<Self> {
        let mut number = || u64::try_from(reply.int()?).ok();
        Some(Self { kind: u8::try_from(number()?).ok()?, fence: number()?, lease: number()?, left: number()? })
    }
}

fn nonsense() -> Failure {
    Failure::Refused(RedisStoreError::Protocol("a script's answer is not what it should be".into()))
}

impl RedisNode {
    /// Its lease starts anew if it has renewed itself so far: nobody does from now on.
    pub(crate) fn detach(&self, grant: RedisGrant) -> Result<LeaseToken, LockError> {
        let (core, entry) = (self.core(), grant.entry());
        if self.is_held(&grant) {
            let alone = core.refreshing.lock();
            let renewed = entry.renews.swap(false, Ordering::Relaxed);
            let found = self.detached(&entry.token, true, if renewed { entry.lease } else { 0 });
            drop(alone);
            match found {
                Ok(Some(_)) => {
                    core.keeper.forget(entry);
                    return Ok(entry.token.as_str().into());
                }
                Ok(None) => entry.lose(),
                Err(failure) => {
                    let _ = self.release(&grant);
                    return Err(store(failure));
                }
            }
        }
        let _ = self.release(&grant);
        Err(LockError::NotHeld { path: self.path().clone() })
    }

    pub(crate) fn attach(&self, token: &LeaseToken) -> Result<RedisGrant, LockError> {
        let sent = clock();
        let found = self.detached(token.as_str(), false, 0).map_err(store)?;
        let not_held = || LockError::NotHeld { path: self.path().clone() };
        let Detached { kind, fence, lease, left } = found.ok_or_else(not_held)?;
        let (mode, scope) = key::of_kind(kind).ok_or_else(|| store(nonsense()))?;
        let entry = Entry::detached(token.as_str(), self.path().clone(), lease);
        entry.granted(fence, sent + left);
        Ok(RedisGrant::detached(Arc::new(entry), mode, scope))
    }

    /// Whether a detached lock is held still. Somebody else may have set its end, or released it;
    /// only the server knows.
    pub(crate) fn is_still_held(&self, entry: &Entry) -> bool {
        match self.detached(&entry.token, false, 0) {
            Ok(found) => found.is_some(),
            Err(_) => entry.is_held(),
        }
    }

    fn detached(&self, token: &str, detach: bool, length: u64) -> Result<Option<Detached>, Failure> {
        if !is_token(token) {
            return Ok(None); // no lock has it
        }
        let core = self.core();
        let fill = |command: &mut Cmd| {
            command.arg(token).arg(self.text()).arg(u8::from(detach)).arg(length).arg(clock());
        };
        let mut resent = false;
        loop {
            match core.run(&core.scripts.detached, fill, Over::Any, core.patience()) {
                Ok(mut reply) => {
                    return match reply.int() {
                        Some(0) => Ok(None),
                        _ => Detached::read(&mut reply).ok_or_else(nonsense).map(Some),
                    };
                }
                Err(failure) if resent || matches!(failure, Failure::Refused(_) | Failure::NoScript) => {
                    return Err(failure);
                }
                Err(_) => resent = true,
            }
        }
    }
}

impl RedisStore {
    pub(crate) fn list(&self) -> Result<Vec<HeldLock>, Failure> {
        let core = &self.handle.core;
        let (mut locks, mut cursor, mut resent) = (Vec::new(), Vec::new(), false);
        loop {
            let fill = |command: &mut Cmd| {
                command.arg(&cursor);
            };
            let mut reply = match core.run(&core.scripts.list, fill, Over::Any, core.patience()) {
                Ok(reply) => reply,
                Err(failure) if resent || matches!(failure, Failure::Refused(_) | Failure::NoScript) => {
                    return Err(failure);
                }
                Err(_) => {
                    resent = true;
                    continue;
                }
            };
            let next = reply.bytes();
            while !reply.is_empty() {
                locks.push(held_lock(&mut reply).ok_or_else(nonsense)?);
            }
            let Some(next) = next else { return Ok(locks) };
            cursor = next;
        }
    }
}

fn held_lock(reply: &mut Reply) -> Option<HeldLock> {
    let path = key::decode(&reply.bytes()?)?;
    let (mode, scope) = key::of_kind(u8::try_from(reply.int()?).ok()?)?;
    let mut lock = HeldLock::new(path, mode, scope);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).ok().filter(|text| !text.is_empty());
    lock.owner = text(reply.bytes()?).map(Into::into);
    lock.remaining = Some(Duration::from_micros(reply.int()?.unsigned_abs()));
    lock.token = text(reply.bytes()?).map(Into::into);
    Some(lock)
}
