//! Nodes in a map that has the same order in each run: what is in place of the index where threads
//! take turns, or accesses are counted.

use std::collections::BTreeMap;

use super::{Keyed, PlainArc};

/// Nodes by their keys.
pub(super) type Map<T> = BTreeMap<String, PlainArc<T>>;

/// What is there under the new one's key; if nothing is, the new one. And whether it was the new
/// one.
pub(super) fn get_or_insert<T: Keyed>(map: &mut Map<T>, new: PlainArc<T>) -> (PlainArc<T>, bool) {
    if let Some(there) = map.get(new.key()) {
        return (there.clone(), false);
    }
    map.insert(new.key().to_owned(), new.clone());
    (new, true)
}

/// Removes this one, if nobody has a reference but the map and the caller: see `index.rs`.
pub(super) fn remove_idle<T: Keyed>(map: &mut Map<T>, node: PlainArc<T>) -> Option<T> {
    let key = node.key().to_owned();
    let there = map.remove(&key)?;
    drop(node);
    match PlainArc::try_unwrap(there) {
        Ok(removed) => Some(removed),
        Err(there) => {
            map.insert(key, there);
            None
        }
    }
}
