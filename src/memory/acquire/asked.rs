//! What is asked for: a node and how. An acquisition keeps it as short as whoever asks has it, as a
//! crowd of them may wait: of a handle it keeps the address.

use crate::backend::Asker;
use crate::memory::grant::MemoryGrant;
use crate::memory::node::Node;
use crate::memory::word::Kind;
use crate::memory::{MemoryNode, MemoryStore};
use crate::request::{Owner, Request};
use crate::sync::PlainArc;

/// What an acquisition is for.
pub(in crate::memory) trait Asked<'a>: Copy {
    fn node(self) -> &'a PlainArc<Node>;
    fn kind(self) -> Kind;
    /// Who asks, for those who look.
    fn owner(self) -> Option<&'a Owner>;
}

/// Said part by part.
#[derive(Clone, Copy, Debug)]
pub(in crate::memory) struct Plain<'a> {
    pub(in crate::memory) node: &'a PlainArc<Node>,
    pub(in crate::memory) kind: Kind,
    pub(in crate::memory) owner: Option<&'a Owner>,
}

impl<'a> Asked<'a> for Plain<'a> {
    #[inline]
    fn node(self) -> &'a PlainArc<Node> {
        self.node
    }

    #[inline]
    fn kind(self) -> Kind {
        self.kind
    }

    fn owner(self) -> Option<&'a Owner> {
        self.owner
    }
}

/// By a handle, or whoever else has a node and a request.
impl<'a, A: Asker<'a, MemoryStore>> Asked<'a> for A {
    #[inline]
    fn node(self) -> &'a PlainArc<Node> {
        &Asker::node(self).0
    }

    #[inline]
    fn kind(self) -> Kind {
        Kind::of(self.request())
    }

    fn owner(self) -> Option<&'a Owner> {
        self.request().owner.as_ref()
    }
}

/// By one who wants the bare grant.
#[derive(Clone, Copy, Debug)]
pub(in crate::memory) struct Parts<'a> {
    pub(in crate::memory) node: &'a MemoryNode,
    pub(in crate::memory) request: &'a Request,
}

impl<'a> Asker<'a, MemoryStore> for Parts<'a> {
    type Guard = MemoryGrant;

    #[inline]
    fn node(self) -> &'a MemoryNode {
        self.node
    }

    #[inline]
    fn request(self) -> &'a Request {
        self.request
    }

    #[inline]
    fn granted(self, grant: MemoryGrant) -> MemoryGrant {
        grant
    }
}
