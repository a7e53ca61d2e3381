//! `mutextree`: locks for scripts, and a look at a tree of locks for people. `docs/command.md` in
//! the repository is its manual; the library is the crate of the same name.
//!
//! * `args.rs`, `args/help.rs`: the command line, and the examples of its help
//! * `status.rs`: why the command ends early, and its exit statuses; `redact.rs`: no passwords
//! * `place.rs`: the server or the directory that has the locks; `dir.rs`: locks in files
//! * `exec.rs`: a command that runs under a lock
//! * `ls.rs`, `why.rs`, `ending.rs` (for `break`), `watch.rs`, `doctor.rs`: seeing and operating
//! * `pages.rs`: completion and the manual page
//! * `clock.rs`, `text.rs`: time, and how it is written
#![forbid(unsafe_code)]
#![cfg(unix)]

use std::ffi::OsStr;
use std::process::ExitCode;

use clap::Parser as _;

mod args;
mod clock;
mod dir;
mod doctor;
mod ending;
mod exec;
mod ls;
mod pages;
mod place;
mod redact;
mod status;
mod text;
mod watch;
mod why;

use args::{Arguments, Subcommand};
use status::Failure;

fn main() -> ExitCode {
    match std::env::args_os().nth(1).as_deref().and_then(OsStr::to_str) {
        Some(exec::watchdog::NAME) => return exec::watchdog::run(),
        Some(exec::starter::NAME) => return exec::starter::run(),
        _ => {}
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return args::refuse(&error),
    };
    match run(arguments.command) {
        Ok(status) => status,
        Err(failure) => failure.report(),
    }
}

fn run(command: Subcommand) -> Result<ExitCode, Failure> {
    match command {
        Subcommand::Exec(exec) => exec::run(exec),
        Subcommand::Ls(ls) => ls::run(&ls),
        Subcommand::Why(why) => why::run(&why),
        Subcommand::Watch(watch) => watch::run(&watch),
        Subcommand::Break(ending) => ending::run(&ending),
        Subcommand::Doctor(doctor) => doctor::run(&doctor),
        Subcommand::Completions(completions) => pages::completions(completions.shell),
        Subcommand::Man(man) => pages::man(man.subcommand.as_deref()),
    }
}
