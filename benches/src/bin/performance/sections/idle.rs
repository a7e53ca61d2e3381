//! The root of a tree of idle nodes, with a handle to each of them.

use std::hint::black_box;

use mutextree::{LockStore, MemoryStore, TreeMutex, TreePath};
use mutextree_benches::measure::{Effort, median, time};
use mutextree_benches::peers::{Chain, Glock, glock_line};
use mutextree_benches::unit::{nanos, thousands};
use parking_lot::RwLock;

use crate::page::Section;
use crate::plot::{Plot, Unit};
use crate::series::{Line, Look, colour, sweep};

const NODES: [usize; 5] = [100, 1_000, 10_000, 100_000, 300_000];
const FIRST: &str = "mutextree, first lock";
const SECOND: &str = "mutextree, second lock";
const IN_TURN: &str = "mutextree, leaf + root";
/// Enough for the clock to count for nothing.
const CALLS: u64 = 2_000;

pub(crate) fn measure(effort: &Effort) -> Section {
    let lines = [
        Line::new(FIRST, colour::HANDLE, Look::Ours),
        Line::new(IN_TURN, colour::IN_TURN, Look::Ours),
        Line::new(SECOND, colour::BY_PATH, Look::Ours),
        Line::peer::<Chain<4>>(colour::CHAIN),
        Line::peer::<Glock>(colour::GLOCK),
    ];
    let rounds = if effort.quick { 3 } else { 9 };
    let series = sweep(lines, &NODES, |nodes| {
        let [first, in_turn, second] = ours(rounds, nodes);
        vec![first, in_turn, second, chain(rounds), glock(rounds, nodes)]
    });
    let plot = Plot {
        name: "idle",
        title: "Lock + unlock of the root above idle nodes",
        x: "live idle nodes below the root",
        y: "time for lock + unlock",
        unit: Unit::Time,
        series,
    };
    let most = NODES[NODES.len() - 1] as f64;
    let at = |name: &str| nanos(plot.of(name).at(most));
    let shows = format!(
        "After all {} nodes were used, the root's first lock walks to each of them: it takes {}, {} a node. \
         The second one takes {}. After one leaf was used it takes {}, the leaf's lock included.",
        thousands(most),
        at(FIRST),
        nanos(plot.of(FIRST).at(most) / most),
        at(SECOND),
        at(IN_TURN),
    );
    Section { heading: "An inner node above idle ones", plot, shows }
}

fn ours(rounds: usize, nodes: usize) -> [f64; 3] {
    let store = MemoryStore::new();
    let handles: Vec<TreeMutex> =
        (0..nodes).map(|n| store.mutex(format!("org/team{}/project{}/file{n}", n % 10, n % 100)).unwrap()).collect();
    let root = store.mutex(TreePath::root()).unwrap();
    let lock = |mutex: &TreeMutex| drop(black_box(mutex).lock().unwrap());
    let mut lock_root = || lock(&root);

    let mut first = || {
        handles.iter().for_each(lock);
        time(1, &mut lock_root)
    };
    let first = median((0..rounds).map(|_| first()));
    let second = median((0..rounds * 4).map(|_| time(CALLS, &mut lock_root)));
    let mut some = handles.iter().cycle();
    let mut in_turn = || {
        some.next().map(lock);
        lock_root();
    };
    let in_turn = median((0..rounds * 4).map(|_| time(CALLS, &mut in_turn)));
    [first, in_turn, second]
}

/// Knows of nothing below: those who lock there pay for it.
fn chain(rounds: usize) -> f64 {
    let root = RwLock::new(());
    median((0..rounds).map(|_| time(CALLS, &mut || drop(black_box(&root).write()))))
}

fn glock(rounds: usize, nodes: usize) -> f64 {
    let above = glock_line(4);
    let _leaves: Vec<_> = (0..nodes).map(|_| above[3].new_child(()).unwrap()).collect();
    median((0..rounds).map(|_| time(CALLS, &mut || drop(black_box(&above[0]).lock_exclusive().unwrap()))))
}
