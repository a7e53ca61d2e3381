//! Over Redis with locks that processes keep: two processes, by how many of their locks are on
//! nodes that both use.

use std::time::Duration;

use mutextree_benches::kept::{Sharing, With};
use mutextree_benches::measure::Effort;
use mutextree_benches::redis::Server;
use mutextree_benches::unit::Unit::Times;
use mutextree_benches::unit::rate;

use super::SERVER;
use crate::page::Section;
use crate::plot::{Plot, Unit};
use crate::series::{Line, Look, Series, colour};

const KEPT: Line = Line::new("mutextree, keep", colour::HANDLE, Look::Ours);
const OURS: Line = Line::new("mutextree over Redis", colour::BY_PATH, Look::Ours);
const BARE: Line = Line::new("bare SET NX + delete script", colour::FLAT, Look::Peer);

/// In a hundred. The axis is logarithmic: a tenth stands for none, and is shown as 0.
const COMMON: [(f64, u64); 4] = [(0.1, 0), (1.0, 1), (10.0, 10), (50.0, 50)];
const TURN: Duration = Duration::from_millis(100);
const LINES: [(Line, With); 3] = [(KEPT, With::Kept), (OURS, With::Ours), (BARE, With::Bare)];

pub(crate) fn shared(effort: &Effort) -> Section {
    let mut series = LINES.map(|(line, _)| Series { line, points: Vec::new() });
    for (x, percent) in COMMON {
        let server = Server::start().expect(SERVER);
        let mut pairs = LINES.map(|(_, with)| Sharing::start(&server, with, percent).expect(SERVER));
        let figures = Sharing::best(&mut pairs, effort.rounds, TURN).expect(SERVER);
        series.iter_mut().zip(figures).for_each(|(series, y)| series.points.push((x, y)));
    }
    let plot = Plot {
        name: "redis-kept",
        title: "Two processes over Redis on the same machine, 64 nodes of each and 64 of both",
        x: "of a hundred locks, those on nodes that both processes use",
        y: "locks a second, both processes together",
        unit: Unit::Rate,
        series: series.into(),
    };
    let at = |line: Line, x| plot.of(line.name).at(x);
    let shows = format!(
        "Each figure is the best of several turns, and twice what the slower process did. \
         Two processes that share no node do {} with `RedisStoreBuilder::keep`, {} without, and {} with bare \
         commands. With one lock in a hundred on nodes that both use, `keep` does {} what it does without, with \
         ten {}, and with fifty {}.",
        rate(at(KEPT, 0.1)),
        rate(at(OURS, 0.1)),
        rate(at(BARE, 0.1)),
        Times.show(at(KEPT, 1.0) / at(OURS, 1.0)),
        Times.show(at(KEPT, 10.0) / at(OURS, 10.0)),
        Times.show(at(KEPT, 50.0) / at(OURS, 50.0)),
    );
    Section { heading: "Over Redis, locks that are kept", plot, shows }
}
