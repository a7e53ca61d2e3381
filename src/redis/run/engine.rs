//! [`Engine`]: all of a store in one process: its client, and its threads.
//!
//! A forked child has the memory of its parent and none of its threads. Its sockets are its
//! parent's. A mutex may stay locked for ever, by a thread that was not copied. So a child touches
//! nothing of the parent's engine but what never changes, and `child`, which only it sets. Its
//! first call finds, by the process id, that the engine is another process', and starts one of its
//! own, with a name and connections of its own. Guards of the parent are not held in the child:
//! they neither refresh nor release.

use std::fmt;
use std::{process, thread};

use super::client::{Client, store_error};
use super::confirm::Confirmer;
use super::driver::Driver;
use super::keeping::Keeping;
use super::listener::Listener;
use super::{check, keeper, watch};
use crate::error::LockError;
use crate::redis::clock::clock;
use crate::redis::error::{Failure, RedisStoreError};
use crate::redis::primitives::{Arc, OnceLock};
use crate::redis::protocol::confirm::Replicas;
use crate::redis::protocol::timing::Timing;
use crate::redis::wire::{Destination, Wire};

/// How long the last handle of a store to be dropped waits, at the most, for what tasks gave back.
const LONGEST_GOODBYE: u64 = 1_000_000;

/// What an engine is made from, in this process and in a forked child.
#[derive(Clone)]
pub(in crate::redis) struct Settings {
    pub(in crate::redis) to: Destination,
    pub(in crate::redis) client_name: Option<String>,
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
    process: u32,
    /// The engine of a forked child, which alone sets it.
    child: OnceLock<Arc<Engine>>,
}

impl Engine {
    /// Connects, and looks whether the server will do.
    pub(in crate::redis) fn connect(settings: Settings) -> Result<Arc<Self>, RedisStoreError> {
        let client = Self::client(&settings)?;
        check::check(&client, settings.replicas)?;
        Self::start(settings, client)
    }

    fn client(settings: &Settings) -> Result<Arc<Client>, RedisStoreError> {
        let wire = Wire::new(&settings.to, settings.client_name.clone(), settings.timing.timeout)?;
        Ok(Arc::new(Client::new(wire, settings)?))
    }

    fn start(settings: Settings, client: Arc<Client>) -> Result<Arc<Self>, RedisStoreError> {
        let kept = client.clone();
        let keeper = thread::Builder::new().name("mutextree-keep".into()).spawn(move || keeper::run(&kept));
        let no_thread = |error| RedisStoreError::Config(format!("a thread cannot be started: {error}"));
        keeper.map_err(no_thread)?;
        if client.wire.is_guided() {
            let watched = client.clone();
            let watch = thread::Builder::new().name("mutextree-watch".into()).spawn(move || watch::run(&watched));
            watch.map_err(no_thread)?;
        }
        let listener = Listener::new(client.clone());
        if client.keeping.is_some() {
            Keeping::start(&client).map_err(no_thread)?;
            listener.start(); // recalls come from the first lock on
        }
        Ok(Arc::new(Self {
            driver: Driver::new(client.clone()),
            listener,
            confirmer: Confirmer::new(client.clone(), settings.replicas),
            client,
            settings,
            process: process::id(),
            child: OnceLock::new(),
        }))
    }

    /// The process that started it.
    pub(in crate::redis) fn process(&self) -> u32 {
        self.process
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
            let settings = self.settings.clone();
            let engine = Self::client(&settings).and_then(|client| Self::start(settings, client));
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

/// The last to go ends the threads.
impl Drop for Engine {
    fn drop(&mut self) {
        if self.is_ours() {
            self.client.stop();
            self.driver.stop();
            self.confirmer.stop();
        }
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("process", &self.process).finish_non_exhaustive()
    }
}
