//! How things are measured: in turns.
//!
//! What a machine gives changes from second to second, so no figure here is compared with one from
//! another time. The things to compare take turns in short slices (A B, B A, A B ...). Each round
//! gives one ratio, and the median of the ratios counts.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use crate::{Site, Subject};
use crossbeam_utils::CachePadded;

/// How much time a figure may take.
#[derive(Clone, Copy)]
pub struct Effort {
    /// How long one thread runs at a time.
    pub slice: Duration,
    /// How long several threads run at a time: long enough that starting them does not count.
    pub together: Duration,
    /// How many turns each gets.
    pub rounds: usize,
    /// Whether less of everything will do.
    pub quick: bool,
}

impl Effort {
    /// For figures to keep.
    pub const FULL: Self =
        Self { slice: Duration::from_millis(4), together: Duration::from_millis(25), rounds: 41, quick: false };
    /// For a rough answer.
    pub const QUICK: Self =
        Self { slice: Duration::from_millis(2), together: Duration::from_millis(15), rounds: 15, quick: true };
}

/// Two things compared. Times are nanoseconds, rates are operations a second.
pub struct Versus {
    /// The median of one.
    pub a: f64,
    /// The median of the other.
    pub b: f64,
    /// The median of the rounds' a / b, which is not the ratio of the medians.
    pub ratio: f64,
}

impl Versus {
    /// Measures both in turns, in whatever unit.
    pub fn in_turns(rounds: usize, mut a: impl FnMut() -> f64, mut b: impl FnMut() -> f64) -> Self {
        let pairs: Vec<(f64, f64)> = (0..rounds)
            .map(|round| {
                if round % 2 == 0 {
                    let a = a();
                    (a, b())
                } else {
                    let b = b();
                    (a(), b)
                }
            })
            .collect();
        Self {
            a: median(pairs.iter().map(|(a, _)| *a)),
            b: median(pairs.iter().map(|(_, b)| *b)),
            ratio: median(pairs.iter().map(|(a, b)| a / b)),
        }
    }

    /// Nanoseconds for one call of each.
    pub fn calls(effort: &Effort, mut a: impl FnMut(), mut b: impl FnMut()) -> Self {
        let (calls_of_a, calls_of_b) = (calls_in(effort.slice, &mut a), calls_in(effort.slice, &mut b));
        Self::in_turns(effort.rounds, || time(calls_of_a, &mut a), || time(calls_of_b, &mut b))
    }

    /// Nanoseconds for one lock + unlock of each, on one thread.
    pub fn lone<A: Subject, B: Subject>(effort: &Effort, site: &Site) -> Self {
        let (mut a, mut b) = (A::workers(site).remove(0), B::workers(site).remove(0));
        Self::calls(effort, || a.cycle(), || b.cycle())
    }
}

/// One of several that are compared. Its turn gives one figure, or more.
pub type Contestant<'a, T = f64> = Box<dyn FnMut() -> T + 'a>;

/// The median figure of each, [in turns](in_turns).
pub fn all_in_turns(rounds: usize, contestants: &mut [Contestant<'_>]) -> Vec<f64> {
    in_turns(rounds, contestants).into_iter().map(median).collect()
}

/// What each gave, round by round. Everyone starts a round as often as the others.
pub fn in_turns<T>(rounds: usize, contestants: &mut [Contestant<'_, T>]) -> Vec<Vec<T>> {
    let mut given: Vec<_> = contestants.iter().map(|_| Vec::with_capacity(rounds)).collect();
    for turn in 0..rounds * contestants.len() {
        let (round, place) = (turn / contestants.len(), turn % contestants.len());
        let who = (round + place) % contestants.len();
        given[who].push(contestants[who]());
    }
    given
}

/// Gives nanoseconds for one lock + unlock, on one thread.
pub fn lone<'a, S: Subject + 'a>(effort: &'a Effort, site: &Site) -> Contestant<'a> {
    let mut subject = S::workers(site).remove(0);
    let mut cycle = move || subject.cycle();
    let calls = calls_in(effort.slice, &mut cycle);
    Box::new(move || time(calls, &mut cycle))
}

/// Gives operations a second, with as many threads as the site has workers.
pub fn crowd<'a, S: Subject + 'a>(effort: &'a Effort, site: &Site) -> Contestant<'a> {
    let mut subjects = S::apart(site);
    Box::new(move || cycles(effort, &mut subjects))
}

/// Operations a second, each of `subjects` on a thread of its own.
pub(crate) fn cycles<S: Subject>(effort: &Effort, subjects: &mut [CachePadded<S>]) -> f64 {
    let workers = subjects.iter_mut().map(|subject| || subject.cycle()).collect();
    together(effort.together, workers).rate()
}

/// What some threads did.
pub struct Done {
    /// By all threads taken together.
    pub calls: u64,
    /// By the thread that did least.
    pub fewest: u64,
    threads: usize,
    time: Duration,
}

impl Done {
    /// Calls a second, all threads taken together.
    pub fn rate(&self) -> f64 {
        self.calls as f64 / self.time.as_secs_f64()
    }

    /// What the slowest thread did, as a part of what it would have done if all had done the same.
    pub fn slowest_share(&self) -> f64 {
        self.fewest as f64 * self.threads as f64 / self.calls as f64
    }
}

/// Runs each of `workers` over and over on a thread of its own, for so long.
pub fn together<F: FnMut() + Send>(time: Duration, workers: Vec<F>) -> Done {
    let (start, stop) = (Barrier::new(workers.len() + 1), AtomicBool::new(false));
    let run = |mut work: F| {
        start.wait();
        let started = Instant::now();
        let mut calls = 0;
        while !stop.load(Relaxed) {
            work();
            calls += 1;
        }
        (calls, started, Instant::now())
    };
    thread::scope(|scope| {
        let spawn = |work| scope.spawn(|| uncounted(|| run(work)));
        let threads: Vec<_> = workers.into_iter().map(spawn).collect();
        start.wait();
        thread::sleep(time);
        stop.store(true, Relaxed);
        let done: Vec<(u64, Instant, Instant)> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        // From the first start to the last stop: a thread that got going late does not make the
        // others look better.
        let (first, last) = (done.iter().map(|done| done.1).min(), done.iter().map(|done| done.2).max());
        let time = first.zip(last).map(|(first, last)| last - first).unwrap_or_default();
        let calls = || done.iter().map(|done| done.0);
        Done { calls: calls().sum(), fewest: calls().min().unwrap_or_default(), threads: done.len(), time }
    })
}

/// Runs `f` without counting its allocations, which would take a few nanoseconds each.
pub fn uncounted<R>(f: impl FnOnce() -> R) -> R {
    let mut result = None;
    allocation_counter::opt_out(|| result = Some(f()));
    result.expect("it has run")
}

/// How many calls of `f` take about `slice`. Warms it up, too.
fn calls_in(slice: Duration, f: &mut impl FnMut()) -> u64 {
    let mut calls = 1;
    loop {
        let nanos = time(calls, f);
        if nanos * calls as f64 >= slice.as_nanos() as f64 / 2.0 {
            return (slice.as_nanos() as f64 / nanos).max(1.0) as u64;
        }
        calls *= 2;
    }
}

/// Nanoseconds for one of so many calls of `f`.
pub fn time(calls: u64, f: &mut impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..calls {
        f();
    }
    start.elapsed().as_nanos() as f64 / calls as f64
}

/// The upper one of the two in the middle, if there are two. Of nothing, not a number.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
