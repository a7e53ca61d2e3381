//! Distinct paths, each locked and unlocked once: what a new path costs.

use std::time::{Duration, Instant};

/// Paths are made this many at a time, which is not timed, and then locked, which is.
const BATCH: usize = 250;

/// Nanoseconds for each of so many paths. `between` is called after each batch of them, untimed.
pub fn stream(count: usize, mut lock: impl FnMut(&str), mut between: impl FnMut()) -> f64 {
    let mut time = Duration::ZERO;
    let mut paths = vec![String::new(); BATCH.min(count)];
    let batches = count / paths.len();
    for batch in 0..batches {
        for (n, path) in paths.iter_mut().enumerate() {
            let file = batch * BATCH + n;
            *path = format!("org{}/team{}/project{}/file{file}", file % 7, file % 91, file % 1001);
        }
        let start = Instant::now();
        for path in &paths {
            lock(path);
        }
        time += start.elapsed();
        between();
    }
    time.as_nanos() as f64 / (batches * paths.len()) as f64
}
