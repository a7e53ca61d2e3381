//! The names of a tree's keys, and paths as the scripts want them.

use crate::path::{MAX_COMPONENT, PathError, ToTreePath, TreePath};
use crate::redis::primitives::Arc;
use crate::request::{Kind, Mode, Scope};

/// The keys of one tree. They share a hash tag, so a cluster keeps them in one slot.
pub(in crate::redis) struct Keys {
    /// What every script declares, in the order of `prelude.lua`.
    all: [String; 7],
}

impl Keys {
    /// The common start of the names of all mailboxes, among `all`.
    const MAILBOX: usize = 6;

    pub(in crate::redis) fn new(tree: &str) -> Self {
        Self { all: ["n", "e", "l", "w", "wl", "wn", "mb:"].map(|name| format!("{{{tree}}}:{name}")) }
    }

    pub(in crate::redis) fn all(&self) -> &[String] {
        &self.all
    }

    pub(in crate::redis) fn mailbox(&self, client: &str) -> String {
        format!("{}{client}", self.all[Self::MAILBOX])
    }
}

/// A path, and what the scripts want to know of it.
#[derive(Clone, Debug)]
pub(in crate::redis) struct Target {
    pub(in crate::redis) path: TreePath,
    text: Arc<[u8]>,
    ends: Arc<[usize]>,
}

impl Target {
    pub(in crate::redis) fn new(path: TreePath) -> Self {
        let text = encode(&path);
        let ends = ends(&text).into();
        Self { path, text: text.into(), ends }
    }

    /// The path as the scripts want it.
    pub(in crate::redis) fn text(&self) -> &[u8] {
        &self.text
    }

    /// The nodes from the root down to this one; none if the path is so long that it is better not
    /// sent again for each of them.
    pub(super) fn chain(&self) -> impl Iterator<Item = &[u8]> {
        self.ends.iter().map(|&end| &self.text[..end])
    }
}

/// A path for the scripts: each component behind a `\x01`, and the bytes 0 to 2 in it escaped as
/// `\x02` and a digit.
///
/// So the root is empty, an ancestor's text is a prefix that is followed by `\x01`, and everything
/// below `p` sorts between `p\x01` and `p\x02`. Nothing else lies there: `a-b` is not in the range
/// of `a`.
pub(super) fn encode(path: &TreePath) -> Vec<u8> {
    let mut text = Vec::with_capacity(path.as_key().len() + 2);
    for component in path.components() {
        text.push(1);
        for &byte in component.as_bytes() {
            if byte <= 2 {
                text.extend([2, b'0' + byte]);
            } else {
                text.push(byte);
            }
        }
    }
    text
}

/// Where in a path's text its ancestors end, from the root down, and it itself; nothing if sending
/// all of them would be long.
fn ends(text: &[u8]) -> Box<[usize]> {
    const MOST: usize = 1024;
    let cuts = text.iter().enumerate().skip(1).filter(|(_, byte)| **byte == 1).map(|(at, _)| at);
    let itself = (!text.is_empty()).then_some(text.len());
    let ends: Box<[usize]> = std::iter::once(0).chain(cuts).chain(itself).collect();
    if ends.iter().sum::<usize>() <= MOST { ends } else { Box::default() }
}

/// The path that [`encode`] made the text from; `None` if it made none such.
pub(super) fn decode(text: &[u8]) -> Option<TreePath> {
    if text.is_empty() {
        return Some(TreePath::root());
    }
    let components = text.strip_prefix(&[1])?.split(|&byte| byte == 1).map(|component| {
        let mut plain = Vec::with_capacity(component.len().min(MAX_COMPONENT));
        let mut bytes = component.iter();
        while let Some(&byte) = bytes.next() {
            plain.push(if byte == 2 { bytes.next()?.checked_sub(b'0')? } else { byte });
        }
        String::from_utf8(plain).ok()
    });
    let components: Vec<String> = components.collect::<Option<_>>()?;
    let path: Result<TreePath, PathError> = components.to_tree_path();
    path.ok()
}

/// The number that the scripts know a kind by.
pub(super) fn number(kind: Kind) -> u8 {
    match (kind.mode, kind.scope) {
        (Mode::Exclusive, Scope::Subtree) => 1,
        (Mode::Exclusive, Scope::Node) => 2,
        (Mode::Shared, Scope::Subtree) => 3,
        (Mode::Shared, Scope::Node) => 4,
    }
}

/// The kind that the scripts know by this number.
pub(super) fn kind(number: u64) -> Option<Kind> {
    let (mode, scope) = match number {
        1 => (Mode::Exclusive, Scope::Subtree),
        2 => (Mode::Exclusive, Scope::Node),
        3 => (Mode::Shared, Scope::Subtree),
        4 => (Mode::Shared, Scope::Node),
        _ => return None,
    };
    Some(Kind { mode, scope })
}

#[cfg(test)]
mod tests;
