//! Held locks that change: narrowed, and upgraded, against locks that are taken anew.

use mutextree_benches::changing::{Narrow, NarrowAnew, Upgrade, UpgradeAnew};
use mutextree_benches::{Site, Subject};

use crate::measure::{Effort, Versus};
use crate::report::{Bound, Report, Row, Unit, nanos};

pub(crate) fn measure(effort: &Effort, report: &mut Report) {
    row::<Narrow, NarrowAnew>(effort, report, "narrow to a child / two locks anew", 8.0);
    row::<Upgrade, UpgradeAnew>(effort, report, "upgrade / shared, then exclusive", 1.5);
}

fn row<A: Subject, B: Subject>(effort: &Effort, report: &mut Report, what: &str, bound: f64) {
    let versus = Versus::lone::<A, B>(effort, &Site::LONE);
    let row = Row::new(what, versus.ratio, Unit::Times, Bound::AtMost(bound));
    report.rows.push(row.from(nanos(versus.a), nanos(versus.b)));
}
