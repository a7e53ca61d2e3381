//! A kept `TreeMutex`: what a tree lock costs where a flat lock would do, whether depth matters,
//! and whether siblings slow each other down.

use mutextree_benches::ours::{Handle, WatchedHandle};
use mutextree_benches::peers::{Chain, ParkingLot};
use mutextree_benches::{Site, Subject};

use crate::measure::{Effort, Versus};
use crate::report::{Bound, Report, Row, Unit, nanos, rate};
use mutextree_benches::scaling::Scaling;

pub(crate) fn measure(effort: &Effort, report: &mut Report) {
    for depth in [4, 16] {
        let versus = Versus::lone::<Handle, ParkingLot>(effort, &Site { depth, ..Site::LONE });
        let what = format!("handle, depth {depth} / parking_lot::Mutex");
        let row = Row::new(what, versus.ratio, Unit::Times, Bound::AtMost(1.1));
        report.rows.push(row.from(nanos(versus.a), nanos(versus.b)));
    }
    report.rows.push(against_chain::<Chain<4>>(effort, 4, 4.0));
    report.rows.push(against_chain::<Chain<16>>(effort, 16, 12.0));

    let versus = Versus::lone::<WatchedHandle, Handle>(effort, &Site { depth: 4, ..Site::LONE });
    let what = "handle, deadlock detection on / off, depth 4";
    let row = Row::new(what, versus.ratio, Unit::Times, Bound::AtMost(12.0));
    report.rows.push(row.from(nanos(versus.a), nanos(versus.b)));

    let scaling = Scaling::of::<Handle, ParkingLot>(effort);
    let row = Row::new("handles: two threads / one", scaling.ratio, Unit::Times, Bound::AtLeast(1.9));
    report.rows.push(row.from(rate(scaling.two), rate(scaling.one)).if_machine(scaling.clear));
    report.remarks.push(machine_gave("handles", &scaling));
}

fn against_chain<C: Subject>(effort: &Effort, depth: usize, bound: f64) -> Row {
    let versus = Versus::lone::<C, Handle>(effort, &Site { depth, ..Site::LONE });
    let what = format!("chain of RwLocks / handle, depth {depth}");
    Row::new(what, versus.ratio, Unit::Times, Bound::AtLeast(bound)).from(nanos(versus.b), nanos(versus.a))
}

/// Judged by what the machine had to give: nine tenths of the scaling of two unrelated flat locks.
pub(crate) fn scales(what: &str, scaling: &Scaling) -> Row {
    let row = Row::new(what, scaling.of_machine, Unit::Times, Bound::AtLeast(0.9));
    row.from(rate(scaling.two), rate(scaling.one)).if_machine(scaling.clear)
}

/// What to hold a scaling against.
pub(crate) fn machine_gave(what: &str, scaling: &Scaling) -> String {
    let (ratio, machine) = (Unit::Times.show(scaling.ratio), Unit::Times.show(scaling.machine));
    format!("{what}: two threads / one {ratio}; two unrelated parking_lot::Mutex reached {machine} in the same rounds")
}
