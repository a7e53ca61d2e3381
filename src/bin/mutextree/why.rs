//! `mutextree why`: who is in the way of a lock, and behind whom those wait.

use std::io::{self, Write as _};
use std::process::ExitCode;

use mutextree::{Blocker, Kind, Mode, Scope, ToTreePath as _, TreePath};

use crate::args::Why;
use crate::place::Place;
use crate::status::Failure;
use crate::text::{printable, span};

/// Something is in the way.
const BLOCKED: u8 = 1;

pub(crate) fn run(why: &Why) -> Result<ExitCode, Failure> {
    let path: TreePath = why.path.to_tree_path()?;
    let mode = if why.shared { Mode::Shared } else { Mode::Exclusive };
    let scope = if why.node_only { Scope::Node } else { Scope::Subtree };
    let kind = Kind::new(mode, scope);
    let blockers = Place::open(&why.keeper, None)?.snapshot()?.blockers(&path, kind);
    let mut out = io::stdout().lock();
    let path = printable(&path.to_string());
    if blockers.is_empty() {
        writeln!(out, "`{path}` is free: nothing is in the way of a lock ({kind})")?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(out, "a lock ({kind}) on `{path}` has to wait for {}:", blockers.len())?;
    for blocker in &blockers {
        writeln!(out, "  {}\n      {}", name(blocker), details(blocker))?;
    }
    Ok(ExitCode::from(BLOCKED))
}

/// What is known of a lock or a waiter that is in the way.
fn details(blocker: &Blocker) -> String {
    let mut parts: Vec<String> = blocker.kind().map(|kind| kind.to_string()).into_iter().collect();
    if let Some(held) = blocker.held() {
        parts.extend(held.held_for.map(|time| format!("since {}", span(time))));
        parts.push(match held.remaining {
            Some(left) if held.is_detached() => format!("ends in {} unless somebody renews it", span(left)),
            Some(left) => format!("ends in {} if its holder is gone", span(left)),
            None => "ends with its holder".into(),
        });
        parts.extend(held.fencing_token.map(|token| format!("token {token}")));
    }
    if let Some(waiting) = blocker.waiting() {
        parts.extend(waiting.waited.map(|time| format!("since {}", span(time))));
        parts.extend(waiting.set.map(|_| "as one with other paths".into()));
        parts.extend(waiting.upgrades.then(|| "an upgrade of its shared lock".into()));
        parts.push(match &waiting.behind {
            Some(behind) => format!("behind {}", name(behind)),
            None => "its turn has come".into(),
        });
    }
    parts.join("; ")
}

fn name(blocker: &Blocker) -> String {
    let owner = blocker.owner().map_or_else(|| "somebody".into(), |owner| printable(owner.as_str()));
    let verb = if blocker.waiting().is_some() { "waited for" } else { "held" };
    format!("`{}` {verb} by {owner}", printable(&blocker.path().to_string()))
}
