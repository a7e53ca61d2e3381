//! What a thread looked up a moment ago: paths that are locked again and again are found without
//! the index.
//!
//! A look-up in the index writes a lock that threads share, whatever path they look for. So two
//! threads on paths of their own were no faster than one. Here each thread has a small table of its
//! own, for all trees. What it finds there it takes without writing a line that another thread
//! uses.
//!
//! # What it keeps
//! A table refers to its nodes weakly, at most [`MOST`] of them. So none of them counts as in use,
//! and none keeps its ancestors or its tree. When a node is removed its weak references end with it
//! (`sync/index.rs`), and its path is looked up in the index. What stays is the room that the node
//! itself had, until its place in the table is taken or the thread ends.
//!
//! A node that was made just now is in no table yet. Names that are used once stay out.
//!
//! # By text
//! A path given as text is looked for before it is read, so a hit must mean that it can be read,
//! and as what. The node of a list of components may have a key that looks like text for another
//! path, or for none: `/3,1/a/b/c`, or `a/./b`. So a table tells two spaces of keys apart. In one
//! is each key that is certainly what its path is written as (`path.rs`). A text is looked for in
//! this one, as it is; what is found has the text as its key. Who has a key knows which of the two
//! to look in.

use std::cell::RefCell;

use super::node::Node;
use crate::path::is_ordinary;
use crate::sync::{PlainArc, PlainWeak};

/// So many places for each hash: for the nodes with it that were last found in the index.
const WAYS: usize = 4;
/// At most so many nodes are in one table.
pub(super) const MOST: usize = 512;
/// A table has room for so many at the least.
const LEAST: usize = 16;

/// Loom's models look paths up before they begin. These tables would only make them larger.
const IS_OFF: bool = cfg!(mutextree_loom);

std::thread_local! {
    static TABLE: RefCell<Table> = const { RefCell::new(Table(Vec::new())) };
}

/// The nodes, in sets of [`WAYS`]. There is room for about twice as many as the largest of the
/// trees has, and none until one is found.
struct Table(Vec<[Place; WAYS]>);

/// A node, and the hash of its key and of the key's [`Space`]; and the key, if it is short. The
/// node's own may lie in a cache line with what other threads write.
#[derive(Debug)]
#[repr(align(64))]
struct Place {
    hash: u64,
    node: Option<PlainWeak<Node>>,
    length: u8,
    key: [u8; SHORT],
}

/// What fills a cache line.
const SHORT: usize = 47;

impl Place {
    const EMPTY: Self = Self { hash: 0, node: None, length: 0, key: [0; SHORT] };

    fn new(hash: u64, node: &PlainArc<Node>) -> Self {
        let mut new = Self { hash, node: Some(PlainArc::downgrade(node)), ..Self::EMPTY };
        let key = node.path.as_key().as_bytes();
        if let Some(copy) = new.key.get_mut(..key.len()) {
            copy.copy_from_slice(key);
            new.length = key.len() as u8;
        }
        new
    }

    /// The node, if this is its key, and it has not been removed.
    #[inline]
    fn get(&self, key: &[u8]) -> Option<PlainArc<Node>> {
        let is_short = self.length != 0;
        if is_short && !self.key.get(..usize::from(self.length)).is_some_and(|own| is_same(own, key)) {
            return None;
        }
        let node = self.node.as_ref()?.upgrade()?;
        (is_short || node.path.as_key().as_bytes() == key).then_some(node)
    }
}

/// The keys of one tree that are what their paths are written as, or the others.
#[derive(Clone, Copy)]
struct Space(u64);

impl Space {
    #[inline]
    fn of_texts(tree: u64) -> Self {
        Self(2 * tree)
    }

    #[inline]
    fn of(tree: u64, key: &str) -> Self {
        Self(2 * tree + u64::from(!is_ordinary(key)))
    }
}

/// The node of the path that is written like this, in the tree of this number, if the calling
/// thread found it a moment ago.
#[inline]
pub(super) fn get_by_text(tree: u64, text: &str) -> Option<PlainArc<Node>> {
    get(Space::of_texts(tree), text)
}

/// The same by the path's key.
#[inline]
pub(super) fn get_by_key(tree: u64, key: &str) -> Option<PlainArc<Node>> {
    get(Space::of(tree, key), key)
}

#[inline]
fn get(space: Space, key: &str) -> Option<PlainArc<Node>> {
    if IS_OFF {
        return None;
    }
    // A thread that ends has no table any more.
    TABLE.try_with(|table| table.borrow().get(hash(space, key.as_bytes()), key)).ok().flatten()
}

/// The calling thread has found this node in the index, in a tree of this number with about so many
/// nodes.
#[cold]
pub(super) fn put(tree: u64, node: &PlainArc<Node>, of: usize) {
    if !IS_OFF {
        let key = node.path.as_key();
        let hash = hash(Space::of(tree, key), key.as_bytes());
        let _ = TABLE.try_with(|table| table.borrow_mut().put(hash, node, of));
    }
}

