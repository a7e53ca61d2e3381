//! The command line. What each part does is in the help that is derived from it here; the examples
//! are in `help.rs`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::error::ErrorKind;
use clap::{Args, Parser};

mod help;

use crate::redact::redacted;
use crate::status::USAGE;
use crate::text::parse_span;

/// Locks for things that form a tree: run commands under them, see them, end them.
///
/// A lock on a node covers all that is below it, so `org/team` excludes `org/team/project` and
/// `org`, and not `org/other`. The locks are kept by a Redis server (--redis), for any number of
/// machines, or in files of one machine (--dir).
#[derive(Debug, Parser)]
#[command(name = "mutextree", version, after_help = help::SHORT, after_long_help = help::MAIN)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Subcommand,
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Subcommand {
    Exec(Exec),
    Ls(Ls),
    Why(Why),
    Watch(Watch),
    Break(Break),
    Doctor(Doctor),
    Completions(Completions),
    Man(Man),
}

/// Who keeps the locks.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Who keeps the locks")]
pub(crate) struct Keeper {
    /// The Redis server: redis://[user:password@]host[:port][/database], rediss:// for TLS,
    /// unix:///path, redis-sentinel://host,host/service, redis-cluster://host,host [default: the
    /// variable MUTEXTREE_REDIS]
    #[arg(long, value_name = "URL")]
    pub(crate) redis: Option<String>,
    /// The tree of locks on that server [default: mutextree]
    #[arg(long, value_name = "NAME")]
    pub(crate) tree: Option<String>,
    /// How long the server may take to answer
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_span)]
    pub(crate) timeout: Duration,
    /// No server: locks among the processes of this machine, in files of this directory
    #[arg(long, value_name = "DIR", conflicts_with_all = ["redis", "tree"])]
    pub(crate) dir: Option<PathBuf>,
}

/// Runs a command under a lock
///
/// Takes the lock on PATH, runs COMMAND, and releases the lock when the command ends. With several
/// paths the command runs once all of them are locked. No shell is involved: give one if you want
/// one.
///
/// The command gets the terminal, stdin and stdout, and a process group of its own. Signals that
/// come here are passed on to it, and its exit status becomes that of this command. If the lock is
/// about to be lost the command is stopped before that: first by SIGTERM, then by SIGKILL.
///
/// In its environment the command finds MUTEXTREE_FENCING_TOKEN: a number that rises with every
/// lock in the tree. A resource that refuses smaller ones than the greatest it has seen is safe
/// from a command that goes on without its lock.
#[derive(Debug, Args)]
#[command(after_help = help::EXEC)]
pub(crate) struct Exec {
    /// What to lock: names with / between them; / alone is the root
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<String>,
    /// What to run, behind --
    #[arg(required = true, last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
    /// Lock shared: other shared locks may be held at the same time
    #[arg(long, short)]
    pub(crate) shared: bool,
    /// Lock the node alone: locks below it are no conflict
    #[arg(long)]
    pub(crate) node_only: bool,
    /// Give up if the lock cannot be had for so long
    #[arg(long, short, value_name = "TIME", value_parser = parse_span)]
    pub(crate) wait: Option<Duration>,
    /// Give up at once if the lock cannot be had
    #[arg(long, short, conflicts_with = "wait")]
    pub(crate) no_wait: bool,
    /// The exit status if the lock could not be had in time
    #[arg(long, short = 'E', value_name = "STATUS", default_value_t = crate::status::NOT_HAD)]
    pub(crate) conflict_exit_code: u8,
    /// Who holds the lock, for people [default: user@host:process (command)]
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) owner: Option<String>,
    /// For how long the lock outlives a machine that is gone; renewed while the command runs
    /// [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = parse_span, conflicts_with = "dir")]
    pub(crate) lease: Option<Duration>,
    /// The time between SIGTERM and SIGKILL if the lock is lost [default: 5s, or a sixth of the
    /// lease]
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    pub(crate) kill_after: Option<Duration>,
    /// Keep the lock until every process of the command's group has ended, not only the first
    #[arg(long)]
    pub(crate) wait_group: bool,
    /// Say on stderr when the lock is had and released
    #[arg(long, short)]
    pub(crate) verbose: bool,
    #[command(flatten)]
    pub(crate) keeper: Keeper,
}

