//! The live locks as a tree to look at.

use std::collections::BTreeMap;
use std::fmt::Write;

use mutextree::{HeldLock, TreePath};
use termtree::{GlyphPalette, Tree};

use crate::label::Label;

/// A line for each lock, below the lines of what contains it.
pub(crate) fn render(mut locks: Vec<HeldLock>) -> String {
    if locks.is_empty() {
        return "Nothing is locked.\n".to_owned();
    }
    locks.sort_by(|a, b| a.path.cmp(&b.path));
    let mut below: BTreeMap<TreePath, Vec<HeldLock>> = BTreeMap::new();
    for lock in locks {
        let mut path = lock.path.clone();
        while let Some(parent) = path.parent() {
            below.entry(path).or_default();
            path = parent;
        }
        below.entry(lock.path.clone()).or_default().push(lock);
    }
    let root = below.remove(&TreePath::root()).unwrap_or_default();
    // In the order of paths a node comes before what is below it: what is open is a stack.
    let mut open = vec![(TreePath::root(), node("/", &root))];
    for (path, locks) in &below {
        close(&mut open, |top| path.starts_with(top));
        let name = path.components().next_back().unwrap_or_default();
        open.push((path.clone(), node(name, locks)));
    }
    close(&mut open, TreePath::is_root);
    open.pop().map(|(_, tree)| tree.to_string()).unwrap_or_default()
}

/// Hangs what is finished below its parent, until the top is one that stays.
fn close(open: &mut Vec<(TreePath, Tree<String>)>, stays: impl Fn(&TreePath) -> bool) {
    while !stays(&open[open.len() - 1].0) {
        if let Some((_, done)) = open.pop() {
            let parent = open.len() - 1;
            open[parent].1.push(done);
        }
    }
}

fn node(name: &str, locks: &[HeldLock]) -> Tree<String> {
    let mut text = name.escape_debug().to_string();
    for lock in locks {
        let _ = write!(text, "  [{}]", describe(lock));
    }
    let ascii = GlyphPalette {
        middle_item: "|",
        last_item: "`",
        item_indent: "-- ",
        middle_skip: "|",
        last_skip: " ",
        skip_indent: "   ",
    };
    Tree::new(text).with_glyphs(ascii)
}

fn describe(lock: &HeldLock) -> String {
    let mut text = lock.kind.to_string();
    let holder = Label::of(lock).map(|label| label.describe());
    let holder = holder.or_else(|| lock.owner.as_ref().map(ToString::to_string));
    if let Some(holder) = holder {
        let _ = write!(text, ", {}", holder.escape_debug());
    }
    if let Some(remaining) = lock.remaining {
        let _ = write!(text, ", {} s left", remaining.as_secs_f64().ceil());
    }
    text
}

#[cfg(test)]
mod tests {
    use mutextree::{Kind, Mode, Scope};

    use super::*;

    #[test]
    fn a_tree_with_the_locks_where_they_are() {
        let lock = |path: &str, mode, scope| HeldLock::new(path.parse().unwrap(), Kind::new(mode, scope));
        let mut named = lock("docs/plans/b.txt", Mode::Exclusive, Scope::Node);
        named.owner = Some("nightly backup".into());
        let locks = vec![
            lock("music", Mode::Shared, Scope::Subtree),
            named,
            lock("docs/plans/a.txt", Mode::Shared, Scope::Subtree),
            lock("docs/plans/a.txt", Mode::Shared, Scope::Subtree),
        ];
        let shown = "/\n\
            |-- docs\n\
            |   `-- plans\n\
            |       |-- a.txt  [shared, subtree]  [shared, subtree]\n\
            |       `-- b.txt  [exclusive, node only, nightly backup]\n\
            `-- music  [shared, subtree]\n";
        assert_eq!(render(locks), shown);
        assert_eq!(render(vec![lock("/", Mode::Exclusive, Scope::Subtree)]), "/  [exclusive, subtree]\n");
        assert_eq!(render(Vec::new()), "Nothing is locked.\n");
    }
}
