//! Several locks at once: a set, against the same locks one after the other in path order, and
//! against happylock, which knows no tree, no tasks and no timeouts.

use mutextree_benches::Site;
use mutextree_benches::sets::{Happy, OneByOne, Set};

use crate::measure::{Effort, Versus};
use crate::report::{Bound, Report, Row, Unit, nanos};

pub(crate) fn measure(effort: &Effort, report: &mut Report) {
    of::<2>(effort, report, 2.5, 5.0);
    of::<8>(effort, report, 1.3, 2.5);
}

fn of<const N: usize>(effort: &Effort, report: &mut Report, one_by_one: f64, happylock: f64) {
    let versus = Versus::lone::<Set<N>, OneByOne<N>>(effort, &Site::LONE);
    let row = Row::new(format!("set of {N} / one by one"), versus.ratio, Unit::Times, Bound::AtMost(one_by_one));
    report.rows.push(row.from(nanos(versus.a), nanos(versus.b)));
    let versus = Versus::lone::<Set<N>, Happy<N>>(effort, &Site::LONE);
    let row = Row::new(format!("set of {N} / happylock"), versus.ratio, Unit::Times, Bound::AtMost(happylock));
    report.rows.push(row.from(nanos(versus.a), nanos(versus.b)));
}
