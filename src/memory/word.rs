//! The lock word: all that is claimed on a node, in 64 bits. Pure bit algebra, no atomics; tested
//! exhaustively.
//!
//! | bits | name | set while |
//! |---|---|---|
//! | 0 | `ENROLLED` | the node is in its parent's list; always, for the root |
//! | 1 | `KIDS` | the node's own list is not empty |
//! | 2 | `PARKED` | the node's queue is not empty |
//! | 3, 4 | `XS`, `XN` | the node is claimed exclusively, with its subtree or alone |
//! | 5, 6 | `MARK_X`, `MARK_S` | an exclusive or shared *try* for the subtree looks around |
//! | 7 | `CLEAR` | a claim need not look up: claims for a subtree above come by here |
//! | 8 to 11 | gates | newcomers of that kind have to queue here |
//! | 12 | `NAMED` | bits 16 to 63 are no counts, but the name of the one who has `XS`: see `name.rs` |
//! | 13 | `BARRED` | a claim may have no name, as a lock has strayed |
//! | 14, 15 | `SPREAD_S`, `SPREAD_N` | shared claims, with the subtree or on the node alone, may be in seats: see `spread.rs` |
//! | 16 to 39 | `SS` | the number of shared claims with the subtree |
//! | 40 to 63 | `SN` | the number of shared claims on the node alone |
//!
//! What each bit means to others is in [`Kind`]. Every conflict test is one `&` with a mask. Marks
//! are explained in `tentative.rs`, `CLEAR` in `enrol.rs`, gates in `gate.rs`.
//!
//! The transitions, and why each keeps things moving:
//!
//! * **Unclaimed to claimed**: the one CAS of an acquisition (`claim.rs`). It expects `ENROLLED`,
//!   so a walk down finds the claim.
//! * **Claimed to unclaimed**: the `fetch_sub` of a release or a withdrawal. If the old word has
//!   `PARKED`, it wakes.
//! * **Named to on record**: a CAS that takes off `NAMED` and the name, and leaves `XS`.
//! * **Idle to not enrolled**: the CAS of a walk or a sweep, from exactly `ENROLLED`, with or
//!   without `CLEAR`. A claim that comes first makes it fail.
//! * **`CLEAR` to none**: the `fetch_and` of a walk. The old word shows the claims made so far;
//!   later ones look up.
//! * **Gathered to spread, and back**: the `fetch_update` of a reader, and the `fetch_and` of a
//!   request in whose way that is, both under the slow lock.
//! * **Shared to upgrading to exclusive**: a `fetch_update`, then a `fetch_sub`, as `upgrade.rs`
//!   says.
//! * **Mark to claim**: the CAS of the try that set the mark. It fails if the mark was struck out.

use super::seats::SEATS;
use crate::request::{self, Mode, Request, Scope};

/// In its parent's list.
pub(super) const ENROLLED: u64 = 1;
/// Its own list is not empty.
pub(super) const KIDS: u64 = 1 << 1;
/// Its queue is not empty.
pub(super) const PARKED: u64 = 1 << 2;

const XS: u64 = 1 << 3;
const XN: u64 = 1 << 4;
const MARK_X: u64 = 1 << 5;
const MARK_S: u64 = 1 << 6;
/// A claim here need not look up: invariant 10.
pub(super) const CLEAR: u64 = 1 << 7;
const GATE_SHIFT: u32 = 8;
/// All gates.
pub(super) const GATES: u64 = 0xf << GATE_SHIFT;
const NAMED: u64 = 1 << 12;
/// No claim may have a name.
pub(super) const BARRED: u64 = 1 << 13;
const SPREAD_S: u64 = 1 << 14;
const SPREAD_N: u64 = 1 << 15;
/// Readers may sit.
pub(super) const SPREAD: u64 = SPREAD_S | SPREAD_N;
const NAME_SHIFT: u32 = 16;
const NAME: u64 = u64::MAX << NAME_SHIFT;
/// The bits of a name.
pub(super) const NAME_BITS: u32 = 64 - NAME_SHIFT;
const SS_ONE: u64 = 1 << 16;
const SS: u64 = 0xff_ffff * SS_ONE;
const SN_ONE: u64 = 1 << 40;
const SN: u64 = 0xff_ffff * SN_ONE;
/// What is left free of each count, for those who sit when the node is gathered.
const SPARE: u64 = SEATS as u64;
/// All marks.
pub(super) const MARKS: u64 = MARK_X | MARK_S;
/// All claims and marks that reach below the node.
pub(super) const COVERS: u64 = XS | SS | SPREAD_S | MARK_X | MARK_S;

/// Whether a shared lock on the node is about to become exclusive: nothing else sets both.
/// `upgrade.rs` explains it.
#[inline]
pub(super) const fn is_upgrading(word: u64) -> bool {
    word & (XS | XN) != 0 && word & (SS | SN) != 0 && word & NAMED == 0
}

