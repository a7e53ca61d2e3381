//! From a node to another node of its tree, by path, also once the store is gone.
//!
//! A guard has its node, and no handle to the store. Most of what it does needs no other node. To
//! narrow a lock it has to find nodes below its own. While the store lives it finds the tree
//! ([`Home`]), by a weak reference: a node must not keep its tree.
//!
//! When the last handle to the store is dropped, mutexes and guards may live on, and one path must
//! go on being one node. So the tree leaves a map of the nodes that live on, again by weak
//! references. What is not in that map, or has died, is made anew.

use std::collections::BTreeMap;

use super::node::Node;
use super::tree::Tree;
use crate::path::{PathRef, TreePath};
use crate::sync::{Mutex, OnceLock, PlainArc, PlainWeak, Spin};

/// Where the nodes of a tree are found.
#[derive(Debug)]
pub(super) struct Home {
    tree: OnceLock<PlainWeak<Tree>>,
    /// `None` while the tree lives.
    orphans: Mutex<Option<Orphans>>,
}

/// The nodes of a tree that is gone.
#[derive(Debug, Default)]
struct Orphans {
    nodes: BTreeMap<TreePath, PlainWeak<Node>>,
    /// When there are more entries than this, those of dead nodes are dropped.
    most: usize,
}

impl Home {
    pub(super) fn new() -> Self {
        Self { tree: OnceLock::new(), orphans: Mutex::new(None) }
    }

    pub(super) fn is(&self, tree: &PlainArc<Tree>) {
        let _ = self.tree.set(PlainArc::downgrade(tree)); // it is new, so there is none
    }

    /// The tree is going. Its nodes that live on are found here from now on.
    #[cfg(not(any(mutextree_loom, mutextree_shuttle)))]
    pub(super) fn leave(&self, tree: &Tree) {
        let mut orphans = Orphans::default();
        tree.index.for_each(|node| {
            orphans.nodes.insert(node.path.clone(), PlainArc::downgrade(node));
        });
        orphans.most = 2 * orphans.nodes.len() + 64;
        *self.orphans.lock() = Some(orphans);
    }
}

impl Orphans {
    /// The node of a path below `near`, or its own.
    fn resolve(&mut self, near: &PlainArc<Node>, path: PathRef<'_>) -> PlainArc<Node> {
        let path = path.into_owned();
        if path == near.path {
            return near.clone();
        }
        if let Some(found) = self.nodes.get(&path).and_then(PlainWeak::upgrade) {
            return found;
        }
        let parent = match PathRef::from(&path).parent() {
            Some(parent) => self.resolve(near, parent),
            None => return near.clone(), // the root is below no other node
        };
        let new = Node::below(&parent, path.clone(), 0);
        self.nodes.insert(path, PlainArc::downgrade(&new));
        if self.nodes.len() > self.most {
            self.nodes.retain(|_, node| PlainWeak::strong_count(node) > 0);
            self.most = 2 * self.nodes.len() + 64;
        }
        new
    }
}

impl Node {
    /// The node of a path below this one or above it, or its own.
    pub(super) fn resolve_near(self: &PlainArc<Self>, path: PathRef<'_>) -> PlainArc<Self> {
        if let Some(above) = self.ancestors().iter().find(|above| above.path.as_key() == path.as_key()) {
            return above.clone();
        }
        let home = &self.shared().home;
        let mut spin = Spin::for_thread();
        loop {
            // If this turns out to be the last handle to the tree, the tree goes here.
            if let Some(tree) = home.tree.get().and_then(PlainWeak::upgrade) {
                return tree.resolve(path);
            }
            if let Some(orphans) = &mut *home.orphans.lock() {
                return orphans.resolve(self, path);
            }
            // The tree is going right now, on another thread, and has not left its map yet.
            if !spin.once_more() {
                spin = Spin::for_thread();
            }
        }
    }
}

/// Idle nodes are dropped with their tree: a list and its entries keep each other.
#[cfg(not(any(mutextree_loom, mutextree_shuttle)))]
impl Drop for Tree {
    fn drop(&mut self) {
        self.sweep();
        self.shared.home.leave(self);
    }
}

#[cfg(all(test, not(any(mutextree_loom, mutextree_shuttle))))]
mod tests;
