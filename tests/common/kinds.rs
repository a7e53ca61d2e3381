//! The four kinds of lock, and trees small enough to try everything on.

use std::fmt;

pub use mutextree::Kind;
use mutextree::{LockStore, Mode, Scope, ToTreePath, TreeMutex, TreePath, conflicts};

pub const EXCLUSIVE: Kind = Kind::new(Mode::Exclusive, Scope::Subtree);
pub const SHARED: Kind = Kind::new(Mode::Shared, Scope::Subtree);
pub const EXCLUSIVE_NODE: Kind = Kind::new(Mode::Exclusive, Scope::Node);
pub const SHARED_NODE: Kind = Kind::new(Mode::Shared, Scope::Node);
pub const KINDS: [Kind; 4] = [EXCLUSIVE, SHARED, EXCLUSIVE_NODE, SHARED_NODE];

/// Of three levels: a root, two below it, and three below those.
pub const SMALL_TREE: [&str; 6] = ["/", "a", "b", "a/x", "a/y", "b/x"];

/// A few levels more, names that begin alike, and a name that could be taken for two.
pub const TREE: [&[&str]; 10] = [
    &[],
    &["a"],
    &["a", "x"],
    &["a", "x", "1"],
    &["a", "x", "1", "deep"],
    &["a", "y"],
    &["ab"],
    &["a/x"],
    &["b"],
    &["b", "x"],
];

/// A path and how it is locked.
#[derive(Clone, PartialEq, Eq)]
pub struct Ask {
    pub path: TreePath,
    pub kind: Kind,
}

impl Ask {
    pub fn new(path: impl ToTreePath, kind: Kind) -> Self {
        Self { path: path.to_tree_path().expect("tests name sound paths"), kind }
    }

    pub fn conflicts(&self, other: &Self) -> bool {
        conflicts((&self.path, self.kind), (&other.path, other.kind))
    }

    pub fn mutex<S: LockStore>(&self, store: &S) -> TreeMutex<S> {
        mutex(store, &self.path, self.kind)
    }
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} on `{}`", self.kind.mode, self.kind.scope, self.path)
    }
}

/// The mutex that locks `path` in this way.
pub fn mutex<S: LockStore>(store: &S, path: impl ToTreePath, kind: Kind) -> TreeMutex<S> {
    let mutex = store.mutex(path).expect("tests name sound paths");
    let mutex = if kind.mode == Mode::Shared { mutex.shared() } else { mutex.exclusive() };
    if kind.scope == Scope::Node { mutex.node_only() } else { mutex }
}

/// Every lock there is on these paths.
pub fn all_locks<'a>(paths: &'a [&'a str]) -> impl Iterator<Item = Ask> + 'a {
    paths.iter().flat_map(|path| KINDS.map(|kind| Ask::new(*path, kind)))
}
