//! A writer that comes when readers have just gone.

use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use crate::measure::{median, uncounted};

const READERS: usize = 2;
/// Enough that the readers met each other.
const READS: usize = 3000;

/// Nanoseconds for one call of `write`, the median of so many. Before each of them two threads have
/// called `read` over and over at the same time, and nobody is in it any more.
pub fn write_after(calls: usize, read: impl Fn() + Sync, mut write: impl FnMut()) -> f64 {
    let (begin, end) = (Barrier::new(READERS + 1), Barrier::new(READERS + 1));
    let run = || {
        for _ in 0..calls {
            begin.wait();
            (0..READS).for_each(|_| read());
            end.wait();
        }
    };
    thread::scope(|scope| {
        (0..READERS).for_each(|_| drop(scope.spawn(|| uncounted(run))));
        median((0..calls).map(|_| {
            begin.wait();
            end.wait();
            let start = Instant::now();
            write();
            start.elapsed().as_nanos() as f64
        }))
    })
}
