//! [`RequestLocks`]: WebDAV's locks as the locks of a [`LockStore`].
//!
//! # What becomes what
//!
//! | WebDAV | here |
//! |---|---|
//! | LOCK, depth infinity or 0, exclusive or shared | a [`Lease`](mutextree::Lease) on the path: subtree or node only, exclusive or shared |
//! | lock token | a UUID, which the store keeps in the owner field: see [`Label`] |
//! | timeout | the lease's length: when it is over the store itself gives the lock to the next one |
//! | a request that writes | a guard for as long as it runs, unless the client's own lock stands in for it |
//!
//! # Rules
//!
//! 1. **The store is all there is.** Tokens, owners and timeouts are read from its
//!    [listing](LockStore::locks) at each request. So servers that share a store share locks, and a
//!    restarted server knows them all.
//! 2. **Checked is held.** A request that may write *takes* what it needs and keeps it until it has
//!    been answered. So no LOCK of another client gets in between its check and its write. Requests
//!    wait for each other for a moment only, so that two which want what the other has both fail.
//!    No request waits for a client's lock.
//! 3. **A token opens its own lock.** Of several shared locks on a resource, one token opens all
//!    (RFC 4918, 6.2).
//! 4. **A depth-0 lock keeps the names in its collection** (RFC 4918, 7.4). To make, move or remove
//!    a member takes its token; to write into a member does not.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use dav_server::davpath::DavPath;
use dav_server::ls::DavLock;
use mutextree::{
    HeldLock, Kind, LockError, LockStore, Mode, OwnedTreeMutexGuard, Scope, TreeMutex, TreePath, conflicts,
};
use xmltree::Element;

use crate::label::Label;
use crate::names::{dav_path, tree_path};

/// How long a lock is held for which the client named no time.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(600);
/// How long a request waits for others to finish.
const PATIENCE: Duration = Duration::from_secs(5);

/// The store's locks, as one request sees them. Clones are of the same request; what it has taken
/// is released with the last of them.
pub(crate) struct RequestLocks<S: LockStore>(Arc<Request<S>>);

struct Request<S: LockStore> {
    store: S,
    /// The directory that is served.
    root: PathBuf,
    method: http::Method,
    label: Label,
    /// The tokens of its `If` header.
    submitted: Vec<String>,
    guards: Mutex<Vec<OwnedTreeMutexGuard<S>>>,
    /// The listing that is shown to the client: one for all members of a collection.
    seen: OnceLock<Vec<HeldLock>>,
}

impl<S: LockStore> Clone for RequestLocks<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S: LockStore> fmt::Debug for RequestLocks<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RequestLocks").field(&self.0.label).finish()
    }
}

/// Why a request may not do what it is about to.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// This is in the way.
    Locked(Box<HeldLock>),
    /// It could not be found out.
    Failed(LockError),
}

impl<E: Into<LockError>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl<S: LockStore> RequestLocks<S> {
    pub(crate) fn new<B>(store: S, root: PathBuf, request: &http::Request<B>) -> Self {
        let header = request.headers().get("if").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let bracketed = header.split('<').skip(1).filter_map(|rest| rest.split_once('>'));
        Self(Arc::new(Request {
            store,
            root,
            method: request.method().clone(),
            label: Label::request(request.method().as_str()),
            submitted: bracketed.map(|(text, _)| text.to_owned()).collect(),
            guards: Mutex::default(),
            seen: OnceLock::new(),
        }))
    }

    /// Takes a lock for the client. Once it is held only its token, or the end of its time, ends
    /// it.
    pub(crate) fn lock(
        &self,
        path: &DavPath,
        owner: Option<&Element>,
        timeout: Option<Duration>,
        kind: Kind,
    ) -> Result<DavLock, Refusal> {
        let tree = tree_path(path)?;
        if !self.exists(path) {
            self.hold_names(&tree, &self.0.submitted)?; // an empty file is made for it
        }
        let label = Label::lock(owner);
        let timeout = timeout.unwrap_or(DEFAULT_TIMEOUT).max(Duration::from_secs(1));
        let mutex = shaped(self.0.store.mutex(&tree)?, kind).lease(timeout).owner(&label);
        let wanted = HeldLock::new(tree, kind);
        let Some(guard) = self.take(&mutex, &wanted, &[])? else {
            // Nobody's token opens a place for a second lock.
            return Err(Refusal::Locked(Box::new(wanted)));
        };
        guard.into_lease()?;
        Ok(DavLock {
            token: label.token.clone(),
            path: Box::new(path.clone()),
            principal: None,
            owner: label.owner().map(Box::new),
            timeout_at: None,
            timeout: Some(timeout),
            shared: kind.mode == Mode::Shared,
            deep: kind.scope == Scope::Subtree,
        })
    }

