//! Lock + unlock of one leaf by one thread, by the depth of the leaf.

use mutextree_benches::measure::{Contestant, Effort, all_in_turns, lone};
use mutextree_benches::ours::{ByPath, Handle};
use mutextree_benches::peers::{Bolt, Chain, Glock, ParkingLot, PoolOwned};
use mutextree_benches::unit::nanos;
use mutextree_benches::{Site, Subject};

use crate::page::Section;
use crate::plot::{Plot, Unit};
use crate::series::{Line, colour, sweep};

const DEPTHS: [usize; 6] = [1, 2, 4, 8, 16, 32];

pub(crate) fn measure(effort: &Effort) -> Section {
    // Shorter turns than a scheduler's, so that most of them are whole, however busy the machine
    // is.
    let effort = &Effort { slice: effort.slice / 8, rounds: effort.rounds * 4, ..*effort };
    let lines = [
        Line::ours::<Handle>(colour::HANDLE),
        Line::ours::<ByPath>(colour::BY_PATH),
        Line::peer::<ParkingLot>(colour::FLAT),
        Line::peer::<PoolOwned>(colour::POOL),
        Line::peer::<Chain<1>>(colour::CHAIN),
        Line::peer::<Bolt>(colour::BOLT),
        Line::peer::<Glock>(colour::GLOCK),
    ];
    let series = sweep(lines, &DEPTHS, |depth| {
        let site = Site { depth, ..Site::LONE };
        let of_depth = match depth {
            1 => of_depth::<1>,
            2 => of_depth::<2>,
            4 => of_depth::<4>,
            8 => of_depth::<8>,
            16 => of_depth::<16>,
            _ => of_depth::<32>,
        };
        let [chain, bolt] = of_depth(effort, &site);
        let mut contestants = [
            lone::<Handle>(effort, &site),
            lone::<ByPath>(effort, &site),
            lone::<ParkingLot>(effort, &site),
            lone::<PoolOwned>(effort, &site),
            chain,
            bolt,
            lone::<Glock>(effort, &site),
        ];
        all_in_turns(effort.rounds, &mut contestants)
    });
    let plot = Plot {
        name: "depth",
        title: "Lock + unlock by depth, one thread",
        x: "components of the path",
        y: "time for lock + unlock",
        unit: Unit::Time,
        series,
    };
    let at = |name: &str, depth| nanos(plot.of(name).at(depth));
    let shows = format!(
        "A lock on a handle takes {} at depth 1 and {} at depth 32. A flat mutex takes {}. \
         A chain that read-locks every ancestor takes {} and {}.",
        at(Handle::NAME, 1.0),
        at(Handle::NAME, 32.0),
        at(ParkingLot::NAME, 32.0),
        at(Chain::<1>::NAME, 1.0),
        at(Chain::<1>::NAME, 32.0),
    );
    Section { heading: "Depth", plot, shows }
}

/// Those that have to know the depth when they are compiled.
fn of_depth<'a, const D: usize>(effort: &'a Effort, site: &Site) -> [Contestant<'a>; 2] {
    [lone::<Chain<D>>(effort, site), lone::<Bolt<D>>(effort, site)]
}
