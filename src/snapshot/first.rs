//! [`Firsts`]: which of many locks is the first one that conflicts with another lock.
//!
//! For each node it keeps the first lock of each kind there, and the first of each mode below it.
//! What conflicts on a node above or on the node itself depends on the kind alone; what conflicts
//! below, on the mode. So one of those kept is the first of all that conflict, and a question costs
//! a look at each ancestor, however many locks there are.

use std::collections::HashMap;

use crate::path::TreePath;
use crate::request::{Kind, Mode, Scope, conflicts};

/// The first locks of a list, by node. They are known by their places in the list.
#[derive(Debug, Default)]
pub(super) struct Firsts(HashMap<TreePath, At>);

/// The first locks on a node, and below it.
#[derive(Debug, Default)]
struct At {
    here: [Option<usize>; 4],
    below: [Option<usize>; 2],
}

impl Firsts {
    /// Adds the lock at this place, which is behind all that were added before.
    pub(super) fn add(&mut self, place: usize, path: &TreePath, kind: Kind) {
        let shared = usize::from(kind.mode == Mode::Shared);
        let alone = usize::from(kind.scope == Scope::Node);
        self.0.entry(path.clone()).or_default().here[2 * shared + alone].get_or_insert(place);
        let mut above = path.parent();
        while let Some(path) = above {
            above = path.parent();
            let below = &mut self.0.entry(path).or_default().below[shared];
            if below.is_some() {
                break; // and so it is for those further up
            }
            *below = Some(place);
        }
    }

    /// The place of the first one that conflicts with a lock of this kind. `lock` says what is at a
    /// place.
    pub(super) fn conflicting<'a>(
        &self,
        path: &TreePath,
        kind: Kind,
        lock: impl Fn(usize) -> (&'a TreePath, Kind),
    ) -> Option<usize> {
        let mut first = None;
        let mut look = |places: &[Option<usize>]| {
            let conflicting = places.iter().flatten().filter(|&&place| conflicts((path, kind), lock(place)));
            first = first.into_iter().chain(conflicting.copied()).min();
        };
        if let Some(at) = self.0.get(path) {
            look(&at.here);
            look(&at.below);
        }
        let mut above = path.parent();
        while let Some(path) = above {
            if let Some(at) = self.0.get(&path) {
                look(&at.here);
            }
            above = path.parent();
        }
        first
    }
}
