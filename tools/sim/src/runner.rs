//! Runs histories: many, for a time, on all cores; or one, shortened and written down.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::cover::Cover;
use super::emulation::Interpreter;
use super::plan::Plan;
use super::planted::Planted;
use super::shrink::Shrinker;
use super::trace::{Row, Trace};
use super::world::{Outcome, World};

/// How far to run.
#[derive(Clone, Copy, Debug)]
pub enum Extent {
    /// For this time.
    For(Duration),
    /// So many histories.
    Histories(u64),
}

/// What many histories came to.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// How many there were.
    pub histories: u64,
    /// How many locks were taken in them.
    pub acquisitions: u64,
    /// How many faults befell them.
    pub faults: u64,
    /// How often two held one lock because data was lost.
    pub losses: u64,
    /// Simulated time.
    pub time: Duration,
    /// Seeds whose history broke a rule, with a sentence each.
    pub violations: Vec<(u64, String)>,
    cover: Cover,
}

impl Summary {
    fn add(&mut self, seed: u64, outcome: Outcome) {
        self.histories += 1;
        self.acquisitions += outcome.acquisitions;
        self.faults += outcome.faults;
        self.losses += outcome.losses;
        self.time += Duration::from_micros(outcome.time);
        self.cover.add(&outcome.cover);
        self.violations.extend(outcome.violation.map(|what| (seed, what)));
    }

    /// What was seen to happen, and how often.
    pub fn seen(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.cover.iter()
    }

    /// What can happen, and was never seen to; with what is rare, or without.
    pub fn never_seen(&self, rare: bool) -> Vec<&'static str> {
        self.cover.missing(rare)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The scripts as they ship, or with a planted fault.
fn interpreter(planted: Option<&Planted>) -> Interpreter {
    Interpreter::new(|_, text| planted.map_or_else(|| text.to_owned(), |it| it.plant(text)))
}

/// Runs histories with the seeds from `first` on, on all cores. It stops at the first violation.
///
/// # Panics
/// If the text of a script does not have what a planted fault is to replace.
pub fn run(first: u64, extent: Extent, planted: Option<&Planted>) -> Summary {
    let (next, began, summary) = (AtomicU64::new(first), Instant::now(), Mutex::new(Summary::default()));
    let is_over = |seed: u64| match extent {
        Extent::For(time) => began.elapsed() >= time,
        Extent::Histories(count) => seed - first >= count,
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                let mut interpreter = interpreter(planted);
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if is_over(seed) || !lock(&summary).violations.is_empty() {
                        return;
                    }
                    let outcome = World::new(Plan::new(seed), &mut interpreter, Trace::default()).run();
                    lock(&summary).add(seed, outcome);
                }
            });
        }
    });
    summary.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// A history, written down.
#[derive(Clone, Debug)]
pub struct Story {
    /// Time in microseconds, who, and what.
    pub rows: Vec<(u64, String, String)>,
    /// What rule it broke, if it broke one.
    pub violation: Option<String>,
    /// What the history is made of.
    pub plan: String,
}

/// Runs one history, and writes it down; shortened first, if it breaks a rule and `shorten` says
/// so.
///
/// # Panics
/// As [`run`].
pub fn tell(seed: u64, shorten: bool, planted: Option<&Planted>) -> Story {
    let mut interpreter = interpreter(planted);
    let mut plan = Plan::new(seed);
    let mut fails = |plan: &Plan| {
        let outcome = World::new(plan.clone(), &mut interpreter, Trace::default()).run();
        outcome.violation.map(|_| outcome.time)
    };
    // To recount everything after each script takes time, and mostly shows nothing earlier.
    let as_it_is = fails(&plan);
    plan.recounts = true;
    let recounted = fails(&plan);
    plan.recounts = as_it_is != recounted;
    if recounted.is_some() && shorten {
        plan = Shrinker::new(&mut interpreter).shorten(plan);
    }
    let outcome = World::new(plan.clone(), &mut interpreter, Trace::on()).run();
    let rows = outcome.rows.into_iter().map(|Row { at, who, what }| (at, who, what)).collect();
    Story { rows, violation: outcome.violation, plan: plan.to_string() }
}
