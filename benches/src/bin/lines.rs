//! What many cores would do: a model, from two kinds of figures. `tests/lines.rs` counts the lines
//! that a lock writes and another thread touches. This measures what a lock takes on one thread,
//! and what it takes to move a line from one core to another. Takes half a minute.
//!
//! `cargo run --release -p mutextree-benches --bin lines`

use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::Instant;

use crossbeam_utils::CachePadded;
use mutextree_benches::Subject;
use mutextree_benches::machine::machine;
use mutextree_benches::measure::{Effort, uncounted};
use mutextree_benches::ours::{ByPath, Handle, Reader, TwoStep};
use mutextree_benches::peers::ParkingLot;
use mutextree_benches::scaling::{Scaling, crew};
use mutextree_benches::unit::{Unit, nanos, rate};

const CORES: [f64; 3] = [2.0, 16.0, 64.0];

/// How often a line goes there and back in a row.
const ROUNDS: u64 = 500;
const TURNS: usize = 400;

/// How a lock behaves on many cores, by what is counted.
enum Common {
    /// Two users of different nodes have no line in common.
    Nothing,
    /// Each writes one of many lines, which another wrote last, unless it was itself.
    OneOfMany,
}

impl Common {
    /// Locks a second on so many cores.
    fn rate(&self, cores: f64, alone: f64, moved: f64) -> f64 {
        match self {
            Self::Nothing => cores * 1e9 / alone,
            Self::OneOfMany => cores * 1e9 / (alone + moved * (cores - 1.0) / cores),
        }
    }
}

/// Nanoseconds until a line that another core has written is here and written. The fastest tenth of
/// the turns count: those in which both threads had a core.
fn moved() -> f64 {
    let line = CachePadded::new(AtomicU64::new(0));
    let start = Barrier::new(2);
    let run = |turn: u64| {
        let mut times: Vec<f64> = (0..TURNS)
            .map(|_| {
                start.wait();
                let began = Instant::now();
                for _ in 0..ROUNDS {
                    // The word is even for one thread and odd for the other.
                    let mut waits = 0_u32;
                    while line.load(SeqCst) % 2 != turn {
                        waits += 1;
                        if waits.is_multiple_of(10_000) {
                            thread::yield_now();
                        }
                    }
                    line.fetch_add(1, SeqCst);
                }
                began.elapsed().as_nanos() as f64 / (2 * ROUNDS) as f64
            })
            .collect();
        times.sort_by(f64::total_cmp);
        times[TURNS / 10]
    };
    thread::scope(|scope| {
        let other = scope.spawn(|| run(1));
        let one = run(0);
        one.max(other.join().expect("no panic"))
    })
}

fn row<S: Subject>(effort: &Effort, moved: f64, common: &Common) {
    let [two] = Scaling::all::<ParkingLot, 1>(effort, [crew::<S>(effort)]);
    // One of the two, in between: readers have met by then, and sit.
    let alone = 1e9 / two.one;
    let cells = CORES.map(|cores| rate(common.rate(cores, alone, moved)));
    let busy = if two.clear { "" } else { " (busy)" };
    let measured = format!("{}{busy}", Unit::Times.show(two.ratio));
    println!("| {} | {} | {measured} | {} |", S::NAME, nanos(alone), cells.join(" | "));
}

fn main() {
    let effort = Effort { rounds: 15, ..Effort::FULL };
    uncounted(|| {
        let moved = moved();
        println!("{}\nTo move a line from one core to the other takes {}.\n", machine(), nanos(moved));
        println!("| | alone | two threads / one, measured | 2 cores | 16 cores | 64 cores |");
        println!("|---|---:|---:|---:|---:|---:|");
        row::<Handle>(&effort, moved, &Common::Nothing);
        row::<Reader>(&effort, moved, &Common::Nothing);
        row::<TwoStep>(&effort, moved, &Common::Nothing);
        row::<ByPath>(&effort, moved, &Common::OneOfMany);
    });
}
