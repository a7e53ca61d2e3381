//! [`RedisNode`]: a path in a [`RedisStore`](crate::RedisStore)'s tree. [`RedisGrant`]: a lock that
//! is held there. What is done with them is in `run/`; here a forked child is told apart.
//!
//! * `set.rs` several locks as one
//! * `change.rs` a held lock becomes another one

use std::fmt;
use std::panic::Location;
use std::process;
use std::time::Duration;

use super::clock::{clock, until};
use super::primitives::Arc;
use super::protocol::keys::Target;
use super::protocol::lock::Lock;
use super::run::caller;
use super::run::engine::Engine;
use super::run::keeping;
use super::run::look;
use super::run::task::Acquiring;
use crate::backend::LeaseToken;
use crate::deadlock::{Agent, Asks};
use crate::error::{Blocker, LockError};
use crate::path::TreePath;
use crate::request::{Kind, Mode, Request, Scope, Wait};

mod change;
pub(super) mod set;

/// Where in the code a lock is asked for.
pub(super) type Place = &'static Location<'static>;

/// A path in a [`RedisStore`](crate::RedisStore)'s tree.
#[derive(Clone)]
pub struct RedisNode {
    engine: Arc<Engine>,
    target: Target,
}

/// A lock held in a [`RedisStore`](crate::RedisStore).
pub struct RedisGrant {
    lock: Arc<Lock>,
    kind: Kind,
    /// Whether its lease was asked for, and so ends unless somebody refreshes it.
    ends: bool,
    /// Whether it came to a task: then it is given back without I/O on the thread that drops it.
    of_task: bool,
    /// The process that took it. In another one, a forked child, it is not held.
    process: u32,
}

impl RedisNode {
    pub(super) fn new(engine: Arc<Engine>, path: TreePath) -> Self {
        Self { engine, target: Target::new(path) }
    }

    /// Another node of the same tree.
    pub(super) fn near(&self, path: TreePath) -> Self {
        Self::new(self.engine.clone(), path)
    }

    pub(super) fn path(&self) -> &TreePath {
        &self.target.path
    }

    pub(super) fn acquire(&self, request: &Request, wait: Wait, place: Place) -> Result<RedisGrant, LockError> {
        let engine = self.engine.current()?;
        if let Some(lock) = keeping::take(&engine.client, &self.target, request, || Asks::thread(place)) {
            return Ok(RedisGrant::kept(engine, lock, request, false));
        }
        engine.client.may_last(request.lease)?;
        let lock = caller::acquire(engine, &self.target, request, wait, place)?;
        Ok(RedisGrant::new(lock, request, false))
    }

    pub(super) async fn acquire_async(&self, request: &Request, place: Place) -> Result<RedisGrant, LockError> {
        let engine = self.engine.current()?;
        if let Some(lock) = keeping::take(&engine.client, &self.target, request, || Asks::task(place)) {
            return Ok(RedisGrant::kept(engine, lock, request, true));
        }
        self.engine.client.may_last(request.lease)?;
        let lock = Acquiring::new(&self.engine, vec![(self.target.clone(), request.clone())], place).await?;
        Ok(RedisGrant::new(lock, request, true))
    }

    pub(super) fn attribute(&self, grant: &RedisGrant, to_this_thread: bool) {
        if let Ok(engine) = self.holder(grant)
            && let Some(agents) = &engine.client.agents
        {
            agents.attribute(&grant.lock.token, to_this_thread.then(Agent::current));
        }
    }

    /// The engine that holds the grant; an error in a process that does not.
    fn holder(&self, grant: &RedisGrant) -> Result<&Arc<Engine>, LockError> {
        let process = process::id();
        if grant.process == process { self.engine.current_in(process) } else { Err(self.not_held()) }
    }

    pub(super) fn release(&self, grant: &RedisGrant) -> Result<(), LockError> {
        let engine = self.holder(grant)?;
        if keeping::below::leave(&engine.client, &grant.lock, &self.target, grant.of_task)? {
            return Ok(());
        }
        if !grant.ends && keeping::keep(&engine.client, &grant.lock, &self.target, grant.kind) {
            return Ok(());
        }
        if grant.of_task {
            caller::hand_back(engine, &grant.lock, &self.target, grant.kind)
        } else {
            caller::release_held(engine, &grant.lock, &self.target, grant.kind)
        }
    }

