//! [`Tree`]: from a path to its node, and what the nodes of a tree share.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::MemoryNode;
use super::node::Node;
use super::orphans::Home;
use super::recent;
use super::reclaim::Accounts;
use super::set::Sets;
use super::upgrade::Upgrades;
use crate::backend::LeaseToken;
use crate::backend::loss::Losses;
use crate::deadlock::Watch;
use crate::path::{PathRef, TreePath};
use crate::sync::{AtomicU64, Index, Mutex, Ordering, PlainArc, serial, unique, wall_micros};

/// How often several nodes are looked at, at the most, because a lock was moved meanwhile.
const LOOKS: usize = 4;

/// What the nodes of a tree share. An uncontended lock touches none of it.
#[derive(Debug)]
pub(super) struct Shared {
    /// For how long a waiter lets later requests overtake it.
    pub(super) patience: Duration,
    /// How many nodes there are, and how many may be idle.
    pub(super) accounts: Accounts,
    /// The nodes of detached locks, by fencing token and path: see `record.rs`. The locks of one
    /// set have one token.
    pub(super) detached: Mutex<BTreeMap<(u64, TreePath), PlainArc<Node>>>,
    /// Where the readers of spread nodes sit. Outside of models all trees have one table.
    #[cfg(any(mutextree_loom, mutextree_shuttle))]
    pub(super) seats: super::seats::Seats,
    /// What sets share: see `set.rs`.
    pub(super) sets: Sets,
    /// The listeners for losses: see `loss.rs`.
    pub(super) losses: Losses,
    /// The last fencing token given out. It begins with the wall clock's microseconds, so that the
    /// tokens of a program that was started again are greater than those before.
    last_token: AtomicU64,
    /// How often a lock was moved from one node to others (`narrow.rs`).
    moves: AtomicU64,
    /// The shared locks that wait to become exclusive: see `upgrade.rs`.
    pub(super) upgrades: Upgrades,
    /// Where nodes are found: see `orphans.rs`.
    pub(super) home: Home,
    /// Looks for deadlocks, if that was asked for.
    pub(super) watch: Option<Watch>,
    /// What tells this tree's lease tokens from those of others: two trees may give out the same
    /// fencing tokens.
    id: u64,
}

impl Shared {
    /// Whether deadlocks are looked for. Then every lock has a record, and no word has `CLEAR`.
    pub(super) fn detects(&self) -> bool {
        self.watch.is_some()
    }

    /// A fencing token greater than all before.
    pub(super) fn next_token(&self) -> u64 {
        // Read-modify-writes of one counter have an order, so a token drawn later is greater.
        self.last_token.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// Looks at several nodes, one after the other. If a lock was moved meanwhile, it may have gone
    /// from one that was not yet looked at to one that was. Then it looks again; but only so often,
    /// as locks may go on moving.
    pub(super) fn unless_moved<T>(&self, look: impl Fn() -> T) -> T {
        for _ in 1..LOOKS {
            let before = self.moves.load(Ordering::SeqCst);
            let seen = look();
            if self.moves.load(Ordering::SeqCst) == before {
                return seen;
            }
        }
        look()
    }

    /// A lock is about to move. It has its new claims, and still has the old one.
    pub(super) fn count_move(&self) {
        self.moves.fetch_add(1, Ordering::SeqCst);
    }

    /// What a detached lock with this fencing token is found by.
    pub(super) fn lease_token(&self, token: u64) -> LeaseToken {
        format!("{token}-{:016x}", self.id).into()
    }

    /// The fencing token that a lease token is made of, if this tree made it.
    pub(super) fn read_lease_token(&self, token: &LeaseToken) -> Option<u64> {
        let number = token.as_str().split('-').next()?.parse().ok()?;
        // Made again and compared, so that one lock has one token.
        (self.lease_token(number) == *token).then_some(number)
    }
}

/// One tree of locks.
pub(super) struct Tree {
    /// Every node but the root, by its path's key.
    pub(super) index: Index<Node>,
    /// What tells it from the other trees of the process.
    pub(super) number: u64,
    pub(super) root: PlainArc<Node>,
    pub(super) shared: PlainArc<Shared>,
}

impl Tree {
    /// A tree that does not look for deadlocks.
    #[cfg(all(test, not(mutextree_shuttle)))]
    pub(super) fn new(patience: Duration) -> Self {
        Self::with(patience, None)
    }

    pub(super) fn with(patience: Duration, watch: Option<Watch>) -> Self {
        let shared = PlainArc::new(Shared {
            patience,
            accounts: Accounts::new(),
            detached: Mutex::new(BTreeMap::new()),
            #[cfg(any(mutextree_loom, mutextree_shuttle))]
            seats: super::seats::Seats::new(),
            sets: Sets::new(),
            losses: Losses::new(),
            last_token: AtomicU64::new(wall_micros()),
            moves: AtomicU64::new(0),
            upgrades: Upgrades::new(),
            home: Home::new(),
            watch,
            id: unique(),
        });
        Self { index: Index::new(), number: serial(), root: Node::root(shared.clone()), shared }
    }

    /// The same, to be shared: locks on its nodes find it.
    pub(super) fn shared_new(patience: Duration, watch: Option<Watch>) -> PlainArc<Self> {
        let tree = PlainArc::new(Self::with(patience, watch));
        tree.shared.home.is(&tree);
        tree
    }

    /// The node of a path written as text, if the calling thread found it a moment ago.
    #[inline(never)] // so that callers have little to go through, in line
    pub(super) fn recall(&self, text: &str) -> Option<PlainArc<Node>> {
        if self.shared.accounts.is_due() { None } else { recent::get_by_text(self.number, text) }
    }

    /// The node of a path: found, or made, and its ancestors with it.
    #[inline]
    pub(super) fn resolve(&self, path: PathRef<'_>) -> PlainArc<Node> {
        if self.shared.accounts.is_due() {
            self.sweep_if_due();
        }
        recent::get_by_key(self.number, path.as_key()).unwrap_or_else(|| self.resolve_slow(path))
    }

    /// The node of a path, if there is one.
    pub(super) fn found(&self, path: &TreePath) -> Option<MemoryNode> {
        let root = path.is_root().then(|| self.root.clone());
        root.or_else(|| self.index.get(path.as_key(), self.index.hash(path.as_key()))).map(MemoryNode::new)
    }

    #[cold]
    fn resolve_slow(&self, path: PathRef<'_>) -> PlainArc<Node> {
        let hash = self.index.hash(path.as_key());
        match self.index.get(path.as_key(), hash) {
            Some(found) => {
                recent::put(self.number, &found, self.shared.accounts.known());
                found
            }
            None => self.make(path, hash),
        }
    }

    /// The node of a path that had none a moment ago.
    fn make(&self, path: PathRef<'_>, hash: u64) -> PlainArc<Node> {
        let parent = match path.parent() {
            None => return self.root.clone(),
            Some(parent) if parent.as_key().is_empty() => self.root.clone(),
            Some(parent) => {
                let hash = self.index.hash(parent.as_key());
                self.index.get(parent.as_key(), hash).unwrap_or_else(|| self.make(parent, hash))
            }
        };
        let (node, is_new) = self.index.get_or_insert(Node::below(&parent, path.into_owned(), hash));
        if is_new {
            self.shared.accounts.count_new();
        }
        node
    }
}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tree").field("nodes", &(self.index.len() + 1)).finish_non_exhaustive()
    }
}
