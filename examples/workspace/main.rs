//! A real job for tree locks. Worker threads edit, read, list, create, rename, move, copy and
//! delete files and whole directories of a real tree. Each takes the locks that it needs;
//! `locks.rs` says which, and why they are enough. A checker counts every operation that finds its
//! path gone or changed while it holds the locks. With locks there are none.
//!
//! ```text
//! cargo run --release --example workspace -- [OPTIONS] [DIR]
//! cargo run --release --example workspace -- --no-lock
//! ```
//!
//! * `options.rs` the command line
//! * `source.rs`, `copy.rs` what is copied, and to where
//! * `seal.rs` how a file shows that it is whole
//! * `locks.rs` which locks an operation takes
//! * `operations.rs` what is done to the tree
//! * `check.rs` what counts as a violation
//! * `worker.rs`, `run.rs` who does it, and for how long
//! * `tally.rs`, `report.rs` what is counted and shown

use std::env;
use std::error::Error;
use std::path::Path;
use std::process::{self, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::operations::Growth;
use crate::options::{HELP, Options};
use crate::report::{Progress, grouped, table};
use crate::run::{Outcome, Plan, run};
use crate::source::Source;

mod check;
mod copy;
mod locks;
mod operations;
mod options;
mod report;
mod run;
mod seal;
mod source;
mod tally;
mod worker;

const VIOLATED: u8 = 1;
const FAILED: u8 = 2;
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let failed = |error: &dyn std::fmt::Display| {
        eprintln!("workspace: {error}");
        ExitCode::from(FAILED)
    };
    match Options::parse(env::args_os().skip(1)) {
        Ok(None) => {
            println!("{HELP}");
            ExitCode::SUCCESS
        }
        Ok(Some(options)) => work(&options).unwrap_or_else(|error| failed(&error)),
        Err(error) => failed(&format!("{error}; `--help` lists what there is")),
    }
}

fn work(options: &Options) -> Result<ExitCode, Box<dyn Error>> {
    let interrupted = stop_on_interrupt()?;
    let mut source = match &options.directory {
        Some(directory) => Source::directory(directory)?,
        None => Source::packages()?,
    };
    // Removed when it is dropped, so nothing below may exit the process.
    let root = tempfile::Builder::new().prefix("mutextree-").tempdir();
    let root = root.map_err(|error| format!("cannot make a temporary directory: {error}"))?;
    let size = make_copy(&mut source, root.path(), options, &interrupted)?;
    if interrupted.load(Relaxed) {
        return Ok(ExitCode::from(INTERRUPTED));
    }

    let Options { threads, seed, .. } = options;
    eprintln!("{threads} workers with {} for {} s, seed {seed}", locks_of(options), options.time.as_secs_f64());
    let plan = Plan { threads: options.threads, time: options.time, lock: options.lock, seed: options.seed, size };
    let mut progress = Progress::new("working", options.time.as_millis() as u64);
    let outcome = run(root.path(), &plan, |elapsed, shared| {
        let (done, violations) = (shared.done.load(Relaxed), shared.violations.load(Relaxed));
        let (done, violations, files) = (grouped(done), grouped(violations), grouped(shared.size().files));
        progress.show(elapsed.as_millis() as u64, || {
            format!("{:.0} s, {done} operations, {violations} violations, {files} files", elapsed.as_secs_f64())
        });
        !interrupted.load(Relaxed)
    })?;
    drop(progress);
    print(&outcome, options);

    Ok(if outcome.tally.violations() > 0 || !outcome.damage.is_empty() {
        ExitCode::from(VIOLATED)
    } else if interrupted.load(Relaxed) {
        ExitCode::from(INTERRUPTED)
    } else {
        ExitCode::SUCCESS
    })
}

/// Copies the source below `root`, and says how much that was.
fn make_copy(
    source: &mut Source,
    root: &Path,
    options: &Options,
    interrupted: &AtomicBool,
) -> Result<Growth, Box<dyn Error>> {
    let copies = copy::copies_needed(source.files, options.files);
    let total = grouped(source.files * copies).to_string();
    let mut progress = Progress::new("copying", (source.files * copies) as u64);
    let size = copy::copy(source, root, copies, |files| {
        progress.show(files, || format!("{} of {total} files", grouped(files)));
        !interrupted.load(Relaxed)
    })?;
    drop(progress);
    let Growth { files, directories } = size;
    let times = if copies > 1 { format!(", {copies} times over") } else { String::new() };
    eprintln!("copied {}{times}: {} files in {} directories", source.name, grouped(files), grouped(directories));
    if source.skipped != source::Skipped::default() {
        eprintln!("{}", source.skipped);
    }
    Ok(size)
}

fn print(outcome: &Outcome, options: &Options) {
    println!("{}", table(outcome));
    for example in &outcome.tally.examples {
        println!("violation: {example}");
    }
    for damage in &outcome.damage {
        println!("at the end: {damage}");
    }
    let (sum, violations) = (outcome.tally.sum(), outcome.tally.violations());
    let whole = if outcome.damage.is_empty() { ", every file whole" } else { "" };
    println!(
        "{} operations in {:.1} s by {} workers with {}: {} violations{whole}",
        grouped(sum.done),
        outcome.elapsed.as_secs_f64(),
        options.threads,
        locks_of(options),
        grouped(violations)
    );
}

fn locks_of(options: &Options) -> &'static str {
    if options.lock { "tree locks" } else { "no locks" }
}

/// The first Ctrl-C asks everyone to stop, so that the copy is removed; the second does not ask.
fn stop_on_interrupt() -> Result<Arc<AtomicBool>, ctrlc::Error> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    ctrlc::set_handler(move || {
        if flag.swap(true, Relaxed) {
            process::exit(INTERRUPTED.into());
        }
    })?;
    Ok(interrupted)
}
