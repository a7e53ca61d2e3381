//! Threads that all want one lock, with some work inside it and some outside.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;

use crate::measure::{Done, together};

/// How much a thread does between two steps.
#[derive(Clone, Copy)]
pub struct Work(u64);

impl Work {
    const CALIBRATION: u64 = 20_000;

    /// So many steps of counting.
    pub const fn steps(steps: u64) -> Self {
        Self(steps)
    }

    /// As much as takes this long on a thread that is not disturbed.
    pub fn lasting(time: Duration) -> Self {
        // The fastest of some: in that one nothing else ran.
        let nanos = (0..50).map(|_| {
            let start = Instant::now();
            Self(Self::CALIBRATION).run();
            start.elapsed().as_nanos()
        });
        let fastest = nanos.min().unwrap_or_default().max(1) as u64;
        Self(time.as_nanos() as u64 * Self::CALIBRATION / fastest)
    }

    /// Does it.
    #[inline]
    pub fn run(self) {
        for n in 0..self.0 {
            black_box(n);
        }
    }
}

/// How many times a second they get it, all threads taken together: a few nanoseconds of work
/// inside it, and a few outside.
pub fn throughput<G>(time: Duration, threads: usize, lock: impl Fn() -> G + Sync) -> f64 {
    contend(time, threads, [Work::steps(15), Work::steps(30)], lock).rate()
}

/// What the threads did, each over and over: lock, work inside, unlock, work outside.
pub fn contend<G>(time: Duration, threads: usize, [inside, outside]: [Work; 2], lock: impl Fn() -> G + Sync) -> Done {
    // Counted without a read-modify-write: right only if the lock excludes.
    let count = CachePadded::new(AtomicU64::new(0));
    let cycle = || {
        let guard = lock();
        inside.run();
        count.store(count.load(Relaxed) + 1, Relaxed);
        drop(guard);
        outside.run();
    };
    let done = together(time, vec![&cycle; threads]);
    assert_eq!(count.load(Relaxed), done.calls, "two threads held the lock at once");
    done
}
