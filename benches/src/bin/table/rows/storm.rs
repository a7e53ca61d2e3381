//! The root under a storm: more threads than cores, each locking a leaf of its own again as soon as it has let go of it. How long does somebody
//! wait who wants the root? The holders sleep, as if for a disk: with spinning ones this would measure how long the
//! scheduler keeps a holder off its core, and that is milliseconds for any lock.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, available_parallelism, sleep};
use std::time::{Duration, Instant};

use mutextree::{LockStore, MemoryStore, TreePath};
use parking_lot::RwLock;

use crate::measure::{Effort, median, uncounted};
use crate::report::{Bound, Report, Row, Unit, nanos};

/// What a holder asks for. The time that counts is the one that it got.
const HOLD: Duration = Duration::from_micros(100);
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
    let ours = storm(waits, leaves, || root.try_lock_for(LIMIT).ok());

    let flat = RwLock::new(());
    let theirs = storm(waits, (0..threads).map(|_| || flat.read()).collect(), || flat.try_write_for(LIMIT));

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

/// Times in nanoseconds.
struct Storm {
    /// The median time for which a leaf was held.
    hold: f64,
    median: f64,
    longest: f64,
    waits: usize,
    gave_up: usize,
}

fn storm<L, R>(waits: usize, leaves: Vec<impl Fn() -> L + Send>, root: impl Fn() -> Option<R>) -> Storm {
    let (start, stop) = (Barrier::new(leaves.len() + 1), AtomicBool::new(false));
    thread::scope(|scope| {
        let hold_for_ever = |leaf| {
            let (start, stop) = (&start, &stop);
            scope.spawn(move || uncounted(|| hold_until(stop, start, leaf)))
        };
        let holders: Vec<_> = leaves.into_iter().map(hold_for_ever).collect();
        start.wait();
        let started = Instant::now();
        let (mut times, mut gave_up) = (Vec::new(), 0);
        while times.len() < waits && started.elapsed() < BUDGET {
            // Not in step with the holders.
            sleep(Duration::from_micros(500 + 37 * (times.len() as u64 % 16)));
            let asked = Instant::now();
            let got = root();
            times.push(asked.elapsed().as_nanos() as f64);
            gave_up += usize::from(got.is_none());
        }
        stop.store(true, Relaxed);
        let holds = holders.into_iter().flat_map(|holder| holder.join().unwrap());
        Storm {
            hold: median(holds),
            longest: times.iter().copied().fold(0.0, f64::max),
            waits: times.len(),
            median: median(times),
            gave_up,
        }
    })
}

/// Locks and holds, over and over. Returns for how long each time.
fn hold_until<L>(stop: &AtomicBool, start: &Barrier, leaf: impl Fn() -> L) -> Vec<f64> {
    let mut holds = Vec::new();
    start.wait();
    while !stop.load(Relaxed) {
        let guard = leaf();
        let since = Instant::now();
        sleep(HOLD);
        holds.push(since.elapsed().as_nanos() as f64);
        drop(guard);
    }
    holds
}
