//! [`RedisStore`]: the locks of one tree in a Redis server, shared by processes on many machines.
//!
//! `docs/redis.md` has the key layout, the states, the invariants, and why no wake-up is lost; here
//! is who does what:
//!
//! * `acquire.rs`: one lock on its way: ask, wait, sit out failures; a state machine, and the
//!   thread that runs it
//! * `task.rs`: a task that waits: its stages, and its future
//! * `driver.rs`: the thread that does the I/O of tasks
//! * `node.rs`: what can be done with a lock that is held
//! * `lease.rs`: locks that outlive their guards, and the listing
//! * `entry.rs`: one acquisition and its deadline; how its thread or its task is told of news
//! * `keeper.rs`: the thread that renews leases and heartbeats
//! * `mailbox.rs`: the thread that listens for hand-overs
//! * `core.rs`: what those share, and one call of a script
//! * `link.rs`, `error.rs`: connections, and what their errors mean
//! * `script.rs`, `*.lua`: the scripts, and how they are called
//! * `key.rs`: the names of keys, and paths as the scripts want them
//! * `sync.rs`: locks, atomics and clocks

use std::fmt;
use std::time::Duration;

use ::redis::{Cmd, Value};
use crossbeam_channel::Receiver;

use crate::error::LockError;
use crate::lease::{HeldLock, LeaseToken};
use crate::path::{PathRef, TreePath};
use crate::request::{Mode, Request, Scope, Wait};
use crate::store::{LockStore, LostLock};

mod acquire;
#[allow(dead_code)]
mod clock;
mod core;
mod driver;
mod entry;
#[allow(dead_code)]
mod error;
mod keeper;
mod key;
mod lease;
mod link;
mod mailbox;
mod node;
#[allow(dead_code)]
mod primitives;
mod script;
mod sync;
mod task;
#[allow(dead_code)]
mod value;
#[allow(dead_code)]
mod wire;

pub use error::RedisStoreError;
pub use node::{RedisGrant, RedisNode};

use self::core::Core;
use self::error::Failure;
use self::sync::{Arc, AtomicBool, AtomicU64, Mutex, Ordering, as_micros};

/// A tree of locks in a Redis server (7.0 or later): processes on many machines share it.
///
/// The same [`TreeMutex`](crate::TreeMutex), guards and errors as in memory; a program generic over
/// [`LockStore`] runs on either. Cheap to clone; a clone is the same tree over the same
/// connections.
///
/// # What it promises, and what it cannot
/// * Every lock has a *lease*, by default the store's, of 30 seconds: it renews itself while the
///   guard lives, and frees the lock when the process dies. One that is asked for with
///   [`lease`](crate::TreeMutex::lease) ends by itself unless it is refreshed, as in memory. Two
///   conflicting leases never overlap by the server's clock.
/// * A holder learns of a loss no later than its own deadline, which counts from before its request
///   was sent: [`is_held`](crate::TreeMutexGuard::is_held) turns false, `unlock` and `refresh` say
///   [`NotHeld`](LockError::NotHeld), and [`lost_locks`](Self::lost_locks) tells.
/// * `refresh_for` sets the time left to exactly what is given: from then on the lease does not
///   renew itself, until `refresh`.
/// * A lock that [outlives its guard](crate::Lease) does not renew itself any more; its lease
///   starts anew when it is detached, if it renewed itself before. It can be taken up in any
///   process, and whether it is held is asked of the server each time. A
///   [guard](crate::Lease::into_guard) made of it does not renew it, either.
/// * **What no lease can promise**: a holder that is paused past its lease (stopped, swapped out,
///   cut off) and goes on writing afterwards writes while another holds the lock. The answer is the
///   [fencing token](crate::TreeMutexGuard::fencing_token): it rises with every grant in the tree,
///   also after the server lost its data, so whatever is written to can refuse a token lower than
///   one it has seen. A server that loses its data forgets the locks; their holders learn of it
///   when they next renew, within a third of the lease.
///
/// # In tasks
/// [`lock_async`](crate::TreeMutex::lock_async) and dropping its guard never block: a thread of the
/// store's own asks for all tasks, and gives back. As that takes a moment, the last clone of a
/// store to be dropped waits for it, for up to a second. A guard that came from `lock` or
/// `try_lock` talks to the server on the thread that drops it.
///
/// ```no_run
/// use mutextree::{LockStore, RedisStore};
/// let store = RedisStore::connect("redis://127.0.0.1/")?;
/// let guard = store.lock("org/team/project")?;
/// println!("this write carries token {}", guard.fencing_token());
/// guard.unlock()?;
/// # Ok::<(), mutextree::LockError>(())
/// ```
#[derive(Clone)]
pub struct RedisStore {
    handle: Arc<Handle>,
    _last: Arc<Last>,
}

/// Shared by the clones of a store, and by nothing else.
struct Last(Arc<Core>);

