//! More threads than cores, each locking a leaf of its own again as soon as it has released it. How
//! long does a thread wait that wants a node above them?
//!
//! The holders sleep, as if for a disk. With spinning holders this would measure how long the
//! scheduler keeps a holder off its core, which is milliseconds for any lock.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use crate::measure::{median, uncounted};

/// What a holder asks for. The time that counts is the one that it got.
const HOLD: Duration = Duration::from_micros(100);

/// Times in nanoseconds.
pub struct Storm {
    /// The median time for which a leaf was held.
    pub hold: f64,
    /// The median wait.
    pub median: f64,
    /// The longest wait.
    pub longest: f64,
    /// How many there were.
    pub waits: usize,
    /// How many of them ended without the lock.
    pub gave_up: usize,
}

/// Has each of `leaves` locked over and over on a thread of its own, and calls `above` so many
/// times meanwhile. It is all over when `budget` is: so that who starves for ever gets the lock in
/// the end, and has waited for as long as that.
pub fn storm<L, R>(
    waits: usize,
    budget: Duration,
    leaves: Vec<impl Fn() -> L + Send>,
    above: impl Fn() -> Option<R>,
) -> Storm {
    let (start, stop) = (Barrier::new(leaves.len() + 1), AtomicBool::new(false));
    thread::scope(|scope| {
        let hold_for_ever = |leaf| {
            let (start, stop) = (&start, &stop);
            scope.spawn(move || uncounted(|| hold_until(stop, budget, start, leaf)))
        };
        let holders: Vec<_> = leaves.into_iter().map(hold_for_ever).collect();
        start.wait();
        let started = Instant::now();
        let (mut times, mut gave_up) = (Vec::new(), 0);
        while times.len() < waits && started.elapsed() < budget {
            // Not in step with the holders.
            sleep(Duration::from_micros(500 + 37 * (times.len() as u64 % 16)));
            let asked = Instant::now();
            let got = above();
            times.push(asked.elapsed().as_nanos() as f64);
            gave_up += usize::from(got.is_none());
        }
        stop.store(true, Relaxed);
        let holds = holders.into_iter().flat_map(|holder| holder.join().unwrap());
        Storm {
            hold: median(holds),
            longest: times.iter().copied().fold(0.0, f64::max),
            waits: times.len(),
            median: median(times),
            gave_up,
        }
    })
}

/// Locks and holds, over and over. Returns for how long each time.
fn hold_until<L>(stop: &AtomicBool, budget: Duration, start: &Barrier, leaf: impl Fn() -> L) -> Vec<f64> {
    let mut holds = Vec::new();
    start.wait();
    let started = Instant::now();
    while !stop.load(Relaxed) && started.elapsed() < budget {
        let guard = leaf();
        let since = Instant::now();
        sleep(HOLD);
        holds.push(since.elapsed().as_nanos() as f64);
        drop(guard);
    }
    holds
}
