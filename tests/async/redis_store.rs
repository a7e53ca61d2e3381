//! The distributed store, on a Redis server that the test program starts.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use mutextree::RedisStore;

use crate::common::asking::AT_MOST;
use crate::stores::Tested;

#[path = "../redis/checker.rs"]
#[allow(dead_code)] // what the tests of the scripts look at
mod checker;
#[path = "../redis/server.rs"]
mod server;

/// Long enough for a test to have again what it had, and soon over when it looks what is left.
const KEEPS: Duration = Duration::from_millis(50);

fn made(keep: Duration) -> RedisStore {
    // A lease that is cut short while somebody waits is noticed at his next heartbeat.
    server::new_tree_with(|builder| builder.heartbeat(Duration::from_millis(500)).keep(keep))
}

impl Tested for RedisStore {
    const TASKS: usize = 1000;

    fn make() -> Self {
        // Each test has a thread of its own, which is called like it.
        let thread = std::thread::current();
        let test = thread.name().expect("a store is made by the test's thread");
        made(if test.contains("redis_keeping") { KEEPS } else { Duration::ZERO })
    }

    /// There is no such setting: one that keeps.
    fn strict() -> Self {
        made(KEEPS)
    }

    /// What was given back, or given up, is on its way.
    #[track_caller]
    fn assert_empty(&self) {
        static CONNECTION: Mutex<Option<redis::Connection>> = Mutex::new(None);
        let mut connection = CONNECTION.lock().unwrap();
        let connection = connection.get_or_insert_with(|| server::shared().connect());
        let start = Instant::now();
        loop {
            let left = checker::check(connection, &server::tree_of(self));
            if left.held.is_empty() && left.waits.is_empty() {
                return;
            }
            assert!(start.elapsed() < AT_MOST, "{left:?}");
            std::thread::yield_now();
        }
    }
}
