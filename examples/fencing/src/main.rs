//! Workers write to a database under a lock over Redis. One of them is paused for longer than its
//! lease, and wakes up when the lock is another's. The database refuses its write.
//!
//! `cargo run --release -p mutextree-fencing [-- --without-tokens] [--redis URL]`
//!
//! Without a URL it starts a Redis server of its own and ends it afterwards. The database is
//! SQLite, in a file that goes with the example. The workers are copies of this program, and each
//! gives numbers to orders: it locks, reads the last number, and writes the next one.
//!
//! * `ann` and `ben` give three numbers each, at the same time.
//! * `eve` locks, reads, sees that her lock is held, and is stopped (as by `kill -STOP`) before she
//!   writes. Her lease ends.
//! * `dan` gets the lock, and gives the next number.
//! * `eve` goes on, and writes what she was about to write.
//!
//! With fencing tokens her write is refused, and she does it again under a new lock. With
//! `--without-tokens` it is accepted, and two orders have the same number. The exit status is 0 if
//! no two orders have the same number, 1 if two have, and 2 if the example itself fails.
//!
//! * `orders.rs`: the table, and the two statements that check the token
//! * `worker.rs`: what a worker does
//! * `story.rs`: who is started, stopped and continued when, and what came of it

mod orders;
#[path = "../../shared/processes.rs"]
mod processes;
mod story;
mod worker;

use std::path::PathBuf;
use std::process::ExitCode;

use lexopt::ValueExt;
use processes::{Outcome, Server};

const HELP: &str = "\
Shows how a database refuses the write of a worker that was paused for longer than its lease.

Usage: cargo run --release -p mutextree-fencing [-- OPTIONS]

  --without-tokens   the same without fencing tokens: the late write is accepted
  --redis URL        a Redis server to use; without it, one is started and ended
  --help             this";

/// What the program was asked to do. The second half is for the copies of this program.
#[derive(Default)]
struct Options {
    redis: Option<String>,
    without_tokens: bool,
    help: bool,
    worker: Option<String>,
    database: PathBuf,
    orders: usize,
    hesitates: bool,
}

impl Options {
    fn parse() -> Outcome<Self> {
        let mut options = Self::default();
        let mut arguments = lexopt::Parser::from_env();
        while let Some(argument) = arguments.next()? {
            match argument {
                lexopt::Arg::Long("redis") => options.redis = Some(arguments.value()?.string()?),
                lexopt::Arg::Long("without-tokens") => options.without_tokens = true,
                lexopt::Arg::Long("help") | lexopt::Arg::Short('h') => options.help = true,
                lexopt::Arg::Long("worker") => options.worker = Some(arguments.value()?.string()?),
                lexopt::Arg::Long("database") => options.database = arguments.value()?.into(),
                lexopt::Arg::Long("orders") => options.orders = arguments.value()?.parse()?,
                lexopt::Arg::Long("hesitates") => options.hesitates = true,
                other => return Err(format!("{}; try --help", other.unexpected()).into()),
            }
        }
        Ok(options)
    }
}

fn main() -> ExitCode {
    match Options::parse().and_then(run) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {}", chain(&*error));
            ExitCode::from(2)
        }
    }
}

/// An error and what caused it, on a line.
fn chain(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {}", chain(cause)))
}

/// Whether all went well.
fn run(options: Options) -> Outcome<bool> {
    if options.help {
        println!("{HELP}");
        return Ok(true);
    }
    if let Some(name) = &options.worker {
        return worker::work(name, &options).map(|()| true);
    }
    let directory = tempfile::tempdir()?;
    let server = if options.redis.is_none() { Some(Server::start(directory.path())?) } else { None };
    let url = server.as_ref().map(Server::url).or(options.redis).unwrap_or_default();
    story::tell(&url, &directory.path().join("orders.db"), !options.without_tokens)
}
