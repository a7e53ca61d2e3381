//! [`Node`]: one name in the tree, one cache line.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};

use super::enrol::Kids;
use super::gate::Gates;
use super::name::Names;
use super::record::Records;
use super::sleeper::Sleeper;
use super::tree::Shared;
use super::wait::Queue;
use super::word::{CLEAR, ENROLLED};
use crate::path::TreePath;
use crate::sync::{AtomicBool, AtomicU64, Mutex, OnceLock, Ordering, PlainArc, PlainWeak, Stamp};

/// A node's ancestors, from its parent up to the root. Its siblings share it.
///
/// It makes looking up cheap at any depth: a processor loads many of the words at once, as no
/// pointer has to arrive before the next is known.
type Ancestors = PlainArc<[PlainArc<Node>]>;

/// One name in the tree. An uncontended lock writes to this one cache line only, and no two nodes
/// share a line.
#[repr(align(64))]
pub(super) struct Node {
    /// What is claimed here: see `word.rs`.
    pub(super) word: AtomicU64,
    /// Empty for the root.
    ancestors: Ancestors,
    pub(super) path: TreePath,
    /// The cold part: see [`Cold`].
    cold: OnceLock<Box<Cold>>,
    /// Whether the last sweep found it in use: see `reclaim.rs`.
    pub(super) survivor: AtomicBool,
}

/// The cold part of a node: what only nodes with children, waiters or records need. Made when it is
/// first needed.
pub(super) struct Cold {
    /// The node's slow lock. Only enrolling holds two of these at once (invariant 11).
    pub(super) slow: Mutex<Slow>,
    /// Whether a lock here was ever on record: see `record.rs`.
    pub(super) recorded: AtomicBool,
    /// Held by a try that looks around this subtree, so that there is one at a time: see
    /// `tentative.rs`.
    pub(super) probe: Mutex<()>,
    /// The array that the children share. The children own it, and it owns this node, so it goes
    /// with the last child.
    ancestors_of_kids: Mutex<Option<PlainWeak<[PlainArc<Node>]>>>,
    /// What the nodes of a tree share. Only the root has it, so that no leaf counts references to
    /// it.
    shared: OnceLock<PlainArc<Shared>>,
}

/// What changes under the node's slow lock. Each part has a room of its own.
#[derive(Debug, Default)]
pub(super) struct Slow {
    /// The enrolled children: `enrol.rs`.
    pub(super) kids: Kids,
    /// The waiters that sleep here: `wait.rs`.
    pub(super) queue: Queue,
    /// The gates closed here: `gate.rs`.
    pub(super) gates: Gates,
    /// Owners and leases: `record.rs`.
    pub(super) records: Records,
    /// The owners whose names the word may have: `name.rs`.
    pub(super) names: Names,
    /// The shared waiters that drain for this node, and where each sleeps: `upgrade.rs`.
    pub(super) drains: Vec<(PlainArc<Sleeper>, PlainArc<Node>)>,
    /// When the node was last gathered: `spread.rs`.
    pub(super) gathered: Option<Stamp>,
}

/// Whether a list with this capacity should give room back, with so little of it used. Otherwise a
/// node would keep what a crowd took for as long as it lives. Halving the capacity then costs no
/// more than growing it did.
pub(super) fn is_roomy(used: usize, capacity: usize) -> bool {
    capacity > 64 && used < capacity / 4
}

impl Cold {
    fn new() -> Self {
        Self {
            slow: Mutex::new(Slow::default()),
            recorded: AtomicBool::new(false),
            probe: Mutex::new(()),
            ancestors_of_kids: Mutex::new(None),
            shared: OnceLock::new(),
        }
    }
}

impl Node {
    fn new(ancestors: Ancestors, path: TreePath, word: u64) -> PlainArc<Self> {
        let word = AtomicU64::new(word);
        PlainArc::new(Self { word, ancestors, path, cold: OnceLock::new(), survivor: AtomicBool::new(false) })
    }

    pub(super) fn root(shared: PlainArc<Shared>) -> PlainArc<Self> {
        let clear = if shared.detects() { 0 } else { CLEAR };
        let root = Self::new(PlainArc::from([]), TreePath::root(), ENROLLED | clear);
        let _ = root.cold().shared.set(shared); // it is new, so there is none
        root
    }

    pub(super) fn below(parent: &PlainArc<Self>, path: TreePath) -> PlainArc<Self> {
        Self::new(parent.ancestors_of_kids(), path, 0)
    }

    fn ancestors_of_kids(self: &PlainArc<Self>) -> Ancestors {
        let mut known = self.cold().ancestors_of_kids.lock();
        known.as_ref().and_then(PlainWeak::upgrade).unwrap_or_else(|| {
            let new = std::iter::once(self).chain(self.ancestors.iter()).cloned().collect();
            *known = Some(PlainArc::downgrade(&new));
            new
        })
    }

    /// How many ancestors it has.
    pub(super) fn depth(&self) -> usize {
        self.ancestors.len()
    }

    /// The root of its tree.
    pub(super) fn root_of_tree(self: &PlainArc<Self>) -> &PlainArc<Self> {
        self.ancestors.last().unwrap_or(self)
    }

    /// `None` for the root.
    pub(super) fn parent(&self) -> Option<&PlainArc<Self>> {
        self.ancestors.first()
    }

    /// From the parent up to the root.
    #[inline]
    pub(super) fn ancestors(&self) -> &[PlainArc<Self>] {
        &self.ancestors
    }

    /// The root of this tree.
    pub(super) fn top(self: &PlainArc<Self>) -> &PlainArc<Self> {
        self.ancestors.last().unwrap_or(self)
    }

    /// What the nodes of this tree share.
    pub(super) fn shared(&self) -> &Shared {
        let root = self.ancestors.last().map_or(self, |root| root);
        root.cold_if_any().and_then(|cold| cold.shared.get()).expect("the root has it from the start")
    }

    pub(super) fn cold(&self) -> &Cold {
        if self.cold.get().is_none() {
            // Made first and then set: see `OnceLock` in `sync.rs`. If another thread was quicker,
            // its value stays.
            let new = Box::new(Cold::new());
            let _ = self.cold.set(new);
        }
        self.cold.get().expect("it was set, by this thread or another")
    }

    /// The cold part, if there ever was a reason to make it.
    pub(super) fn cold_if_any(&self) -> Option<&Cold> {
        self.cold.get().map(|cold| &**cold)
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Node({}, {:#x})", self.path, self.word.load(Ordering::Relaxed))
    }
}

/// A node as the index keeps it: found by its path's key.
#[derive(Clone, Debug)]
pub(super) struct Indexed(pub(super) PlainArc<Node>);

impl Borrow<str> for Indexed {
    fn borrow(&self) -> &str {
        self.0.path.as_key()
    }
}

impl Hash for Indexed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.path.as_key().hash(state);
    }
}

impl PartialEq for Indexed {
    fn eq(&self, other: &Self) -> bool {
        self.0.path == other.0.path
    }
}

impl Eq for Indexed {}

#[cfg(all(test, not(any(mutextree_loom, mutextree_shuttle))))]
mod tests;
