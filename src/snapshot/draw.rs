//! A [`Snapshot`] as text: a tree, with a line for each lock that is held or waited for, in
//! columns.
//!
//! A node that has neither, and only one node below it, shares the line of that one. Text that
//! comes from elsewhere (names of nodes, owners) is shown so that it cannot break a line, or play
//! with a terminal.

use std::fmt::{self, Write};
use std::time::Duration;

use super::first::Firsts;
use super::{Snapshot, SnapshotNode, is_own};
use crate::backend::{HeldLock, WaitingLock};
use crate::deadlock::Agent;
use crate::request::{Kind, Owner, Scope, conflicts};

/// The columns: the tree, a mark, held or waits, how, whose, since when, and more.
const COLUMNS: usize = 7;

type Row = [String; COLUMNS];

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            f.write_str("nothing is held, and nobody waits")?;
            if !self.top.is_root() {
                write!(f, " at `{}` or below", self.top)?;
            }
            return f.write_str("\n");
        }
        let rows = self.rows();
        let mut widths = [0; COLUMNS];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        for row in &rows {
            let mut line = String::new();
            for (column, (width, cell)) in widths.iter().zip(row).enumerate().filter(|(_, (width, _))| **width > 0) {
                // The mark stands close to what it marks.
                let gap = if column == 2 && widths[1] > 0 { " " } else { "  " };
                let gap = if line.is_empty() && column == 0 { "" } else { gap };
                write!(line, "{gap}{cell:width$}")?;
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        write!(f, "\n{} held, ", self.held.len())?;
        match self.waiting.len() {
            0 => f.write_str("nobody waits")?,
            1 => f.write_str("1 waits")?,
            many => write!(f, "{many} wait")?,
        }
        if widths[1] > 0 {
            f.write_str("; ! somebody waits for it")?;
        }
        f.write_str("\n")
    }
}

impl Snapshot {
    fn rows(&self) -> Vec<Row> {
        let mut waiters = Firsts::default();
        let (upgrades, others): (Vec<_>, Vec<_>) = self.waiting.iter().partition(|waiter| waiter.upgrades);
        for (at, waiter) in others.iter().enumerate() {
            waiters.add(at, &waiter.path, waiter.kind);
        }
        let is_waited_for = |lock: &HeldLock| {
            let waiter = |at: usize| (&others[at].path, others[at].kind);
            let is_in_its_way = |upgrade: &&WaitingLock| {
                !is_own(lock, upgrade) && conflicts((&upgrade.path, upgrade.kind), (&lock.path, lock.kind))
            };
            waiters.conflicting(&lock.path, lock.kind, waiter).is_some() || upgrades.iter().any(is_in_its_way)
        };
        let mut drawing = Drawing { rows: Vec::new(), is_waited_for: &is_waited_for };
        let nodes: Vec<_> = self.nodes().map(|node| (node.path().components().collect(), node)).collect();
        let (here, below) = split_own(&nodes, self.top.depth());
        drawing.node(printable(&self.top.to_string()), if below.is_empty() { "" } else { "│" }, here);
        drawing.kids(below, self.top.depth(), "");
        drawing.rows
    }
}

/// A node with its components.
type Node<'a> = (Vec<&'a str>, SnapshotNode<'a>);

/// The node of this depth itself, if it is the first of these, and those below it.
fn split_own<'n, 'a>(nodes: &'n [Node<'a>], depth: usize) -> (Option<SnapshotNode<'a>>, &'n [Node<'a>]) {
    match nodes.split_first() {
        Some(((components, node), below)) if components.len() == depth => (Some(*node), below),
        _ => (None, nodes),
    }
}

struct Drawing<'w> {
    rows: Vec<Row>,
    is_waited_for: &'w dyn Fn(&HeldLock) -> bool,
}

