//! [`MemoryNode`]: a node as a handle has it.

use std::fmt;

use super::name::Registered;
use super::node::Node;
use crate::sync::PlainArc;

/// A resolved path of a [`MemoryStore`](super::MemoryStore).
pub struct MemoryNode(pub(super) PlainArc<Node>, pub(super) Registered);

impl MemoryNode {
    #[inline]
    pub(super) fn new(node: PlainArc<Node>) -> Self {
        Self(node, Registered::none())
    }
}

impl Clone for MemoryNode {
    #[inline]
    fn clone(&self) -> Self {
        Self::new(self.0.clone())
    }
}

impl Drop for MemoryNode {
    #[inline]
    fn drop(&mut self) {
        self.1.end(&self.0);
        self.0.about_to_go();
    }
}

impl fmt::Debug for MemoryNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
