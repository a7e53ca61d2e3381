//! What a service uses beside plain guards: owners, leases, fencing tokens, owned guards.

use mutextree_benches::ours::{FencedHandle, Handle, LeasedHandle, NamedHandle, OwnedHandle};
use mutextree_benches::{Site, Subject};

use crate::measure::{Effort, Versus};
use crate::report::{Bound, Report, Row, Unit, nanos};

pub(crate) fn measure(effort: &Effort, report: &mut Report) {
    report.rows.extend([
        against_plain::<NamedHandle>(effort, "with an owner / plain handle", 2.5),
        against_plain::<LeasedHandle>(effort, "with a lease / plain handle", 5.0),
        against_plain::<FencedHandle>(effort, "with its fencing token / plain handle", 2.0),
        against_plain::<OwnedHandle>(effort, "lock_owned / plain handle", 2.5),
    ]);
}

fn against_plain<S: Subject>(effort: &Effort, what: &str, bound: f64) -> Row {
    let versus = Versus::lone::<S, Handle>(effort, &Site::LONE);
    let row = Row::new(what, versus.ratio, Unit::Times, Bound::AtMost(bound));
    row.from(nanos(versus.a), nanos(versus.b))
}
