//! Threads that all want the same leaf.

use crossbeam_utils::CachePadded;
use lockable::LockPool;
use mutextree::{LockStore, MemoryStore};
use mutextree_benches::Subject;
use mutextree_benches::measure::{Contestant, Effort, all_in_turns};
use mutextree_benches::ours::{ByPath, Handle};
use mutextree_benches::peers::{Bolt, Chain, Glock, ParkingLot, PoolOwned, glock_line};
use mutextree_benches::unit::Unit::Times;
use mutextree_benches::workload::one_node::throughput;
use parking_lot::{Mutex, RwLock};
use pollster::FutureExt;

use super::THREADS;
use crate::page::Section;
use crate::plot::{Plot, Unit};
use crate::series::{Line, colour, sweep};

const PATH: &str = "org/team/project/file";

pub(crate) fn measure(effort: &Effort) -> Section {
    let store = MemoryStore::new();
    let handle = store.mutex(PATH).unwrap();
    let flat = CachePadded::new(Mutex::new(()));
    let pool = LockPool::<String>::new();
    let (above, node): ([RwLock<()>; 4], RwLock<()>) = Default::default();
    let bolt = bolt::Lock::<4>::default();
    let glock = glock_line(5);

    let lines = [
        Line::ours::<Handle>(colour::HANDLE),
        Line::ours::<ByPath>(colour::BY_PATH),
        Line::peer::<ParkingLot>(colour::FLAT),
        Line::peer::<PoolOwned>(colour::POOL),
        Line::peer::<Chain<4>>(colour::CHAIN),
        Line::peer::<Bolt>(colour::BOLT),
        Line::peer::<Glock>(colour::GLOCK),
    ];
    let series = sweep(lines, &THREADS, |threads| {
        let time = effort.together;
        let read_write = || (above.each_ref().map(RwLock::read), node.write());
        let mut contestants: [Contestant<'_>; 7] = [
            Box::new(|| throughput(time, threads, || handle.lock().unwrap())),
            Box::new(|| throughput(time, threads, || store.lock(PATH).unwrap())),
            Box::new(|| throughput(time, threads, || flat.lock())),
            Box::new(|| throughput(time, threads, || pool.blocking_lock(PATH.to_owned()))),
            Box::new(|| throughput(time, threads, read_write)),
            Box::new(|| throughput(time, threads, || bolt.write_forward(PATH).block_on())),
            Box::new(|| throughput(time, threads, || glock[4].lock_exclusive().unwrap())),
        ];
        all_in_turns(effort.rounds, &mut contestants)
    });
    let plot = Plot {
        name: "one-node",
        title: "Throughput on one node, depth 4",
        x: "threads",
        y: "locks a second, all threads together",
        unit: Unit::Rate,
        series,
    };
    let share = |threads| Times.show(plot.of(Handle::NAME).at(threads) / plot.of(ParkingLot::NAME).at(threads));
    let shows = format!(
        "With two threads on one node, it changes hands at {} the rate of a flat mutex; with four at {}, with eight at {}. \
         Inside the lock there are a few nanoseconds of work, and a few outside.",
        share(2.0),
        share(4.0),
        share(8.0),
    );
    Section { heading: "Threads on one node", plot, shows }
}
