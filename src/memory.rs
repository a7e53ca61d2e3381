//! [`MemoryStore`]: the locks of one process. The algorithm is explained in `docs/algorithm.md`;
//! here is where to find it.
//!
//! * `word.rs` the lock word and the conflict table in bits
//! * `node.rs` one name in the tree; `resolved.rs` as a handle has it
//! * `claim.rs` the fast path: claim, look up; why locks exclude
//! * `enrol.rs` which nodes a walk has to look at, and which need not look up
//! * `walk.rs` looking down
//! * `spread.rs` readers of one node that do not write its word; `seats.rs` what they write
//! * `tentative.rs` tries that do not invent conflicts
//! * `wait.rs` queues and waking; why no wake-up is lost; `wait/lapse.rs` tasks that are not polled
//! * `gate.rs` how an old waiter keeps newcomers out
//! * `waiter.rs` a place in a queue
//! * `sleeper.rs` a thread or a task that waits
//! * `acquire.rs` an acquisition that may have to wait, step by step, for threads and for tasks
//! * `grant.rs` from a request to a grant or an error
//! * `set.rs` several nodes claimed as one lock
//! * `record.rs` owners and leases; `name.rs` those of a handle in the word
//! * `detached.rs` locks that outlive their guards
//! * `change.rs` a holder that waits while its lock changes
//! * `narrow.rs` to nodes below; `widen.rs` to one above; `upgrade.rs` from shared to exclusive
//! * `look.rs` who holds and who waits; `scene.rs` who waits for whom, for deadlock detection
//! * `loss.rs` telling of lost ones
//! * `tree.rs` from a path to its node; `recent.rs` the same for what was found a moment ago
//! * `orphans.rs` the same once the store is gone
//! * `reclaim.rs` dropping idle nodes
//! * `builder.rs` a store's settings

use std::fmt;
use std::panic::Location;
use std::time::Duration;

#[cfg(not(any(feature = "metrics", feature = "tracing")))]
use crate::backend::Asker;
use crate::backend::{Backend, HeldLock, LeaseToken, LostLocks, Member, unsupported};
use crate::deadlock::Agent;
use crate::error::{Blocker, LockError, Unchanged};
use crate::observe::Meter;
use crate::path::{PathRef, TreePath};
use crate::request::{self, Mode, Request, Scope, Wait};
use crate::snapshot::Snapshot;
use crate::sync::{Ordering, PlainArc};

pub use self::builder::MemoryStoreBuilder;
pub use self::grant::MemoryGrant;
pub use self::resolved::MemoryNode;

use self::acquire::{Acquiring, Parts};
use self::grant::{NAMED_GRANT, RECORDED, SEATED, WAITED};
use self::node::Node;
use self::record::Lost;
use self::tree::Tree;
use self::word::Kind;

mod acquire;
mod builder;
mod change;
mod claim;
mod detached;
mod enrol;
mod gate;
mod grant;
mod look;
mod loss;
mod name;
mod narrow;
mod node;
mod orphans;
mod recent;
mod reclaim;
mod record;
mod resolved;
mod scene;
mod seats;
mod set;
mod sleeper;
mod spread;
mod tentative;
mod tree;
mod upgrade;
mod wait;
mod waiter;
mod walk;
mod widen;
mod word;

#[cfg(all(test, mutextree_loom))]
mod models;

/// The locks of one process: a tree of them, made as they are used. A clone is the same tree.
///
/// Locking costs what one flat mutex costs, at any depth: one compare-and-swap on the node's own
/// cache line. Threads on disjoint nodes write to no common memory.
///
/// Memory is bounded by use: at most twice the nodes in use, plus about three thousand. In use are
/// nodes that are locked, waited for, or have a [`TreeMutex`](crate::TreeMutex), and their
/// ancestors. The rest is dropped by the calls that resolve a path, a batch at a time. A thread
/// that locks by path remembers up to 512 paths, which takes 32 KiB at the most, and 112 bytes for
/// each that has been dropped since. That goes with the thread.
///
/// A forked child process has a tree of its own, a copy of its parent's. A task's wait that began
/// before the fork is its parent's: drop its copy in the child, and ask anew.
///
/// ```
/// use mutextree::{LockStore, MemoryStore};
/// let store = MemoryStore::new();
/// let draft = store.lock("team/project/draft")?;
/// let final_ = store.lock("team/project/final")?; // a sibling: no conflict
/// assert!(store.mutex("team")?.try_lock().is_err());
/// drop((draft, final_));
/// assert!(store.mutex("team")?.try_lock().is_ok());
/// # Ok::<(), mutextree::LockError>(())
/// ```
#[derive(Clone)]
pub struct MemoryStore {
    tree: PlainArc<Tree>,
    meter: Meter,
}