    pub(crate) fn unlock(&self, path: &DavPath, token: &str) -> Result<(), LockError> {
        self.resume(&self.find(path, token)?)?.release()
    }

    /// Starts the lock's time anew, with the length given or the one that it had.
    pub(crate) fn refresh(&self, path: &DavPath, token: &str, timeout: Option<Duration>) -> Result<DavLock, LockError> {
        let lease = self.resume(&self.find(path, token)?)?;
        match timeout {
            Some(timeout) => lease.refresh_for(timeout.max(Duration::from_secs(1)))?,
            None => lease.refresh()?,
        }
        Ok(self.shown(&self.find(path, token)?))
    }

    /// Sees to it that the request may write `path` for as long as it runs.
    pub(crate) fn check(&self, path: &DavPath, scope: Scope, tokens: &[String]) -> Result<(), Refusal> {
        let tree = tree_path(path)?;
        let kind = Kind::new(Mode::Exclusive, scope);
        let wanted = HeldLock::new(tree.clone(), kind);
        let mutex = shaped(self.0.store.mutex(&tree)?, kind).owner(&self.0.label);
        self.keep(self.take(&mutex, &wanted, tokens)?);
        let renames = ["DELETE", "MOVE"].contains(&self.0.method.as_str());
        if renames || !self.exists(path) {
            self.hold_names(&tree, tokens)?;
        }
        Ok(())
    }

    /// Whether one of these is the token of a lock that covers `path`: what a condition in an `If`
    /// header asks.
    pub(crate) fn has_token(&self, path: &DavPath, tokens: &[String]) -> Result<(), Refusal> {
        let locks = self.discover(path)?;
        if locks.iter().any(|lock| tokens.contains(&lock.token)) {
            return Ok(());
        }
        Err(Refusal::Locked(Box::new(HeldLock::new(tree_path(path)?, Kind::new(Mode::Exclusive, Scope::Node)))))
    }

    /// The clients' locks that cover `path`, as they were when the request first asked for any.
    pub(crate) fn discover(&self, path: &DavPath) -> Result<Vec<DavLock>, LockError> {
        let tree = tree_path(path)?;
        let seen = match self.0.seen.get() {
            Some(seen) => seen,
            None => {
                let locks = self.0.store.locks()?;
                self.0.seen.get_or_init(|| locks)
            }
        };
        let covering = seen.iter().filter(|lock| covers(lock, &tree, Scope::Node) && is_clients(lock));
        Ok(covering.map(|lock| self.shown(lock)).collect())
    }

