//! The root of a tree with 100,000 handles, each used once and idle now. The first lock of the root
//! may look at all of them. From the second lock on they must cost nothing.

use std::hint::black_box;
use std::time::Instant;

use mutextree::{LockStore, MemoryStore, TreeMutex, TreePath};

use crate::measure::{Effort, Versus};
use crate::report::{Bound, Report, Row, Unit, nanos};

const HANDLES: usize = 100_000;

pub(crate) fn measure(effort: &Effort, report: &mut Report) {
    let store = MemoryStore::new();
    let handles: Vec<TreeMutex> = (0..HANDLES)
        .map(|n| {
            let file = store.mutex(format!("org/team{}/project{}/file{n}", n % 10, n % 100)).unwrap();
            drop(file.lock().unwrap());
            file
        })
        .collect();
    let root = store.mutex(TreePath::root()).unwrap();
    let start = Instant::now();
    drop(root.lock().unwrap());
    let first = start.elapsed().as_nanos() as f64;

    let leaf = &handles[HANDLES / 2];
    let lock = |mutex: &TreeMutex| drop(black_box(mutex).lock().unwrap());
    let versus = Versus::calls(effort, || lock(&root), || lock(leaf));
    let row = Row::new("root over 100,000 idle handles / leaf", versus.ratio, Unit::Times, Bound::AtMost(10.0));
    report.rows.push(row.from(nanos(versus.a), nanos(versus.b)));

    // One of the handles is used before each lock of the root, so that there is always one to walk
    // to.
    let mut used = handles.iter().cycle();
    let in_turn = || {
        used.next().map(lock);
        lock(&root);
    };
    let in_turn = Versus::calls(effort, in_turn, || lock(leaf));
    report.remarks.push(format!(
        "root over idle handles: the first lock took {}; a leaf and the root in turn take {} together",
        nanos(first),
        nanos(in_turn.a)
    ));
}
