//! [`Waiter`]: a place in a queue, and what holds up the one who is in it.

use super::gate::Gates;
use super::node::Node;
use super::sleeper::Sleeper;
use super::word::{Kind, Place, readers, readers_below};
use crate::sync::{PlainArc, Stamp};

/// The order of a queue: waiters with a claim first, then the others. Among equals the order of
/// arrival counts.
pub(super) type Rank = (bool, Stamp);

/// The rank of a waiter with this stamp.
pub(super) fn rank(goes_first: bool, stamp: Stamp) -> Rank {
    (!goes_first, stamp)
}

/// What a waiter has while it sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// No claim: it starts over when it is woken.
    Wants,
    /// A claim, which is no lock yet. It sleeps below it.
    Drains,
    /// No claim any more, as an upgrade below is pending (`upgrade.rs`). It sleeps where it would
    /// drain, and starts over when it is woken.
    Aside,
    /// A lock that is being narrowed. It sleeps below it, until a newcomer has withdrawn.
    Narrows,
    /// A pending upgrade.
    Upgrades,
}

/// A place in a queue.
#[derive(Clone, Debug)]
pub(super) struct Waiter {
    /// The node it wants.
    pub(super) wanted: PlainArc<Node>,
    pub(super) kind: Kind,
    /// Where the node that it sleeps at lies, seen from the node it wants.
    pub(super) place: Place,
    pub(super) role: Role,
    pub(super) stamp: Stamp,
    pub(super) sleeper: PlainArc<Sleeper>,
    /// How it sleeps. Changes under the slow lock.
    pub(super) sleep: Sleep,
    /// Whether gates may have been closed for it.
    pub(super) has_gate: bool,
    /// Whether it was woken with the lock itself: `wait/hand_over.rs`.
    pub(super) has_lock: bool,
    /// Whether only a gate kept it out when it went to sleep, and its sleeper knows for whom.
    pub(super) is_gated: bool,
}

/// How a waiter in a queue sleeps. Its sleeper knows whether it was woken, too; this is for those
/// who go through a long queue, and would miss the cache at each sleeper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sleep {
    /// Something is in its way.
    Asleep,
    /// Only the waiter right before it, which was woken, or follows one that was.
    Follows,
    /// It was woken, and has not run yet.
    Woken,
}

impl Waiter {
    /// About to sleep.
    pub(super) fn new(
        (wanted, kind): (&PlainArc<Node>, Kind),
        place: Place,
        role: Role,
        stamp: Stamp,
        sleeper: &PlainArc<Sleeper>,
    ) -> Self {
        let (wanted, sleeper) = (wanted.clone(), sleeper.clone());
        let (has_gate, has_lock, is_gated) = (false, false, false);
        Self { wanted, kind, place, role, stamp, sleeper, sleep: Sleep::Asleep, has_gate, has_lock, is_gated }
    }

    /// Whether it may follow this one, right behind which it is in the queue: both start over when
    /// they are woken, and then want the same node, which only one of them can have.
    pub(super) fn may_follow(&self, before: &Self) -> bool {
        let from_above = |waiter: &Self| waiter.place == Place::Above && waiter.role == Role::Wants;
        before.sleep != Sleep::Asleep
            && from_above(before)
            && from_above(self)
            && PlainArc::ptr_eq(&self.wanted, &before.wanted)
            && !(self.kind.is_shared() && before.kind.is_shared())
    }

    /// Whether it is counted as one that sleeps. Those that go first are not.
    pub(super) fn is_counted(&self) -> bool {
        self.sleep == Sleep::Asleep && !self.goes_first()
    }

    pub(super) fn is_draining(&self) -> bool {
        self.role == Role::Drains
    }

    /// The claims that it has: one, if the lock was handed over to it, and while it drains one or
    /// those of a set.
    pub(super) fn claims(&self) -> impl Iterator<Item = (&PlainArc<Node>, Kind)> {
        let set = self.sleeper.set();
        let has_one = self.has_lock || (self.is_draining() && set.is_empty());
        let one = has_one.then_some((&self.wanted, self.kind));
        let all = if self.is_draining() { set } else { &[] };
        one.into_iter().chain(all.iter().map(|(node, kind)| (node, *kind)))
    }

    /// Whether only claims hold it up, no gate and no other waiter.
    pub(super) fn goes_first(&self) -> bool {
        self.role != Role::Wants
    }

    pub(super) fn rank(&self) -> Rank {
        rank(self.goes_first(), self.stamp)
    }

    /// Whether it has to wait at a node with this word and these gates.
    pub(super) fn is_held_up(&self, word: u64, gates: &Gates) -> bool {
        let Self { kind, place, stamp, .. } = *self;
        match self.role {
            Role::Drains | Role::Aside => word & kind.conflicts(place) != 0,
            Role::Narrows => kind.keeps_out_holder(word, place),
            Role::Upgrades => match place {
                Place::Above => readers_below(word),
                Place::Here => readers(word) > 1,
                Place::Below => word & kind.conflicts(place) != 0,
            },
            Role::Wants => {
                word & kind.conflicts(place) != 0
                    || (place == Place::Here && (kind.is_full(word) || gates.against(kind, Some(stamp)).is_some()))
            }
        }
    }
}
