//! `store.lock("org/team/project/file")`, warm: a lock that is looked up by its path each time.

use mutextree_benches::Site;
use mutextree_benches::ours::ByPath;
use mutextree_benches::peers::{MapOfMutexes, ParkingLot, PoolOwned, PoolStatic};
use mutextree_benches::scaling::{Scaling, crew};

use super::handle::{machine_gave, scales};
use crate::measure::{Effort, Versus};
use crate::report::{Bound, Report, Row, Unit, nanos};

pub(crate) fn measure(effort: &Effort, report: &mut Report) {
    let versus = Versus::lone::<ByPath, ParkingLot>(effort, &Site::LONE);
    let row = Row::new("store.lock(path) / parking_lot::Mutex", versus.ratio, Unit::Times, Bound::AtMost(3.5));
    report.rows.push(row.from(nanos(versus.a), nanos(versus.b)));

    // The pool is at its best with keys that need no allocation, so this is the one to beat.
    let versus = Versus::lone::<ByPath, PoolStatic>(effort, &Site::LONE);
    let row = Row::new("store.lock(path) / lockable's LockPool", versus.ratio, Unit::Times, Bound::AtMost(1.0));
    report.rows.push(row.from(nanos(versus.a), nanos(versus.b)));
    let owned = Versus::lone::<ByPath, PoolOwned>(effort, &Site::LONE);
    report.remarks.push(format!("LockPool has &'static str keys above; with String keys it takes {}", nanos(owned.b)));

    // A map of mutexes beside it, which is no bound: it does not scale either.
    let crews = [crew::<ByPath>(effort), crew::<MapOfMutexes>(effort)];
    let [ours, map] = Scaling::all::<ParkingLot, 2>(effort, crews);
    report.rows.push(scales("store.lock(path): two / one / machine", &ours));
    report.remarks.push(machine_gave("store.lock(path)", &ours));
    report.remarks.push(machine_gave("a DashMap of mutexes", &map));
}
