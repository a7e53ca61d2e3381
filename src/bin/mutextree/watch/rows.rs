//! A snapshot as rows of a table; sorting and filtering them.

use std::cmp::{Ordering, Reverse};
use std::time::Duration;

use mutextree::{Blocker, Kind, Snapshot, TreePath};

use crate::text::{printable, span};

/// One lock or one waiter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) path: TreePath,
    pub(super) state: State,
    pub(super) kind: Kind,
    pub(super) owner: String,
    /// For how long it has been held, or has waited.
    pub(super) since: Option<Duration>,
    /// The lease left.
    pub(super) left: Option<Duration>,
    /// The fencing token.
    pub(super) token: Option<u64>,
    /// Whom it waits for.
    pub(super) behind: Option<String>,
    /// Whether a waiter is behind it, or it waits itself.
    pub(super) is_contended: bool,
    /// The place of a waiter among the waiters.
    turn: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    Held,
    /// Without a guard.
    Detached,
    Waits,
}

impl State {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Detached => "detached",
            Self::Waits => "waits",
        }
    }
}

/// What rows are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Path,
    State,
    Owner,
    Since,
    Left,
}

impl Column {
    pub(super) fn next(self) -> Self {
        match self {
            Self::Path => Self::State,
            Self::State => Self::Owner,
            Self::Owner => Self::Since,
            Self::Since => Self::Left,
            Self::Left => Self::Path,
        }
    }
}

/// Every lock and every waiter of a snapshot.
pub(super) fn rows(snapshot: &Snapshot) -> Vec<Row> {
    let is_waited_for = |path: &TreePath, kind: Kind| {
        snapshot.waiters().any(|waiter| mutextree::conflicts((path, kind), (&waiter.path, waiter.kind)))
    };
    let owner =
        |owner: &Option<mutextree::Owner>| owner.as_ref().map_or_else(String::new, |owner| printable(owner.as_str()));
    let held = snapshot.holders().map(|lock| Row {
        path: lock.path.clone(),
        state: if lock.is_detached() { State::Detached } else { State::Held },
        kind: lock.kind,
        owner: owner(&lock.owner),
        since: lock.held_for,
        left: lock.remaining,
        token: lock.fencing_token,
        behind: None,
        is_contended: is_waited_for(&lock.path, lock.kind),
        turn: 0,
    });
    let waiting = snapshot.waiters().enumerate().map(|(at, waiter)| Row {
        path: waiter.path.clone(),
        state: State::Waits,
        kind: waiter.kind,
        owner: owner(&waiter.owner),
        since: waiter.waited,
        left: None,
        token: None,
        behind: Some(waiter.behind.as_ref().map_or_else(|| "nobody: it is next".into(), behind)),
        is_contended: true,
        turn: at + 1,
    });
    held.chain(waiting).collect()
}

fn behind(blocker: &Blocker) -> String {
    let owner = blocker.owner().map_or_else(|| "somebody".into(), |owner| printable(owner.as_str()));
    let verb = if blocker.waiting().is_some() { "waits for" } else { "holds" };
    format!("{owner} {verb} {}", printable(&blocker.path().to_string()))
}

impl Row {
    /// How it is locked, in few columns.
    pub(super) fn kind_name(&self) -> String {
        let node = if self.kind.scope == mutextree::Scope::Node { ", node" } else { "" };
        format!("{}{node}", self.kind.mode)
    }

    pub(super) fn since_text(&self) -> String {
        self.since.map_or_else(String::new, span)
    }

    pub(super) fn left_text(&self) -> String {
        self.left.map_or_else(String::new, span)
    }

    /// What is said of it last: the token of a lock, whom a waiter is behind.
    pub(super) fn last_text(&self) -> String {
        self.behind.clone().or_else(|| self.token.map(|token| token.to_string())).unwrap_or_default()
    }

    /// Whether the text is in its path or its owner. Case makes no difference.
    pub(super) fn matches(&self, filter: &str) -> bool {
        let filter = filter.to_lowercase();
        [self.path.to_string(), self.owner.clone()].iter().any(|text| text.to_lowercase().contains(&filter))
    }

    fn compare(&self, other: &Self, by: Column) -> Ordering {
        let first = match by {
            Column::Path => Ordering::Equal,
            Column::State => Reverse(self.state).cmp(&Reverse(other.state)),
            Column::Owner => self.owner.cmp(&other.owner),
            // The longest first.
            Column::Since => other.since.cmp(&self.since),
            // What ends first; what does not end last.
            Column::Left => (self.left.is_none(), self.left).cmp(&(other.left.is_none(), other.left)),
        };
        let tie = |row: &Self| (row.path.clone(), row.state, row.turn, row.token);
        first.then_with(|| tie(self).cmp(&tie(other)))
    }
}

pub(super) fn sort(rows: &mut [Row], by: Column, is_reversed: bool) {
    rows.sort_by(|one, other| if is_reversed { other.compare(one, by) } else { one.compare(other, by) });
}

#[cfg(test)]
mod tests;
