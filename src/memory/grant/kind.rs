//! The kind of a grant.

use crate::memory::word::Kind;

/// A [`Kind`], as wide as a word. A byte would have seven of nothing after it. Where a grant or an
/// error comes back these may be copied, too: in two pieces that overlap. To read at once what was
/// written like that makes a processor wait: a lock by path took 30 ns in place of 14.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
pub(super) enum WideKind {
    Xs = 1,
    Xn = 2,
    Ss = 3,
    Sn = 4,
}

impl WideKind {
    #[inline(always)]
    pub(super) fn new(kind: Kind) -> Self {
        match kind {
            Kind::Xs => Self::Xs,
            Kind::Xn => Self::Xn,
            Kind::Ss => Self::Ss,
            Kind::Sn => Self::Sn,
        }
    }

    #[inline(always)]
    pub(super) fn narrow(self) -> Kind {
        match self {
            Self::Xs => Kind::Xs,
            Self::Xn => Kind::Xn,
            Self::Ss => Kind::Ss,
            Self::Sn => Kind::Sn,
        }
    }
}
