//! A process with a store in memory forks. The child has a copy of the store that is its own, and
//! no thread of its parent's: not the timer either, which wakes waiting tasks when a lease ends.
#![cfg(unix)]

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use mutextree::{LockError, LockStore, MemoryStore, OwnedTreeMutexGuard};
use mutextree_fork::{fork, one_at_a_time};

const LEASE: Duration = Duration::from_millis(300);
/// Far more than a lease, and less than the child's parent waits for it.
const AT_MOST: Duration = Duration::from_secs(5);

type Guard = OwnedTreeMutexGuard<MemoryStore>;

/// A task that waits for a lock, polled by hand.
struct Waiting {
    future: Pin<Box<dyn Future<Output = Result<Guard, LockError>> + Send>>,
    waker: Waker,
    wakes: Receiver<()>,
}

struct Bell(Sender<()>);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        let _ = self.0.send(());
    }
}

impl Waiting {
    /// Asks for the lock, which has to be held.
    fn new(store: &MemoryStore, path: &str) -> Self {
        let mutex = store.mutex(path).unwrap();
        let (sender, wakes) = channel();
        let future = Box::pin(async move { mutex.lock_owned_async().await });
        let mut waiting = Self { future, waker: Waker::from(Arc::new(Bell(sender))), wakes };
        assert!(waiting.poll().is_none(), "`{path}` is free");
        waiting
    }

    fn poll(&mut self) -> Option<Guard> {
        match self.future.as_mut().poll(&mut Context::from_waker(&self.waker)) {
            Poll::Pending => None,
            Poll::Ready(guard) => Some(guard.unwrap()),
        }
    }

    /// Polls it when it is woken, and only then.
    fn gets_in(mut self) -> Guard {
        loop {
            self.wakes.recv_timeout(AT_MOST).expect("the lease ended long ago, and nobody woke the task");
            if let Some(guard) = self.poll() {
                return guard;
            }
        }
    }
}

fn leased(store: &MemoryStore, path: &str, lease: Duration) -> Guard {
    store.mutex(path).unwrap().lease(lease).try_lock_owned().unwrap()
}

/// A store whose timer has been started and has done something.
fn used_store() -> MemoryStore {
    let store = MemoryStore::new();
    let _held = leased(&store, "used", Duration::from_millis(1));
    drop(Waiting::new(&store, "used").gets_in());
    store
}

#[test]
fn a_task_of_the_child_is_woken_when_a_lease_ends() {
    let _turn = one_at_a_time();
    let (_store, child) = fork(used_store(), |store, _| {
        let held = leased(&store, "a", LEASE);
        drop(Waiting::new(&store, "a/b").gets_in());
        assert!(!held.is_held());
    });
    child.ends();
}

/// The lock and the wait are the parent's. The child has a copy of both, and asks anew: the timer
/// that would have woken its copy of the wait is the parent's.
#[test]
fn a_task_that_waited_before_the_fork_asks_anew_in_the_child() {
    let _turn = one_at_a_time();
    let store = used_store();
    let held = leased(&store, "a", LEASE);
    let waiting = Waiting::new(&store, "a/b");
    let ((_store, held, waiting), child) = fork((store, held, waiting), |(store, held, waiting), _| {
        drop(waiting);
        drop(Waiting::new(&store, "a/b").gets_in());
        assert!(!held.is_held());
    });
    drop(waiting.gets_in());
    assert!(!held.is_held());
    child.ends();
}

/// A woken task that nobody polls loses its turn, by the same timer.
#[test]
fn a_task_of_the_child_that_is_not_polled_holds_nobody_up() {
    let _turn = one_at_a_time();
    let (_store, child) = fork(used_store(), |store, _| {
        let held = store.mutex("a").unwrap().try_lock_owned().unwrap();
        let unpolled = Waiting::new(&store, "a");
        let behind = Waiting::new(&store, "a");
        drop(held);
        drop(behind.gets_in());
        drop(unpolled);
    });
    child.ends();
}

/// Threads that wait need no timer: their own sleep ends with the lease.
#[test]
fn a_thread_of_the_child_gets_in_when_a_lease_ends() {
    let _turn = one_at_a_time();
    let (_store, child) = fork(used_store(), |store, _| {
        let _held = leased(&store, "a", LEASE);
        drop(store.mutex("a").unwrap().try_lock_owned_for(AT_MOST).unwrap());
    });
    child.ends();
}

/// The copies are apart: what the child locks or lets go is not locked or let go in the parent.
#[test]
fn parent_and_child_have_a_tree_each() {
    let _turn = one_at_a_time();
    let store = MemoryStore::new();
    let held = store.lock("a").unwrap();
    let ((store, held), child) = fork((store, held), |(store, held), _| {
        drop(held);
        std::mem::forget(store.mutex("/").unwrap().try_lock_owned().unwrap());
    });
    child.ends();
    assert!(store.mutex("a").unwrap().is_locked() && held.is_held());
    drop(store.mutex("b").unwrap().try_lock_owned().unwrap());
}