/// What a claim with this name adds to a word without claims.
#[inline]
pub(super) const fn named_claim(name: u64) -> u64 {
    XS | NAMED | name << NAME_SHIFT
}

/// The name of the one who has claimed the node, if the claim has one.
#[inline]
pub(super) const fn name_in(word: u64) -> Option<u64> {
    if word & NAMED != 0 { Some(word >> NAME_SHIFT) } else { None }
}

/// The word with a claim that had a name, and has none.
pub(super) const fn unnamed(word: u64) -> u64 {
    word & !(NAMED | NAME)
}

/// How many shared claims there are on the node.
#[inline]
pub(super) const fn readers(word: u64) -> u64 {
    Kind::Ss.count(word) + Kind::Sn.count(word)
}

/// Whether any of them reaches below the node.
#[inline]
pub(super) const fn readers_below(word: u64) -> bool {
    Kind::Ss.count(word) > 0
}

/// What is claimed: mode and scope in one. The numbers are those that the Redis store has on the
/// wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// Exclusive, subtree.
    Xs = 1,
    /// Exclusive, node only.
    Xn = 2,
    /// Shared, subtree.
    Ss = 3,
    /// Shared, node only.
    Sn = 4,
}

/// Where the node whose word is looked at lies, seen from the node that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It is that node.
    Here,
    /// It is an ancestor.
    Above,
    /// It is a descendant.
    Below,
}

impl Kind {
    pub(super) const ALL: [Self; 4] = [Self::Xs, Self::Xn, Self::Ss, Self::Sn];

    #[inline]
    pub(super) const fn new(mode: Mode, scope: Scope) -> Self {
        match (mode, scope) {
            (Mode::Exclusive, Scope::Subtree) => Self::Xs,
            (Mode::Exclusive, Scope::Node) => Self::Xn,
            (Mode::Shared, Scope::Subtree) => Self::Ss,
            (Mode::Shared, Scope::Node) => Self::Sn,
        }
    }

    /// What this request is for.
    #[inline]
    pub(super) const fn of(request: &Request) -> Self {
        Self::new(request.kind.mode, request.kind.scope)
    }

    pub(super) const fn mode(self) -> Mode {
        if self.is_shared() { Mode::Shared } else { Mode::Exclusive }
    }

    pub(super) const fn scope(self) -> Scope {
        if self.is_subtree() { Scope::Subtree } else { Scope::Node }
    }

    /// As users name it.
    pub(super) const fn public(self) -> request::Kind {
        request::Kind::new(self.mode(), self.scope())
    }

    /// Its place in [`ALL`](Self::ALL) and in the tables.
    #[inline]
    pub(super) const fn index(self) -> usize {
        self as usize - 1
    }

    /// What one claim of this kind adds to the word.
    #[inline]
    pub(super) const fn unit(self) -> u64 {
        UNITS[self.index()]
    }

    pub(super) const fn is_shared(self) -> bool {
        matches!(self, Self::Ss | Self::Sn)
    }

    pub(super) const fn is_subtree(self) -> bool {
        matches!(self, Self::Xs | Self::Ss)
    }

    /// The shared kind of the same scope.
    pub(super) const fn downgraded(self) -> Self {
        match self {
            Self::Xs => Self::Ss,
            Self::Xn => Self::Sn,
            shared => shared,
        }
    }

    /// The exclusive kind of the same scope.
    pub(super) const fn upgraded(self) -> Self {
        match self {
            Self::Ss => Self::Xs,
            Self::Sn => Self::Xn,
            exclusive => exclusive,
        }
    }

    /// The kind of the same mode with the subtree.
    pub(super) const fn with_subtree(self) -> Self {
        if self.is_shared() { Self::Ss } else { Self::Xs }
    }

    /// The word without one claim of this kind, if it has one.
    pub(super) const fn without_one(self, word: u64) -> u64 {
        let plain = if word & NAMED != 0 { unnamed(word) } else { word };
        if self.count(plain) > 0 { plain - self.unit() } else { word }
    }

    /// Whether there is a claim in the word at `place` that keeps out a holder which covers that
    /// node: a pending upgrade does not, as it waits for the holder.
    pub(super) const fn keeps_out_holder(self, word: u64, place: Place) -> bool {
        word & self.conflicts(place) != 0 && !(self.is_shared() && is_upgrading(word))
    }

    /// The bit of a node that is spread for this kind. None for exclusive kinds.
    #[inline]
    pub(super) const fn spread(self) -> u64 {
        SPREADS[self.index()]
    }

    /// Whether a reader of this kind that has a seat may keep it (G1).
    #[inline]
    pub(super) const fn may_sit(self, word: u64) -> bool {
        word & (self.spread() | self.gate()) == self.spread()
    }

    /// Whether a node with this word may be spread for this kind (G2).
    pub(super) const fn may_spread(self, word: u64) -> bool {
        let unusual = PARKED | GATES | XS | XN | MARKS;
        word & unusual == 0 && word & CLEAR != 0 && self.count(word) > 0
    }

