//! What is to be locked, and how long that may take.

use std::fmt;
use std::time::{Duration, Instant};

use mutextree::{Kind, Mode, Owner, Scope, ToTreePath as _, TreePath};

use crate::args::Exec;
use crate::status::Failure;
use crate::text::printable;

/// Nodes, each locked in the same way.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// In order, and none that another one covers.
    pub(super) paths: Vec<TreePath>,
    pub(super) kind: Kind,
    pub(super) owner: Owner,
    /// The exit status if it cannot be had in time.
    pub(super) conflict: u8,
}

impl Wanted {
    pub(super) fn new(exec: &Exec) -> Result<Self, Failure> {
        let paths: Result<Vec<_>, _> = exec.paths.iter().map(|path| path.to_tree_path()).collect();
        let mode = if exec.shared { Mode::Shared } else { Mode::Exclusive };
        let scope = if exec.node_only { Scope::Node } else { Scope::Subtree };
        let owner = exec.owner.clone().unwrap_or_else(|| owner(exec));
        Ok(Self {
            paths: without_covered(paths?, scope),
            kind: Kind::new(mode, scope),
            owner: owner.into(),
            conflict: exec.conflict_exit_code,
        })
    }
}

/// The paths in order, without those that another one covers.
fn without_covered(mut paths: Vec<TreePath>, scope: Scope) -> Vec<TreePath> {
    paths.sort();
    // In this order what a path covers follows it.
    paths.dedup_by(|path, kept| match scope {
        Scope::Subtree => path.starts_with(kept),
        Scope::Node => path == kept,
    });
    paths
}

/// Who holds the lock, if nobody said.
fn owner(exec: &Exec) -> String {
    let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME"));
    let user = user.unwrap_or_else(|_| rustix::process::getuid().as_raw().to_string());
    let system = rustix::system::uname();
    let host = system.nodename().to_string_lossy();
    let program = std::path::Path::new(&exec.command[0]).file_name().unwrap_or_default().to_string_lossy();
    format!("{user}@{host}:{} ({program})", std::process::id())
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, path) in self.paths.iter().enumerate() {
            write!(f, "{}`{}`", if at == 0 { "" } else { ", " }, printable(&path.to_string()))?;
        }
        if self.kind != Kind::default() { write!(f, " ({})", self.kind) } else { Ok(()) }
    }
}

/// How long the lock may take.
#[derive(Clone, Copy, Debug)]
pub(super) enum Patience {
    None,
    Until { deadline: Option<Instant>, given: Option<Duration> },
}

impl Patience {
    pub(super) fn new(exec: &Exec) -> Self {
        match exec.wait {
            _ if exec.no_wait => Self::None,
            Some(Duration::ZERO) => Self::None,
            given => Self::Until { deadline: given.and_then(|time| Instant::now().checked_add(time)), given },
        }
    }
}

#[cfg(test)]
mod tests;
