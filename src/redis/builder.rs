//! [`RedisStoreBuilder`]: how to connect.

use std::fmt;
use std::time::Duration;

use super::RedisStore;
use super::error::RedisStoreError;
use super::protocol::confirm::Replicas;
use super::protocol::timing::{Timing, micros};
use super::run::engine::{Engine, Settings};
use super::run::hub::{Hub, Servers};
use super::wire::Destination;
use crate::error::LockError;

/// A heartbeat is no shorter than this, in microseconds.
const SHORTEST_HEARTBEAT: u64 = 1000;

/// How to connect: see [`RedisStore::builder`].
#[derive(Clone)]
pub struct RedisStoreBuilder {
    to: Destination,
    lease: Duration,
    heartbeat: Duration,
    timeout: Duration,
    grace: Duration,
    replicas: (usize, Duration),
    keep: Duration,
    client_name: Option<String>,
    deadlocks: bool,
}

impl RedisStoreBuilder {
    pub(super) fn new(url: &str) -> Self {
        Self {
            to: Destination { url: url.into(), tree: "mutextree".into(), sentinel_login: None, names: false },
            lease: Duration::from_secs(30),
            heartbeat: Duration::from_secs(2),
            timeout: Duration::from_secs(5),
            grace: Duration::ZERO,
            replicas: (0, Duration::ZERO),
            keep: Duration::ZERO,
            client_name: None,
            deadlocks: false,
        }
    }

    /// The name of the tree; `mutextree` by default. Stores with one name on one server (and
    /// database) are one tree. All keys start with `{name}:`, and the name must not be empty or
    /// hold a brace.
    pub fn tree(mut self, name: impl Into<String>) -> Self {
        self.to.tree = name.into();
        self
    }

    /// For how long a lock outlives its process: the lease of locks that ask for none of their own.
    /// 30 seconds by default; not zero. [`Duration::MAX`] is for ever: then no lock of a process
    /// that died comes free by itself.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// How often a process with waiters shows that they live, with one command for all of them; 2
    /// seconds by default, a millisecond at the least. A waiter whose process is gone is passed
    /// over after three and a half of these. A waiter whose wake-up got lost finds out at the next.
    pub fn heartbeat(mut self, heartbeat: Duration) -> Self {
        self.heartbeat = heartbeat;
        self
    }

    /// How long the server may take for one command; 5 seconds by default, not zero.
    /// [`Duration::MAX`] is for ever: then a call can hang for as long as the server does.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Protects what is held when another server takes over that may have forgotten some of it:
    /// after a failover, or a restart. Nothing new is granted then for this long, while those who
    /// hold a lock say so, and have it back. It has to be as long as the longest lease in the tree:
    /// a longer one is refused. Off by default, and with zero.
    ///
    /// All clients of a tree should have the same. See
    /// [another server](crate::docs::distributed#another-server) for what it does not protect from.
    pub fn grace(mut self, longest_lease: Duration) -> Self {
        self.grace = longest_lease;
        self
    }

    /// Has each grant acknowledged by so many replicas before it is given out. If fewer have done
    /// so within `timeout` the lock is given back, and the error is
    /// [`TooFewReplicas`](RedisStoreError::TooFewReplicas). That goes for locks, sets and upgrades,
    /// whether they were waited for or not, and for a lock that is widened; what was held before is
    /// still held then. Off by default, and with a `count` of 0. A `timeout` below a millisecond is
    /// one; zero is an error.
    ///
    /// A call may take longer by `timeout`, and `try_lock`, too; a deadline of its own ends it as
    /// ever. See [replicas that acknowledge](crate::docs::distributed#replicas-that-acknowledge)
    /// for what this costs, and what it does not protect from.
    ///
    /// ```no_run
    /// use mutextree::RedisStore;
    /// use std::time::Duration;
    /// let builder = RedisStore::builder("redis://127.0.0.1/");
    /// let store = builder.wait_for_replicas(1, Duration::from_millis(500)).connect()?;
    /// # Ok::<(), mutextree::LockError>(())
    /// ```
    pub fn wait_for_replicas(mut self, count: usize, timeout: Duration) -> Self {
        self.replicas = (count, timeout);
        self
    }

    /// Keeps a lock that was given back, for as long as nobody else wants it, but no longer than
    /// `idle` after its last use. To take it again then costs no request, and well under the time
    /// of one. Off by default, and with zero.
    ///
    /// Nothing else changes. Another client that wants something in conflict has the lock recalled,
    /// and waits for a few round trips more than for a free one, if nobody uses the lock here. A
    /// try waits for that, too: for 200 milliseconds at the most. If this process dies others wait
    /// for what it kept until the lease ends, as for what it held.
    ///
    /// A lock is kept as it was taken: it is there again for a request of the same node, mode,
    /// scope and owner, without a lease of its own. An exclusive one of a subtree is there for any
    /// lock on its node or below as well.
    ///
    /// Where 128 such locks or more are kept below one node, and nothing else is held or waited
    /// for there that is in conflict with the node's subtree, the next request below it has the
    /// subtree kept in their place. Then further locks below it cost no request, though they were
    /// never taken before. The first recall takes that back, but for what is held, and it does not
    /// come again at once. Not so with [`wait_for_replicas`](Self::wait_for_replicas): then no lock
    /// is kept but those that were taken.
    ///
    /// All clients of the tree have to be of a version that knows this. See
    /// [kept locks](crate::docs::distributed#kept-locks) for when it pays.
    pub fn keep(mut self, idle: Duration) -> Self {
        self.keep = idle;
        self
    }

