//! [`Node`]: one name in the tree, whose word has a cache line of its own.

use std::fmt;

use super::enrol::Kids;
use super::gate::Gates;
use super::name::Names;
use super::record::Records;
use super::sleeper::Sleeper;
use super::tree::Shared;
use super::wait::Queue;
use super::word::{CLEAR, ENROLLED};
use crate::path::TreePath;
use crate::sync::{AtomicBool, AtomicU64, Keyed, Mutex, OnceLock, Ordering, PlainArc, PlainWeak, Stamp};

/// A node's ancestors, from its parent up to the root. Its siblings share it.
///
/// It makes looking up cheap at any depth: a processor loads many of the words at once, as no
/// pointer has to arrive before the next is known.
type Ancestors = PlainArc<[PlainArc<Node>]>;

/// One name in the tree.
///
/// # Where it lies
/// An uncontended lock by a handle reads and writes the word, and nothing else. No two nodes should
/// have a part that one writes and the other reads or writes in one cache line. To begin each node
/// at a line would cost 128 bytes: the reference counts, 16 bytes, stand before it in its block. So
/// the fields have places such that any block of 104 bytes will do:
///
/// | bytes of the block | what | written by |
/// |---|---|---|
/// | 0 to 16 | the counts | a look-up by path, a clone, an owned guard |
/// | 16 to 48 | ancestors and path | nobody |
/// | 48 | `survivor` | a sweep |
/// | 56 to 64 | the word | each lock |
/// | 64 to 80 | the cold part | who makes it |
/// | 80 to 88 | the hash | nobody |
/// | 88 to 104 | nothing | |
///
/// Allocators begin blocks at multiples of 16. So two blocks are 112 bytes apart, or more. Look at
/// pieces of 16 bytes that begin at such multiples: two of them are in one line only if they begin
/// less than 64 bytes apart.
///
/// * The word's piece begins at 48. Pieces of the block after begin 64 bytes after it at the
///   nearest, and those of the block before end with one that begins at 80, 80 before it. So nobody
///   else has a part of the word's line.
/// * The counts' piece of the block after begins at 112. What is up to the word begins 64 before
///   that, or more. The cold part and the hash are nearer. A lock without contention reads neither.
#[repr(C)]
pub(super) struct Node {
    /// Empty for the root.
    ancestors: Ancestors,
    pub(super) path: TreePath,
    /// Whether the last sweep found it in use: see `reclaim.rs`.
    pub(super) survivor: AtomicBool,
    /// What is claimed here: see `word.rs`.
    pub(super) word: AtomicU64,
    /// The cold part: see [`Cold`].
    cold: OnceLock<Box<Cold>>,
    /// Of the path's key, as the index has it.
    hash: u64,
    _apart: [u64; 2],
}

// What the table above says.
#[cfg(all(target_pointer_width = "64", not(any(mutextree_loom, mutextree_shuttle))))]
const _: () = {
    use std::mem::offset_of;

    /// The counts of an `Arc`.
    const COUNTS: usize = 16;
    const LINE: usize = 64;
    /// What blocks begin at a multiple of.
    const PIECE: usize = 16;
    const APART: usize = (COUNTS + size_of::<Node>()).next_multiple_of(PIECE);
    const WORD: usize = (COUNTS + offset_of!(Node, word)) / PIECE * PIECE;
    const LAST: usize = (COUNTS + offset_of!(Node, hash)) / PIECE * PIECE;

    assert!(align_of::<Node>() == 8 && COUNTS + size_of::<Node>() == 104);
    assert!(APART >= WORD + LINE, "no part of the block after is in the word's line");
    assert!(APART + WORD >= LAST + LINE, "nor one of the block before");
    assert!(offset_of!(Node, ancestors) <= WORD && offset_of!(Node, path) <= WORD);
    assert!(COUNTS + offset_of!(Node, survivor) < WORD + PIECE, "nor is it near other counts");
};

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
    fn new(ancestors: Ancestors, path: TreePath, word: u64, hash: u64) -> PlainArc<Self> {
        let (survivor, word) = (AtomicBool::new(false), AtomicU64::new(word));
        PlainArc::new(Self { ancestors, path, survivor, word, cold: OnceLock::new(), hash, _apart: [0; 2] })
    }

    pub(super) fn root(shared: PlainArc<Shared>) -> PlainArc<Self> {
        let clear = if shared.detects() { 0 } else { CLEAR };
        let root = Self::new(PlainArc::from([]), TreePath::root(), ENROLLED | clear, 0);
        let _ = root.cold().shared.set(shared); // it is new, so there is none
        root
    }

    /// A new node. Its path's key has this hash, if an index is to have it.
    pub(super) fn below(parent: &PlainArc<Self>, path: TreePath, hash: u64) -> PlainArc<Self> {
        Self::new(parent.ancestors_of_kids(), path, 0, hash)
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

impl Keyed for Node {
    fn key(&self) -> &str {
        self.path.as_key()
    }

    fn hash(&self) -> u64 {
        self.hash
    }
}

#[cfg(all(test, not(any(mutextree_loom, mutextree_shuttle))))]
mod tests;