    /// Whether a request of this kind conflicts with those who sit, if the node lies at `place`.
    #[inline]
    pub(super) const fn has_to_gather(self, word: u64, place: Place) -> bool {
        word & SPREAD & self.conflicts(place) != 0
    }

    /// Whether another kind conflicts with this one if it is claimed at that place. The masks below
    /// follow from it. This is a copy of the conflict table in `request.rs`; `word/tests.rs`
    /// compares the two, and `tests/conflict_table.rs` what the store does.
    const fn conflicts_with(self, other: Self, place: Place) -> bool {
        let reaches = match place {
            Place::Here => true,
            Place::Above => other.is_subtree(),
            Place::Below => self.is_subtree(),
        };
        reaches && !(self.is_shared() && other.is_shared())
    }

    /// The claims in the word at `place` that conflict with this kind.
    #[inline]
    pub(super) const fn conflicts(self, place: Place) -> u64 {
        CONFLICTS[place as usize][self.index()]
    }

    /// The marks in the word at `place` that conflict with this kind.
    #[inline]
    pub(super) const fn conflicting_marks(self, place: Place) -> u64 {
        CONFLICTING_MARKS[place as usize][self.index()]
    }

    /// The gates that an old waiter of this kind closes at `place`: they keep out the kinds that
    /// conflict with it.
    pub(super) const fn closes(self, place: Place) -> u64 {
        CLOSES[place as usize][self.index()]
    }

    /// The gate that keeps this kind out of its own node.
    #[inline]
    pub(super) const fn gate(self) -> u64 {
        1 << (GATE_SHIFT + self.index() as u32)
    }

    /// The mark of a try of this kind. None for the kinds without a subtree: nothing to look around
    /// in.
    pub(super) const fn mark(self) -> u64 {
        match self {
            Self::Xs => MARK_X,
            Self::Ss => MARK_S,
            Self::Xn | Self::Sn => 0,
        }
    }

    /// Whether one more claim of this kind would overflow its count. Then it has to wait, as for a
    /// conflict.
    #[inline]
    pub(super) const fn is_full(self, word: u64) -> bool {
        match self {
            Self::Ss => word & SS > SS - SPARE * SS_ONE,
            Self::Sn => word & SN > SN - SPARE * SN_ONE,
            Self::Xs | Self::Xn => false,
        }
    }

    /// How many claims of this kind there are in the word.
    pub(super) const fn count(self, word: u64) -> u64 {
        match self {
            Self::Xs | Self::Xn => (word & self.unit() != 0) as u64,
            Self::Ss | Self::Sn if word & NAMED != 0 => 0,
            Self::Ss => (word & SS) / SS_ONE,
            Self::Sn => (word & SN) / SN_ONE,
        }
    }

    /// The bits in a node's word that keep this kind from claiming the node. A full count does so,
    /// too.
    #[inline]
    pub(super) const fn obstacles(self) -> u64 {
        self.conflicts(Place::Here) | self.gate()
    }

    /// Whether a node with this word can be claimed in one step, with nothing to do first, nothing
    /// to look at below, and no seat to be had.
    #[inline(always)]
    pub(super) const fn is_simple(self, word: u64) -> bool {
        let below = if self.is_subtree() { KIDS } else { 0 };
        let unusual = self.obstacles() | self.conflicting_marks(Place::Here) | self.spread() | below;
        word & unusual == 0 && word & ENROLLED != 0 && !self.is_full(word)
    }
}

const PLACES: [Place; 3] = [Place::Here, Place::Above, Place::Below];

/// The union over the conflicting kinds of what `bits` gives for each.
const fn table(bits: [u64; 4]) -> [[u64; 4]; 3] {
    let mut table = [[0; 4]; 3];
    let mut place = 0;
    while place < 3 {
        let mut kind = 0;
        while kind < 4 {
            let mut other = 0;
            while other < 4 {
                if Kind::ALL[kind].conflicts_with(Kind::ALL[other], PLACES[place]) {
                    table[place][kind] |= bits[other];
                }
                other += 1;
            }
            kind += 1;
        }
        place += 1;
    }
    table
}

const UNITS: [u64; 4] = [XS, XN, SS_ONE, SN_ONE];
const SPREADS: [u64; 4] = [0, 0, SPREAD_S, SPREAD_N];
const CONFLICTS: [[u64; 4]; 3] = table([XS, XN, SS | SPREAD_S, SN | SPREAD_N]);
const CONFLICTING_MARKS: [[u64; 4]; 3] = table([MARK_X, 0, MARK_S, 0]);
const CLOSES: [[u64; 4]; 3] = table([Kind::Xs.gate(), Kind::Xn.gate(), Kind::Ss.gate(), Kind::Sn.gate()]);

#[cfg(test)]
mod tests;
