//! What threads looked up a moment ago: paths that are locked again and again are found without the
//! index.
//!
//! A look-up in the index writes a lock and a count that threads share, whatever path they look
//! for. So two threads on paths of their own were no faster than one. Here each thread has a small
//! table of its own, by its number, as for seats (`seats.rs`). What it finds there it takes without
//! writing a line that another thread uses. Threads that have the same number share a table: one
//! that finds it busy asks the index, and takes another number.
//!
//! # What it keeps
//! A table refers to its nodes, so they count as in use: at most [`MOST`] for a thread number, with
//! their ancestors, and there are four numbers for each processor. A sweep empties all tables
//! first, so none of this outlives one. The tables go with the tree.
//!
//! Why a node that is removed is in no table: a removal expects no reference but the index's and
//! its own (`reclaim.rs`), and a table has one. New references from a table are copies of that one.
//!
//! A node that was made just now is in no table yet. Names that are used once stay out.

use super::node::Node;
use crate::sync::{Mutex, PlainArc, most_thread_numbers, renumber_thread, thread_number};

/// So many places for each hash: for the nodes with it that were last found in the index.
const WAYS: usize = 4;
/// At most so many nodes are in one table.
pub(super) const MOST: usize = 512;
/// A table has room for so many at the least.
const LEAST: usize = 16;

/// Loom's models look paths up before they begin. These tables would only make them larger.
const IS_OFF: bool = cfg!(mutextree_loom);

/// The tables of a tree, by the numbers of threads.
pub(super) struct Recent(Box<[Table]>);

/// The nodes, in sets of [`WAYS`], each with the hash of its key. There is room for about twice as
/// many as the tree has, and none until one is found. Two cache lines, as processors fetch them in
/// pairs.
#[repr(align(128))]
struct Table(Mutex<Vec<(u64, Option<PlainArc<Node>>)>>);

impl Recent {
    pub(super) fn new() -> Self {
        Self((0..most_thread_numbers()).map(|_| Table(Mutex::new(Vec::new()))).collect())
    }

    /// The node with this key, if the calling thread found it a moment ago. `hash` is the key's.
    #[inline]
    pub(super) fn get(&self, key: &str, hash: u64) -> Option<PlainArc<Node>> {
        if IS_OFF {
            return None;
        }
        let Some(nodes) = self.0[thread_number()].0.try_lock() else {
            renumber_thread();
            return None;
        };
        let set = nodes.get(first_of(hash, nodes.len())..)?.iter().take(WAYS).filter(|(of, _)| *of == hash);
        set.flat_map(|(_, node)| node).find(|node| node.path.as_key() == key).cloned()
    }

    /// The calling thread has found this node in the index, in a tree of about so many.
    #[cold]
    pub(super) fn put(&self, node: &PlainArc<Node>, hash: u64, of: usize) {
        let free = if IS_OFF { None } else { self.0[thread_number()].0.try_lock() };
        let Some(mut nodes) = free else { return };
        let mut gone = Vec::new();
        let room = (2 * of).next_power_of_two().clamp(LEAST, MOST);
        if nodes.len() < room {
            gone = std::mem::replace(&mut *nodes, vec![(0, None); room]);
        }
        let first = first_of(hash, nodes.len());
        let set = &mut nodes[first..][..WAYS];
        set.rotate_right(1);
        gone.push(std::mem::replace(&mut set[0], (hash, Some(node.clone()))));
        drop(nodes);
        // Not their last references, as the index has one. But they may not be in use any more.
        gone.iter().flat_map(|(_, node)| node).for_each(|node| node.about_to_go());
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        for table in self.0.iter().filter(|_| !IS_OFF) {
            let nodes = std::mem::take(&mut *table.0.lock());
            drop(nodes);
        }
    }
}

/// Where the set for this hash begins, if there is room for so many.
#[inline]
fn first_of(hash: u64, room: usize) -> usize {
    // Other bits than those by which the index chooses: its shards are by the highest ones, and a
    // place in a shard is by the lowest.
    ((hash >> 24) as usize & (room / WAYS).wrapping_sub(1)) * WAYS
}

#[cfg(all(test, not(any(mutextree_loom, mutextree_shuttle))))]
mod tests;
