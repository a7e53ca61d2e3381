//! [`Stage`]: how far an acquisition is.

use crate::memory::node::Node;
use crate::memory::walk::Walk;
use crate::sync::PlainArc;

#[derive(Debug)]
pub(super) enum Stage {
    Idle,
    Draining(Box<Walk>),
    Asleep(Asleep),
    Done,
}

/// An acquisition in the queue of a node.
#[derive(Debug)]
pub(super) enum Asleep {
    Wants(PlainArc<Node>),
    Aside(PlainArc<Node>),
    /// With its claim, and the walk that it goes on with. Apart, as a crowd of others may wait.
    Drains(Box<(PlainArc<Node>, Box<Walk>)>),
}

impl Asleep {
    pub(super) fn at(&self) -> &PlainArc<Node> {
        match self {
            Self::Wants(at) | Self::Aside(at) => at,
            Self::Drains(drain) => &drain.0,
        }
    }

    pub(super) fn is_draining(&self) -> bool {
        matches!(self, Self::Drains(_))
    }

    /// Whether it goes before those without a claim.
    pub(super) fn goes_first(&self) -> bool {
        !matches!(self, Self::Wants(_))
    }

    /// Woken, and it has its turn.
    pub(super) fn go_on(self) -> Stage {
        match self {
            Self::Wants(_) | Self::Aside(_) => Stage::Idle,
            Self::Drains(drain) => Stage::Draining(drain.1),
        }
    }
}
