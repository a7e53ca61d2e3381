//! [`Place`] and [`Claim`]: nodes and locks as the judge sees them. The conflict table is written
//! here once more, in a way of its own: what judges the scripts must not be what they are made of.

use std::fmt;

use crate::path::TreePath;
use crate::redis::protocol::keys::Target;
use crate::request::{Kind, Mode, Scope};

/// As many levels as a simulated tree has at the most, below its root.
pub(super) const DEEPEST: usize = 6;

/// A node of a simulated tree: which child is taken at each level, from the root down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Place {
    steps: [u8; DEEPEST],
    depth: u8,
}

impl Place {
    pub(super) const ROOT: Self = Self { steps: [0; DEEPEST], depth: 0 };

    pub(super) fn child(mut self, step: u8) -> Self {
        self.steps[usize::from(self.depth)] = step;
        self.depth += 1;
        self
    }

    fn steps(&self) -> &[u8] {
        &self.steps[..usize::from(self.depth)]
    }

    pub(super) fn parent(mut self) -> Option<Self> {
        self.depth = self.depth.checked_sub(1)?;
        self.steps[usize::from(self.depth)] = 0;
        Some(self)
    }

    pub(super) fn is_above(&self, other: &Self) -> bool {
        self.depth < other.depth && other.steps().starts_with(self.steps())
    }

    /// The node that a path in a record stands for: components of one letter, each behind a byte 1.
    pub(super) fn of_text(text: &[u8]) -> Option<Self> {
        let mut place = Self::ROOT;
        for step in text.chunks(2) {
            match step {
                &[1, letter @ b'a'..=b'z'] if usize::from(place.depth) < DEEPEST => place = place.child(letter - b'a'),
                _ => return None,
            }
        }
        Some(place)
    }

    /// As the scripts write it.
    pub(super) fn letters(&self) -> impl Iterator<Item = u8> {
        self.steps().iter().flat_map(|step| [1, b'a' + step])
    }

    pub(super) fn target(&self) -> Target {
        let path: Result<TreePath, _> = self.to_string().parse();
        Target::new(path.expect("letters and slashes are a path"))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.depth == 0 {
            return f.write_str("/");
        }
        for (level, step) in self.steps().iter().enumerate() {
            let slash = if level > 0 { "/" } else { "" };
            write!(f, "{slash}{}", char::from(b'a' + step))?;
        }
        Ok(())
    }
}

/// A lock: what is asked for, waited for or held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Claim {
    pub(super) place: Place,
    /// As the scripts number kinds: 1 exclusive, 2 exclusive node only, 3 shared, 4 shared node
    /// only.
    pub(super) number: u8,
}

impl Claim {
    pub(super) fn new(place: Place, kind: Kind) -> Self {
        let number = match (kind.mode, kind.scope) {
            (Mode::Exclusive, Scope::Subtree) => 1,
            (Mode::Exclusive, Scope::Node) => 2,
            (Mode::Shared, Scope::Subtree) => 3,
            (Mode::Shared, Scope::Node) => 4,
        };
        Self { place, number }
    }

    pub(super) fn is_exclusive(self) -> bool {
        self.number <= 2
    }

    pub(super) fn covers_subtree(self) -> bool {
        self.number % 2 == 1
    }

    /// Whether both are about one node, at the least.
    pub(super) fn meets(self, other: Self) -> bool {
        self.place == other.place
            || self.place.is_above(&other.place) && self.covers_subtree()
            || other.place.is_above(&self.place) && other.covers_subtree()
    }

    pub(super) fn conflicts(self, other: Self) -> bool {
        self.meets(other) && (self.is_exclusive() || other.is_exclusive())
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = if self.is_exclusive() { "exclusive" } else { "shared" };
        let scope = if self.covers_subtree() { "" } else { " node only" };
        write!(f, "{} ({mode}{scope})", self.place)
    }
}

impl mutextree_judge::Claim for Claim {
    fn conflicts_with(&self, other: &Self) -> bool {
        self.conflicts(*other)
    }
}
