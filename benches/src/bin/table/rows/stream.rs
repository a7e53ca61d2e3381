//! A million distinct paths, each locked and unlocked once: what a new path costs, and whether
//! nodes are reclaimed meanwhile.

use dashmap::DashMap;
use mutextree::{LockStore, MemoryStore};
use mutextree_benches::workload::stream::stream;

use crate::measure::{Effort, Versus};
use crate::report::{Bound, Report, Row, Unit, nanos};

const PATHS: usize = 1_000_000;
/// There are at most five nodes in use at a time (the path's own and its ancestors'), so all but a
/// few of these are the constant of "at most twice the nodes in use plus a constant".
const NODES: f64 = 16_384.0;
/// 0.45 µs where the map takes 60 ns.
const TIME: f64 = 7.5;

pub(crate) fn measure(effort: &Effort, report: &mut Report) {
    let (mut most, mut left) = (0, 0);
    let ours = || {
        let store = MemoryStore::new();
        let time = stream(PATHS, |path| drop(store.lock(path).unwrap()), || most = most.max(store.node_count()));
        store.shrink_to_fit();
        left = left.max(store.node_count());
        time
    };
    let theirs = || {
        let locked = DashMap::new();
        let lock = |path: &str| {
            locked.insert(path.to_owned(), ());
            locked.remove(path);
        };
        stream(PATHS, lock, || ())
    };
    let versus = Versus::in_turns(if effort.quick { 2 } else { 5 }, ours, theirs);

    let what = "1 M distinct paths / DashMap, in and out";
    let row = Row::new(what, versus.ratio, Unit::Times, Bound::AtMost(TIME));
    report.rows.push(row.from(nanos(versus.a), nanos(versus.b)));
    let row = Row::new("1 M distinct paths: most nodes alive", most as f64, Unit::Nodes, Bound::AtMost(NODES));
    report.rows.push(row);
    report.remarks.push(format!("1 M distinct paths: shrink_to_fit leaves {left} node(s)"));
}
