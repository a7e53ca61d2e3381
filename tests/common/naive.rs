//! [`NaiveStore`]: the locks of a tree in the plainest way that keeps every promise, one mutex and
//! one list. It is slow, and easy to be sure of. Other stores are compared with it, and it proves
//! that a store can be written outside the crate.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mutextree::{
    Backend, Blocker, HeldLock, InvalidInput, Kind, LockError, Member, Mode, Owner, PathRef, Request, Scope, Snapshot,
    TreePath, Unchanged, Wait, WaitingLock, conflicts,
};

/// A tree of locks as a list.
#[derive(Clone, Debug, Default)]
pub struct NaiveStore(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// Every request that is held or waits, in the order they came.
#[derive(Debug, Default)]
struct State {
    locks: Vec<Lock>,
    last_id: u64,
    last_token: u64,
}

#[derive(Clone, Debug)]
struct Lock {
    id: u64,
    /// When it came: the locks of a set come together.
    arrival: u64,
    path: TreePath,
    kind: Kind,
    owner: Option<Owner>,
    /// Whether it is held; else it waits.
    held: bool,
    /// When it was asked for, and once it is held, when it was granted.
    since: Instant,
    /// Its fencing token, once it is held.
    token: u64,
    /// When its lease ends.
    ends: Option<Instant>,
    /// Whether it is shared, and waits to be exclusive.
    upgrading: bool,
}

impl Lock {
    /// A lock that waits to be exclusive is so for all others.
    fn conflicts(&self, path: &TreePath, kind: Kind) -> bool {
        let mode = if self.upgrading { Mode::Exclusive } else { self.kind.mode };
        conflicts((&self.path, Kind::new(mode, self.kind.scope)), (path, kind))
    }
}

impl State {
    /// What keeps the locks that came then from being held: the first of them that is blocked, and
    /// the first request in its way, which is a conflicting lock, or a conflicting waiter that came
    /// earlier.
    fn in_the_way(&self, arrival: u64) -> Option<(&Lock, &Lock)> {
        let mut asked = self.locks.iter().filter(|lock| lock.arrival == arrival);
        asked.find_map(|asked| {
            let blocks = |other: &&Lock| {
                other.arrival != arrival
                    && (other.held || other.arrival < arrival)
                    && other.conflicts(&asked.path, asked.kind)
            };
            Some((asked, self.locks.iter().find(blocks)?))
        })
    }

    fn find(&mut self, id: u64) -> Option<&mut Lock> {
        self.locks.iter_mut().find(|lock| lock.id == id)
    }

    fn remove(&mut self, id: u64) -> Option<Lock> {
        let at = self.locks.iter().position(|lock| lock.id == id)?;
        Some(self.locks.remove(at))
    }
}

impl Shared {
    /// The state as it is now: without the locks whose lease has ended.
    fn now(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        state.locks.retain(|lock| lock.ends.is_none_or(|ends| now < ends));
        state
    }

    /// The same after something has changed, or may have: somebody let go, a lease ended, `until`
    /// has passed.
    fn after_a_change<'a>(&'a self, state: MutexGuard<'a, State>, until: Option<Instant>) -> MutexGuard<'a, State> {
        let soonest = state.locks.iter().filter_map(|lock| lock.ends).chain(until).min();
        match soonest {
            None => drop(self.changed.wait(state)),
            Some(at) => drop(self.changed.wait_timeout(state, at.saturating_duration_since(Instant::now()))),
        }
        self.now()
    }
}

/// A path of a [`NaiveStore`].
#[derive(Clone, Debug)]
pub struct Node {
    store: Arc<Shared>,
    path: TreePath,
}

/// A lock of a [`NaiveStore`].
#[derive(Debug)]
pub struct Grant {
    id: u64,
    mode: Mode,
    token: u64,
    lease: Option<Duration>,
}

impl Node {
    fn not_held(&self) -> LockError {
        LockError::NotHeld { path: self.path.clone() }
    }
}

/// When a lease that starts now ends; one too long for the clock to hold never does.
fn end(lease: Duration) -> Option<Instant> {
    Instant::now().checked_add(lease)
}

impl Backend for NaiveStore {
    type Node = Node;
    type Grant = Grant;

    fn resolve(&self, path: PathRef<'_>) -> Node {
        Node { store: self.0.clone(), path: path.into_owned() }
    }

    fn path(node: &Node) -> &TreePath {
        &node.path
    }

    fn acquire(node: &Node, request: &Request, wait: Wait) -> Result<Grant, LockError> {
        let alone = Member { node: node.clone(), request: request.clone() };
        let mut grants = Self::acquire_all(&[alone], wait)?;
        Ok(grants.pop().expect("one member has one grant"))
    }

    fn is_same_tree(node: &Node, other: &Node) -> bool {
        Arc::ptr_eq(&node.store, &other.store)
    }

    fn acquire_all(members: &[Member<Self>], wait: Wait) -> Result<Vec<Grant>, LockError> {
        let Some(first) = members.first() else { return Ok(Vec::new()) };
        let store = &first.node.store;
        let mut state = store.now();
        let arrival = state.last_id + 1;
        for Member { node, request } in members {
            state.last_id += 1;
            let (id, path, owner) = (state.last_id, node.path.clone(), request.owner.clone());
            let (kind, since) = (request.kind, Instant::now());
            state.locks.push(Lock {
                id,
                arrival,
                path,
                kind,
                owner,
                held: false,
                since,
                token: 0,
                ends: None,
                upgrading: false,
            });
        }

        while let Some((asked, lock)) = state.in_the_way(arrival) {
            let blocker = Blocker::new(asked.path.clone(), lock.path.clone(), lock.owner.clone());
            let until = match wait {
                Wait::Forever => None,
                Wait::Until(deadline) if Instant::now() < deadline => Some(deadline),
                Wait::Never | Wait::Until(_) => {
                    state.locks.retain(|lock| lock.arrival != arrival);
                    store.changed.notify_all();
                    return Err(LockError::refused(wait, blocker));
                }
            };
            state = store.after_a_change(state, until);
        }

        state.last_token += 1;
        let token = state.last_token;
        let grant = |(id, Member { request, .. }): (u64, &Member<Self>)| {
            let lock = state.find(id).expect("a waiter has no lease that could end");
            (lock.held, lock.since, lock.token) = (true, Instant::now(), token);
            lock.ends = request.lease.and_then(end);
            Grant { id, mode: request.kind.mode, token, lease: request.lease }
        };
        Ok((arrival..).zip(members).map(grant).collect())
    }

    fn release(node: &Node, grant: Grant) -> Result<(), LockError> {
        let lock = node.store.now().remove(grant.id);
        node.store.changed.notify_all();
        lock.map(drop).ok_or_else(|| node.not_held())
    }

    fn downgrade(node: &Node, grant: &mut Grant) -> Result<(), LockError> {
        if grant.mode == Mode::Shared {
            return Ok(());
        }
        let mut state = node.store.now();
        let lock = state.find(grant.id).ok_or_else(|| node.not_held())?;
        lock.kind.mode = Mode::Shared;
        grant.mode = Mode::Shared;
        node.store.changed.notify_all();
        Ok(())
    }

    fn resolve_near(node: &Node, path: PathRef<'_>) -> Result<Node, LockError> {
        Ok(NaiveStore(node.store.clone()).resolve(path))
    }

    fn narrow(node: &Node, grant: Grant, to: &[Node]) -> Result<Vec<Grant>, Unchanged<Grant>> {
        let mut state = node.store.now();
        let Some(held) = state.find(grant.id).map(|lock| lock.kind) else {
            return Err(Unchanged::new(grant, node.not_held()));
        };
        if let (Scope::Node, Some(other)) = (held.scope, to.iter().find(|other| other.path != node.path)) {
            let error = InvalidInput::NotBelow { path: other.path.clone(), held: node.path.clone() };
            return Err(Unchanged::new(grant, error.into()));
        }
        let old = state.remove(grant.id).expect("it was just found");
        let kept = to.iter().map(|node| {
            state.last_id += 1;
            let id = state.last_id;
            state.locks.push(Lock { id, path: node.path.clone(), ..old.clone() });
            Grant { id, mode: grant.mode, token: grant.token, lease: grant.lease }
        });
        let kept = kept.collect();
        node.store.changed.notify_all();
        Ok(kept)
    }

    fn widen(node: &Node, grant: Grant, ancestor: &Node) -> Result<Grant, Unchanged<Grant>> {
        let mut state = node.store.now();
        let Some(held) = state.find(grant.id).map(|lock| lock.kind) else {
            return Err(Unchanged::new(grant, node.not_held()));
        };
        if held.scope == Scope::Subtree && ancestor.path == node.path {
            return Ok(grant);
        }
        let wanted = Kind::new(held.mode, Scope::Subtree);
        let mut others = state.locks.iter().filter(|lock| lock.id != grant.id);
        // Who waits for what is locked already may as well wait for more.
        let is_in_the_way = |lock: &&Lock| lock.held || !lock.path.starts_with(&node.path);
        let in_the_way = others.find(|lock| lock.conflicts(&ancestor.path, wanted) && is_in_the_way(lock));
        if let Some(lock) = in_the_way {
            let blocker = Blocker::new(ancestor.path.clone(), lock.path.clone(), lock.owner.clone());
            return Err(Unchanged::new(grant, LockError::WouldBlock { blocker }));
        }
        state.last_token += 1;
        let token = state.last_token;
        let lock = state.find(grant.id).expect("it was just found");
        (lock.path, lock.kind, lock.token) = (ancestor.path.clone(), wanted, token);
        node.store.changed.notify_all();
        Ok(Grant { token, ..grant })
    }

    fn upgrade(node: &Node, grant: &mut Grant, wait: Wait) -> Result<(), LockError> {
        if grant.mode == Mode::Exclusive {
            return Ok(());
        }
        let mut state = node.store.now();
        let held = state.find(grant.id).ok_or_else(|| node.not_held())?.kind;
        let wanted = Kind::new(Mode::Exclusive, held.scope);
        let blocker = |lock: &Lock| Blocker::new(node.path.clone(), lock.path.clone(), lock.owner.clone());
        if let Some(other) = state.locks.iter().find(|lock| lock.upgrading && lock.conflicts(&node.path, wanted)) {
            return Err(LockError::Upgrading { blocker: blocker(other) });
        }
        loop {
            // Waiters are passed: they need this lock to go in any case.
            let others = state.locks.iter().filter(|lock| lock.held && lock.id != grant.id);
            let in_the_way = others.filter(|lock| lock.conflicts(&node.path, wanted)).map(blocker).next();
            let lock = state.find(grant.id).ok_or_else(|| node.not_held())?;
            let until = match (in_the_way, wait) {
                (None, _) => break,
                (Some(_), Wait::Forever) => None,
                (Some(_), Wait::Until(deadline)) if Instant::now() < deadline => Some(deadline),
                (Some(blocker), Wait::Never | Wait::Until(_)) => {
                    lock.upgrading = false;
                    node.store.changed.notify_all();
                    return Err(LockError::refused(wait, blocker));
                }
            };
            lock.upgrading = true;
            state = node.store.after_a_change(state, until);
        }
        state.last_token += 1;
        let token = state.last_token;
        let lock = state.find(grant.id).expect("it was just found");
        (lock.kind, lock.token, lock.upgrading) = (wanted, token, false);
        (grant.mode, grant.token) = (Mode::Exclusive, token);
        Ok(())
    }

    fn mode(grant: &Grant) -> Mode {
        grant.mode
    }

    fn fencing_token(_: &Node, grant: &Grant) -> u64 {
        grant.token
    }

    fn is_held(node: &Node, grant: &Grant) -> bool {
        node.store.now().find(grant.id).is_some()
    }

    fn remaining(node: &Node, grant: &Grant) -> Option<Duration> {
        match node.store.now().find(grant.id) {
            Some(lock) => lock.ends.map(|ends| ends.saturating_duration_since(Instant::now())),
            None => Some(Duration::ZERO),
        }
    }

    fn refresh(node: &Node, grant: &Grant, lease: Option<Duration>) -> Result<(), LockError> {
        let mut state = node.store.now();
        let lock = state.find(grant.id).ok_or_else(|| node.not_held())?;
        if let Some(lease) = lease.or(grant.lease) {
            lock.ends = end(lease);
        }
        node.store.changed.notify_all(); // it may end earlier than the waiters know
        Ok(())
    }

    fn list_locks(&self) -> Result<Vec<HeldLock>, LockError> {
        Ok(self.take_snapshot()?.holders().cloned().collect())
    }

    fn take_snapshot(&self) -> Result<Snapshot, LockError> {
        let (mut held, mut waiting) = (Vec::new(), Vec::new());
        for lock in &self.0.now().locks {
            let (path, since) = (lock.path.clone(), Some(lock.since.elapsed()));
            if lock.held {
                let mut line = HeldLock::new(path.clone(), lock.kind);
                (line.owner, line.held_for, line.fencing_token) = (lock.owner.clone(), since, Some(lock.token));
                line.remaining = lock.ends.map(|ends| ends.saturating_duration_since(Instant::now()));
                held.push(line);
            }
            if lock.upgrading || !lock.held {
                let kind = if lock.upgrading { Kind::new(Mode::Exclusive, lock.kind.scope) } else { lock.kind };
                let mut line = WaitingLock::new(path, kind);
                (line.owner, line.waited) = (lock.owner.clone(), since);
                waiting.push(line);
            }
        }
        Ok(Snapshot::new(held, waiting))
    }

    fn blockers(node: &Node, kind: Kind) -> Result<Vec<Blocker>, LockError> {
        Ok(NaiveStore(node.store.clone()).take_snapshot()?.blockers(&node.path, kind))
    }

    fn end_lock(&self, lock: &HeldLock) -> Result<bool, LockError> {
        let mut state = self.0.now();
        let is_it = |held: &Lock| held.held && held.path == lock.path && Some(held.token) == lock.fencing_token;
        let at = state.locks.iter().position(is_it);
        self.0.changed.notify_all();
        Ok(at.map(|at| state.locks.remove(at)).is_some())
    }

    fn is_locked(node: &Node, scope: Scope) -> bool {
        node.store.now().locks.iter().any(|lock| lock.conflicts(&node.path, Kind::new(Mode::Exclusive, scope)))
    }
}
