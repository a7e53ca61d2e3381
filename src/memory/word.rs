//! The lock word: all that is claimed on a node, in 64 bits. Pure bit algebra, no atomics; tested
//! exhaustively.
//!
//! | bits | name | set while |
//! |---|---|---|
//! | 0 | `ENROLLED` | the node is in its parent's list; always, for the root |
//! | 1 | `KIDS` | the node's own list is not empty |
//! | 2 | `PARKED` | the node's queue is not empty |
//! | 3, 4 | `XS`, `XN` | it is claimed exclusively, with its subtree or alone |
//! | 5, 6 | `TX`, `TS` | an exclusive or shared *try* for the subtree is looking around: a claim that anyone may strike out |
//! | 7 | `CLEAR` | whoever claims the subtree of an ancestor has yet to come by here, so that a claim need not look up (`enrol.rs`) |
//! | 8 to 11 | gates | newcomers of that kind have to queue here |
//! | 16 to 39 | shared count | so many shared claims with the subtree |
//! | 40 to 63 | shared count | so many shared claims on the node alone |
//!
//! What each bit means to others is in [`Kind`]: every conflict test is one `&` with a mask of its
//! own.
//!
//! | from | to | by | why it keeps things moving |
//! |---|---|---|---|
//! | no conflicting claim, no gate | claimed | the one CAS of an acquisition (`claim.rs`) | it expects `ENROLLED`, so whoever walks down finds it |
//! | claimed | not | `fetch_sub` of a release or withdrawal | it sees `PARKED` in what it returns, and then wakes |
//! | idle | `ENROLLED` and `CLEAR` gone | CAS of a walk or a sweep, from exactly these | a claim that comes first makes it fail |
//! | `CLEAR` | not | `fetch_and` of a walk | it sees in what it returns who has claimed; who claims later has to look up |
//! | `TX`/`TS` | a claim | CAS of the one who set it | fails if it was struck out |

/// In its parent's list.
pub(super) const ENROLLED: u64 = 1;
/// Its own list is not empty.
pub(super) const KIDS: u64 = 1 << 1;
/// Its queue is not empty.
pub(super) const PARKED: u64 = 1 << 2;

const XS: u64 = 1 << 3;
const XN: u64 = 1 << 4;
const TX: u64 = 1 << 5;
const TS: u64 = 1 << 6;
/// Nobody above whose claim or mark covers this node has come by here.
pub(super) const CLEAR: u64 = 1 << 7;
const GATE_SHIFT: u32 = 8;
/// All gates.
pub(super) const GATES: u64 = 0xf << GATE_SHIFT;
const SS_ONE: u64 = 1 << 16;
const SS: u64 = 0xff_ffff * SS_ONE;
const SN_ONE: u64 = 1 << 40;
const SN: u64 = 0xff_ffff * SN_ONE;
/// All claims and marks that reach below the node.
pub(super) const COVERS: u64 = XS | SS | TX | TS;

/// What is claimed: mode and scope in one. The discriminants index the tables and number the gates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// Exclusive, subtree.
    Xs = 0,
    /// Shared, subtree.
    Ss = 1,
    /// Exclusive, node only.
    Xn = 2,
    /// Shared, node only.
    Sn = 3,
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
    pub(super) const ALL: [Self; 4] = [Self::Xs, Self::Ss, Self::Xn, Self::Sn];

    /// What one claim of this kind adds to the word.
    #[inline]
    pub(super) const fn unit(self) -> u64 {
        UNITS[self as usize]
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

    /// The kinds that conflict with this one if they are claimed at that place. This is the
    /// conflict table; the masks below follow from it.
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
        CONFLICTS[place as usize][self as usize]
    }

    /// The tentative claims in the word at `place` that conflict with this kind.
    #[inline]
    pub(super) const fn tentative_conflicts(self, place: Place) -> u64 {
        TENTATIVE[place as usize][self as usize]
    }

    /// The gates at `place` that keep out what conflicts with a request of this kind: what an old
    /// waiter closes there.
    pub(super) const fn closes(self, place: Place) -> u64 {
        CLOSES[place as usize][self as usize]
    }

    /// The gate that keeps this kind out of its own node.
    #[inline]
    pub(super) const fn gate(self) -> u64 {
        1 << (GATE_SHIFT + self as u32)
    }

    /// The tentative claim of this kind; nothing for those that look at no subtree.
    pub(super) const fn tentative(self) -> u64 {
        match self {
            Self::Xs => TX,
            Self::Ss => TS,
            Self::Xn | Self::Sn => 0,
        }
    }

    /// Whether one more claim of this kind would overflow its count. It then has to wait, as for a
    /// conflict.
    #[inline]
    pub(super) const fn is_full(self, word: u64) -> bool {
        match self {
            Self::Ss => word & SS == SS,
            Self::Sn => word & SN == SN,
            Self::Xs | Self::Xn => false,
        }
    }

    /// How many claims of this kind there are in the word.
    pub(super) const fn count(self, word: u64) -> u64 {
        match self {
            Self::Xs | Self::Xn => (word & self.unit() != 0) as u64,
            Self::Ss => (word & SS) / SS_ONE,
            Self::Sn => (word & SN) / SN_ONE,
        }
    }

    /// What in the word of its own node keeps this kind from claiming it, apart from a full count.
    #[inline]
    pub(super) const fn obstacles(self) -> u64 {
        self.conflicts(Place::Here) | self.gate()
    }

    /// Whether a node with this word can be claimed in one step, with nothing to do first and
    /// nothing to look at below.
    #[inline(always)]
    pub(super) const fn is_simple(self, word: u64) -> bool {
        let below = if self.is_subtree() { KIDS } else { 0 };
        let unusual = self.obstacles() | self.tentative_conflicts(Place::Here) | below;
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

const UNITS: [u64; 4] = [XS, SS_ONE, XN, SN_ONE];
const CONFLICTS: [[u64; 4]; 3] = table([XS, SS, XN, SN]);
const TENTATIVE: [[u64; 4]; 3] = table([TX, TS, 0, 0]);
const CLOSES: [[u64; 4]; 3] = table([Kind::Xs.gate(), Kind::Ss.gate(), Kind::Xn.gate(), Kind::Sn.gate()]);

#[cfg(test)]
mod tests;
