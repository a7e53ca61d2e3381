//! `store.lock("org/team/project/file")`, warm: a lock that is looked up by its path each time.

use mutextree_benches::Site;
use mutextree_benches::ours::ByPath;
use mutextree_benches::peers::{ParkingLot, PoolOwned, PoolStatic};

use super::handle::machine_gave;
use crate::measure::{Effort, Scaling, Versus};
use crate::report::{Bound, Report, Row, Unit, nanos, rate};

pub(crate) fn measure(effort: &Effort, report: &mut Report) {
    let versus = Versus::lone::<ByPath, ParkingLot>(effort, &Site::LONE);
    let row = Row::new("store.lock(path) / parking_lot::Mutex", versus.ratio, Unit::Times, Bound::AtMost(8.0));
    report.rows.push(row.from(nanos(versus.a), nanos(versus.b)));

    // The pool is at its best with keys that need no allocation, so this is the one to beat.
    let versus = Versus::lone::<ByPath, PoolStatic>(effort, &Site::LONE);
    let row = Row::new("store.lock(path) / lockable's LockPool", versus.ratio, Unit::Times, Bound::AtMost(1.0));
    report.rows.push(row.from(nanos(versus.a), nanos(versus.b)));
    let owned = Versus::lone::<ByPath, PoolOwned>(effort, &Site::LONE);
    report.remarks.push(format!("LockPool has &'static str keys above; with String keys it takes {}", nanos(owned.b)));

    let scaling = Scaling::of::<ByPath, ParkingLot>(effort);
    let row = Row::new("store.lock(path): two threads / one", scaling.ratio, Unit::Times, Bound::AtLeast(1.5));
    report.rows.push(row.from(rate(scaling.two), rate(scaling.one)).if_machine(scaling.clear));
    report.remarks.push(machine_gave("store.lock(path)", &scaling));
}
