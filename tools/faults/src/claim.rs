//! [`Locked`]: what is locked and how; and which of those conflict, written down once more.

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use mutextree::{RedisStore, TreeMutex};
use mutextree_judge::Claim;

/// What is locked: one of few nodes, so that most requests conflict; but a dead holder should not
/// stop everybody for a lease.
const BRANCHES: [&str; 4] = ["a", "b", "c", "d"];
const BELOW: [&str; 5] = ["", "/x", "/x/1", "/x/2", "/y"];

/// One request in so many is for the root.
const ROOT: u32 = 60;

/// Nodes of another tree, in which locks are held for long without holding up those of the first.
/// Their names begin with a character that no other has.
const KEPT: [&str; 2] = ["+1", "+2"];

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Locked {
    path: String,
    is_shared: bool,
    is_subtree: bool,
}

impl Locked {
    pub(crate) fn draw(random: &mut fastrand::Rng) -> Self {
        let path = match random.u32(..ROOT) {
            0 => "/".to_owned(),
            _ => [BRANCHES[random.usize(..BRANCHES.len())], BELOW[random.usize(..BELOW.len())]].concat(),
        };
        Self { path, is_shared: random.u8(..5) < 2, is_subtree: random.u8(..10) < 7 }
    }

    /// Of the other tree.
    pub(crate) fn draw_kept(random: &mut fastrand::Rng) -> Self {
        Self { path: KEPT[random.usize(..KEPT.len())].into(), is_shared: false, is_subtree: true }
    }

    pub(crate) fn mutex(&self, store: &RedisStore) -> TreeMutex<RedisStore> {
        let mutex = TreeMutex::new(store, &self.path).expect("the path is one");
        let mutex = if self.is_shared { mutex.shared() } else { mutex.exclusive() };
        if self.is_subtree { mutex } else { mutex.node_only() }
    }

    pub(crate) fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// After a downgrade.
    pub(crate) fn shared(&self) -> Self {
        Self { is_shared: true, ..self.clone() }
    }

    fn is_above(&self, other: &Self) -> bool {
        let below = other.path.strip_prefix(&self.path).is_some_and(|rest| rest.starts_with('/'));
        below || self.path == "/" && other.path != "/" && !other.path.starts_with('+')
    }
}

impl Claim for Locked {
    fn conflicts_with(&self, other: &Self) -> bool {
        if self.is_shared && other.is_shared {
            return false;
        }
        let covers = |one: &Self, other: &Self| one.is_subtree && one.is_above(other);
        self.path == other.path || covers(self, other) || covers(other, self)
    }
}

impl fmt::Display for Locked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = if self.is_shared { "shared" } else { "exclusive" };
        let scope = if self.is_subtree { "subtree" } else { "node" };
        write!(f, "{mode}:{scope}:{}", self.path)
    }
}

impl FromStr for Locked {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.splitn(3, ':');
        let mut next = || parts.next().ok_or(());
        let (mode, scope, path) = (next()?, next()?, next()?);
        Ok(Self { path: path.to_owned(), is_shared: mode == "shared", is_subtree: scope == "subtree" })
    }
}