impl MemoryStore {
    /// An empty tree.
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// An empty tree with other settings than the usual ones.
    pub fn builder() -> MemoryStoreBuilder {
        MemoryStoreBuilder::new()
    }

    /// How many nodes there are, the root included. What is due to be reclaimed is reclaimed first,
    /// which takes time in proportion to it.
    ///
    /// ```
    /// use mutextree::{LockStore, MemoryStore};
    /// let store = MemoryStore::new();
    /// let handle = store.mutex("a/b/c")?;
    /// assert_eq!(store.node_count(), 4); // the root, `a`, `a/b` and `a/b/c`
    /// # Ok::<(), mutextree::PathError>(())
    /// ```
    pub fn node_count(&self) -> usize {
        self.tree.node_count()
    }

    /// Reclaims every idle node now, and the room they took in the index. Blocks nobody who holds
    /// or waits for a lock.
    ///
    /// ```
    /// use mutextree::{LockStore, MemoryStore};
    /// let store = MemoryStore::new();
    /// drop(store.lock("a/b/c")?);
    /// store.shrink_to_fit();
    /// assert_eq!(store.node_count(), 1);
    /// # Ok::<(), mutextree::LockError>(())
    /// ```
    pub fn shrink_to_fit(&self) {
        self.tree.sweep();
        self.tree.index.shrink_to_fit();
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("tree", &self.tree).finish()
    }
}

impl Backend for MemoryStore {
    type Node = MemoryNode;
    type Grant = MemoryGrant;

    #[inline]
    fn resolve(&self, path: PathRef<'_>) -> MemoryNode {
        MemoryNode::new(self.tree.resolve(path))
    }

    #[inline(always)]
    fn recall(&self, text: &str) -> Option<MemoryNode> {
        self.tree.recall(text).map(MemoryNode::new)
    }

    fn resolve_near(node: &MemoryNode, path: PathRef<'_>) -> Result<MemoryNode, LockError> {
        Ok(MemoryNode::new(node.0.resolve_near(path)))
    }

    fn path(node: &MemoryNode) -> &TreePath {
        &node.0.path
    }

    #[track_caller]
    fn acquire(node: &MemoryNode, request: &Request, wait: Wait) -> Result<MemoryGrant, LockError> {
        grant::acquire_slow(&node.0, request, wait)
    }

    #[inline(always)]
    fn acquire_at_once(node: &MemoryNode, request: &Request) -> Option<MemoryGrant> {
        let kind = Kind::of(request);
        if request.lease.is_none() && request.owner.is_none() {
            let in_crowd = || kind.is_shared().then(|| node.0.claim_in_crowd(kind)).flatten();
            let token = if node.0.claim_fast(kind) { Some(0) } else { in_crowd() };
            token.map(|token| MemoryGrant::with_token(kind, token))
        } else {
            grant::claim_named(node, request).map(MemoryGrant::at_once)
        }
    }

