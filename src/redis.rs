//! [`RedisStore`]: the locks of one tree in a Redis server, shared by processes on many machines.
//!
//! `docs/redis.md` has the key layout, the states, the invariants, and why no wake-up is lost. Here
//! is documentation and delegation. The work is done in layers, and no arrow goes up:
//!
//! * `builder.rs`, `node.rs`: a store's settings; a path, and a lock that is held there
//! * `kept.rs`: what a store keeps, in numbers
//! * `many.rs`: a client with many trees
//! * `run/`: what runs the protocol: the calling thread, and the threads of the store
//! * `protocol/`: what to send, whom to tell, and when to come back; pure
//! * `wire/`: connections to the server, and what its errors mean
//! * `lua/`: the scripts
//! * `server.rs`, `error.rs`, `value.rs`, `command.rs`, `clock.rs`, `primitives.rs`: what all of
//!   them stand on

use std::fmt;
use std::panic::Location;
use std::time::Duration;

use crate::backend::{Backend, HeldLock, LeaseToken, LostLocks, Member};
use crate::error::{Blocker, LockError, Unchanged};
use crate::path::{PathRef, TreePath};
use crate::request::{Kind, Mode, Request, Scope, Wait};
use crate::snapshot::Snapshot;

mod builder;
mod clock;
mod command;
mod error;
mod kept;
mod many;
mod node;
mod primitives;
mod protocol;
mod run;
mod server;
mod value;
mod wire;

// The package `tools/sim` compiles this crate once more, with its simulator in this place.
#[cfg(mutextree_sim)]
#[path = "../tools/sim/src/simulator.rs"]
pub mod simulator;

pub use builder::RedisStoreBuilder;
pub use error::RedisStoreError;
pub use kept::KeptLocks;
pub use many::{RedisClient, RedisClientBuilder, RedisTreeBuilder};
pub use node::{RedisGrant, RedisNode};

use node::set;
use primitives::Arc;
use protocol::keys::Target;
use run::engine::Engine;
use run::look;

/// A tree of locks in a Redis server (7.0 or later): processes on many machines share it.
///
/// The same [`TreeMutex`](crate::TreeMutex), guards and errors as in memory; a program generic over
/// [`LockStore`](crate::LockStore) runs on either. Cheap to clone; a clone is the same tree over
/// the same connections.
///
/// # What it promises, and what it cannot
/// * **Leases.** Every lock has one; by default it is the store's, of 30 seconds. That one renews
///   itself while the guard lives, and frees the lock when the process dies. A lease that is asked
///   for with [`lease`](crate::TreeMutex::lease) ends by itself unless it is refreshed, as in
///   memory. Two conflicting leases never overlap by the server's clock.
/// * **Losses.** A holder learns of a loss no later than its own deadline, which counts from before
///   its request was sent. Then [`is_held`](crate::TreeMutexGuard::is_held) turns false, `unlock`
///   and `refresh` return [`NotHeld`](LockError::NotHeld), and [`lost_locks`](Self::lost_locks)
///   tells.
/// * **`refresh_for`** sets the time left to exactly what is given. From then on the lease does not
///   renew itself, until `refresh`. If the server does not answer, the guard believes in the
///   earlier of both ends.
/// * **A lock that [outlives its guard](crate::Lease)** does not renew itself any more. If it did
///   before, its lease starts anew when it is detached. Any process can take it up, and only the
///   server knows whether it is held. A [guard](crate::Lease::into_guard) made of it does not renew
///   it, either.
/// * **What no lease can promise**: a holder that is paused past its lease (stopped, swapped out,
///   cut off) may go on writing while another holds the lock. The answer is the
///   [fencing token](crate::TreeMutexGuard::fencing_token). It rises with every grant in the tree,
///   also after the server lost its data. So a resource can refuse a token lower than the greatest
///   it has seen. A server that loses its data forgets the locks; their holders learn of it when
///   they next renew, within a third of the lease.
///
/// # When the server is slow, full, away, or another one
/// A call takes no longer than the caller's own deadline, and no longer than the store's
/// [timeout](RedisStoreBuilder::timeout). A caller that does not wait yet is told of a server that
/// cannot be reached. A waiter sits out an outage of up to a lease. What cannot be given back is
/// given back later, for as long as the server may hold it. If the server says that it is not the
/// master (any more), the connection is dropped, and the address is looked up anew.
///
/// # In tasks
/// [`lock_async`](crate::TreeMutex::lock_async) and dropping its guard never block: a thread of the
/// store's own asks for all tasks, and gives back. As that takes a moment, dropping the last clone
/// of a store waits for it, for up to a second. A guard that came from `lock` or `try_lock` talks
/// to the server on the thread that drops it.
///
/// # In a forked child
/// A child process is a client of its own: its first call connects anew. Guards of the parent are
/// not held there, and dropping them in the child releases nothing.
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
    engine: Arc<Engine>,
    _last: Arc<Last>,
}

