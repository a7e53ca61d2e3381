//! Taking a lock from a server, on one node or on several.
//!
//! # Several nodes: all or none
//! The crate has no lock on several nodes yet, so this takes one after another. Two things can go
//! wrong with that: a deadlock, and starvation. An order alone does not prevent the first: whoever
//! holds `a/x` and asks for `a/y` can come behind a waiter for `a`, who waits for `a/x`.
//!
//! * S1: A request waits without an end only while this process holds nothing. While it holds
//!   something it waits for at most [`WHILE_HOLDING`]; then it lets go of all. So no deadlock lasts
//!   longer than that, with any other user of the tree.
//! * S2: A round begins with the node that was not had in time in the round before, as a wait of
//!   full length in the fair queue; then it takes the others in path order.
//! * S3: After [`ROUNDS`] rounds it locks the lowest node that contains all of them instead, with
//!   its subtree. That is one request in a fair queue, so it is served. It excludes more than was
//!   asked for, and says so.
//!
//! By S1 and S3 every request ends up with its locks, if those in its way let go of theirs. With
//! `--no-wait` each node is tried once.
//!
//! The fencing token is the greatest of them. A later holder of any of the nodes was granted it
//! after this one let go of it, so its token is greater than all of them.

use std::pin::pin;
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use mutextree::{LockError, LockStore as _, OwnedTreeMutexGuard, RedisStore, Scope, TreeMutex, TreePath};

use super::Held;
use super::waiting::Waiting;
use super::wanted::{Patience, Wanted};
use crate::status::{Failure, say};

type Guard = OwnedTreeMutexGuard<RedisStore>;
type Mutex = TreeMutex<RedisStore>;

/// How long a request waits for a node while it holds another one.
const WHILE_HOLDING: Duration = Duration::from_millis(250);

/// As many rounds as this before the common ancestor is locked.
const ROUNDS: u32 = 8;

/// The guards of all nodes.
pub(super) struct ServerLock(Vec<Guard>);

impl Held for ServerLock {
    fn token(&self) -> u64 {
        self.0.iter().map(Guard::fencing_token).max().unwrap_or_default()
    }

    fn remaining(&self) -> Option<Duration> {
        self.0.iter().filter_map(Guard::remaining).min()
    }

    fn is_held(&self) -> bool {
        self.0.iter().all(Guard::is_held)
    }

    fn release(self: Box<Self>) -> Result<(), LockError> {
        // All of them, whatever becomes of the first.
        let results: Vec<_> = self.0.into_iter().map(Guard::unlock).collect();
        results.into_iter().collect()
    }
}

/// Why there is no lock.
enum Refused {
    /// Not in time.
    Late,
    Failed(Failure),
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

pub(super) fn acquire(
    store: &RedisStore,
    wanted: &Wanted,
    patience: Patience,
    waiting: &mut Waiting<'_>,
) -> Result<ServerLock, Failure> {
    tell_of_losses(store, waiting);
    let mutex = |path: &TreePath, scope| -> Result<Mutex, Failure> {
        let kind = mutextree::Kind::new(wanted.kind.mode, scope);
        let mut mutex = store.mutex(path)?.owner(wanted.owner.clone());
        if kind.mode == mutextree::Mode::Shared {
            mutex = mutex.shared();
        }
        Ok(if kind.scope == Scope::Node { mutex.node_only() } else { mutex })
    };
    let mutexes: Result<Vec<_>, _> = wanted.paths.iter().map(|path| mutex(path, wanted.kind.scope)).collect();
    let mutexes = mutexes?;
    let taken = match patience {
        Patience::None => try_all(&mutexes),
        Patience::Until { deadline, .. } => wait_for_all(&mutexes, deadline, waiting, || {
            let ancestor = wanted.common_ancestor();
            say(&format!("{wanted} could not be locked together for long: locking all of `{ancestor}` instead"));
            mutex(&ancestor, Scope::Subtree)
        }),
    };
    match taken {
        Ok(guards) => {
            // A lock that was waited for lasts for a few seconds at first, and nodes that were had
            // early have lost some of their time.
            guards.iter().try_for_each(Guard::refresh)?;
            Ok(ServerLock(guards))
        }
        Err(Refused::Late) => Err(waiting.gave_up(patience)),
        Err(Refused::Failed(failure)) => Err(failure),
    }
}

/// A lock that is lost makes the main loop look.
fn tell_of_losses(store: &RedisStore, waiting: &Waiting<'_>) {
    let (lost, waker) = (store.lost_locks(), waiting.waker());
    thread::spawn(move || lost.iter().for_each(|_| waker.wake_by_ref()));
}

fn try_all(mutexes: &[Mutex]) -> Result<Vec<Guard>, Refused> {
    let tried = mutexes.iter().map(|mutex| match mutex.try_lock_owned() {
        Ok(guard) => Ok(guard),
        Err(LockError::WouldBlock { .. }) => Err(Refused::Late),
        Err(error) => Err(Refused::Failed(error.into())),
    });
    tried.collect()
}

fn wait_for_all(
    mutexes: &[Mutex],
    deadline: Option<Instant>,
    waiting: &mut Waiting<'_>,
    ancestor: impl FnOnce() -> Result<Mutex, Failure>,
) -> Result<Vec<Guard>, Refused> {
    let mut first = 0;
    for _ in 0..ROUNDS {
        let mut guards = vec![wait_for(&mutexes[first], deadline, waiting)?.ok_or(Refused::Late)?];
        let mut missing = None;
        for (at, mutex) in mutexes.iter().enumerate().filter(|(at, _)| *at != first) {
            let patience = Instant::now() + WHILE_HOLDING;
            let until = deadline.map_or(patience, |deadline| deadline.min(patience));
            match wait_for(mutex, Some(until), waiting)? {
                Some(guard) => guards.push(guard),
                None => {
                    missing = Some(at);
                    break;
                }
            }
        }
        let Some(missing) = missing else { return Ok(guards) };
        drop(guards);
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Err(Refused::Late);
        }
        first = missing;
    }
    let guard = wait_for(&ancestor()?, deadline, waiting)?.ok_or(Refused::Late)?;
    Ok(vec![guard])
}

/// Waits in the queue of one node; `None` if that takes too long. A request that is given up leaves
/// the queue.
fn wait_for(mutex: &Mutex, until: Option<Instant>, waiting: &mut Waiting<'_>) -> Result<Option<Guard>, Failure> {
    let waker = waiting.waker();
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(mutex.lock_owned_async());
    loop {
        if let Poll::Ready(result) = future.as_mut().poll(&mut context) {
            return Ok(Some(result?));
        }
        if until.is_some_and(|until| until <= Instant::now()) {
            return Ok(None);
        }
        waiting.next(until)?;
    }
}
