//! [`RedisClient`]: many trees from one process.

use std::fmt;
use std::time::Duration;

use super::RedisStore;
use super::builder::RedisStoreBuilder;
use super::primitives::Arc;
use super::run::engine::Engine;
use super::run::hub::Hub;
use crate::error::LockError;

/// Connections and threads for many trees: there are as many of both as servers have to do with
/// them, whether there are two trees or a thousand.
///
/// A store that is made by [`RedisStore::connect`] has connections and threads of its own. If a
/// process locks in many trees, all of its stores should come from one client. They behave as
/// others do: names, locks, losses, leases and kept locks are each tree's own, and stores and
/// clients of either kind share a tree. In a cluster each tree is at the master that has its slot.
/// No tree waits for a server that has another one.
///
/// Cheap to clone; a clone is the same client. Threads end and connections are closed when the last
/// clone and the last store have gone; at a server that no tree is left at, before that.
/// [Many trees](crate::docs::distributed#many-trees) has the figures, and what a user of the server
/// needs permission for.
///
/// ```no_run
/// use mutextree::{LockStore, RedisClient};
/// let client = RedisClient::connect("redis-cluster://127.0.0.1:7000,127.0.0.1:7001/")?;
/// let store_of = |customer: u32| client.tree(format!("customer {customer}")).connect();
/// let stores = (0..1000).map(store_of).collect::<Result<Vec<_>, _>>()?;
/// let guard = stores[7].lock("orders/2026")?;
/// # Ok::<(), mutextree::LockError>(())
/// ```
#[derive(Clone)]
pub struct RedisClient {
    hub: Arc<Hub>,
    builder: RedisStoreBuilder,
}

/// How to connect: see [`RedisClient::builder`].
#[derive(Clone, Debug)]
pub struct RedisClientBuilder(RedisStoreBuilder);

/// How one tree is to be locked in: see [`RedisClient::tree`].
#[derive(Clone, Debug)]
pub struct RedisTreeBuilder {
    client: RedisClient,
    builder: RedisStoreBuilder,
}

impl RedisClient {
    /// A client of a server, of the master that Sentinels name, or of a cluster, by a URL as
    /// [`RedisStore::connect`] takes it. The first tree opens the first connection.
    ///
    /// # Errors
    /// [`LockError::Store`] with a [`RedisStoreError`](crate::RedisStoreError): the URL cannot be
    /// used, or no thread can be started.
    pub fn connect(url: &str) -> Result<Self, LockError> {
        Self::builder(url).connect()
    }

    /// The same with options.
    ///
    /// ```no_run
    /// use mutextree::RedisClient;
    /// use std::time::Duration;
    /// let timeout = Duration::from_secs(1);
    /// let client = RedisClient::builder("redis://127.0.0.1/").timeout(timeout).connect()?;
    /// # Ok::<(), mutextree::LockError>(())
    /// ```
    pub fn builder(url: &str) -> RedisClientBuilder {
        RedisClientBuilder(RedisStoreBuilder::new(url))
    }

    /// The tree of this name; see [`RedisStoreBuilder::tree`]. Each call that is followed by
    /// [`connect`](RedisTreeBuilder::connect) makes a store of its own.
    ///
    /// ```no_run
    /// use mutextree::{LockStore, RedisClient};
    /// let client = RedisClient::connect("redis://127.0.0.1/")?;
    /// let builds = client.tree("builds").connect()?;
    /// let deploys = client.tree("deploys").connect()?;
    /// let (build, deploy) = (builds.lock("main")?, deploys.lock("main")?);
    /// # Ok::<(), mutextree::LockError>(())
    /// ```
    pub fn tree(&self, name: impl Into<String>) -> RedisTreeBuilder {
        RedisTreeBuilder { client: self.clone(), builder: self.builder.clone().tree(name) }
    }
}

impl RedisClientBuilder {
    /// How long a server may take for one command, for all trees: see
    /// [`RedisStoreBuilder::timeout`].
    pub fn timeout(self, timeout: Duration) -> Self {
        Self(self.0.timeout(timeout))
    }

    /// What `CLIENT LIST` calls the connections: see [`RedisStoreBuilder::client_name`].
    pub fn client_name(self, name: impl Into<String>) -> Self {
        Self(self.0.client_name(name))
    }

    /// User and password for Sentinels: see [`RedisStoreBuilder::sentinel_login`].
    #[cfg(feature = "redis-sentinel")]
    #[cfg_attr(docsrs, doc(cfg(feature = "redis-sentinel")))]
    pub fn sentinel_login(self, user: Option<&str>, password: &str) -> Self {
        Self(self.0.sentinel_login(user, password))
    }

    /// Starts the client. No server is asked before the first tree.
    ///
    /// # Errors
    /// As [`RedisClient::connect`].
    pub fn connect(self) -> Result<RedisClient, LockError> {
        let hub = self.0.servers(true).and_then(|servers| {
            servers.check()?;
            Hub::start(servers)
        });
        let hub = hub.map_err(|error| LockError::Store(Box::new(error)))?;
        Ok(RedisClient { hub, builder: self.0 })
    }
}

impl RedisTreeBuilder {
    /// The lease of locks that ask for none: see [`RedisStoreBuilder::lease`].
    pub fn lease(self, lease: Duration) -> Self {
        self.with(|builder| builder.lease(lease))
    }

    /// How often waiters show that they live: see [`RedisStoreBuilder::heartbeat`].
    pub fn heartbeat(self, heartbeat: Duration) -> Self {
        self.with(|builder| builder.heartbeat(heartbeat))
    }

    /// Protects what is held when another server takes over: see [`RedisStoreBuilder::grace`].
    pub fn grace(self, longest_lease: Duration) -> Self {
        self.with(|builder| builder.grace(longest_lease))
    }

    /// Has grants acknowledged by replicas: see [`RedisStoreBuilder::wait_for_replicas`].
    pub fn wait_for_replicas(self, count: usize, timeout: Duration) -> Self {
        self.with(|builder| builder.wait_for_replicas(count, timeout))
    }

    /// Keeps what was given back: see [`RedisStoreBuilder::keep`].
    pub fn keep(self, idle: Duration) -> Self {
        self.with(|builder| builder.keep(idle))
    }

    /// Whether deadlocks are looked for: see [`RedisStoreBuilder::deadlock_detection`]. While
    /// somebody waits in such a tree it has a thread of its own.
    pub fn deadlock_detection(self, on: bool) -> Self {
        self.with(|builder| builder.deadlock_detection(on))
    }

    fn with(self, change: impl FnOnce(RedisStoreBuilder) -> RedisStoreBuilder) -> Self {
        Self { builder: change(self.builder), ..self }
    }

    /// Looks whether the server of the tree will do, and makes a store. That takes three calls, and
    /// each may take as long as the client's [`timeout`](RedisClientBuilder::timeout).
    ///
    /// # Errors
    /// As [`RedisStore::connect`].
    pub fn connect(self) -> Result<RedisStore, LockError> {
        let engine = self.builder.settings().and_then(|settings| Engine::connect(&self.client.hub, settings));
        engine.map(RedisStore::new).map_err(|error| LockError::Store(Box::new(error)))
    }
}

impl fmt::Debug for RedisClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisClient").field("hub", &self.hub).finish_non_exhaustive()
    }
}
