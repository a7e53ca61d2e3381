//! Siblings: threads that lock disjoint leaves of one directory.

use mutextree_benches::measure::{Effort, all_in_turns, crowd};
use mutextree_benches::ours::{ByPath, Handle};
use mutextree_benches::peers::{Bolt, Chain, Glock, MapOfMutexes, ParkingLot, PoolOwned};
use mutextree_benches::unit::Unit::Times;
use mutextree_benches::{Site, Subject};

use super::THREADS;
use crate::page::Section;
use crate::plot::{Plot, Unit};
use crate::series::{Line, colour, sweep};

pub(crate) fn measure(effort: &Effort) -> Section {
    let lines = [
        Line::ours::<Handle>(colour::HANDLE),
        Line::ours::<ByPath>(colour::BY_PATH),
        Line::peer::<ParkingLot>(colour::FLAT),
        Line::peer::<MapOfMutexes>(colour::MAP),
        Line::peer::<PoolOwned>(colour::POOL),
        Line::peer::<Chain<4>>(colour::CHAIN),
        Line::peer::<Bolt>(colour::BOLT),
        Line::peer::<Glock>(colour::GLOCK),
    ];
    let series = sweep(lines, &THREADS, |threads| {
        let site = Site::siblings(threads);
        let mut contestants = [
            crowd::<Handle>(effort, &site),
            crowd::<ByPath>(effort, &site),
            crowd::<ParkingLot>(effort, &site),
            crowd::<MapOfMutexes>(effort, &site),
            crowd::<PoolOwned>(effort, &site),
            crowd::<Chain<4>>(effort, &site),
            crowd::<Bolt>(effort, &site),
            crowd::<Glock>(effort, &site),
        ];
        all_in_turns(effort.rounds, &mut contestants)
    });
    let plot = Plot {
        name: "threads",
        title: "Throughput on disjoint siblings, depth 4",
        x: "threads",
        y: "locks a second, all threads together",
        unit: Unit::Rate,
        series,
    };
    let gain = |name: &str| Times.show(plot.of(name).at(2.0) / plot.of(name).at(1.0));
    let shows = format!(
        "On handles, two threads do {} what one does; by path, {}. \
         Unrelated flat mutexes do {}, a chain of read-write locks {}.",
        gain(Handle::NAME),
        gain(ByPath::NAME),
        gain(ParkingLot::NAME),
        gain(Chain::<4>::NAME),
    );
    Section { heading: "Threads on siblings", plot, shows }
}
