//! A [`Snapshot`] as a graph in the language of Graphviz.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::draw::{about_end, brief, how, name, printable, who};
use super::{Snapshot, SnapshotNode};
use crate::backend::WaitingLock;
use crate::error::Blocker;
use crate::path::TreePath;

impl Snapshot {
    /// The snapshot as a graph in the language of [Graphviz](https://graphviz.org): draw it by
    /// `dot -Tsvg`.
    ///
    /// A box is a node of the tree, with the locks on it; it is filled if there are any. A dashed
    /// ellipse is a waiter, at the node that it wants. A red arrow leads to what it is behind.
    ///
    /// ```
    /// use mutextree::{LockStore, MemoryStore};
    /// let store = MemoryStore::new();
    /// let _guard = store.mutex("org/team")?.owner("backup").lock_owned()?;
    /// let dot = store.snapshot()?.to_dot();
    /// assert!(dot.starts_with("digraph") && dot.contains("backup"));
    /// # Ok::<(), mutextree::LockError>(())
    /// ```
    pub fn to_dot(&self) -> String {
        let mut dot = String::from(
            "digraph locks {\n  rankdir=LR;\n  node [shape=box, fontname=\"sans-serif\"];\n  edge [arrowhead=none];\n",
        );
        let boxes = self.boxes();
        let mut waiters = Vec::new();
        for (path, (id, node)) in &boxes {
            let label = label_of(path, &self.top, node.as_ref());
            let fill = if node.is_some_and(|node| !node.holders().is_empty()) {
                ", style=filled, fillcolor=\"#fde9c8\""
            } else {
                ""
            };
            line(&mut dot, format_args!("n{id} [label=\"{label}\"{fill}];"));
            if let Some((above, _)) = path.parent().and_then(|parent| boxes.get(&parent)) {
                line(&mut dot, format_args!("n{above} -> n{id};"));
            }
            for waiter in node.iter().flat_map(|node| node.waiters()) {
                waiters.push((*id, waiter));
            }
        }
        for (number, (wanted, waiter)) in waiters.iter().enumerate() {
            let label = label_of_waiter(waiter);
            line(&mut dot, format_args!("w{number} [label=\"{label}\", shape=ellipse, style=dashed];"));
            line(&mut dot, format_args!("n{wanted} -> w{number} [style=dashed];"));
        }
        for (number, (_, waiter)) in waiters.iter().enumerate() {
            let Some(behind) = &waiter.behind else { continue };
            let earlier = waiters.iter().position(|(_, other)| is_meant(behind, other));
            let to = match (earlier, boxes.get(behind.path())) {
                (Some(earlier), _) => format!("w{earlier}"),
                (None, Some((id, _))) => format!("n{id}"),
                (None, None) => continue, // outside of the part that this is
            };
            let style = "color=\"#c0392b\", arrowhead=normal, constraint=false";
            line(&mut dot, format_args!("w{number} -> {to} [{style}];"));
        }
        dot.push_str("}\n");
        dot
    }

    /// Each node that is drawn, with its number: those with locks or waiters, and those above them.
    fn boxes(&self) -> BTreeMap<TreePath, (usize, Option<SnapshotNode<'_>>)> {
        let mut boxes = BTreeMap::from([(self.top.clone(), (0, None))]);
        for node in self.nodes() {
            let mut above = node.path().parent();
            while let Some(path) = above.filter(|path| path.starts_with(&self.top)) {
                above = path.parent();
                boxes.entry(path).or_default();
            }
            boxes.insert(node.path().clone(), (0, Some(node)));
        }
        for (number, (id, _)) in boxes.values_mut().enumerate() {
            *id = number;
        }
        boxes
    }
}

fn line(dot: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = writeln!(dot, "  {text}"); // to a string: never fails
}

/// Whether `behind` is this waiter.
fn is_meant(behind: &Blocker, waiter: &WaitingLock) -> bool {
    behind.waiting().is_some_and(|meant| {
        (&meant.path, meant.kind, &meant.owner, meant.waited)
            == (&waiter.path, waiter.kind, &waiter.owner, waiter.waited)
    })
}

/// The name of a node, and a line for each lock.
fn label_of(path: &TreePath, top: &TreePath, node: Option<&SnapshotNode<'_>>) -> String {
    let own = match path.components().next_back() {
        Some(component) if path != top => name(component),
        _ => printable(&path.to_string()),
    };
    let mut label = quoted(&own);
    for lock in node.iter().flat_map(|node| node.holders()) {
        let owner = who(lock.owner.as_ref(), lock.agent.as_ref());
        let since = lock.held_for.map(|time| format!("for {}", brief(time)));
        let end = Some(about_end(lock)).filter(|end| !end.is_empty());
        let parts = [Some(how(lock.kind)), owner, since, end];
        label.push_str("\\n");
        label.push_str(&quoted(&parts.into_iter().flatten().collect::<Vec<_>>().join(", ")));
    }
    label
}

fn label_of_waiter(waiter: &WaitingLock) -> String {
    let owner = who(waiter.owner.as_ref(), waiter.agent.as_ref()).unwrap_or_else(|| "waits".into());
    let since = waiter.waited.map_or_else(String::new, |time| format!(", for {}", brief(time)));
    let upgrade = if waiter.upgrades { "upgrade, " } else { "" };
    format!("{}\\n{upgrade}{}{since}", quoted(&owner), how(waiter.kind))
}

/// Text within the quotes of a label.
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}