/// What tasks gave back is on its way, by another thread, and a program that ends takes that with
/// it. So the last store to go waits for it, if not for long.
impl Drop for Last {
    fn drop(&mut self) {
        let longest = as_micros(self.0.link.timeout()).min(1_000_000);
        self.0.driver.settle(sync::clock() + longest);
    }
}

/// The last of them to go ends the store's threads.
pub(crate) struct Handle {
    pub(crate) core: Arc<Core>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.core.stopped.store(true, Ordering::Release); // the listener looks when its command returns, in a few seconds
        self.core.keeper.stop();
        self.core.driver.stop();
    }
}

impl RedisStore {
    /// Connects to a server: `redis://[user[:password]@]host[:port][/database]`, `rediss://` for
    /// TLS (with feature `redis-tls`), `unix:///path/to/socket[?db=…&user=…&pass=…]`.
    ///
    /// # Errors
    /// [`LockError::Store`] with a [`RedisStoreError`]: the server cannot be reached, wants another
    /// password, is too old, may evict locks, or gives the user no permission for what has to be
    /// done.
    pub fn connect(url: &str) -> Result<Self, LockError> {
        Self::builder(url).connect()
    }

    /// Connects with options.
    ///
    /// ```no_run
    /// use mutextree::RedisStore;
    /// use std::time::Duration;
    /// let store = RedisStore::builder("redis://127.0.0.1/").tree("builds").lease(Duration::from_secs(10)).connect()?;
    /// # Ok::<(), mutextree::LockError>(())
    /// ```
    pub fn builder(url: &str) -> RedisStoreBuilder {
        RedisStoreBuilder {
            url: url.into(),
            tree: "mutextree".into(),
            lease: Duration::from_secs(30),
            heartbeat: Duration::from_secs(2),
            timeout: Duration::from_secs(5),
            client_name: None,
        }
    }

    /// Tells of each lock that is lost from now on: see [`LockStore::lost_locks`].
    pub fn lost_locks(&self) -> Receiver<LostLock> {
        let (sender, receiver) = crossbeam_channel::unbounded();
        self.handle.core.watchers.lock().push(sender);
        receiver
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let core = &self.handle.core;
        f.debug_struct("RedisStore")
            .field("server", &core.link.address())
            .field("keys", &core.keys.all[0])
            .finish_non_exhaustive()
    }
}

/// How to connect: see [`RedisStore::builder`].
#[derive(Clone)]
pub struct RedisStoreBuilder {
    url: String,
    tree: String,
    lease: Duration,
    heartbeat: Duration,
    timeout: Duration,
    client_name: Option<String>,
}

impl RedisStoreBuilder {
    /// The name of the tree; `mutextree` by default. Stores with one name on one server (and
    /// database) are one tree. All keys start with `{name}:`, and the name must not be empty or
    /// hold a brace.
    pub fn tree(mut self, name: impl Into<String>) -> Self {
        self.tree = name.into();
        self
    }

    /// For how long a lock outlives its process: the lease of locks that ask for none of their own.
    /// 30 seconds by default.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// How often a process with waiters shows that they live, with one command for all of them; 2
    /// seconds by default. A waiter whose process is gone is passed over after three and a half of
    /// these, and one whose wake-up got lost finds out at the next.
    pub fn heartbeat(mut self, heartbeat: Duration) -> Self {
        self.heartbeat = heartbeat;
        self
    }

    /// How long the server may take for one command; 5 seconds by default.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// What the server's `CLIENT LIST` calls the store's connections.
    pub fn client_name(mut self, name: impl Into<String>) -> Self {
        self.client_name = Some(name.into());
        self
    }

    /// Connects, and looks whether the server will do.
    ///
    /// # Errors
    /// As [`RedisStore::connect`].
    pub fn connect(self) -> Result<RedisStore, LockError> {
        self.open().map_err(|error| LockError::Store(Box::new(error)))
    }

    fn open(self) -> Result<RedisStore, RedisStoreError> {
        if self.tree.is_empty() || self.tree.contains(['{', '}']) {
            return Err(RedisStoreError::Config("the name of a tree must not be empty or hold a brace".into()));
        }
        let config = |what| move |error| RedisStoreError::Config(format!("{what}: {error}"));
        let mut random = [0; 12];
        getrandom::fill(&mut random).map_err(config("no random number could be had"))?;
        let core = Arc::new(Core {
            link: link::Link::new(&self.url, self.client_name, self.timeout)?,
            keys: key::Keys::new(&self.tree),
            scripts: script::Scripts::new(),
            keeper: keeper::Keeper::default(),
            driver: driver::Driver::default(),
            client: random.iter().map(|byte| format!("{byte:02x}")).collect(),
            lease: node::lease_micros(self.lease),
            heartbeat: as_micros(self.heartbeat).max(1000),
            last_number: AtomicU64::new(0),
            listening: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            watchers: Mutex::new(Vec::new()),
            refreshing: Mutex::new(()),
        });
        core.check()?;
        let kept = core.clone();
        let keeper = std::thread::Builder::new().name("mutextree-redis".into()).spawn(move || keeper::run(&kept));
        keeper.map_err(|error| RedisStoreError::Config(format!("a thread cannot be started: {error}")))?;
        Ok(RedisStore { _last: Arc::new(Last(core.clone())), handle: Arc::new(Handle { core }) })
    }
}

