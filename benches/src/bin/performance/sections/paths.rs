//! Distinct paths, each locked and unlocked once: what a new path costs, and what memory it leaves.

use dashmap::DashMap;
use lockable::LockPool;
use mutextree::{LockStore, MemoryStore};
use mutextree_benches::Subject;
use mutextree_benches::measure::{Contestant, Effort, all_in_turns};
use mutextree_benches::ours::ByPath;
use mutextree_benches::peers::{Bolt, InsertRemove, MapOfMutexes, PoolOwned};
use mutextree_benches::unit::{nanos, thousands};
use mutextree_benches::workload::stream::stream;
use pollster::FutureExt;

use crate::page::Section;
use crate::plot::{Plot, Unit};
use crate::series::{Line, colour, sweep};

const PATHS: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];

pub(crate) fn measure(effort: &Effort) -> Section {
    let lines = [
        Line::ours::<ByPath>(colour::BY_PATH),
        Line::peer::<InsertRemove>(colour::OTHER),
        Line::peer::<MapOfMutexes>(colour::MAP),
        Line::peer::<PoolOwned>(colour::POOL),
        Line::peer::<Bolt>(colour::BOLT),
    ];
    let paths = if effort.quick { &PATHS[..3] } else { &PATHS };
    let most = paths[paths.len() - 1];
    let mut most_nodes = 0;
    let series = sweep(lines, paths, |paths| {
        let mut contestants: [Contestant<'_>; 5] = [
            Box::new(|| {
                let store = MemoryStore::new();
                let count = || most_nodes = most_nodes.max(store.node_count());
                stream(paths, |path| drop(store.lock(path).unwrap()), count)
            }),
            Box::new(|| {
                let locked = DashMap::new();
                let lock = |path: &str| {
                    locked.insert(path.to_owned(), ());
                    locked.remove(path);
                };
                stream(paths, lock, || ())
            }),
            Box::new(|| {
                let locks = DashMap::<String, std::sync::Arc<parking_lot::Mutex<()>>>::new();
                let lock = |path: &str| {
                    let lock = locks.entry(path.to_owned()).or_default().clone();
                    drop(lock.lock());
                };
                stream(paths, lock, || ())
            }),
            Box::new(|| {
                let pool = LockPool::<String>::new();
                stream(paths, |path| drop(pool.blocking_lock(path.to_owned())), || ())
            }),
            Box::new(|| {
                let locks = bolt::Lock::<4>::default();
                stream(paths, |path| drop(locks.write_forward(path).block_on()), || ())
            }),
        ];
        let rounds = (most / paths / 2).clamp(3, effort.rounds);
        all_in_turns(rounds, &mut contestants)
    });
    let plot = Plot {
        name: "paths",
        title: "Distinct paths, each locked once",
        x: "distinct paths, locked one after the other",
        y: "time for each path",
        unit: Unit::Time,
        series,
    };
    let shows = format!(
        "A path that was never seen before takes {} if there are {} of them, and never more than {} nodes are alive. \
         A map of mutexes and bolt keep every path that they have seen.",
        nanos(plot.of(ByPath::NAME).at(most as f64)),
        thousands(most as f64),
        thousands(most_nodes as f64),
    );
    Section { heading: "Paths never seen before", plot, shows }
}
