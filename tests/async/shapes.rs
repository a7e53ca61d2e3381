//! Conflicts of every shape: which locks are held, who waits for them, and who waits behind that
//! waiter.

use crate::common::kinds::{EXCLUSIVE, EXCLUSIVE_NODE, Kind, SHARED, SHARED_NODE};

pub(crate) type Lock = (&'static str, Kind);

#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// None of these conflict with each other, and each with `asked`.
    pub(crate) held: &'static [Lock],
    pub(crate) asked: Lock,
    pub(crate) behind: &'static [Lock],
}

pub(crate) const SHAPES: &[Shape] = &[
    // On the node itself.
    Shape { held: &[("a/b", EXCLUSIVE)], asked: ("a/b", EXCLUSIVE), behind: &[("a/b", EXCLUSIVE), ("a", EXCLUSIVE)] },
    Shape { held: &[("a/b", EXCLUSIVE)], asked: ("a/b", SHARED), behind: &[("a/b", SHARED), ("a/b", EXCLUSIVE)] },
    Shape { held: &[("a/b", SHARED)], asked: ("a/b", EXCLUSIVE), behind: &[("a/b", SHARED), ("a", SHARED)] },
    Shape { held: &[("a", SHARED_NODE)], asked: ("a", EXCLUSIVE_NODE), behind: &[("a", SHARED), ("/", EXCLUSIVE)] },
    // Above.
    Shape {
        held: &[("a", EXCLUSIVE)],
        asked: ("a/b", EXCLUSIVE),
        behind: &[("a/b", EXCLUSIVE), ("a/b/c", EXCLUSIVE), ("a/d", SHARED)],
    },
    Shape { held: &[("/", SHARED)], asked: ("a/b", EXCLUSIVE), behind: &[("a/b", SHARED), ("a", SHARED)] },
    Shape { held: &[("/", EXCLUSIVE)], asked: ("a/b", SHARED_NODE), behind: &[("a/b", EXCLUSIVE), ("a", SHARED)] },
    // Below: it has its claim, and drains.
    Shape {
        held: &[("a/b", EXCLUSIVE)],
        asked: ("a", EXCLUSIVE),
        behind: &[("a/d", EXCLUSIVE), ("a", SHARED), ("a/b", EXCLUSIVE), ("/", EXCLUSIVE)],
    },
    Shape {
        held: &[("a/b", EXCLUSIVE), ("a/c", SHARED), ("a/d/e", EXCLUSIVE)],
        asked: ("a", EXCLUSIVE),
        behind: &[("a/x", EXCLUSIVE), ("a/c", SHARED)],
    },
    Shape { held: &[("a/b", EXCLUSIVE)], asked: ("/", SHARED), behind: &[("a/c", EXCLUSIVE), ("a", EXCLUSIVE)] },
    // Above, on the node itself, and below, one after the other.
    Shape {
        held: &[("a", SHARED), ("a/b", SHARED), ("a/b/c", SHARED)],
        asked: ("a/b", EXCLUSIVE),
        behind: &[("a/b", SHARED), ("a/b/d", EXCLUSIVE), ("a", EXCLUSIVE)],
    },
    Shape {
        held: &[("a", SHARED_NODE), ("a/b/c", EXCLUSIVE)],
        asked: ("a", EXCLUSIVE),
        behind: &[("a", EXCLUSIVE), ("a/b", SHARED)],
    },
];