/// The URL is left out: it may hold a password.
impl fmt::Debug for RedisStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("RedisStoreBuilder");
        out.field("tree", &self.tree).field("lease", &self.lease).field("heartbeat", &self.heartbeat);
        out.field("timeout", &self.timeout).field("client_name", &self.client_name).finish_non_exhaustive()
    }
}

impl Core {
    /// Looks whether the server will do: its version, what it does when its memory is full, and
    /// what the user may do there.
    fn check(&self) -> Result<(), RedisStoreError> {
        let deadline = self.patience();
        let info = match self.ask(::redis::cmd("INFO").arg("all"), deadline)? {
            Value::BulkString(text) => String::from_utf8_lossy(&text).into_owned(),
            Value::VerbatimString { text, .. } => text,
            _ => return Err(RedisStoreError::Protocol("INFO is no text".into())),
        };
        let field =
            |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
        let version =
            field("redis_version").ok_or_else(|| RedisStoreError::Protocol("INFO names no version".into()))?;
        let major = version.split('.').next().and_then(|major| major.parse().ok());
        if major.is_none_or(|major: u32| major < 7) {
            return Err(RedisStoreError::TooOld { version: version.into() });
        }
        if let Some(policy) = field("maxmemory_policy")
            && policy.starts_with("allkeys")
            && field("maxmemory") != Some("0")
        {
            return Err(RedisStoreError::Evicting { policy: policy.into() });
        }
        self.check_permissions(deadline)
    }

    /// Asks again for as long as the server is not ready to answer.
    fn ask(&self, command: &Cmd, deadline: u64) -> Result<Value, RedisStoreError> {
        loop {
            match self.link.call(command, deadline) {
                Err(Failure::Later(_)) if sync::clock() < deadline => std::thread::sleep(Duration::from_millis(20)),
                answer => return answer.map_err(Failure::into_error),
            }
        }
    }

    fn check_permissions(&self, deadline: u64) -> Result<(), RedisStoreError> {
        let mut probe = self.scripts.probe.call(&self.keys, true);
        probe.arg(&self.client);
        let Value::Array(denied) = self.ask(&probe, deadline)? else {
            return Ok(());
        };
        let name = |value| match value {
            Value::BulkString(name) => String::from_utf8(name).ok(),
            _ => None,
        };
        let denied: Vec<String> = denied.into_iter().filter_map(name).collect();
        match denied.len() {
            0 => Ok(()),
            1 => Err(RedisStoreError::Permission { missing: format!("the command {}", denied[0]) }),
            _ => Err(RedisStoreError::Permission { missing: format!("the commands {}", denied.join(", ")) }),
        }
    }
}

impl LockStore for RedisStore {
    type Node = RedisNode;
    type Grant = RedisGrant;

    fn resolve(&self, path: PathRef<'_>) -> RedisNode {
        RedisNode::new(self.handle.clone(), path.into_owned())
    }

    fn path(node: &RedisNode) -> &TreePath {
        node.path()
    }

    fn acquire(node: &RedisNode, request: &Request, wait: Wait) -> Result<RedisGrant, LockError> {
        node.acquire(request, wait)
    }

    fn acquire_async<'a>(
        node: &'a RedisNode,
        request: &'a Request,
    ) -> impl Future<Output = Result<RedisGrant, LockError>> + Send + 'a {
        task::Acquiring::new(node, request)
    }

    fn release(node: &RedisNode, grant: RedisGrant) -> Result<(), LockError> {
        if grant.entry().waker.is_task() { node.hand_back(&grant) } else { node.release(&grant) }
    }

    fn downgrade(node: &RedisNode, grant: &mut RedisGrant) -> Result<(), LockError> {
        node.downgrade(grant)
    }

    fn mode(grant: &RedisGrant) -> Mode {
        grant.mode()
    }

    fn fencing_token(_: &RedisNode, grant: &RedisGrant) -> u64 {
        grant.fence()
    }

    fn is_held(node: &RedisNode, grant: &RedisGrant) -> bool {
        node.is_held(grant)
    }

    fn refresh(node: &RedisNode, grant: &RedisGrant, lease: Option<Duration>) -> Result<(), LockError> {
        node.refresh(grant, lease)
    }

    fn detach(node: &RedisNode, grant: RedisGrant) -> Result<LeaseToken, LockError> {
        node.detach(grant)
    }

    fn attach(node: &RedisNode, token: &LeaseToken) -> Result<RedisGrant, LockError> {
        node.attach(token)
    }

    fn locks(&self) -> Result<Vec<HeldLock>, LockError> {
        self.list().map_err(node::store)
    }

    fn is_locked(node: &RedisNode, scope: Scope) -> bool {
        node.is_locked(scope)
    }

    fn lost_locks(&self) -> Receiver<LostLock> {
        RedisStore::lost_locks(self)
    }
}
