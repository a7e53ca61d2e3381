//! [`RedisNode`] and [`RedisGrant`]: what can be done with a path, and with a lock that is held.
//! Taking one is in `acquire.rs`.

use std::fmt;
use std::time::Duration;

use redis::Cmd;

use super::Handle;
use super::acquire::Acquisition;
use super::core::{Core, Over};
use super::entry::Entry;
use super::error::Failure;
use super::key;
use super::script::Reply;
use super::sync::{Arc, Ordering, as_micros, clock};
use crate::error::LockError;
use crate::path::TreePath;
use crate::request::{Mode, Request, Scope, Wait};
use crate::store::LostLock;

/// A path in a [`RedisStore`](crate::RedisStore)'s tree.
#[derive(Clone)]
pub struct RedisNode {
    handle: Arc<Handle>,
    path: TreePath,
    /// The path as the scripts want it.
    text: Arc<[u8]>,
    /// See [`key::ends`].
    ends: Arc<[usize]>,
}

/// A lock held in a [`RedisStore`](crate::RedisStore).
pub struct RedisGrant {
    entry: Arc<Entry>,
    mode: Mode,
    scope: Scope,
    /// Whether its lease was asked for, and so ends unless somebody refreshes it.
    ends: bool,
    /// Whether it outlived its guard: then the server alone knows about it. See `lease.rs`.
    detached: bool,
}

/// A lease in microseconds: at most a hundred years, which the server can still add to its clock.
pub(crate) fn lease_micros(lease: Duration) -> u64 {
    as_micros(lease).min(100 * 365 * 86_400 * 1_000_000)
}

impl RedisNode {
    pub(crate) fn new(handle: Arc<Handle>, path: TreePath) -> Self {
        let text = key::encode(&path);
        let ends = key::ends(&text).into();
        Self { handle, path, text: text.into(), ends }
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.handle.core
    }

    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Adds what the fast paths look at, if that is not too much: the nodes from the root down to
    /// this one are among it.
    pub(crate) fn add_fields(&self, command: &mut Cmd, token: &str) {
        if !self.ends.is_empty() {
            command.arg("tick").arg("offset").arg("waiting").arg(token);
            self.ends.iter().for_each(|&end| _ = command.arg(&self.text[..end]));
        }
    }

    pub(crate) fn path(&self) -> &TreePath {
        &self.path
    }

    /// A new token.
    pub(crate) fn entry(&self, request: &Request) -> Entry {
        let core = &self.handle.core;
        let lease = request.lease.map_or(core.lease, lease_micros);
        let number = core.last_number.fetch_add(1, Ordering::Relaxed) + 1;
        Entry::new(number, &core.client, self.path.clone(), request.owner.clone(), lease)
    }

    pub(crate) fn acquire(&self, request: &Request, wait: Wait) -> Result<RedisGrant, LockError> {
        Acquisition::new(self, Arc::new(self.entry(request)), request, wait).run()
    }

    /// The keeper does nothing more for it. Whether it is held; if it is not, and nobody has been
    /// told yet, those who watch are.
    pub(crate) fn forget(&self, grant: &RedisGrant) -> bool {
        let (core, entry) = (&self.handle.core, &grant.entry);
        let was_held = grant.detached || entry.is_held();
        if core.keeper.forget(entry) && !was_held {
            core.tell(&LostLock::of(entry));
        }
        was_held
    }

    /// What the script wants to know.
    pub(crate) fn fill_release(&self, command: &mut Cmd, entry: &Entry, kind: u8) {
        command.arg(&entry.token).arg(entry.tombstone()).arg(kind).arg(&*self.text);
        self.add_fields(command, &entry.token);
    }

    /// Whether the release had something to release. Not found on the second try: the first one has
    /// done it, unless the server has lost its data since.
    pub(crate) fn was_released(&self, reply: &mut Reply, entry: &Entry, resent: bool) -> bool {
        let found = reply.int() == Some(1);
        self.handle.core.finish(reply.more());
        let fence = entry.fence.load(Ordering::Relaxed);
        let remembers = reply.int().is_some_and(|born| born > 0 && born.unsigned_abs() <= fence);
        found || resent && remembers
    }

    /// Two tries: an answer may get lost, but nobody wants to hang in a `drop`. After that the
    /// keeper goes on.
    pub(crate) fn release(&self, grant: &RedisGrant) -> Result<(), LockError> {
        let (core, entry) = (&self.handle.core, &grant.entry);
        let was_held = self.forget(grant);
        let mut resent = false;
        loop {
            let fill = |command: &mut Cmd| self.fill_release(command, entry, grant.kind());
            match core.run(&core.scripts.release, fill, Over::Any, core.patience()) {
                Ok(mut reply) => {
                    let released = self.was_released(&mut reply, entry, resent);
                    return if was_held && released { Ok(()) } else { Err(self.not_held(entry)) };
                }
                Err(failure) => {
                    if resent || matches!(failure, Failure::Refused(_) | Failure::NoScript) {
                        core.keeper.abandon(entry);
                        return Err(if was_held { store(failure) } else { self.not_held(entry) });
                    }
                    resent = true;
                }
            }
        }
    }

