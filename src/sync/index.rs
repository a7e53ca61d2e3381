//! [`Index`]: a set of nodes, found by key.
//!
//! It is hash tables, each behind a mutex of its own. There are many more of them than threads, so
//! that two threads on disjoint keys seldom meet in one. Who comes brings the hash of the key. A
//! node keeps its own, so that a table that grows reads no key, and a node that goes is found by
//! its address.
//!
//! # Why a node that is removed is in nobody's hands
//! New references to a node come from the index, from other references, or from weak ones
//! (`memory/recent.rs`). A removal holds the mutex of the node's table, so none comes from the
//! index. It has let go of its own reference, and has taken the index's out. If that is the only
//! one, it takes the node apart, in one step: no other reference is there to be copied, and from
//! that step on no weak one can be made a strong one. If it is not the only one, it goes back.

use std::fmt;
use std::hash::{BuildHasher, Hasher};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use parking_lot::Mutex;

use super::{Keyed, PlainArc};

/// A set of nodes, found by key.
pub(crate) struct Index<T> {
    shards: Box<[Shard<T>]>,
    hasher: foldhash::fast::RandomState,
}

/// Two cache lines, as processors fetch them in pairs.
#[repr(align(128))]
struct Shard<T>(Mutex<HashTable<PlainArc<T>>>);

impl<T: Keyed> Index<T> {
    pub(crate) fn new() -> Self {
        let shards = std::thread::available_parallelism().map_or(8, usize::from).next_power_of_two().clamp(8, 128) * 8;
        let shards = (0..shards).map(|_| Shard(Mutex::new(HashTable::new()))).collect();
        Self { shards, hasher: Default::default() }
    }

    /// By what it finds a key.
    #[inline]
    pub(crate) fn hash(&self, key: &str) -> u64 {
        // As the hasher does it for text, but in line, as each look-up waits for it: whole pieces,
        // the last one, which may have a part of the one before, and the length.
        let (mut hasher, bytes) = (self.hasher.build_hasher(), key.as_bytes());
        if let Some(last) = bytes.last_chunk() {
            bytes.as_chunks().0.iter().for_each(|piece| hasher.write_u128(u128::from_ne_bytes(*piece)));
            hasher.write_u128(u128::from_ne_bytes(*last));
        } else if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
            hasher.write_u128(u128::from(u64::from_ne_bytes(*first)) << 64 | u128::from(u64::from_ne_bytes(*last)));
        } else {
            let word = bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
            hasher.write_u128(u128::from(word));
        }
        hasher.write_u64(bytes.len() as u64);
        hasher.finish()
    }

    fn shard(&self, hash: u64) -> &Mutex<HashTable<PlainArc<T>>> {
        // Other bits than those that a table goes by: the lowest ones and the highest ones.
        &self.shards[(hash >> 40) as usize & (self.shards.len() - 1)].0
    }

    /// What is there under this key, whose hash is `hash`.
    pub(crate) fn get(&self, key: &str, hash: u64) -> Option<PlainArc<T>> {
        self.shard(hash).lock().find(hash, |there| there.key() == key).cloned()
    }

    /// What is there under the new one's key; if nothing is, the new one. And whether it was the
    /// new one.
    pub(crate) fn get_or_insert(&self, new: PlainArc<T>) -> (PlainArc<T>, bool) {
        let mut shard = self.shard(new.hash()).lock();
        match shard.entry(new.hash(), |there| there.key() == new.key(), |there| there.hash()) {
            Entry::Occupied(there) => (there.get().clone(), false),
            Entry::Vacant(vacant) => {
                vacant.insert(new.clone());
                (new, true)
            }
        }
    }

    /// Removes this one, if nobody has a reference but the index and the caller. Otherwise nothing
    /// is done.
    pub(crate) fn remove_idle(&self, node: PlainArc<T>) -> Option<T> {
        if PlainArc::strong_count(&node) != 2 {
            return None;
        }
        let hash = node.hash();
        let mut shard = self.shard(hash).lock();
        let entry = shard.find_entry(hash, |there| PlainArc::ptr_eq(there, &node)).ok()?;
        drop(node);
        let (there, vacant) = entry.remove();
        match PlainArc::try_unwrap(there) {
            Ok(removed) => Some(removed),
            Err(there) => {
                vacant.insert(there);
                None
            }
        }
    }

    pub(crate) fn for_each(&self, mut f: impl FnMut(&PlainArc<T>)) {
        self.shards.iter().for_each(|shard| shard.0.lock().iter().for_each(&mut f));
    }

    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.0.lock().len()).sum()
    }

    /// Gives back the room that removed ones left.
    pub(crate) fn shrink_to_fit(&self) {
        self.shards.iter().for_each(|shard| shard.0.lock().shrink_to_fit(|there| there.hash()));
    }
}

impl<T> fmt::Debug for Index<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