    fn acquire_async<'a>(
        node: &'a MemoryNode,
        request: &'a Request,
    ) -> impl Future<Output = Result<MemoryGrant, LockError>> + Send + 'a {
        Self::acquire_async_at(node, request, Location::caller())
    }

    fn acquire_async_at<'a>(
        node: &'a MemoryNode,
        request: &'a Request,
        place: &'static Location<'static>,
    ) -> impl Future<Output = Result<MemoryGrant, LockError>> + Send + 'a {
        Acquiring::new(Parts { node, request }, place)
    }

    #[cfg(not(any(feature = "metrics", feature = "tracing")))]
    #[inline(always)]
    fn acquire_async_for<'a, A: Asker<'a, Self>>(
        asker: A,
        place: &'static Location<'static>,
    ) -> impl Future<Output = Result<A::Guard, LockError>> + Send + 'a {
        Acquiring::new(asker, place)
    }

    #[inline(always)]
    fn release(node: &MemoryNode, grant: MemoryGrant) -> Result<(), LockError> {
        let token = grant.token.load(Ordering::Acquire);
        if token & (RECORDED | NAMED_GRANT | SEATED | WAITED) == 0 {
            node.0.drop_claim(grant.kind());
            Ok(())
        } else {
            // By value: the address of the grant would keep it out of registers.
            grant::release(&node.0, token, grant.kind())
        }
    }

    fn downgrade(node: &MemoryNode, grant: &mut MemoryGrant) -> Result<(), LockError> {
        if grant.kind().is_shared() {
            return Ok(());
        }
        match grant.recorded(&node.0) {
            None => node.0.downgrade_claim(grant.kind()),
            Some(token) => node.0.downgrade_recorded(token).map_err(|Lost| not_held(&node.0))?,
        }
        grant.set_kind(grant.kind().downgraded());
        Ok(())
    }

    fn is_same_tree(node: &MemoryNode, other: &MemoryNode) -> bool {
        PlainArc::ptr_eq(node.0.root_of_tree(), other.0.root_of_tree())
    }

    #[track_caller]
    fn acquire_all(members: &[Member<Self>], wait: Wait) -> Result<Vec<MemoryGrant>, LockError> {
        set::acquire(members, wait)
    }

    fn acquire_all_async<'a>(
        members: &'a [Member<Self>],
    ) -> impl Future<Output = Result<Vec<MemoryGrant>, LockError>> + Send + 'a {
        set::acquire_async(members, Location::caller())
    }

    fn acquire_all_async_at<'a>(
        members: &'a [Member<Self>],
        place: &'static Location<'static>,
    ) -> impl Future<Output = Result<Vec<MemoryGrant>, LockError>> + Send + 'a {
        set::acquire_async(members, place)
    }

    fn narrow(
        node: &MemoryNode,
        grant: MemoryGrant,
        to: &[MemoryNode],
    ) -> Result<Vec<MemoryGrant>, Unchanged<MemoryGrant>> {
        grant::narrow(node, grant, to)
    }

    fn widen(
        node: &MemoryNode,
        grant: MemoryGrant,
        ancestor: &MemoryNode,
    ) -> Result<MemoryGrant, Unchanged<MemoryGrant>> {
        grant::widen(&node.0, grant, &ancestor.0)
    }

    #[track_caller]
    fn upgrade(node: &MemoryNode, grant: &mut MemoryGrant, wait: Wait) -> Result<(), LockError> {
        if grant.kind().is_shared() { grant::upgrade(&node.0, grant, wait) } else { Ok(()) }
    }

    fn mode(grant: &MemoryGrant) -> Mode {
        grant.kind().mode()
    }

    fn fencing_token(node: &MemoryNode, grant: &MemoryGrant) -> u64 {
        grant::fencing_token(&node.0, grant)
    }

    fn attribute(node: &MemoryNode, grant: &MemoryGrant, to_this_thread: bool) {
        if node.0.shared().detects()
            && let Some(token) = grant.recorded(&node.0)
        {
            node.0.attribute(token, to_this_thread.then(Agent::current));
        }
    }

    fn is_held(node: &MemoryNode, grant: &MemoryGrant) -> bool {
        grant.is_named(&node.0) || grant.recorded(&node.0).is_none_or(|token| node.0.is_held(token))
    }

    fn remaining(node: &MemoryNode, grant: &MemoryGrant) -> Option<Duration> {
        if grant.lasts(&node.0) {
            return None;
        }
        grant.recorded(&node.0).and_then(|token| node.0.remaining(token))
    }

    fn refresh(node: &MemoryNode, grant: &MemoryGrant, lease: Option<Duration>) -> Result<(), LockError> {
        if let (None, Some(_)) = (grant.recorded(&node.0), lease) {
            let token = Self::fencing_token(node, grant);
            // If two threads start a lease at once, one makes the record. Both set its end below.
            node.0.record_once(token, grant.kind());
            grant.token.store(token | RECORDED, Ordering::Release);
        }
        match grant.recorded(&node.0) {
            None => Ok(()),
            Some(token) => node.0.refresh_recorded(token, lease).map_err(|Lost| not_held(&node.0)),
        }
    }

    fn detach(node: &MemoryNode, grant: MemoryGrant) -> Result<(LeaseToken, MemoryGrant), LockError> {
        detached::detach(node, grant)
    }

    fn attach(node: &MemoryNode, token: &LeaseToken) -> Result<MemoryGrant, LockError> {
        detached::attach(&node.0, token)
    }

    fn list_locks(&self) -> Result<Vec<HeldLock>, LockError> {
        Ok(self.tree.snapshot().holders().cloned().collect())
    }

    fn take_snapshot(&self) -> Result<Snapshot, LockError> {
        Ok(self.tree.snapshot())
    }

    fn blockers(node: &MemoryNode, kind: request::Kind) -> Result<Vec<Blocker>, LockError> {
        Ok(node.0.snapshot_around().blockers(&node.0.path, kind))
    }

    fn end_lock(&self, lock: &HeldLock) -> Result<bool, LockError> {
        let Some(token) = lock.fencing_token else {
            return Err(unsupported("break a lock that has neither an owner nor a lease: there is no record of it"));
        };
        Ok(self.tree.found(&lock.path).is_some_and(|node| node.0.break_recorded(token)))
    }

    fn watch_losses(&self) -> LostLocks {
        self.tree.lost_locks()
    }

    fn measures_locks(&self) -> bool {
        self.meter.is_on()
    }

    fn is_locked(node: &MemoryNode, scope: Scope) -> bool {
        grant::would_block(&node.0, Kind::new(Mode::Exclusive, scope))
    }
}

fn not_held(node: &Node) -> LockError {
    LockError::NotHeld { path: node.path.clone() }
}