/// Shared by the clones of a store, and by nothing else.
struct Last(Arc<Engine>);

/// What tasks gave back is on its way, by another thread, and would be lost if the process ended
/// now. So dropping the last clone waits for it, for a second at the most.
impl Drop for Last {
    fn drop(&mut self) {
        self.0.settle();
    }
}

impl RedisStore {
    /// Connects to a server: `redis://[user[:password]@]host[:port][/database]`, `rediss://` for
    /// TLS (with feature `redis-tls`), `unix:///path/to/socket[?db=…&user=…&pass=…]`.
    ///
    /// To the master that Sentinels name (with feature `redis-sentinel`):
    /// `redis-sentinel://[user[:password]@]host[:port],host[:port],…/service[/database]`. To the
    /// node of a cluster that has the tree (with feature `redis-cluster`):
    /// `redis-cluster://[user[:password]@]host[:port],host[:port],…`. With `rediss-sentinel://` and
    /// `rediss-cluster://` all of that is over TLS. Both follow the master wherever it goes.
    /// [Setups](crate::docs::distributed#setups) says what holds where.
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
    /// let lease = Duration::from_secs(10);
    /// let store = RedisStore::builder("redis://127.0.0.1/").tree("builds").lease(lease).connect()?;
    /// # Ok::<(), mutextree::LockError>(())
    /// ```
    pub fn builder(url: &str) -> RedisStoreBuilder {
        RedisStoreBuilder::new(url)
    }

    /// Tells of each lock that is lost from now on: see
    /// [`LockStore::lost_locks`](crate::LockStore::lost_locks).
    pub fn lost_locks(&self) -> LostLocks {
        // In a forked child whose engine cannot be started no lock is held, and none is lost.
        self.engine.current().map_or_else(|_| LostLocks::never(), |engine| engine.client.losses.watch())
    }

    /// What the store keeps that nobody uses, and what has come of it, in numbers. All are 0
    /// without [`keep`](RedisStoreBuilder::keep). Never blocks, and asks no server.
    ///
    /// ```no_run
    /// use mutextree::{LockStore, RedisStore};
    /// use std::time::Duration;
    /// let builder = RedisStore::builder("redis://127.0.0.1/").keep(Duration::from_secs(5));
    /// let store = builder.connect()?;
    /// for _ in 0..2 {
    ///     store.lock("org/team")?.unlock()?;
    /// }
    /// assert_eq!(store.kept_locks().hits, 1);
    /// # Ok::<(), mutextree::LockError>(())
    /// ```
    pub fn kept_locks(&self) -> KeptLocks {
        let engine = self.engine.current().ok();
        engine.and_then(|engine| engine.client.keeping.as_ref()).map(|keeping| keeping.counted()).unwrap_or_default()
    }

    fn list(&self, waiters: bool) -> Result<Snapshot, LockError> {
        look::list(self.engine.current()?, &Target::new(TreePath::root()), waiters)
    }

    fn new(engine: Arc<Engine>) -> Self {
        Self { _last: Arc::new(Last(engine.clone())), engine }
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let client = &self.engine.client;
        f.debug_struct("RedisStore")
            .field("server", &client.wire.address())
            .field("keys", &client.keys.all()[0])
            .finish_non_exhaustive()
    }
}

impl Backend for RedisStore {
    type Node = RedisNode;
    type Grant = RedisGrant;

    fn resolve(&self, path: PathRef<'_>) -> RedisNode {
        RedisNode::new(self.engine.clone(), path.into_owned())
    }

    fn resolve_near(node: &RedisNode, path: PathRef<'_>) -> Result<RedisNode, LockError> {
        Ok(node.near(path.into_owned()))
    }

    fn path(node: &RedisNode) -> &TreePath {
        node.path()
    }

    #[track_caller]
    fn acquire(node: &RedisNode, request: &Request, wait: Wait) -> Result<RedisGrant, LockError> {
        node.acquire(request, wait, Location::caller())
    }