    /// Ends the clients' locks on what is no more. The request was [checked](Self::check): those
    /// whose locks it may not end are not among them.
    pub(crate) fn delete(&self, path: &DavPath) -> Result<(), LockError> {
        let tree = tree_path(path)?;
        for lock in self.0.store.locks()?.iter().filter(|lock| lock.path.starts_with(&tree) && is_clients(lock)) {
            match self.resume(lock).and_then(|lease| lease.release()) {
                // Its time may just have ended.
                Ok(()) | Err(LockError::NotHeld { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// A lock as WebDAV tells of it.
    pub(crate) fn shown(&self, lock: &HeldLock) -> DavLock {
        let label = Label::of(lock);
        let is_collection = self.0.root.join(dav_path(&lock.path, false).as_rel_ospath()).is_dir();
        DavLock {
            owner: label.as_ref().and_then(Label::owner).map(Box::new),
            token: label.map(|label| label.token).unwrap_or_default(),
            path: Box::new(dav_path(&lock.path, is_collection)),
            principal: None,
            timeout_at: None,
            timeout: lock.remaining.map(|remaining| Duration::from_secs(remaining.as_secs_f64().ceil() as u64)),
            shared: lock.kind.mode == Mode::Shared,
            deep: lock.kind.scope == Scope::Subtree,
        }
    }

    /// Takes the lock, if none stands in the way but those whose token is submitted; `None` if one
    /// of these stands in for it.
    fn take(
        &self,
        mutex: &TreeMutex<S>,
        wanted: &HeldLock,
        tokens: &[String],
    ) -> Result<Option<OwnedTreeMutexGuard<S>>, Refusal> {
        match mutex.try_lock_owned() {
            Ok(guard) => return Ok(Some(guard)),
            Err(LockError::WouldBlock { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let others = self.in_the_way(wanted, tokens)?;
        let (closed, open): (Vec<_>, Vec<_>) = others.into_iter().partition(|(_, is_open)| !is_open);
        match closed.into_iter().map(|(lock, _)| lock).max_by_key(may_last) {
            // With a lock of the client's own in the way there is no waiting for the rest to go.
            Some(lock) if may_last(&lock) || !open.is_empty() => Err(Refusal::Locked(Box::new(lock))),
            None if !open.is_empty() => Ok(None),
            // Only other requests are in the way, or what was there has just gone.
            _ => match mutex.try_lock_owned_for(PATIENCE) {
                Ok(guard) => Ok(Some(guard)),
                Err(LockError::TimedOut { .. }) => Err(Refusal::Locked(Box::new(wanted.clone()))),
                Err(error) => Err(error.into()),
            },
        }
    }

    /// Sees to it that the request may make or remove the name `path` in its collection for as long
    /// as it runs. Requests that do so in one collection do not keep each other from it: their
    /// guards are shared.
    fn hold_names(&self, path: &TreePath, tokens: &[String]) -> Result<(), Refusal> {
        let Some(parent) = path.parent() else { return Ok(()) };
        let mutex = self.0.store.mutex(&parent)?.node_only().shared().owner(&self.0.label);
        let mut wanted = HeldLock::new(parent, Kind::new(Mode::Exclusive, Scope::Node));
        // Clients' shared locks would let a shared guard in.
        if mutex.is_locked()
            && let others = self.in_the_way(&wanted, tokens)?
            && let Some((lock, _)) = others.into_iter().find(|(lock, is_open)| !is_open && may_last(lock))
        {
            return Err(Refusal::Locked(Box::new(lock)));
        }
        wanted.kind.mode = Mode::Shared;
        self.keep(self.take(&mutex, &wanted, tokens)?);
        Ok(())
    }

    fn keep(&self, guard: Option<OwnedTreeMutexGuard<S>>) {
        self.0.guards.lock().unwrap_or_else(PoisonError::into_inner).extend(guard);
    }

    /// The locks that conflict with what is wanted, and whether the request may pass each of them.
    fn in_the_way(&self, wanted: &HeldLock, tokens: &[String]) -> Result<Vec<(HeldLock, bool)>, LockError> {
        let mut locks = self.0.store.locks()?;
        locks.retain(|lock| conflicts((&wanted.path, wanted.kind), (&lock.path, lock.kind)));
        let is_own = |lock: &HeldLock| {
            Label::of(lock).is_some_and(|label| label.token == self.0.label.token || tokens.contains(&label.token))
        };
        let own: Vec<HeldLock> = locks.iter().filter(|lock| is_own(lock)).cloned().collect();
        let is_open = |lock: &HeldLock| {
            // What of the wanted this lock keeps.
            let (path, scope) = match wanted.path.starts_with(&lock.path) {
                true if lock.kind.scope == Scope::Subtree => (&wanted.path, wanted.kind.scope),
                true => (&wanted.path, Scope::Node),
                false => (&lock.path, lock.kind.scope),
            };
            is_own(lock) || (lock.kind.mode == Mode::Shared && own.iter().any(|own| covers(own, path, scope)))
        };
        Ok(locks.iter().map(|lock| (lock.clone(), is_open(lock))).collect())
    }

    /// The lock with this token, if it covers `path`.
    fn find(&self, path: &DavPath, token: &str) -> Result<HeldLock, LockError> {
        let tree = tree_path(path)?;
        let is_it = |lock: &HeldLock| {
            covers(lock, &tree, Scope::Node)
                && is_clients(lock)
                && Label::of(lock).is_some_and(|label| label.token == token)
        };
        self.0.store.locks()?.into_iter().find(is_it).ok_or(LockError::NotHeld { path: tree })
    }

    fn resume(&self, lock: &HeldLock) -> Result<mutextree::Lease<S>, LockError> {
        let token = lock.token.as_ref().ok_or_else(|| LockError::NotHeld { path: lock.path.clone() })?;
        self.0.store.resume(&lock.path, token)
    }

    fn exists(&self, path: &DavPath) -> bool {
        self.0.root.join(path.as_rel_ospath()).symlink_metadata().is_ok()
    }
}

fn shaped<S: LockStore>(mutex: TreeMutex<S>, kind: Kind) -> TreeMutex<S> {
    let mutex = if kind.mode == Mode::Shared { mutex.shared() } else { mutex };
    if kind.scope == Scope::Node { mutex.node_only() } else { mutex }
}

/// Whether the lock keeps all of what `path` and `scope` say.
fn covers(lock: &HeldLock, path: &TreePath, scope: Scope) -> bool {
    match lock.kind.scope {
        Scope::Subtree => path.starts_with(&lock.path),
        Scope::Node => lock.path == *path && scope == Scope::Node,
    }
}

/// Whether a client took it by LOCK, from this server or another.
fn is_clients(lock: &HeldLock) -> bool {
    Label::of(lock).is_some_and(|label| !label.is_request())
}

/// Whether it may be held for long: it is no request's.
fn may_last(lock: &HeldLock) -> bool {
    Label::of(lock).is_none_or(|label| !label.is_request())
}
