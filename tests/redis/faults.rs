//! What other lock libraries got wrong, and this one once did: each with its kind, that is for
//! threads, tasks, waiters and leases alike. Most of it needs a connection that fails in its own
//! way.

/// A process with very many locks, or waiters, was killed.
mod after_a_crash;
/// A client dies between the hand-over of a lock and its claim.
mod claims;
/// The server's clock was ahead once.
mod clock;
/// One connection is dead, and the server well.
mod dead_connection;
/// An acquisition that was given up leaves nothing behind.
mod ghosts;
/// What was given back while the server was away.
mod given_back;
/// A server that is gone.
mod gone;
/// Callers with different deadlines on one connection.
mod impatient;
/// A lock becomes a lease while the connection fails.
mod into_lease;
/// Losses are told in time.
mod losses;
/// The longest and the shortest times.
mod numbers;
/// Very many refreshes, and a lock that nobody touches.
mod refreshes;
/// A server that has no room for another client.
mod too_many_clients;
/// A try of no time is a try.
mod tries;
/// Requests whose fate is not known.
mod uncertain;
/// A master that became a replica.
mod wrong_server;

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use mutextree::{LockError, OwnedTreeMutexGuard, RedisStore, RedisStoreBuilder, TreeMutex};

use crate::failures::{wait_until, waiters};
use crate::hand::Hand;
use crate::proxy::Proxy;
use crate::server::Server;

pub(crate) const TREE: &str = "mutextree";
/// What should be there at once is there by then, on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(20);
/// What a busy machine may take for what should take no time.
pub(crate) const SLACK: Duration = Duration::from_millis(1500);

pub(crate) type Guard = OwnedTreeMutexGuard<RedisStore>;
type Lock = fn(TreeMutex<RedisStore>) -> Result<Guard, LockError>;

/// A lock as a thread takes it, and as a task does: they ask, wait and give back in different ways.
pub(crate) const BOTH: [(&str, Lock); 2] =
    [("thread", |mutex| mutex.lock_owned()), ("task", |mutex| waits(mutex).block_on())];

/// A task's wait, not polled yet.
pub(crate) fn waits(mutex: TreeMutex<RedisStore>) -> Hand<Result<Guard, LockError>> {
    Hand::new(async move { mutex.lock_owned_async().await })
}

pub(crate) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn connect(url: &str, options: impl FnOnce(RedisStoreBuilder) -> RedisStoreBuilder) -> RedisStore {
    options(RedisStore::builder(url)).connect().unwrap()
}

/// A key of the tree that all of these tests use.
pub(crate) fn key(name: &str) -> String {
    format!("{{{TREE}}}:{name}")
}

pub(crate) fn held(server: &Server) -> usize {
    crate::checker::check(&mut server.connect(), TREE).held.len()
}

/// Waits until the waiter of a proxied store listens for messages, and has just shown that it
/// lives: the next heartbeat is one away.
pub(crate) fn settled(server: &Server, proxy: &Proxy) {
    wait_until("it never listens", || waiters(server) == 1 && proxy.listens());
    let answered = proxy.answered();
    wait_until("it shows no sign of life", || proxy.answered() > answered && proxy.is_quiet());
}

/// What it returns, or a panic if that takes for ever.
#[track_caller]
fn in_time<T: Send + 'static>(what: &str, so: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = mpsc::channel();
    let thread = thread::spawn(move || done.send(so()));
    match result.recv_timeout(SOON) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("{what}: it hangs"),
        Err(mpsc::RecvTimeoutError::Disconnected) => std::panic::resume_unwind(thread.join().unwrap_err()),
    }
}