impl Drawing<'_> {
    /// The children among these nodes, which all lie below one of this depth.
    fn kids(&mut self, nodes: &[Node<'_>], depth: usize, indent: &str) {
        let mut kids = nodes.chunk_by(|(one, _), (other, _)| one[depth] == other[depth]).peekable();
        while let Some(mut kid) = kids.next() {
            let (branch, trunk) = if kids.peek().is_some() { ("├─ ", "│  ") } else { ("└─ ", "   ") };
            let mut depth = depth + 1;
            let mut label = format!("{indent}{branch}{}", name(kid[0].0[depth - 1]));
            let own = loop {
                let (own, below) = split_own(kid, depth);
                kid = below;
                // Nothing here, and one child: on the same line.
                match (kid.first(), kid.last()) {
                    (Some((first, _)), Some((last, _))) if own.is_none() && first[depth] == last[depth] => {
                        let _ = write!(label, "/{}", name(first[depth]));
                        depth += 1;
                    }
                    _ => break own,
                }
            };
            let indent = format!("{indent}{trunk}");
            self.node(label, &if kid.is_empty() { indent.clone() } else { format!("{indent}│") }, own);
            self.kids(kid, depth, &indent);
        }
    }

    /// The lines of one node: the first has its label, the others only the lines of the tree.
    fn node(&mut self, label: String, indent: &str, node: Option<SnapshotNode<'_>>) {
        let mut label = Some(label);
        let mut add = |rest: [String; COLUMNS - 1]| {
            let [mark, state, kind, owner, since, more] = rest;
            let label = label.take().unwrap_or_else(|| indent.to_owned());
            self.rows.push([label, mark, state, kind, owner, since, more]);
        };
        let Some(node) = node else { return add(Default::default()) };
        for lock in node.holders() {
            let mark = if (self.is_waited_for)(lock) { "!" } else { "" };
            let owner = who(lock.owner.as_ref(), lock.agent.as_ref()).unwrap_or_default();
            let since = lock.held_for.map_or_else(String::new, brief);
            add([mark.into(), "held".into(), how(lock.kind), owner, since, about_end(lock)]);
        }
        for (at, waiter) in node.waiters().iter().enumerate() {
            let state = if node.waiters().len() > 1 { format!("waits {}", at + 1) } else { "waits".into() };
            let owner = who(waiter.owner.as_ref(), waiter.agent.as_ref()).unwrap_or_default();
            let since = waiter.waited.map_or_else(String::new, brief);
            add([String::new(), state, how(waiter.kind), owner, since, about_wait(waiter)]);
        }
    }
}

/// Who it is: the owner; otherwise the thread, where deadlocks are looked for.
pub(super) fn who(owner: Option<&Owner>, agent: Option<&Agent>) -> Option<String> {
    let thread = agent.filter(|agent| !agent.is_task()).map(Agent::to_string);
    owner.map(|owner| printable(owner.as_str())).or(thread)
}

/// How it is locked. The subtree goes without saying, as it does where locks are asked for.
pub(crate) fn how(kind: Kind) -> String {
    if kind.scope == Scope::Subtree { kind.mode.to_string() } else { kind.to_string() }
}

/// How a lock will end.
pub(super) fn about_end(lock: &HeldLock) -> String {
    let guard = if lock.is_detached() { "without a guard" } else { "" };
    let lease = lock.remaining.map_or_else(String::new, |left| format!("lease ends in {}", brief(left)));
    let comma = if guard.is_empty() || lease.is_empty() { "" } else { ", " };
    format!("{guard}{comma}{lease}")
}

fn about_wait(waiter: &WaitingLock) -> String {
    let upgrade = if waiter.upgrades { "upgrade, " } else { "" };
    let behind = match &waiter.behind {
        // It waits as one with another node.
        Some(behind) if *behind.wanted() != waiter.path => {
            printable(&format!("with `{}`, which is behind {behind}", behind.wanted()))
        }
        Some(behind) => printable(&format!("behind {behind}")),
        None => "its turn has come".into(),
    };
    format!("{upgrade}{behind}")
}

/// The name of a node, quoted if it has a `/`, as paths show it.
pub(super) fn name(component: &str) -> String {
    if component.contains('/') { format!("{component:?}") } else { printable(component) }
}

/// The text itself if a terminal shows it as it is, or else with escapes.
pub(crate) fn printable(text: &str) -> String {
    let harmless =
        text.escape_debug().collect::<String>().replace("\\\"", "\"").replace("\\'", "'").replace("\\\\", "\\");
    if harmless == text { harmless } else { text.escape_debug().collect() }
}

/// A length of time, as people say it.
pub(crate) fn brief(time: Duration) -> String {
    let (millis, seconds) = (time.as_millis(), time.as_secs());
    match seconds {
        0 => format!("{millis} ms"),
        1..10 => format!("{}.{} s", seconds, millis % 1000 / 100),
        10..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}