    pub(crate) fn refresh(&self, grant: &RedisGrant, lease: Option<Duration>) -> Result<(), LockError> {
        let (core, entry) = (&self.handle.core, &grant.entry);
        let length = lease.map_or(entry.lease, lease_micros);
        let _alone = core.refreshing.lock();
        let mut resent = false;
        loop {
            let sent = clock();
            if !grant.detached && !entry.is_held() {
                core.keeper.look_now();
                return Err(self.not_held(entry));
            }
            // It rises with each request, as long as this process lives.
            let version = if grant.detached { "-1".to_owned() } else { sent.to_string() };
            let fill = |command: &mut Cmd| {
                command.arg(&entry.token).arg(length).arg(&version);
            };
            match core.run(&core.scripts.refresh, fill, Over::Any, core.patience()) {
                Ok(mut reply) => {
                    core.finish(reply.more());
                    let held = reply.int() == Some(-1);
                    if held && grant.detached {
                        entry.set(sent + length);
                        return Ok(());
                    }
                    if held && entry.extend(sent + length) {
                        entry.renews.store(lease.is_none() && !grant.ends, Ordering::Relaxed);
                        core.keeper.reschedule(entry);
                        return Ok(());
                    }
                    entry.lose();
                    core.keeper.look_now();
                    return Err(self.not_held(entry));
                }
                Err(failure) if resent || matches!(failure, Failure::Refused(_) | Failure::NoScript) => {
                    // It may have been set: until then, and not longer, the lock is surely held.
                    if sent + length < entry.deadline() {
                        entry.extend(sent + length);
                        core.keeper.look_now();
                    }
                    return Err(store(failure));
                }
                Err(_) => resent = true,
            }
        }
    }

    pub(crate) fn downgrade(&self, grant: &mut RedisGrant) -> Result<(), LockError> {
        if grant.mode == Mode::Shared {
            return Ok(());
        }
        let (core, entry) = (&self.handle.core, &grant.entry);
        let mut resent = false;
        loop {
            let fill = |command: &mut Cmd| {
                command.arg(&entry.token);
            };
            match core.run(&core.scripts.downgrade, fill, Over::Any, core.patience()) {
                Ok(mut reply) => {
                    let found = reply.int() == Some(1);
                    core.finish(reply.more());
                    if !found {
                        entry.lose();
                        core.keeper.look_now();
                        return Err(self.not_held(entry));
                    }
                    grant.mode = Mode::Shared;
                    return Ok(());
                }
                Err(failure) if resent || matches!(failure, Failure::Refused(_) | Failure::NoScript) => {
                    entry.unsure.store(true, Ordering::Relaxed); // the server knows its mode better than we do
                    return Err(store(failure));
                }
                Err(_) => resent = true,
            }
        }
    }

    /// A store that does not answer would refuse the lock, too.
    pub(crate) fn is_locked(&self, scope: Scope) -> bool {
        let core = &self.handle.core;
        let fill = |command: &mut Cmd| {
            command.arg(key::kind(Mode::Exclusive, scope)).arg(&*self.text);
        };
        let (mut resent, mut owed) = (false, core.driver.owes());
        loop {
            match core.run(&core.scripts.inspect, fill, Over::Any, core.patience()) {
                Ok(mut reply) => {
                    let code = reply.int();
                    core.finish(reply.more());
                    match code {
                        Some(3) => {}
                        Some(1) if std::mem::take(&mut owed) => core.driver.settle(core.patience()),
                        _ => return code != Some(0),
                    }
                }
                Err(Failure::Unsure(_) | Failure::Down(_)) if !resent => resent = true,
                Err(_) => return true,
            }
        }
    }

    pub(crate) fn is_held(&self, grant: &RedisGrant) -> bool {
        if grant.detached { self.is_still_held(&grant.entry) } else { grant.entry.is_held() }
    }

    fn not_held(&self, entry: &Entry) -> LockError {
        entry.lose();
        LockError::NotHeld { path: self.path.clone() }
    }
}

pub(crate) fn store(failure: Failure) -> LockError {
    LockError::Store(Box::new(failure.into_error()))
}

impl LostLock {
    pub(crate) fn of(entry: &Entry) -> Self {
        Self::new(entry.path.clone(), entry.owner.clone(), entry.fence.load(Ordering::Relaxed))
    }
}

impl RedisGrant {
    pub(crate) fn new(entry: Arc<Entry>, request: &Request, ends: bool) -> Self {
        Self { entry, mode: request.mode, scope: request.scope, ends, detached: false }
    }

    pub(crate) fn detached(entry: Arc<Entry>, mode: Mode, scope: Scope) -> Self {
        Self { entry, mode, scope, ends: true, detached: true }
    }

    pub(crate) fn entry(&self) -> &Arc<Entry> {
        &self.entry
    }

    pub(crate) fn mode(&self) -> Mode {
        self.mode
    }

    pub(crate) fn fence(&self) -> u64 {
        self.entry.fence.load(Ordering::Relaxed)
    }

    pub(crate) fn kind(&self) -> u8 {
        key::kind(self.mode, self.scope)
    }
}

impl fmt::Debug for RedisNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisNode").field("path", &self.path).finish_non_exhaustive()
    }
}

impl fmt::Debug for RedisGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("RedisGrant");
        out.field("path", &self.entry.path)
            .field("mode", &self.mode)
            .field("fence", &self.fence())
            .finish_non_exhaustive()
    }
}
