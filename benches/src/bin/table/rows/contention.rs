//! Four threads on one node, a few nanoseconds of work inside the lock and a few outside.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crossbeam_utils::CachePadded;
use mutextree::{LockStore, MemoryStore};

use crate::measure::{Effort, Versus, together};
use crate::report::{Bound, Report, Row, Unit, rate};

const THREADS: usize = 4;

pub(crate) fn measure(effort: &Effort, report: &mut Report) {
    let node = MemoryStore::new().mutex("org/team/project/file").unwrap();
    let flat = CachePadded::new(parking_lot::Mutex::new(()));
    let versus = Versus::in_turns(
        effort.rounds,
        || throughput(effort, || node.lock().unwrap()),
        || throughput(effort, || flat.lock()),
    );
    let what = "four threads on a node: rate / parking_lot";
    let row = Row::new(what, versus.ratio, Unit::Times, Bound::AtLeast(0.8));
    report.rows.push(row.from(rate(versus.a), rate(versus.b)));
}

fn throughput<G>(effort: &Effort, lock: impl Fn() -> G + Sync) -> f64 {
    // Counted without a read-modify-write: right only if the lock excludes.
    let count = CachePadded::new(AtomicU64::new(0));
    let cycle = || {
        let guard = lock();
        work(15);
        count.store(count.load(Relaxed) + 1, Relaxed);
        drop(guard);
        work(30);
    };
    let done = together(effort.together, vec![&cycle; THREADS]);
    assert_eq!(count.load(Relaxed), done.calls, "two threads held the lock at once");
    done.rate()
}

fn work(amount: u32) {
    for n in 0..amount {
        black_box(n);
    }
}
