//! Runs the simulator; `scripts/sim` says how.

use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use comfy_table::{Table, presets};
use mutextree_sim::simulator::{Extent, Planted, Summary, run, tell};

/// Lua allocates and frees all the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Options {
    extent: Option<Extent>,
    seed: Option<u64>,
    /// One history, from its beginning to its end.
    whole: Option<u64>,
    /// One history, shortened if it fails.
    repeat: Option<u64>,
    planted: Option<Planted>,
    cover: bool,
    /// Whether a violation's history is left out.
    brief: bool,
}

fn options() -> Result<Options, lexopt::Error> {
    use lexopt::prelude::*;
    let mut options =
        Options { extent: None, seed: None, whole: None, repeat: None, planted: None, cover: false, brief: false };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("seconds") => options.extent = Some(Extent::For(Duration::from_secs(parser.value()?.parse()?))),
            Long("histories") => options.extent = Some(Extent::Histories(parser.value()?.parse()?)),
            Long("seed") => options.seed = Some(parser.value()?.parse()?),
            Long("whole") => options.whole = Some(parser.value()?.parse()?),
            Long("repeat") => options.repeat = Some(parser.value()?.parse()?),
            Long("plant") => {
                let (from, to) = (parser.value()?.string()?, parser.value()?.string()?);
                options.planted = Some(Planted::new(&from, &to)?);
            }
            Long("brief") => options.brief = true,
            Long("cover") => options.cover = true,
            _ => return Err(argument.unexpected()),
        }
    }
    Ok(options)
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    if let Some(seed) = options.repeat {
        return story(seed, true, options.planted.as_ref());
    }
    if let Some(seed) = options.whole {
        return story(seed, false, options.planted.as_ref());
    }
    let Some(extent) = options.extent else {
        eprintln!("one of --seconds, --histories, --repeat and --whole is needed");
        return ExitCode::from(2);
    };
    let seed = options.seed.unwrap_or_else(|| {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.as_nanos() as u64 % 1_000_000_000 * 1000)
    });
    println!("histories from seed {seed} on");
    let summary = run(seed, extent, options.planted.as_ref());
    if let Some((seed, what)) = summary.violations.first() {
        println!("seed {seed}: {what}");
        if !options.brief {
            story(*seed, true, options.planted.as_ref());
        }
    }
    if options.cover {
        summary.seen().for_each(|(what, count)| println!("{count:>12} {what}"));
    }
    finish(&summary)
}

/// As many histories as this, and everything that can happen must have happened, but for what is
/// rare.
const ENOUGH: u64 = 2_000;
/// As many, and that as well.
const ENOUGH_FOR_ALL: u64 = 20_000;

fn finish(summary: &Summary) -> ExitCode {
    let missing = summary.never_seen(summary.histories >= ENOUGH_FOR_ALL);
    let lacks = summary.histories >= ENOUGH && !missing.is_empty();
    if lacks {
        println!("never seen to happen: {}", missing.join("; "));
    }
    let Summary { histories, acquisitions, faults, losses, time, violations, .. } = summary;
    println!("{} simulated seconds, {losses} locks held twice as data was lost", time.as_secs());
    println!("histories {histories}, acquisitions {acquisitions}, faults {faults}, violations {}", violations.len());
    if violations.is_empty() && !lacks { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints a history as a table.
fn story(seed: u64, shorten: bool, planted: Option<&Planted>) -> ExitCode {
    let story = tell(seed, shorten, planted);
    println!("{}", story.plan);
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(["ms", "who", "what"]);
    for (at, who, what) in story.rows {
        table.add_row([format!("{}.{:03}", at / 1000, at % 1000), who, what]);
    }
    println!("{table}");
    match story.violation {
        Some(what) => {
            println!("seed {seed}: {what}\nagain: scripts/sim --repeat {seed}");
            ExitCode::FAILURE
        }
        None => {
            println!("seed {seed}: no violation");
            ExitCode::SUCCESS
        }
    }
}
