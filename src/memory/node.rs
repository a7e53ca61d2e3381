//! [`Node`]: one name in the tree, one cache line.

use std::borrow::Borrow;
use std::collections::VecDeque;
use std::fmt;
use std::hash::{Hash, Hasher};

use super::record::Record;
use super::tree::Shared;
use super::wait::{Gates, Waiter};
use super::word::{CLEAR, ENROLLED};
use crate::path::TreePath;
use crate::sync::{AtomicBool, AtomicU64, Mutex, OnceLock, Ordering, PlainArc, PlainWeak, Timeout};

/// A node's ancestors, from its parent up to the root. Its siblings share it.
///
/// It is what makes looking up cheap at any depth: no pointer has to be waited for to find the
/// next, so a processor looks at many of them at once.
type Line = PlainArc<[PlainArc<Node>]>;

/// One name in the tree. All that an uncontended lock writes to is in this one line, which it
/// shares with no other node.
#[repr(align(64))]
pub(super) struct Node {
    /// What is claimed here: see `word.rs`.
    pub(super) word: AtomicU64,
    /// Empty for the root.
    line: Line,
    pub(super) path: TreePath,
    /// What only nodes with children or waiters need.
    cold: OnceLock<Box<Cold>>,
    /// Whether the last sweep found it in use: see `reclaim.rs`.
    pub(super) survivor: AtomicBool,
}

/// What only nodes with children or waiters need, made when one first does.
pub(super) struct Cold {
    /// The list and the queue. Nobody holds two of these at once, but for enrolling (11 in
    /// `enrol.rs`).
    pub(super) slow: Mutex<Slow>,
    /// Held by a try that looks around this subtree, so that there is one at a time: see
    /// `tentative.rs`.
    pub(super) probe: Mutex<()>,
    /// The line that the children share, for as long as there are any: they own it, and it owns
    /// this node.
    line_of_kids: Mutex<Option<PlainWeak<[PlainArc<Node>]>>>,
    /// What the nodes of a tree share: here for the root alone, so that no leaf counts references
    /// to it.
    shared: OnceLock<PlainArc<Shared>>,
}

/// What changes under the node's slow lock.
#[derive(Default)]
pub(super) struct Slow {
    /// The enrolled children: see `enrol.rs`.
    pub(super) kids: Vec<PlainArc<Node>>,
    /// Who sleeps here, in order of arrival: see `wait.rs`.
    pub(super) queue: VecDeque<Waiter>,
    /// How many of each kind sleep here that have not been woken, those who drain apart.
    pub(super) asleep: [u32; 4],
    /// How often the queue was gone through.
    pub(super) walks: u32,
    /// Whether somebody comes by later for those behind a woken task.
    pub(super) looked_after: Option<Timeout>,
    /// Who has closed gates here.
    pub(super) gates: Gates,
    /// What is known of claims with an owner or a lease: see `record.rs`.
    pub(super) records: Vec<Record>,
    /// Somebody comes by then to see which leases have ended.
    pub(super) watched: Option<Timeout>,
}

/// Whether so large a list, of which so little is used, should give room back: what a crowd took is
/// not kept for as long as the node lives. Halving it then costs no more than growing it did.
pub(super) fn is_roomy(used: usize, capacity: usize) -> bool {
    capacity > 64 && used < capacity / 4
}

impl Cold {
    fn new() -> Self {
        Self {
            slow: Mutex::new(Slow::default()),
            probe: Mutex::new(()),
            line_of_kids: Mutex::new(None),
            shared: OnceLock::new(),
        }
    }
}

impl Node {
    fn new(line: Line, path: TreePath, word: u64) -> PlainArc<Self> {
        let word = AtomicU64::new(word);
        PlainArc::new(Self { word, line, path, cold: OnceLock::new(), survivor: AtomicBool::new(false) })
    }

    pub(super) fn root(shared: PlainArc<Shared>) -> PlainArc<Self> {
        let root = Self::new(PlainArc::from([]), TreePath::root(), ENROLLED | CLEAR);
        let _ = root.cold().shared.set(shared); // it is new, so there is none
        root
    }

    pub(super) fn below(parent: &PlainArc<Self>, path: TreePath) -> PlainArc<Self> {
        Self::new(parent.line_of_kids(), path, 0)
    }

    fn line_of_kids(self: &PlainArc<Self>) -> Line {
        let mut known = self.cold().line_of_kids.lock();
        known.as_ref().and_then(PlainWeak::upgrade).unwrap_or_else(|| {
            let new = std::iter::once(self).chain(self.line.iter()).cloned().collect();
            *known = Some(PlainArc::downgrade(&new));
            new
        })
    }

    /// How many ancestors it has.
    pub(super) fn depth(&self) -> usize {
        self.line.len()
    }

    /// `None` for the root.
    pub(super) fn parent(&self) -> Option<&PlainArc<Self>> {
        self.line.first()
    }

    /// From the parent up to the root.
    #[inline]
    pub(super) fn ancestors(&self) -> &[PlainArc<Self>] {
        &self.line
    }

    /// What the nodes of this tree share.
    pub(super) fn shared(&self) -> &Shared {
        let root = self.line.last().map_or(self, |root| root);
        root.cold_if_any().and_then(|cold| cold.shared.get()).expect("the root has it from the start")
    }

    pub(super) fn cold(&self) -> &Cold {
        if self.cold.get().is_none() {
            // Made first and then set: see `OnceLock` in `sync.rs`. If another one was quicker,
            // that one it is.
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
pub(super) struct Entry(pub(super) PlainArc<Node>);

impl Borrow<str> for Entry {
    fn borrow(&self) -> &str {
        self.0.path.as_key()
    }
}

impl Hash for Entry {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.path.as_key().hash(state);
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.0.path == other.0.path
    }
}

impl Eq for Entry {}

#[cfg(all(test, not(any(mutextree_loom, mutextree_shuttle))))]
#[path = "node_tests.rs"]
mod tests;
