//! Threads on one node: sections of different length, as much outside the lock as inside it.
//!
//! Two figures count for each: how often the node changes hands, and how little the slowest thread
//! gets. Both are judged by a `parking_lot::Mutex` in the same rounds.

use std::time::Duration;

use crossbeam_utils::CachePadded;
use mutextree::{LockStore, MemoryStore};
use mutextree_benches::measure::median;
use mutextree_benches::workload::one_node::{Work, contend};

use crate::measure::Effort;
use crate::report::{Bound, Report, Row, Unit, rate};

const THREADS: [usize; 3] = [2, 4, 8];
const SECTIONS: [u64; 5] = [0, 20, 200, 2_000, 20_000];

/// As fast as the other, and as fair: 1.0 to the digits that five rounds of a scheduler give.
const EVEN: f64 = 0.95;

/// Medians of the rounds.
struct Cell {
    ours: f64,
    theirs: f64,
    rate: f64,
    /// The slowest thread's part with us and with them, where 1 is as much as the others.
    shares: [f64; 2],
}

pub(crate) fn measure(effort: &Effort, report: &mut Report) {
    for threads in THREADS {
        let mut least: Option<(f64, [String; 2])> = None;
        for section in SECTIONS {
            let cell = cell(effort, threads, Work::lasting(Duration::from_nanos(section)));
            let section = length(section);
            let what = format!("{threads} threads, one node, {section} / parking_lot");
            let row = Row::new(what, cell.rate, Unit::Times, Bound::AtLeast(EVEN));
            report.rows.push(row.from(rate(cell.ours), rate(cell.theirs)));
            let share = cell.shares[0] / cell.shares[1];
            let shown = cell.shares.map(|share| Unit::Times.show(share));
            if least.as_ref().is_none_or(|(least, _)| share < *least) {
                least = Some((share, [format!("{} at {section}", shown[0]), shown[1].clone()]));
            }
        }
        let Some((share, [ours, theirs])) = least else { continue };
        let what = format!("{threads} threads, the slowest's share / parking_lot");
        report.rows.push(Row::new(what, share, Unit::Times, Bound::AtLeast(EVEN)).from(ours, theirs));
    }
}

fn cell(effort: &Effort, threads: usize, section: Work) -> Cell {
    let node = MemoryStore::new().mutex("org/team/project/file").unwrap();
    let flat = CachePadded::new(parking_lot::Mutex::new(()));
    let (rounds, time) = if effort.quick { (3, effort.together) } else { (5, 4 * effort.together) };
    let ours = || contend(time, threads, [section; 2], || node.lock().unwrap());
    let theirs = || contend(time, threads, [section; 2], || flat.lock());
    let pairs: Vec<_> = (0..rounds)
        .map(|round| {
            if round % 2 == 0 {
                let ours = ours();
                (ours, theirs())
            } else {
                let theirs = theirs();
                (ours(), theirs)
            }
        })
        .collect();
    Cell {
        ours: median(pairs.iter().map(|(ours, _)| ours.rate())),
        theirs: median(pairs.iter().map(|(_, theirs)| theirs.rate())),
        rate: median(pairs.iter().map(|(ours, theirs)| ours.rate() / theirs.rate())),
        shares: [
            median(pairs.iter().map(|(ours, _)| ours.slowest_share())),
            median(pairs.iter().map(|(_, theirs)| theirs.slowest_share())),
        ],
    }
}

fn length(nanos: u64) -> String {
    if nanos < 1_000 { format!("{nanos} ns") } else { format!("{} µs", nanos / 1_000) }
}
