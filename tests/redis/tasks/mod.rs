//! Tasks: what they are promised beyond `tests/async`, on servers that pause, fail and go.

/// Waits that are dropped, and guards.
mod dropping;
/// Servers and connections that fail.
mod failing;
/// Tasks and threads in one queue, and many of them.
mod queueing;

use std::time::{Duration, Instant};

use mutextree::{LockError, LockStore, OwnedTreeMutexGuard, RedisStore};

use crate::hand::Hand;
use crate::server::Server;

/// Less than a call may take in these tests, and far more than what returns at once does.
const AT_ONCE: Duration = Duration::from_secs(10);

/// A store whose calls take so long before they fail that whoever waits for one is seen to.
fn patient(url: &str) -> RedisStore {
    RedisStore::builder(url).timeout(2 * AT_ONCE).connect().unwrap()
}

/// A wait, not polled yet.
pub(crate) fn lock(store: &RedisStore, path: &str) -> Hand<Result<OwnedTreeMutexGuard<RedisStore>, LockError>> {
    let mutex = store.mutex(path).unwrap();
    Hand::new(async move { mutex.lock_owned_async().await })
}

pub(crate) fn locked(store: &RedisStore, path: &str) -> OwnedTreeMutexGuard<RedisStore> {
    lock(store, path).block_on().unwrap()
}

/// While the server answers no script, `so` happens: at once.
fn while_it_pauses<T>(server: &Server, so: impl FnOnce() -> T) -> T {
    let mut connection = server.connect();
    let _: () = redis::cmd("CLIENT").arg("PAUSE").arg(60_000).arg("WRITE").query(&mut connection).unwrap();
    let began = Instant::now();
    let result = so();
    assert!(began.elapsed() < AT_ONCE, "somebody waited for the server");
    let _: () = redis::cmd("CLIENT").arg("UNPAUSE").query(&mut connection).unwrap();
    result
}
