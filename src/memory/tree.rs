//! [`Tree`]: from a path to its node, and what the nodes of a tree share.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use super::loss::Watchers;
use super::node::{Entry, Node};
use super::reclaim::Accounts;
use crate::path::PathRef;
use crate::sync::{AtomicU64, Index, Mutex, Ordering, PlainArc};

/// What the nodes of a tree share. None of it is touched by a lock that meets nobody.
#[derive(Debug)]
pub(super) struct Shared {
    /// For how long a waiter lets itself be overtaken.
    pub(super) patience: Duration,
    /// How many nodes there are, and how many may be idle.
    pub(super) accounts: Accounts,
    /// The nodes of detached locks, by token: see `record.rs`.
    pub(super) detached: Mutex<HashMap<u64, PlainArc<Node>>>,
    /// Who listens for losses: see `loss.rs`.
    pub(super) watchers: Watchers,
    /// The last fencing token given out.
    fence: AtomicU64,
}

impl Shared {
    /// A fencing token greater than all before.
    pub(super) fn next_token(&self) -> u64 {
        // One read-modify-write after the other: of two that are drawn one before the other, the
        // later is the greater.
        self.fence.fetch_add(1, Ordering::AcqRel) + 1
    }
}

/// One tree of locks.
pub(super) struct Tree {
    /// Every node but the root, by its path's key.
    pub(super) index: Index<Entry>,
    pub(super) root: PlainArc<Node>,
    pub(super) shared: PlainArc<Shared>,
}

impl Tree {
    pub(super) fn new(patience: Duration) -> Self {
        let shared = PlainArc::new(Shared {
            patience,
            accounts: Accounts::new(),
            detached: Mutex::new(HashMap::new()),
            watchers: Watchers::new(),
            fence: AtomicU64::new(0),
        });
        Self { index: Index::new(), root: Node::root(shared.clone()), shared }
    }

    /// The node of a path: found, or made, and its ancestors with it.
    #[inline]
    pub(super) fn resolve(&self, path: PathRef<'_>) -> PlainArc<Node> {
        if self.shared.accounts.is_due() {
            self.sweep_if_due();
        }
        match self.index.get(path.as_key()) {
            Some(found) => found.0,
            None => self.resolve_slow(path),
        }
    }

    #[cold]
    fn resolve_slow(&self, path: PathRef<'_>) -> PlainArc<Node> {
        let Some(parent) = path.parent() else { return self.root.clone() };
        let parent = match self.index.get(parent.as_key()) {
            Some(found) => found.0,
            None => self.resolve_slow(parent),
        };
        let (entry, is_new) = self.index.get_or_insert(Entry(Node::below(&parent, path.into_owned())));
        if is_new {
            self.shared.accounts.count_new();
        }
        entry.0
    }
}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tree").field("nodes", &(self.index.len() + 1)).finish_non_exhaustive()
    }
}