    /// What the server's `CLIENT LIST` calls the store's connections.
    pub fn client_name(mut self, name: impl Into<String>) -> Self {
        self.client_name = Some(name.into());
        self
    }

    /// User and password for the Sentinels of a `redis-sentinel://` URL; those in the URL are for
    /// the servers only. Without this nobody logs in at a Sentinel. A user of `None` is the default
    /// one.
    ///
    /// ```no_run
    /// use mutextree::RedisStore;
    /// let url = "redis-sentinel://locks:secret@one:26379,two:26379,three:26379/mymaster";
    /// let builder = RedisStore::builder(url).sentinel_login(Some("watcher"), "another secret");
    /// let store = builder.connect()?;
    /// # Ok::<(), mutextree::LockError>(())
    /// ```
    #[cfg(feature = "redis-sentinel")]
    #[cfg_attr(docsrs, doc(cfg(feature = "redis-sentinel")))]
    pub fn sentinel_login(mut self, user: Option<&str>, password: &str) -> Self {
        self.to.sentinel_login = Some((user.map(Into::into), password.into()));
        self
    }

    /// Whether deadlocks are looked for, and named: see
    /// [`MemoryStoreBuilder::deadlock_detection`](crate::MemoryStoreBuilder::deadlock_detection).
    /// Off by default.
    ///
    /// While a request of this process waits, a thread lists the tree a few times a second. A
    /// circle may lead through other processes, whether they look for deadlocks or not. Of theirs
    /// the server knows the [`owner`](crate::TreeMutex::owner), and nothing of threads: give each
    /// thread and task an owner of its own. A process whose threads share one name, and of which
    /// one waits while another holds, may be told of a deadlock that is none. An owner counts in
    /// one process only.
    ///
    /// A lock of another process counts as one that does not end by itself, whatever its lease.
    ///
    /// ```no_run
    /// use mutextree::{LockStore, RedisStore};
    /// let store = RedisStore::builder("redis://127.0.0.1/").deadlock_detection(true).connect()?;
    /// let guard = store.mutex("org/team")?.owner("importer 3").lock_owned()?;
    /// # Ok::<(), mutextree::LockError>(())
    /// ```
    pub fn deadlock_detection(mut self, on: bool) -> Self {
        self.deadlocks = on;
        self
    }

    /// Connects, and looks whether the server will do. That takes two calls, and each may take as
    /// long as the [`timeout`](Self::timeout).
    ///
    /// # Errors
    /// As [`RedisStore::connect`].
    pub fn connect(self) -> Result<RedisStore, LockError> {
        let connect = || {
            let servers = self.servers(false)?;
            let settings = self.settings()?; // before there is a thread
            Engine::connect(&Hub::start(servers)?, settings)
        };
        connect().map(RedisStore::new).map_err(|error| LockError::Store(Box::new(error)))
    }

    /// What concerns servers.
    pub(super) fn servers(&self, are_shared: bool) -> Result<Servers, RedisStoreError> {
        at_least_a_microsecond("timeout", self.timeout)?;
        let to = Destination { names: false, ..self.to.clone() };
        Ok(Servers { to, client_name: self.client_name.clone(), timeout: micros(self.timeout), are_shared })
    }

    /// What concerns the tree.
    pub(super) fn settings(&self) -> Result<Settings, RedisStoreError> {
        let &Self { ref to, lease, heartbeat, timeout, grace, replicas, keep, deadlocks, .. } = self;
        let tree = to.tree.clone();
        if tree.is_empty() || tree.contains(['{', '}']) {
            let what = format!("the name of a tree must not be empty or hold a brace: {tree:?}");
            return Err(RedisStoreError::Config(what));
        }
        at_least_a_microsecond("lease", lease)?;
        if !grace.is_zero() && grace < lease {
            let what = format!("the store's lease, {lease:?}, is longer than its grace period, {grace:?}");
            return Err(RedisStoreError::Config(what));
        }
        if replicas.0 > 0 && replicas.1.is_zero() {
            let what = "the time to wait for replicas must not be zero, which would be for ever".into();
            return Err(RedisStoreError::Config(what));
        }
        let replicas = Replicas { count: replicas.0 as u64, time: micros(replicas.1) };
        let heartbeat = micros(heartbeat).max(SHORTEST_HEARTBEAT);
        let timing = Timing { lease: micros(lease), heartbeat, timeout: micros(timeout), grace: micros(grace) };
        Ok(Settings { tree, timing, replicas, keep: micros(keep), deadlocks })
    }
}

fn at_least_a_microsecond(what: &str, time: Duration) -> Result<(), RedisStoreError> {
    if micros(time) == 0 {
        return Err(RedisStoreError::Config(format!("the store's {what} must be a microsecond at the least")));
    }
    Ok(())
}

/// The URL is left out: it may hold a password.
impl fmt::Debug for RedisStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("RedisStoreBuilder");
        out.field("tree", &self.to.tree).field("lease", &self.lease).field("heartbeat", &self.heartbeat);
        out.field("timeout", &self.timeout).field("grace", &self.grace);
        out.field("wait_for_replicas", &self.replicas).field("keep", &self.keep);
        out.field("client_name", &self.client_name).finish_non_exhaustive()
    }
}
