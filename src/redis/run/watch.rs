//! The watch: one thread a site that looks who is master, where another server may be: with
//! Sentinels, and in a cluster.
//!
//! A master that was cut off, or stopped and went on, may not know that it is none any more. A
//! store that has nothing to ask it would find that out by its next request only, and that request
//! might be granted. So the thread looks once a second. If another server is master now, all
//! connections to the one before are cut, and every thread that waits on one goes where the master
//! is.
//!
//! In a cluster trees move from site to site (`wire/route.rs`). Most find a place among those who
//! work there when they next have something to do. The thread sees to the others.

use std::thread;
use std::time::Duration;

use super::workers::Workers;
use crate::redis::clock::clock;

/// The time between two looks.
const BETWEEN: Duration = Duration::from_secs(1);
/// How long a look may take, in microseconds.
const LONGEST: u64 = 1_000_000;

/// The thread.
pub(super) fn run(workers: &Workers) {
    while !workers.is_stopped() {
        workers.site.look(clock() + LONGEST);
        let trees = workers.trees();
        if let Some(client) = trees.first() {
            client.wire.net().join();
        }
        trees.iter().for_each(|client| _ = client.workers());
        drop(trees);
        thread::sleep(BETWEEN);
    }
}
