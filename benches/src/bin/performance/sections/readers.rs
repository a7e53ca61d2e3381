//! Readers: threads that share one node, or a directory with a file each.

use mutextree_benches::measure::{Effort, all_in_turns, crowd};
use mutextree_benches::ours::{Reader, TwoStep};
use mutextree_benches::peers::{FlatTwoStep, ReadParkingLot, ReadSharded, ReadStd};
use mutextree_benches::unit::Unit::Times;
use mutextree_benches::{Site, Subject};

use super::THREADS;
use crate::page::Section;
use crate::plot::{Plot, Unit};
use crate::series::{Line, colour, sweep};

pub(crate) fn measure(effort: &Effort) -> Section {
    let lines = [
        Line::ours::<Reader>(colour::HANDLE),
        Line::ours::<TwoStep>(colour::BY_PATH),
        Line::peer::<ReadParkingLot>(colour::FLAT),
        Line::peer::<ReadStd>(colour::POOL),
        Line::peer::<ReadSharded>(colour::MAP),
        Line::peer::<FlatTwoStep>(colour::CHAIN),
    ];
    let series = sweep(lines, &THREADS, |threads| {
        let site = Site::siblings(threads);
        let mut contestants = [
            crowd::<Reader>(effort, &site),
            crowd::<TwoStep>(effort, &site),
            crowd::<ReadParkingLot>(effort, &site),
            crowd::<ReadStd>(effort, &site),
            crowd::<ReadSharded>(effort, &site),
            crowd::<FlatTwoStep>(effort, &site),
        ];
        all_in_turns(effort.rounds, &mut contestants)
    });
    let plot = Plot {
        name: "readers",
        title: "Throughput of readers that share one node, depth 4",
        x: "threads",
        y: "locks a second, all threads together",
        unit: Unit::Rate,
        series,
    };
    let gain = |name: &str| Times.show(plot.of(name).at(2.0) / plot.of(name).at(1.0));
    let shows = format!(
        "Two threads that share one node do {} what one does, and two that share a directory and lock a file in it \
         each {}. With `parking_lot::RwLock` it is {} and {}, with `std::sync::RwLock` {}. `ShardedLock`, which is \
         eight locks, does {}.",
        gain(Reader::NAME),
        gain(TwoStep::NAME),
        gain(ReadParkingLot::NAME),
        gain(FlatTwoStep::NAME),
        gain(ReadStd::NAME),
        gain(ReadSharded::NAME),
    );
    Section { heading: "Readers of one node", plot, shows }
}
