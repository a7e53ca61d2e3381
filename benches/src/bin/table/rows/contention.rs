//! Four threads on one node, a few nanoseconds of work inside the lock and a few outside.

use crossbeam_utils::CachePadded;
use mutextree::{LockStore, MemoryStore};
use mutextree_benches::workload::one_node::throughput;

use crate::measure::{Effort, Versus};
use crate::report::{Bound, Report, Row, Unit, rate};

const THREADS: usize = 4;

pub(crate) fn measure(effort: &Effort, report: &mut Report) {
    let node = MemoryStore::new().mutex("org/team/project/file").unwrap();
    let flat = CachePadded::new(parking_lot::Mutex::new(()));
    let versus = Versus::in_turns(
        effort.rounds,
        || throughput(effort.together, THREADS, || node.lock().unwrap()),
        || throughput(effort.together, THREADS, || flat.lock()),
    );
    let what = "four threads on a node: rate / parking_lot";
    let row = Row::new(what, versus.ratio, Unit::Times, Bound::AtLeast(0.8));
    report.rows.push(row.from(rate(versus.a), rate(versus.b)));
}
