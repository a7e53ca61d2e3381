//! Taking a lock from a server. Several nodes are one [`TreeMutexSet`]: one request, which waits
//! without holding any of them, and one fencing token.

use std::pin::pin;
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use mutextree::{
    LockError, LockStore as _, Mode, OwnedTreeMutexSetGuard, RedisStore, Scope, TreeMutex, TreeMutexSet, TreePath,
};

use super::Held;
use super::waiting::Waiting;
use super::wanted::{Patience, Wanted};
use crate::status::Failure;

type Guard = OwnedTreeMutexSetGuard<RedisStore>;
type Set = TreeMutexSet<RedisStore>;

impl Held for Guard {
    fn token(&self) -> u64 {
        self.fencing_token()
    }

    fn remaining(&self) -> Option<Duration> {
        self.remaining()
    }

    fn is_held(&self) -> bool {
        self.is_held()
    }

    fn release(self: Box<Self>) -> Result<(), LockError> {
        self.unlock()
    }
}

pub(super) fn acquire(
    store: &RedisStore,
    wanted: &Wanted,
    patience: Patience,
    waiting: &mut Waiting<'_>,
) -> Result<Guard, Failure> {
    tell_of_losses(store, waiting);
    let mutex = |path: &TreePath| -> Result<TreeMutex<RedisStore>, LockError> {
        let mutex = store.mutex(path)?.owner(wanted.owner.clone());
        let mutex = if wanted.kind.mode == Mode::Shared { mutex.shared() } else { mutex };
        Ok(if wanted.kind.scope == Scope::Node { mutex.node_only() } else { mutex })
    };
    let mutexes: Result<Vec<_>, _> = wanted.paths.iter().map(mutex).collect();
    let set = Set::new(mutexes?)?;
    let guard = match patience {
        Patience::None => match set.try_lock_owned() {
            Err(error @ LockError::WouldBlock { .. }) => return Err(waiting.refused(&error)),
            guard => guard?,
        },
        Patience::Until { deadline, given } => match wait_for(&set, deadline, waiting)? {
            Some(guard) => guard,
            None => return Err(waiting.gave_up(given)),
        },
    };
    // A lock that was waited for lasts for a few seconds at first.
    guard.refresh()?;
    Ok(guard)
}

/// A lock that is lost makes the main loop look.
fn tell_of_losses(store: &RedisStore, waiting: &Waiting<'_>) {
    let (lost, waker) = (store.lost_locks(), waiting.waker());
    thread::spawn(move || lost.iter().for_each(|_| waker.wake_by_ref()));
}

/// Waits in the queue; `None` if that takes too long. A request that is given up leaves the queue.
fn wait_for(set: &Set, until: Option<Instant>, waiting: &mut Waiting<'_>) -> Result<Option<Guard>, Failure> {
    let waker = waiting.waker();
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(set.lock_owned_async());
    loop {
        // Before the look: a grant that has happened wins.
        let is_late = until.is_some_and(|until| until <= Instant::now());
        if is_late {
            waiting.look()?;
        }
        if let Poll::Ready(result) = future.as_mut().poll(&mut context) {
            return Ok(Some(result?));
        }
        if is_late {
            return Ok(None);
        }
        waiting.next(until)?;
    }
}
