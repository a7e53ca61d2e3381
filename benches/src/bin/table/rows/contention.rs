//! Threads on one node: sections of different length, as much outside the lock as inside it.
//!
//! Two figures count for each: how often the node changes hands, and how little the slowest thread
//! gets. Both are judged by a `parking_lot::Mutex` in the same rounds. So is another mutex of
//! parking_lot: what that one does is what a cell says of two locks that are the same.

use std::time::Duration;

use crossbeam_utils::CachePadded;
use mutextree::{LockStore, MemoryStore};
use mutextree_benches::measure::{Contestant, Done, in_turns, median};
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
    /// The rate of another one of theirs to theirs: how sure a cell is.
    control: f64,
    /// The slowest thread's part with us, with them and with that other one, where 1 is as much as
    /// the others.
    shares: [f64; 3],
}

pub(crate) fn measure(effort: &Effort, report: &mut Report) {
    for threads in THREADS {
        let mut least: Option<(f64, [String; 2])> = None;
        let (mut controls, mut least_control) = (Vec::new(), f64::INFINITY);
        for section in SECTIONS {
            let cell = cell(effort, threads, Work::lasting(Duration::from_nanos(section)));
            let section = length(section);
            let what = format!("{threads} threads, one node, {section} / parking_lot");
            let row = Row::new(what, cell.rate, Unit::Times, Bound::AtLeast(EVEN));
            report.rows.push(row.from(rate(cell.ours), rate(cell.theirs)));
            let [ours, theirs, again] = cell.shares;
            let share = ours / theirs;
            let shown = [ours, theirs].map(|share| Unit::Times.show(share));
            controls.push(Unit::Times.show(cell.control));
            least_control = f64::min(least_control, again / theirs);
            if least.as_ref().is_none_or(|(least, _)| share < *least) {
                let [ours, theirs] = shown;
                least = Some((share, [format!("{ours} at {section}"), theirs]));
            }
        }
        let Some((share, [ours, theirs])) = least else { continue };
        let what = format!("{threads} threads, the slowest's share / parking_lot");
        report.rows.push(Row::new(what, share, Unit::Times, Bound::AtLeast(EVEN)).from(ours, theirs));
        report.remarks.push(format!(
            "{threads} threads, one node: another parking_lot::Mutex in the same rounds did {}, its slowest's share {}",
            controls.join(", "),
            Unit::Times.show(least_control)
        ));
    }
}

fn cell(effort: &Effort, threads: usize, section: Work) -> Cell {
    let node = MemoryStore::new().mutex("org/team/project/file").unwrap();
    let both = [(); 2].map(|()| CachePadded::new(parking_lot::Mutex::new(())));
    let (rounds, time) = if effort.quick { (3, effort.together) } else { (5, 4 * effort.together) };
    let theirs = |flat: &parking_lot::Mutex<()>| contend(time, threads, [section; 2], || flat.lock());
    let mut contestants: [Contestant<'_, Done>; 3] = [
        Box::new(|| contend(time, threads, [section; 2], || node.lock().unwrap())),
        Box::new(|| theirs(&both[0])),
        Box::new(|| theirs(&both[1])),
    ];
    let done = in_turns(rounds, &mut contestants);
    let rate = |who: usize| done[who].iter().map(Done::rate);
    let against = |who: usize| median(rate(who).zip(rate(1)).map(|(one, theirs)| one / theirs));
    Cell {
        ours: median(rate(0)),
        theirs: median(rate(1)),
        rate: against(0),
        control: against(2),
        shares: [0, 1, 2].map(|who| median(done[who].iter().map(Done::slowest_share))),
    }
}

fn length(nanos: u64) -> String {
    if nanos < 1_000 { format!("{nanos} ns") } else { format!("{} µs", nanos / 1_000) }
}
