//! Threads that all want one lock, a few nanoseconds of work inside it and a few outside.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crossbeam_utils::CachePadded;

use crate::measure::together;

/// How many times a second they get it, all threads taken together.
pub fn throughput<G>(time: Duration, threads: usize, lock: impl Fn() -> G + Sync) -> f64 {
    // Counted without a read-modify-write: right only if the lock excludes.
    let count = CachePadded::new(AtomicU64::new(0));
    let cycle = || {
        let guard = lock();
        work(15);
        count.store(count.load(Relaxed) + 1, Relaxed);
        drop(guard);
        work(30);
    };
    let done = together(time, vec![&cycle; threads]);
    assert_eq!(count.load(Relaxed), done.calls, "two threads held the lock at once");
    done.rate()
}

fn work(amount: u32) {
    for n in 0..amount {
        black_box(n);
    }
}