    pub(super) fn refresh(&self, grant: &RedisGrant, length: Option<Duration>) -> Result<(), LockError> {
        let engine = self.holder(grant)?;
        engine.client.may_last(length)?;
        if grant.lock.is_detached() {
            return caller::refresh_detached(engine, &grant.lock, length);
        }
        keeping::below::own(&engine.client, &grant.lock)?;
        let renews = length.is_none() && !grant.ends;
        caller::refresh(engine, &grant.lock, length, renews)
    }

    pub(super) fn downgrade(&self, grant: &mut RedisGrant) -> Result<(), LockError> {
        let engine = self.holder(grant)?;
        if grant.kind.mode == Mode::Shared {
            return Ok(());
        }
        keeping::settle(&engine.client, &grant.lock)?;
        let (is_shared, result) = caller::downgrade(engine, &grant.lock);
        if is_shared {
            grant.kind.mode = Mode::Shared;
        }
        result
    }

    pub(super) fn is_held(&self, grant: &RedisGrant) -> bool {
        match self.holder(grant) {
            Ok(engine) if grant.lock.is_detached() => caller::is_still_held(engine, &grant.lock, &self.target),
            Ok(_) => grant.lock.is_held(clock()),
            Err(_) => false,
        }
    }

    /// By this process's own deadline, also of a detached lock, whose end others may have set.
    pub(super) fn remaining(&self, grant: &RedisGrant) -> Duration {
        match self.holder(grant) {
            Ok(_) => until(grant.lock.latest_deadline()),
            Err(_) => Duration::ZERO,
        }
    }

    pub(super) fn detach(&self, grant: &RedisGrant) -> Result<(LeaseToken, RedisGrant), LockError> {
        let engine = self.holder(grant)?;
        keeping::settle(&engine.client, &grant.lock)?;
        let (lock, kind) = caller::detach(engine, &grant.lock, &self.target, grant.kind)?;
        Ok((lock.token.as_str().into(), RedisGrant::detached(lock, kind)))
    }

    pub(super) fn attach(&self, token: &LeaseToken) -> Result<RedisGrant, LockError> {
        let (lock, kind) = caller::attach(self.engine.current()?, token.as_str(), &self.target)?;
        Ok(RedisGrant::detached(lock, kind))
    }

    /// A store that cannot answer would refuse the lock, too.
    pub(super) fn is_locked(&self, scope: Scope) -> bool {
        let kind = Kind::new(Mode::Exclusive, scope);
        self.engine.current().map_or(true, |engine| look::is_locked(engine, &self.target, kind))
    }

    /// Who is in the way of a lock of this kind.
    pub(super) fn blockers(&self, kind: Kind) -> Result<Vec<Blocker>, LockError> {
        let around = look::list(self.engine.current()?, &self.target, true)?;
        Ok(around.blockers(self.path(), kind))
    }

    fn not_held(&self) -> LockError {
        LockError::NotHeld { path: self.path().clone() }
    }
}

impl RedisGrant {
    fn new(lock: Arc<Lock>, request: &Request, of_task: bool) -> Self {
        let ends = request.lease.is_some();
        Self { lock, kind: request.kind, ends, of_task, process: process::id() }
    }

    /// One that this process kept, which is that of the engine.
    fn kept(engine: &Engine, lock: Arc<Lock>, request: &Request, of_task: bool) -> Self {
        Self { lock, kind: request.kind, ends: false, of_task, process: engine.process() }
    }

    fn detached(lock: Arc<Lock>, kind: Kind) -> Self {
        Self { lock, kind, ends: true, of_task: false, process: process::id() }
    }

    fn is_ours(&self) -> bool {
        self.process == process::id()
    }

    pub(super) fn mode(&self) -> Mode {
        self.kind.mode
    }

    pub(super) fn fencing_token(&self) -> u64 {
        self.lock.fencing_token()
    }
}

impl fmt::Debug for RedisNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisNode").field("path", self.path()).finish_non_exhaustive()
    }
}

impl fmt::Debug for RedisGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("RedisGrant");
        out.field("path", &self.lock.path).field("mode", &self.mode());
        out.field("fencing_token", &self.fencing_token()).finish_non_exhaustive()
    }
}