impl Table {
    #[inline]
    fn get(&self, hash: u64, key: &str) -> Option<PlainArc<Node>> {
        let set = self.0.get(set_of(hash, self.0.len()))?;
        // If it was removed, it may have been made anew: the index knows.
        set.iter().find(|place| place.hash == hash)?.get(key.as_bytes())
    }

    fn put(&mut self, hash: u64, node: &PlainArc<Node>, of: usize) {
        let room = (2 * of).next_power_of_two().clamp(LEAST, MOST);
        if self.0.len() * WAYS < room {
            self.0 = (0..room / WAYS).map(|_| [Place::EMPTY; WAYS]).collect();
        }
        let at = set_of(hash, self.0.len());
        let set = &mut self.0[at];
        // In place of what was removed, if that has the same path.
        let old = set.iter().position(|place| place.hash == hash).unwrap_or(WAYS - 1);
        set[..=old].rotate_right(1);
        set[0] = Place::new(hash, node);
    }
}

/// A hash of a key in its space. One key has different ones in two spaces: the factor is odd, so
/// all numbers times it are different.
///
/// A look-up waits for it. So it is a sum of products, none of which waits for another. Keys that
/// were chosen to have one hash keep each other out of a table; the index finds them.
#[inline]
fn hash(space: Space, key: &[u8]) -> u64 {
    let (words, rest) = key.as_chunks();
    let last = match key.last_chunk() {
        Some(last) => u64::from_ne_bytes(*last),
        None => rest.iter().fold(0, |last, byte| last << 8 | u64::from(*byte)),
    };
    let others = words.iter().zip(FACTORS.iter().cycle());
    let sum = others.fold(0_u64, |sum, (word, factor)| sum.wrapping_add(spread(u64::from_ne_bytes(*word), *factor)));
    let [for_space, for_length, for_last] = OTHER_FACTORS;
    sum.wrapping_add(spread(last, for_last))
        .wrapping_add((key.len() as u64).wrapping_mul(for_length))
        .wrapping_add(space.0.wrapping_mul(for_space))
}

/// A product, all of whose bits depend on all of both factors'.
#[inline]
fn spread(word: u64, factor: u64) -> u64 {
    let product = u128::from(word) * u128::from(factor);
    product as u64 ^ (product >> 64) as u64
}

const OTHER_FACTORS: [u64; 3] = [0x9e37_79b9_7f4a_7c15, 0xd6e8_feb8_6659_fd93, 0xa076_1d64_78bd_642f];
const FACTORS: [u64; 32] = [
    0x9daa_37e5_1b59_1d75,
    0xc155_21b1_b3dc_a50b,
    0x86f0_ce2e_a6ec_39c1,
    0x3f37_2617_f0ba_ef3b,
    0xbc31_9994_4567_ceb1,
    0x4a80_0646_417a_8105,
    0x1297_9bfc_bbeb_508f,
    0x7322_42fd_a890_2e33,
    0x7774_4cca_4d90_9eb3,
    0xdf71_42dc_af29_e6f9,
    0x64d0_b50f_658c_6763,
    0xe8af_30f7_c70b_53bf,
    0x4375_d034_1e4f_6f2b,
    0xdeed_a8b2_3927_f7d7,
    0x50ce_f798_e6c6_48e7,
    0xcecf_4f4e_5ba8_0781,
    0x5c54_e05b_42a9_ba21,
    0xa1fa_7d4a_cde5_60db,
    0x842a_2f9d_a1b4_ba07,
    0x293a_9acc_2652_f8ff,
    0xaa59_c169_8d24_2349,
    0x467c_0714_a9fb_d797,
    0x02b7_075d_2a3a_0c79,
    0x11e7_60a5_a6d5_b30b,
    0x9846_6a92_1f7e_a79d,
    0x071d_1481_5649_f8e9,
    0x4628_7225_154d_1eb1,
    0xdaa4_ed3c_3454_fae5,
    0x61c2_df96_fa5e_2d63,
    0x9552_2f9a_6757_4c03,
    0xef2e_ab42_fd8c_fe33,
    0xe57b_37e7_704b_3d09,
];

/// Whether two keys are the same, without a call.
#[inline]
fn is_same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    // The last word may have a part of the one before.
    let (Some(last), Some(other_last)) = (one.last_chunk(), other.last_chunk()) else { return one == other };
    let differ = |a: &[u8; 8], b: &[u8; 8]| u64::from_ne_bytes(*a) ^ u64::from_ne_bytes(*b);
    let words = one.as_chunks().0.iter().zip(other.as_chunks().0);
    words.fold(differ(last, other_last), |any, (a, b)| any | differ(a, b)) == 0
}

/// Which set is for this hash, if there are so many.
#[inline]
fn set_of(hash: u64, sets: usize) -> usize {
    (hash >> 32) as usize & sets.wrapping_sub(1)
}

#[cfg(all(test, not(any(mutextree_loom, mutextree_shuttle))))]
mod tests;
