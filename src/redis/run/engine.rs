//! [`Engine`]: all of a store in one process: its client, and its part of the threads.
//!
//! A forked child has the memory of its parent and none of its threads. Its sockets are its
//! parent's. A mutex may stay locked for ever, by a thread that was not copied. So a child touches
//! nothing of the parent's engine but what never changes, and `child`, which only it sets. Its
//! first call finds, by the process id, that the engine is another process', and starts one of its
//! own, with a name and connections of its own. Guards of the parent are not held in the child:
//! they neither refresh nor release.

use std::{fmt, process};

use super::check;
use super::client::{Client, store_error};
use super::confirm::Confirmer;
use super::driver::Driver;
use super::hub::Hub;
use super::listener::Listener;
use crate::error::LockError;
use crate::redis::clock::clock;
use crate::redis::error::{Failure, RedisStoreError};
use crate::redis::primitives::{Arc, OnceLock};
use crate::redis::protocol::confirm::Replicas;
use crate::redis::protocol::timing::Timing;

/// How long the last handle of a store to be dropped waits, at the most, for what tasks gave back.
const LONGEST_GOODBYE: u64 = 1_000_000;

/// What concerns one tree, in this process and in a forked child.
#[derive(Clone)]
pub(in crate::redis) struct Settings {
    pub(in crate::redis) tree: String,
    pub(in crate::redis) timing: Timing,
    pub(in crate::redis) replicas: Replicas,
    /// Whether deadlocks are looked for.
    pub(in crate::redis) deadlocks: bool,
    /// How long a lock is kept that nobody uses, in microseconds; 0: not at all.
    pub(in crate::redis) keep: u64,
}

pub(in crate::redis) struct Engine {
    pub(in crate::redis) client: Arc<Client>,
    pub(super) driver: Driver,
    pub(super) listener: Listener,
    pub(super) confirmer: Confirmer,
    settings: Settings,
    hub: Arc<Hub>,
    process: u32,
    /// The engine of a forked child, which alone sets it.
    child: OnceLock<Arc<Engine>>,
}

impl Engine {
    /// Connects, and looks whether the server will do.
    pub(in crate::redis) fn connect(hub: &Arc<Hub>, settings: Settings) -> Result<Arc<Self>, RedisStoreError> {
        let hub = hub.current()?;
        let engine = Self::new(hub, settings)?;
        check::check(&engine.client, engine.settings.replicas)?;
        engine.start()?;
        check::check_channel(&engine.client)?;
        Ok(engine)
    }

    fn new(hub: Arc<Hub>, settings: Settings) -> Result<Arc<Self>, RedisStoreError> {
        if settings.timing.grace > 0 {
            hub.sites.net.ask_node();
        }
        let client = Arc::new(Client::new(hub.sites.clone(), &settings)?);
        Ok(Arc::new(Self {
            driver: Driver::new(client.clone()),
            listener: Listener::new(client.clone()),
            confirmer: Confirmer::new(client.clone(), settings.replicas),
            client,
            settings,
            hub,
            process: process::id(),
            child: OnceLock::new(),
        }))
    }

    /// The process that started it.
    pub(in crate::redis) fn process(&self) -> u32 {
        self.process
    }

    fn start(&self) -> Result<(), RedisStoreError> {
        self.client.enter().map_err(no_thread)?;
        if self.client.keeping.is_some() {
            self.listener.start(); // recalls come from the first lock on
        }
        Ok(())
    }

    /// Whether this process started it.
    pub(in crate::redis) fn is_ours(&self) -> bool {
        self.process == process::id()
    }

    /// The engine of this process: this one, unless this is a forked child.
    ///
    /// # Errors
    /// In a child whose engine cannot be started: no thread, or no random number, could be had.
    pub(in crate::redis) fn current(self: &Arc<Self>) -> Result<&Arc<Self>, LockError> {
        self.current_in(process::id())
    }

    /// The same for who knows this process's id: to ask for it is a system call.
    pub(in crate::redis) fn current_in(self: &Arc<Self>, process: u32) -> Result<&Arc<Self>, LockError> {
        if self.process == process {
            return Ok(self);
        }
        if self.child.get().is_none() {
            let engine = self.hub.current().and_then(|hub| Self::new(hub, self.settings.clone()));
            let engine = engine.and_then(|engine| engine.start().map(|()| engine));
            // Of two threads that start one the first keeps it.
            let _ = self.child.set(engine.map_err(|error| store_error(Failure::Refused(error)))?);
        }
        // A child of the child has a copy of that one, which is not its own, either.
        self.child.get().map_or(Ok(self), |child| child.current_in(process))
    }

    /// Before the process may end: what tasks gave back is on its way, by another thread.
    pub(in crate::redis) fn settle(&self) {
        if self.is_ours() {
            let until = clock() + self.client.timing.timeout.min(LONGEST_GOODBYE);
            if let Some(keeping) = &self.client.keeping {
                keeping.end(&self.client, until);
            }
            self.driver.settle(until);
        }
        if let Some(child) = self.child.get() {
            child.settle();
        }
    }
}

/// The last to go has nobody work for the tree any more.
impl Drop for Engine {
    fn drop(&mut self) {
        if self.is_ours() {
            self.client.stop();
        }
    }
}

pub(super) fn no_thread(error: std::io::Error) -> RedisStoreError {
    RedisStoreError::Config(format!("a thread cannot be started: {error}"))
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("process", &self.process).finish_non_exhaustive()
    }
}
