//! Bytes asked of the allocator for each live node: the node, its place in the index and in its
//! parent's list. Its path is not counted.

use std::sync::Arc;

use dashmap::DashMap;
use mutextree::{LockStore, MemoryStore};

use crate::measure::Effort;
use crate::report::{Bound, Report, Row, Unit};

/// The second count has just made a hash table of powers of two grow, which is when it is emptiest.
const NODES: [usize; 2] = [100_000, 120_000];

pub(crate) fn measure(_: &Effort, report: &mut Report) {
    let [usual, worst] = NODES.map(ours);
    let theirs = map_of_mutexes(NODES[0]);
    let row = Row::new("memory per live node, path apart", usual, Unit::Bytes, Bound::AtMost(128.0));
    report.rows.push(row.from(Unit::Bytes.show(usual), format!("{} DashMap", Unit::Bytes.show(theirs))));
    report.remarks.push(format!(
        "memory: {} at {} nodes; DashMap is one from Arc<str> to Arc<Mutex>",
        Unit::Bytes.show(worst),
        NODES[1]
    ));
}

fn paths(nodes: usize) -> Vec<String> {
    (0..nodes).map(|n| format!("org{}/team{}/file{n}", n % 10, n % 100)).collect()
}

/// The handles are alive and each has been locked and unlocked once. What a handle takes itself is
/// the user's.
fn ours(nodes: usize) -> f64 {
    let store = MemoryStore::new();
    let mut handles = Vec::with_capacity(nodes);
    per_node(paths(nodes), |path| {
        let handle = store.mutex(path).unwrap();
        drop(handle.lock().unwrap());
        handles.push(handle);
    })
}

fn map_of_mutexes(nodes: usize) -> f64 {
    let locks: DashMap<Arc<str>, Arc<parking_lot::Mutex<()>>> = DashMap::new();
    per_node(paths(nodes), |path| drop(locks.entry(path.into()).or_default().lock()))
}

fn per_node(paths: Vec<String>, mut make: impl FnMut(&str)) -> f64 {
    let counted = allocation_counter::measure(|| paths.iter().for_each(|path| make(path)));
    // A path is one `Arc<str>`: two counts and the text.
    let texts: usize = paths.iter().map(|path| (16 + path.len()).next_multiple_of(8)).sum();
    (counted.bytes_current - texts as i64) as f64 / paths.len() as f64
}
