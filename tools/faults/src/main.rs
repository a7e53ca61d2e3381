//! Worker processes take locks of one tree on a real Redis server, while workers, server and
//! network fail; a judge looks at what the holders believed. `scripts/faults` runs it, and says
//! what its arguments and its last line are.
//!
//! * `round.rs`: one round; `kinds.rs`: which faults it has; `scene.rs`, `post.rs`: do them, and
//!   undo them
//! * `worker.rs`, `user.rs`, `holder.rs`: a worker process, and what its threads and tasks do
//! * `event.rs`, `crew.rs`: what a worker tells, and how its parent hears it
//! * `patience.rs`, `stuck.rs`: who is stuck, once all is well, and at what
//! * `claim.rs`, `incidents.rs`, `verdict.rs`: what the judge has to know, and what it finds
//! * `table.rs`: a violation, for people
//! * `monitor.rs`, `flusher.rs`: threads that ask the server all the time; `watch.rs`: none is left
//!   behind
//! * `many.rs`: ten thousand locks

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

#[path = "../../../tests/redis/checker.rs"]
#[allow(dead_code)] // only a part is used, as of the proxy
mod checker;
mod claim;
mod clock;
mod crew;
mod event;
mod flusher;
mod holder;
mod incidents;
mod kinds;
mod many;
mod monitor;
mod patience;
mod post;
#[path = "../../../tests/redis/proxy/mod.rs"]
#[allow(dead_code)]
mod proxy;
mod round;
mod scene;
#[path = "../../../tests/redis/server.rs"]
mod server;
mod stuck;
mod table;
mod user;
mod verdict;
mod watch;
mod worker;

use clock::SECOND;
use kinds::Kind;

/// A violation more of one round says little.
const SHOWN: usize = 3;

struct Options {
    seconds: u64,
    seed: u64,
    workers: u64,
    /// The first round, to begin with one that was of interest. Only before round 0 are there ten
    /// thousand locks.
    first: u64,
    /// The kinds of every round; drawn, if none.
    kinds: Option<Vec<Kind>>,
}

enum Job {
    Run(Options),
    Work(worker::Setup),
}

fn job() -> Result<Job, lexopt::Error> {
    use lexopt::prelude::*;
    let mut parser = lexopt::Parser::from_env();
    let (mut numbers, mut workers, mut first, mut kinds) = (Vec::new(), 3, 0, None);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("worker") => {
                let arguments: Result<Vec<String>, _> = parser.values()?.map(ValueExt::string).collect();
                return worker::Setup::of_arguments(&arguments?).map(Job::Work).ok_or("no such worker".into());
            }
            Long("workers") => workers = parser.value()?.parse()?,
            Long("first") => first = parser.value()?.parse()?,
            Long("kinds") => kinds = Some(Kind::parse(&parser.value()?.string()?)?),
            Value(number) => numbers.push(number.parse()?),
            _ => return Err(argument.unexpected()),
        }
    }
    let (seconds, seed) = match numbers[..] {
        [seconds] => (seconds, fastrand::u64(..1_000_000)),
        [seconds, seed] => (seconds, seed),
        _ => return Err("how many seconds, and perhaps a seed?".into()),
    };
    Ok(Job::Run(Options { seconds, seed, workers, first, kinds }))
}

fn main() -> ExitCode {
    match job() {
        Ok(Job::Work(setup)) => worker::run(setup),
        Ok(Job::Run(options)) => run(&options),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

#[derive(Default)]
struct Totals {
    histories: u64,
    grants: u64,
    faults: BTreeMap<Kind, u64>,
    violations: u64,
    losses: BTreeMap<&'static str, u64>,
    errors: BTreeMap<String, u64>,
    hits: u64,
    recalls: u64,
}

fn run(options: &Options) -> ExitCode {
    let seed = options.seed;
    println!("seed {seed}");
    let end = Instant::now() + Duration::from_secs(options.seconds);
    let mut totals = Totals::default();
    if options.first == 0 {
        match many::run() {
            Ok(text) => println!("{text}"),
            Err(text) => {
                println!("ManyLocks: {text}");
                totals.violations += 1;
            }
        }
    }
    let mut round = options.first;
    while totals.violations == 0 && (Instant::now() < end || totals.histories == 0) {
        let outcome = round::run(seed, round, options.workers, options.kinds.as_deref());
        report(round, &outcome, &mut totals);
        round += 1;
    }
    let faults: Vec<String> = totals.faults.iter().map(|(kind, times)| format!("{kind} {times}")).collect();
    println!("faults: {}", faults.join(", "));
    for (error, times) in &totals.errors {
        println!("told {times} times: {error}");
    }
    println!("kept: had again without a request {}, recalls {}", totals.hits, totals.recalls);
    for (by, losses) in &totals.losses {
        println!("lost by {by}: {losses}");
    }
    let Totals { histories, grants, faults, violations, losses, .. } = totals;
    if violations > 0 {
        println!("the seed was {seed}: scripts/faults {} {seed} --first {}", options.seconds, round.saturating_sub(1));
    }
    let (faults, losses): (u64, u64) = (faults.values().sum(), losses.values().sum());
    println!("histories {histories}, acquisitions {grants}, faults {faults}, losses {losses}, violations {violations}");
    if violations > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn report(round: u64, outcome: &round::Outcome, totals: &mut Totals) {
    let verdict = &outcome.verdict;
    let losses: u64 = verdict.losses.values().sum();
    println!(
        "round {round}: {}: acquisitions {}, faults {}, errors {}, told lost {}, losses {losses}",
        outcome.plan.text(),
        verdict.grants,
        outcome.incidents.faults.values().sum::<u64>(),
        verdict.errors.values().sum::<u64>(),
        verdict.told,
    );
    if outcome.lost >= SECOND {
        let (lost, round) = (outcome.lost as f64 / SECOND as f64, round);
        println!("round {round}: {lost:.1} s of its end did not count: the machine was too busy");
    }
    for wrong in verdict.wrongs.iter().take(SHOWN) {
        println!("\n{}\n", table::show(wrong, outcome));
    }
    totals.histories += 1;
    totals.grants += verdict.grants;
    totals.hits += verdict.hits;
    totals.recalls += verdict.recalls;
    for (&kind, times) in &outcome.incidents.faults {
        *totals.faults.entry(kind).or_default() += times;
    }
    totals.violations += verdict.wrongs.len() as u64;
    for (by, losses) in &verdict.losses {
        *totals.losses.entry(by).or_default() += losses;
    }
    for (error, times) in &verdict.errors {
        *totals.errors.entry(error.clone()).or_default() += times;
    }
}
