//! [`Hub`]: what the trees of a [`RedisClient`](crate::RedisClient) have in common in one process;
//! and [`Sites`], who works where. A store of its own has a hub of its own, with one tree.
//!
//! The hub has one thread, the [keeper](super::keeper). Each site has [workers](super::workers).
//!
//! # Who listens, and why no message is lost
//!
//! A store of its own has a mailbox on the server, which one thread empties
//! ([`listener.rs`](super::listener)). A thousand mailboxes cannot be waited for at once in a
//! cluster, where a command has keys of one slot only. So trees of one client are told by channels:
//! one thread a site is subscribed to a channel of each tree
//! ([`subscriber.rs`](super::subscriber)), and the scripts publish to the channel what they would
//! put into the mailbox. What says so is the client's name, which ends with an `s`.
//!
//! # What a tree has alone
//!
//! Name, keys, agenda, leases and losses, kept locks, what its tasks have given back, grace period
//! and replicas. A store that is dropped takes all that with it, and the site lets go of its
//! channel.

use std::{fmt, process, thread};

use super::client::Client;
use super::engine::no_thread;
use super::keeper;
use super::schedule::Schedule;
use super::workers::Workers;
use crate::redis::error::RedisStoreError;
use crate::redis::primitives::{Arc, Mutex, OnceLock};
use crate::redis::wire::{Destination, Net};

/// What concerns servers.
#[derive(Clone)]
pub(in crate::redis) struct Servers {
    pub(in crate::redis) to: Destination,
    pub(in crate::redis) client_name: Option<String>,
    /// How long one command may take, in microseconds.
    pub(in crate::redis) timeout: u64,
    /// Whether there may be several trees.
    pub(in crate::redis) are_shared: bool,
}

impl Servers {
    /// Whether the URL can be used.
    pub(in crate::redis) fn check(&self) -> Result<(), RedisStoreError> {
        self.to.check()
    }
}

pub(in crate::redis) struct Hub {
    pub(super) sites: Arc<Sites>,
    servers: Servers,
    process: u32,
    /// The hub of a forked child, which alone sets it.
    child: OnceLock<Arc<Hub>>,
}

/// Who works where.
pub(in crate::redis) struct Sites {
    pub(super) net: Arc<Net>,
    pub(super) schedule: Schedule,
    pub(super) are_shared: bool,
    workers: Mutex<Vec<Arc<Workers>>>,
}

impl Hub {
    /// Nothing is opened yet.
    pub(in crate::redis) fn start(servers: Servers) -> Result<Arc<Self>, RedisStoreError> {
        let net = Net::new(&servers.to, servers.client_name.clone(), servers.timeout);
        let sites = Arc::new(Sites {
            net,
            schedule: Schedule::default(),
            are_shared: servers.are_shared,
            workers: Mutex::default(),
        });
        let kept = sites.clone();
        let keeper = thread::Builder::new().name("mutextree-keep".into()).spawn(move || keeper::run(&kept.schedule));
        keeper.map_err(no_thread)?;
        Ok(Arc::new(Self { sites, servers, process: process::id(), child: OnceLock::new() }))
    }

    fn is_ours(&self) -> bool {
        self.process == process::id()
    }

    /// The hub of this process: this one, unless this is a forked child.
    pub(in crate::redis) fn current(self: &Arc<Self>) -> Result<Arc<Self>, RedisStoreError> {
        if self.is_ours() {
            return Ok(self.clone());
        }
        if self.child.get().is_none() {
            // Of two threads that start one the first keeps it.
            let _ = self.child.set(Self::start(self.servers.clone())?);
        }
        self.child.get().map_or_else(|| Ok(self.clone()), Self::current)
    }
}

/// The last to go ends the keeper.
impl Drop for Hub {
    fn drop(&mut self) {
        if self.is_ours() {
            self.sites.schedule.stop();
        }
    }
}

impl Sites {
    /// Who works where the tree is: it is among theirs from now on.
    pub(super) fn workers(&self, client: &Arc<Client>) -> std::io::Result<Arc<Workers>> {
        let site = client.wire.site();
        let mut all = self.workers.lock();
        let there = all.iter().find(|workers| Arc::ptr_eq(&workers.site, &site));
        let there = match there {
            Some(there) => there.clone(),
            None => {
                let there = Workers::start(site, self.are_shared)?;
                all.push(there.clone());
                there
            }
        };
        there.enter(client);
        drop(all);
        if let Some(Err(error)) = there.subscriber.as_ref().map(|subscriber| subscriber.add(client)) {
            self.leave(&there, client);
            return Err(error);
        }
        Ok(there)
    }

    /// The tree is not there any more (S3).
    pub(super) fn leave(&self, workers: &Arc<Workers>, client: &Client) {
        if let Some(subscriber) = &workers.subscriber {
            subscriber.remove(client);
        }
        let mut all = self.workers.lock();
        if workers.leave(client) {
            all.retain(|other| !Arc::ptr_eq(other, workers));
            drop(all);
            workers.stop();
        }
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("process", &self.process).finish_non_exhaustive()
    }
}
