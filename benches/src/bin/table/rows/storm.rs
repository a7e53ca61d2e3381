//! The root under a storm of leaf locks.

use std::thread::available_parallelism;
use std::time::Duration;

use mutextree::{LockStore, MemoryStore, TreePath};
use mutextree_benches::workload::storm::storm;
use parking_lot::RwLock;

use crate::measure::Effort;
use crate::report::{Bound, Report, Row, Unit, nanos};

/// A lock that starves whoever wants the root would keep us for ever.
const LIMIT: Duration = Duration::from_millis(250);
const BUDGET: Duration = Duration::from_secs(3);

pub(crate) fn measure(effort: &Effort, report: &mut Report) {
    let threads = available_parallelism().map_or(6, |cores| (3 * cores.get()).max(6));
    let waits = if effort.quick { 200 } else { 600 };

    let store = MemoryStore::new();
    let leaves = (0..threads).map(|n| store.mutex(format!("org/team/project/file{n}")).unwrap());
    let root = store.mutex(TreePath::root()).unwrap();
    let leaves: Vec<_> = leaves.map(|leaf| move || leaf.lock_owned().unwrap()).collect();
    let ours = storm(waits, BUDGET, leaves, || root.try_lock_for(LIMIT).ok());

    let flat = RwLock::new(());
    let theirs = storm(waits, BUDGET, (0..threads).map(|_| || flat.read()).collect(), || flat.try_write_for(LIMIT));

    let what = format!("root, {threads} threads on leaves: wait / hold");
    let row = Row::new(what, ours.median / ours.hold, Unit::Times, Bound::AtMost(10.0));
    report.rows.push(row.from(nanos(ours.median), format!("{} hold", nanos(ours.hold))));
    let limit = nanos(LIMIT.as_nanos() as f64);
    for (who, storm) in [("mutextree", &ours), ("one parking_lot::RwLock, leaves read, root writes", &theirs)] {
        let (median, longest) = (nanos(storm.median), nanos(storm.longest));
        report.remarks.push(format!(
            "{who}: wait for the root {median}, longest of {} {longest}, {} given up after {limit}",
            storm.waits, storm.gave_up
        ));
    }
}
