//! A node that is asked for under a storm of leaf locks below it.

use std::time::Duration;

use mutextree::{LockStore, MemoryStore};
use mutextree_benches::Subject;
use mutextree_benches::measure::Effort;
use mutextree_benches::ours::Handle;
use mutextree_benches::peers::{Bolt, Chain, Glock, glock_line};
use mutextree_benches::unit::nanos;
use mutextree_benches::workload::storm::{Storm, storm};
use parking_lot::RwLock;
use pollster::FutureExt;

use crate::page::Section;
use crate::plot::{Plot, Unit};
use crate::series::{Line, Look, colour, sweep};

const THREADS: [usize; 6] = [1, 2, 4, 8, 16, 32];
/// A lock that starves whoever wants an inner node lets go of us when its storm is over.
const BUDGET: Duration = Duration::from_millis(600);
const FLAT: &str = "one parking_lot::RwLock";
const HOLD: &str = "a leaf is held for";

pub(crate) fn measure(effort: &Effort) -> Section {
    let waits = if effort.quick { 100 } else { 250 };
    let lines = [
        Line::ours::<Handle>(colour::HANDLE),
        Line::new(FLAT, colour::FLAT, Look::Peer),
        Line::peer::<Chain<4>>(colour::CHAIN),
        Line::peer::<Bolt>(colour::BOLT),
        Line::peer::<Glock>(colour::GLOCK),
        Line::new(HOLD, colour::OTHER, Look::Reference),
    ];
    let mut longest = 0f64;
    let series = sweep(lines, &THREADS, |threads| {
        let ours = ours(waits, threads);
        longest = longest.max(ours.longest);
        let others = [flat, chain, bolt, glock].map(|other| other(waits, threads).median);
        [&[ours.median], &others[..], &[ours.hold]].concat()
    });
    let plot = Plot {
        name: "storm",
        title: "Wait for an inner node while threads lock leaves below it",
        x: "threads that lock a leaf each, over and over",
        y: "median wait",
        unit: Unit::Time,
        series,
    };
    let most = THREADS[THREADS.len() - 1] as f64;
    let at = |name: &str| nanos(plot.of(name).at(most));
    let shows = format!(
        "{most} threads lock a leaf each, over and over, and hold it for {}. A lock on the node above them waits {}, \
         and at most {} with any number of threads. A chain of read-write locks waits {}, glock {}. \
         A storm is called off after {}.",
        at(HOLD),
        at(Handle::NAME),
        nanos(longest),
        at(Chain::<4>::NAME),
        at(Glock::NAME),
        nanos(BUDGET.as_nanos() as f64),
    );
    Section { heading: "An inner node under a storm of leaves", plot, shows }
}

fn ours(waits: usize, threads: usize) -> Storm {
    let store = MemoryStore::new();
    let leaves = paths(threads).map(|path| store.mutex(path).unwrap());
    let above = store.mutex("org").unwrap();
    storm(waits, BUDGET, leaves.map(|leaf| move || leaf.lock_owned().unwrap()).collect(), || above.lock().ok())
}

/// Leaves read it, and whoever wants all writes it: this one has no leaves to tell apart.
fn flat(waits: usize, threads: usize) -> Storm {
    let lock = RwLock::new(());
    storm(waits, BUDGET, (0..threads).map(|_| || lock.read()).collect(), || Some(lock.write()))
}

fn chain(waits: usize, threads: usize) -> Storm {
    let above: [RwLock<()>; 4] = Default::default();
    let leaves: Vec<RwLock<()>> = (0..threads).map(|_| RwLock::default()).collect();
    let lock_leaf = |leaf| (above.each_ref().map(RwLock::read), RwLock::write(leaf));
    let leaves = leaves.iter().map(|leaf| move || lock_leaf(leaf)).collect();
    storm(waits, BUDGET, leaves, || Some((above[0].read(), above[1].write())))
}

fn bolt(waits: usize, threads: usize) -> Storm {
    let locks = bolt::Lock::<4>::default();
    let lock = |path: &str| locks.write_forward(path).block_on();
    let leaves = paths(threads).map(|path| move || lock(&path)).collect();
    storm(waits, BUDGET, leaves, || Some(lock("org")))
}

fn glock(waits: usize, threads: usize) -> Storm {
    let above = glock_line(4);
    let leaves: Vec<_> = (0..threads).map(|_| above[3].new_child(()).unwrap()).collect();
    let leaves = leaves.iter().map(|leaf| || leaf.lock_exclusive().unwrap()).collect();
    storm(waits, BUDGET, leaves, || above[1].lock_exclusive().ok())
}

fn paths(threads: usize) -> impl Iterator<Item = String> {
    (0..threads).map(|n| format!("org/team/project/file{n}"))
}
