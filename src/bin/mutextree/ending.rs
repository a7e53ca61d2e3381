//! `mutextree break`: ends a lock that somebody else holds.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use mutextree::{HeldLock, LockStore as _, Snapshot, ToTreePath as _, TreePath};

use crate::args::Break;
use crate::place::Place;
use crate::status::Failure;
use crate::text::{printable, span};

/// There is nothing to end, or the answer was no.
const NOTHING_DONE: u8 = 1;

pub(crate) fn run(args: &Break) -> Result<ExitCode, Failure> {
    // Before it connects: what is no path is an error, whatever is held.
    let path: TreePath = args.what.to_tree_path()?;
    let Place::Server(server) = Place::open(&args.keeper, None)? else {
        let what = "locks in a directory end with their process: `mutextree ls` names it, and `kill` ends it";
        return Err(Failure::usage(what));
    };
    let snapshot = server.store.snapshot()?;
    let locks = chosen(&snapshot, &path, &args.what);
    if locks.is_empty() {
        let message = format!(
            "no lock on exactly `{path}`, and none with that token; `mutextree why {}` says what covers it",
            args.what
        );
        return Err(Failure::Status(NOTHING_DONE, message));
    }
    if !args.yes && !agreed(&locks)? {
        return Err(Failure::Status(NOTHING_DONE, "nothing was ended".into()));
    }
    let mut out = io::stdout().lock();
    for lock in locks {
        if server.store.break_lock(lock)? {
            let token = lock.fencing_token.map(|token| format!("; refuse fencing tokens up to {token}"));
            writeln!(out, "ended {}{}", describe(lock), token.unwrap_or_default())?;
        } else {
            writeln!(out, "had ended already: {}", describe(lock))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The locks on exactly that node; if there are none, the one with that fencing token.
fn chosen<'a>(snapshot: &'a Snapshot, path: &TreePath, text: &str) -> Vec<&'a HeldLock> {
    let on_path: Vec<_> = snapshot.holders().filter(|lock| lock.path == *path).collect();
    match text.parse::<u64>() {
        Ok(token) if on_path.is_empty() => {
            snapshot.holders().filter(|lock| lock.fencing_token == Some(token)).collect()
        }
        _ => on_path,
    }
}

/// Shows them, and asks.
fn agreed(locks: &[&HeldLock]) -> Result<bool, Failure> {
    // Not on stdout, which may be read by a program.
    let mut out = io::stderr().lock();
    for lock in locks {
        writeln!(out, "  {}", describe(lock))?;
    }
    let what = if locks.len() == 1 { "this lock".into() } else { format!("these {} locks", locks.len()) };
    write!(out, "End {what}, though the holder may still be at work? [y/N] ")?;
    out.flush()?;
    let mut answer = String::new();
    let count = io::stdin().read_line(&mut answer)?;
    if count == 0 || !io::stdin().is_terminal() {
        writeln!(out)?;
    }
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn describe(lock: &HeldLock) -> String {
    let owner = lock.owner.as_ref().map_or_else(|| "somebody".into(), |owner| printable(owner.as_str()));
    let since = lock.held_for.map(|time| format!(" since {}", span(time)));
    format!("`{}`, {}, held by {owner}{}", printable(&lock.path.to_string()), lock.kind, since.unwrap_or_default())
}