/// Lists the locks: who holds what, and who waits for it
///
/// One line for each node that is locked or waited for, as a tree. With --json it is one object
/// with the lists "held" and "waiting", for programs; times in it are seconds.
#[derive(Debug, Args)]
#[command(after_help = help::LS)]
pub(crate) struct Ls {
    /// List only this node and what is below it
    #[arg(value_name = "PREFIX", default_value = "/")]
    pub(crate) prefix: String,
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) keeper: Keeper,
}

/// Says who is in the way of a lock
///
/// Names every lock, and every earlier waiter, that a lock on PATH would have to wait for, and
/// behind whom those wait. The exit status is 0 if nothing is in the way and 1 if something is.
#[derive(Debug, Args)]
#[command(after_help = help::WHY)]
pub(crate) struct Why {
    /// What one would lock
    #[arg(value_name = "PATH")]
    pub(crate) path: String,
    /// Ask for a shared lock
    #[arg(long, short)]
    pub(crate) shared: bool,
    /// Ask for a lock of the node alone
    #[arg(long)]
    pub(crate) node_only: bool,
    #[command(flatten)]
    pub(crate) keeper: Keeper,
}

/// Shows the locks, and redraws them as they change
///
/// Keys: q quits, s sorts by another column, r turns the order around, / filters by path or owner,
/// w shows only what waits and what it waits for, space stops the clock, arrows scroll.
#[derive(Debug, Args)]
#[command(after_help = help::WATCH)]
pub(crate) struct Watch {
    /// Show only this node and what is below it
    #[arg(value_name = "PREFIX", default_value = "/")]
    pub(crate) prefix: String,
    /// How often to look
    #[arg(long, short = 'i', value_name = "TIME", default_value = "1s", value_parser = parse_span)]
    pub(crate) interval: Duration,
    /// No screen: a line of JSON for each change
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) keeper: Keeper,
}

/// Ends a lock that somebody else holds
///
/// Its holder is told, and may go on for a while; `exec` stops its command. So a resource that
/// checks fencing tokens should refuse the one that is printed, and all below it. Asks first,
/// unless --yes is given.
#[derive(Debug, Args)]
#[command(after_help = help::BREAK)]
pub(crate) struct Break {
    /// The locked node, or the fencing token of one lock
    #[arg(value_name = "PATH|TOKEN")]
    pub(crate) what: String,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) keeper: Keeper,
}

/// Says whether a server, or a directory, can be used, and what to do if not
///
/// Looks at the version, what the user may do, what happens when the memory is full, how long
/// answers take, the clock and the replicas. Changes nothing. The exit status is 0 unless something
/// has to be done before locks work: then it is 69.
#[derive(Debug, Args)]
#[command(after_help = help::DOCTOR)]
pub(crate) struct Doctor {
    #[command(flatten)]
    pub(crate) keeper: Keeper,
}

/// Prints what makes a shell complete this command
#[derive(Debug, Args)]
#[command(after_help = help::COMPLETIONS)]
pub(crate) struct Completions {
    /// Which shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

/// Prints the manual page
#[derive(Debug, Args)]
#[command(after_help = help::MAN)]
pub(crate) struct Man {
    /// Of this subcommand [default: of the whole command]
    pub(crate) subcommand: Option<String>,
}

/// What cannot be parsed, or was asked for help.
pub(crate) fn refuse(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let _ = error.print();
            ExitCode::SUCCESS
        }
        _ => {
            use std::io::{IsTerminal as _, Write as _};
            let text = error.render();
            let mut stderr = std::io::stderr();
            let text = if stderr.is_terminal() { text.ansi().to_string() } else { text.to_string() };
            let _ = stderr.write_all(redacted(&text).as_bytes());
            ExitCode::from(USAGE)
        }
    }
}

#[cfg(test)]
mod tests;