    fn acquire_async<'a>(
        node: &'a RedisNode,
        request: &'a Request,
    ) -> impl Future<Output = Result<RedisGrant, LockError>> + Send + 'a {
        node.acquire_async(request, Location::caller())
    }

    fn acquire_async_at<'a>(
        node: &'a RedisNode,
        request: &'a Request,
        place: &'static Location<'static>,
    ) -> impl Future<Output = Result<RedisGrant, LockError>> + Send + 'a {
        node.acquire_async(request, place)
    }

    fn attribute(node: &RedisNode, grant: &RedisGrant, to_this_thread: bool) {
        node.attribute(grant, to_this_thread);
    }

    fn release(node: &RedisNode, grant: RedisGrant) -> Result<(), LockError> {
        node.release(&grant)
    }

    fn downgrade(node: &RedisNode, grant: &mut RedisGrant) -> Result<(), LockError> {
        node.downgrade(grant)
    }

    fn is_same_tree(node: &RedisNode, other: &RedisNode) -> bool {
        set::is_same_tree(node, other)
    }

    #[track_caller]
    fn acquire_all(members: &[Member<Self>], wait: Wait) -> Result<Vec<RedisGrant>, LockError> {
        set::acquire(members, wait, Location::caller())
    }

    fn acquire_all_async<'a>(
        members: &'a [Member<Self>],
    ) -> impl Future<Output = Result<Vec<RedisGrant>, LockError>> + Send + 'a {
        set::acquire_async(members, Location::caller())
    }

    fn acquire_all_async_at<'a>(
        members: &'a [Member<Self>],
        place: &'static Location<'static>,
    ) -> impl Future<Output = Result<Vec<RedisGrant>, LockError>> + Send + 'a {
        set::acquire_async(members, place)
    }

    fn release_all(members: &[Member<Self>], grants: Vec<RedisGrant>) -> Result<(), LockError> {
        set::release(members, &grants)
    }

    fn refresh_all(members: &[Member<Self>], grants: &[RedisGrant], lease: Option<Duration>) -> Result<(), LockError> {
        set::refresh(members, grants, lease)
    }

    fn narrow(node: &RedisNode, grant: RedisGrant, to: &[RedisNode]) -> Result<Vec<RedisGrant>, Unchanged<RedisGrant>> {
        node.narrow(grant, to)
    }

    fn widen(node: &RedisNode, grant: RedisGrant, ancestor: &RedisNode) -> Result<RedisGrant, Unchanged<RedisGrant>> {
        node.widen(grant, ancestor)
    }

    #[track_caller]
    fn upgrade(node: &RedisNode, grant: &mut RedisGrant, wait: Wait) -> Result<(), LockError> {
        node.upgrade(grant, wait, Location::caller())
    }

    fn mode(grant: &RedisGrant) -> Mode {
        grant.mode()
    }

    fn fencing_token(_: &RedisNode, grant: &RedisGrant) -> u64 {
        grant.fencing_token()
    }

    fn is_held(node: &RedisNode, grant: &RedisGrant) -> bool {
        node.is_held(grant)
    }

    fn remaining(node: &RedisNode, grant: &RedisGrant) -> Option<Duration> {
        Some(node.remaining(grant))
    }

    fn refresh(node: &RedisNode, grant: &RedisGrant, lease: Option<Duration>) -> Result<(), LockError> {
        node.refresh(grant, lease)
    }

    fn detach(node: &RedisNode, grant: RedisGrant) -> Result<(LeaseToken, RedisGrant), LockError> {
        node.detach(&grant)
    }

    fn attach(node: &RedisNode, token: &LeaseToken) -> Result<RedisGrant, LockError> {
        node.attach(token)
    }

    fn list_locks(&self) -> Result<Vec<HeldLock>, LockError> {
        Ok(self.list(false)?.holders().cloned().collect())
    }

    fn take_snapshot(&self) -> Result<Snapshot, LockError> {
        self.list(true)
    }

    fn blockers(node: &RedisNode, kind: Kind) -> Result<Vec<Blocker>, LockError> {
        node.blockers(kind)
    }

    fn end_lock(&self, lock: &HeldLock) -> Result<bool, LockError> {
        look::break_lock(self.engine.current()?, lock)
    }

    fn is_locked(node: &RedisNode, scope: Scope) -> bool {
        node.is_locked(scope)
    }

    fn watch_losses(&self) -> LostLocks {
        self.lost_locks()
    }
}
