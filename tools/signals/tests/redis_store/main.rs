//! Signals interrupt the threads that talk to a Redis server which is 20 ms away. No call fails for
//! that, and no connection is given up for it: signals are the embedding program's business.
#![cfg(target_os = "linux")]

mod far;
#[path = "../../../../tests/redis/server.rs"]
mod server;

use std::thread;
use std::time::{Duration, Instant};

use mutextree::{LockError, LockStore, RedisStore};
use mutextree_signals::{Handled, Signals};

use crate::far::Far;
use crate::server::Server;

const PAIRS: usize = 30;
/// What two stores may open while they do something for the first time: a few connections for
/// callers, and one each for those of their threads that have one. With one a failed call there
/// would be dozens.
const FEW: u64 = 12;
/// The lease of locks that renew themselves.
const LEASE: Duration = Duration::from_secs(1);
/// What the system shows of the names of a store's threads.
const THREADS: &str = "mutextree";

/// A server, the way to it, and a connection to look at the server with.
struct Site {
    _server: Server,
    far: Far,
    connection: redis::Connection,
}

impl Site {
    fn new() -> Self {
        let server = Server::start();
        let far = Far::start(server.port(), Duration::from_millis(20));
        let connection = server.connect();
        Self { _server: server, far, connection }
    }

    fn connect(&self) -> Result<RedisStore, LockError> {
        RedisStore::builder(&self.far.url()).lease(LEASE).connect()
    }

    /// How many connections the server has seen.
    fn connections(&mut self) -> u64 {
        let report: String = redis::cmd("INFO").arg("stats").query(&mut self.connection).unwrap();
        let line = report.lines().find_map(|line| line.strip_prefix("total_connections_received:"));
        line.expect("the server counts them").parse().unwrap()
    }

    /// Runs it, and looks how many connections it took.
    #[track_caller]
    fn takes_few_connections(mut self, run: impl FnOnce(&Self)) {
        let before = self.connections();
        run(&self);
        let taken = self.connections() - before;
        assert!(taken <= FEW, "{taken} connections were opened: some were given up for an interrupted call");
    }
}

/// What failed of many.
#[track_caller]
fn assert_all_succeed(results: &[Result<(), LockError>]) {
    let failed: Vec<_> = results.iter().filter_map(|result| result.as_ref().err()).collect();
    assert!(failed.is_empty(), "{} of {} failed, the first with: {}", failed.len(), results.len(), failed[0]);
}

fn a_thread_that_locks(handled: Handled) {
    Site::new().takes_few_connections(|site| {
        let store = site.connect().unwrap();
        let results = Signals::to_thread(handled, move || {
            let mutex = store.mutex("a/b").unwrap();
            let pair = |_| mutex.lock().and_then(|guard| guard.unlock());
            (0..PAIRS).map(pair).collect::<Vec<_>>()
        });
        assert_all_succeed(&results);
    });
}

#[test]
fn a_thread_that_locks_with_restarted_calls() {
    a_thread_that_locks(Handled::Restarting);
}

#[test]
fn a_thread_that_locks_with_interrupted_calls() {
    a_thread_that_locks(Handled::Interrupting);
}

/// To connect, to try, to wait for a while, to ask, to refresh, to make a lease of a guard and to
/// release it: everything that talks to the server on the calling thread.
fn a_thread_that_does_everything_else(handled: Handled) {
    Site::new().takes_few_connections(|site| {
        let url = site.far.url();
        let results = Signals::to_thread(handled, move || {
            let store = RedisStore::builder(&url).connect()?;
            let mutex = store.mutex("a/b")?;
            for _ in 0..5 {
                let mut guard = mutex.try_lock_owned()?;
                let busy = store.mutex("a")?.try_lock_owned_for(Duration::from_millis(100));
                assert!(matches!(busy, Err(LockError::TimedOut { .. })), "{:?}", busy.err());
                assert!(mutex.is_locked());
                guard.refresh()?;
                guard.downgrade().unwrap();
                store.mutex("a")?.shared().try_lock()?.unlock()?;
                let lease = guard.into_lease()?;
                assert_eq!(store.locks()?.len(), 1);
                store.resume("a/b", lease.token())?.release()?;
            }
            Ok(())
        });
        assert_all_succeed(&[results]);
    });
}

#[test]
fn a_thread_that_does_everything_else_with_restarted_calls() {
    a_thread_that_does_everything_else(Handled::Restarting);
}

#[test]
fn a_thread_that_does_everything_else_with_interrupted_calls() {
    a_thread_that_does_everything_else(Handled::Interrupting);
}

/// The store's own threads renew, listen and drive tasks.
fn threads_of_the_store(handled: Handled) {
    Site::new().takes_few_connections(|site| {
        let (store, other) = (site.connect().unwrap(), site.connect().unwrap());
        let renewed = store.lock("renewed").unwrap();
        let signals = Signals::to_threads_named(handled, THREADS);
        let began = Instant::now();
        let task = || {
            let mutex = store.mutex("task").unwrap();
            pollster::block_on(mutex.lock_owned_async()).map(drop)
        };
        assert_all_succeed(&(0..PAIRS).map(|_| task()).collect::<Vec<_>>());
        // Waiters who are handed the lock by way of the listener.
        for turn in 0..10 {
            let held = other.lock("waited").unwrap();
            let mutex = store.mutex("waited").unwrap();
            let waiter = thread::spawn(move || mutex.lock().and_then(|guard| guard.unlock()));
            // Long enough for the waiter to be queued.
            let in_vain = other.mutex("waited").unwrap().try_lock_owned_for(Duration::from_millis(100));
            assert!(matches!(in_vain, Err(LockError::TimedOut { .. })), "{:?}", in_vain.err());
            held.unlock().unwrap();
            let began = Instant::now();
            waiter.join().unwrap().unwrap_or_else(|error| panic!("waiter {turn}: {error}"));
            assert!(began.elapsed() < Duration::from_secs(2), "waiter {turn} was handed it in {:?}", began.elapsed());
        }
        // A lock is renewed all the while, which is longer than its lease.
        while began.elapsed() < 2 * LEASE {
            assert_all_succeed(&[task()]);
        }
        assert!(renewed.is_held(), "the renewal was interrupted");
        renewed.unlock().unwrap();
        signals.stop();
    });
}

#[test]
fn threads_of_the_store_with_restarted_calls() {
    threads_of_the_store(Handled::Restarting);
}

#[test]
fn threads_of_the_store_with_interrupted_calls() {
    threads_of_the_store(Handled::Interrupting);
}
