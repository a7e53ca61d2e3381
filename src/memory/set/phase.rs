//! Phases: claiming all members of a set or none, under the set lock. Tries of sets, and tries of
//! one node beside sets.

use super::super::claim::{Claim, How};
use super::super::node::Node;
use super::super::sleeper::{Sleeper, unpark};
use super::super::walk::{Marks, Walk};
use super::super::word::{CLEAR, Kind, Place};
use super::super::{MemoryNode, MemoryStore};
use crate::backend::Member;
use crate::sync::{AtomicU64, Mutex, MutexGuard, Ordering, PlainArc, Stamp};

/// What the sets of a tree share. On a cache line of its own: phases write to it.
#[derive(Debug)]
#[repr(align(64))]
pub(in super::super) struct Sets {
    lock: Mutex<()>,
    /// How many phases have begun and ended, together: odd during one.
    phases: AtomicU64,
    /// Where sets sleep that drain, each with the address of its sleeper. For those who look at
    /// another member: `look.rs`. Nothing is locked within this.
    drains: Mutex<Vec<(usize, MemoryNode)>>,
}

/// The set lock.
struct Phase<'a> {
    sets: &'a Sets,
    _turn: MutexGuard<'a, ()>,
}

impl Drop for Phase<'_> {
    fn drop(&mut self) {
        // Release: a try that reads this sees what the phase has withdrawn.
        self.sets.advance(Ordering::Release);
    }
}

impl Sets {
    pub(in super::super) fn new() -> Self {
        Self { lock: Mutex::new(()), phases: AtomicU64::new(0), drains: Mutex::new(Vec::new()) }
    }

    fn begin(&self) -> Phase<'_> {
        let turn = self.lock.lock();
        // A try that sees one of the claims that follow sees this, too: they release.
        self.advance(Ordering::Relaxed);
        Phase { sets: self, _turn: turn }
    }

    /// Under the set lock.
    fn advance(&self, order: Ordering) {
        self.phases.store(self.phases.load(Ordering::Relaxed) + 1, order);
    }

    /// A set that drains is about to sleep at that node.
    pub(super) fn drains_at(&self, sleeper: &PlainArc<Sleeper>, at: &PlainArc<Node>) {
        self.drains.lock().push((PlainArc::as_ptr(sleeper) as usize, MemoryNode::new(at.clone())));
    }

    /// It sleeps no longer.
    pub(super) fn has_drained(&self, sleeper: &PlainArc<Sleeper>) {
        let address = PlainArc::as_ptr(sleeper) as usize;
        let mut drains = self.drains.lock();
        let at = drains.iter().position(|drain| drain.0 == address);
        let gone = at.map(|at| drains.swap_remove(at));
        drop(drains);
        drop(gone);
    }

    /// The nodes where sets sleep that drain.
    pub(in super::super) fn drained(&self) -> Vec<MemoryNode> {
        self.drains.lock().iter().map(|drain| drain.1.clone()).collect()
    }
}

pub(super) fn node(member: &Member<MemoryStore>) -> &PlainArc<Node> {
    &member.node.0
}

pub(super) fn kind(member: &Member<MemoryStore>) -> Kind {
    Kind::new(member.request.kind.mode, member.request.kind.scope)
}

/// The sets of the tree of these members.
pub(super) fn sets(members: &[Member<MemoryStore>]) -> &Sets {
    &node(&members[0]).shared().sets
}

/// Why a phase came to nothing.
#[derive(Debug)]
pub(super) struct Obstacle {
    /// The member that is blocked.
    pub(super) member: usize,
    /// The node whose word, or gate, blocks it. There the set waits.
    pub(super) at: PlainArc<Node>,
    /// Where that is, seen from the member.
    pub(super) place: Place,
    /// What is in the way: that node, or the one that the gate's owner wants.
    pub(super) in_the_way: PlainArc<Node>,
}

/// Claims all members, `first` before the others: the members that have enrolled children to look
/// at. Or claims none.
pub(super) fn claim_all(
    members: &[Member<MemoryStore>],
    first: usize,
    stamp: Option<Stamp>,
) -> Result<Vec<usize>, Obstacle> {
    let mut woken = Vec::new();
    let phase = sets(members).begin();
    let result = claim_each(members, first, stamp, &mut woken);
    drop(phase);
    unpark(woken); // S4
    result
}

fn claim_each(
    members: &[Member<MemoryStore>],
    first: usize,
    stamp: Option<Stamp>,
    woken: &mut Vec<PlainArc<Sleeper>>,
) -> Result<Vec<usize>, Obstacle> {
    let mut inner = Vec::new();
    let order = || std::iter::once(first).chain((0..members.len()).filter(move |&at| at != first));
    for (done, member) in order().enumerate() {
        match claim_one(&members[member], stamp) {
            Ok(is_inner) => inner.extend(is_inner.then_some(member)),
            Err((place, in_the_way)) => {
                // A claim that found something above it was made, too.
                let made = done + usize::from(place == Place::Above);
                order().take(made).for_each(|claimed| withdraw(&members[claimed], woken));
                let at = if place == Place::Here { node(&members[member]).clone() } else { in_the_way.clone() };
                return Err(Obstacle { member, at, place, in_the_way });
            }
        }
    }
    // A set that may drain looks up for all its members, also if `CLEAR` spares them that (S1).
    if !inner.is_empty() {
        let above = |member: usize| Some((member, node(&members[member]).look_up(kind(&members[member]))?.clone()));
        if let Some((member, above)) = (0..members.len()).find_map(above) {
            members.iter().for_each(|member| withdraw(member, woken));
            return Err(Obstacle { member, at: above.clone(), place: Place::Above, in_the_way: above });
        }
    }
    Ok(inner)
}

/// Claims one member, and looks up unless it had `CLEAR`: whether it has to be looked down at. The
/// error is what is in the way, here or above; if above, the claim has been made.
fn claim_one(member: &Member<MemoryStore>, stamp: Option<Stamp>) -> Result<bool, (Place, PlainArc<Node>)> {
    let (node, kind) = (node(member), kind(member));
    if node.claim_fast(kind) {
        return Ok(false);
    }
    let is_inner = match node.claim(kind, stamp, How::Firm) {
        Claim::Blocked(in_the_way) => return Err((Place::Here, in_the_way)),
        made => matches!(made, Claim::Inner),
    };
    if let Some(above) = node.look_up(kind) {
        return Err((Place::Above, above.clone()));
    }
    if !is_inner && node.word.load(Ordering::Relaxed) & CLEAR == 0 {
        node.set_clear(); // the next claim here need not look up
    }
    Ok(is_inner)
}

/// Takes off the claim of one member. Who slept because of it is woken later, by the caller.
fn withdraw(member: &Member<MemoryStore>, woken: &mut Vec<PlainArc<Sleeper>>) {
    node(member).withdraw(kind(member), woken);
}

/// Ends the claims of a set.
pub(super) fn drop_all(members: &[Member<MemoryStore>]) {
    members.iter().for_each(|member| node(member).drop_claim(kind(member)));
}

/// Claims all members and sees that nothing is in the way, without ever waiting for a holder.
pub(in super::super) fn try_claim_all(members: &[Member<MemoryStore>]) -> Result<(), (usize, PlainArc<Node>)> {
    let mut woken = Vec::new();
    let phase = sets(members).begin();
    let result = claim_each(members, 0, None, &mut woken)
        .map_err(|obstacle| (obstacle.member, obstacle.in_the_way))
        .and_then(|inner| {
            let below = inner.into_iter().find_map(|member| {
                let (node, kind) = (node(&members[member]), kind(&members[member]));
                Walk::new(node, kind, Marks::Strike).next_conflict().map(|below| (member, below))
            });
            let Some(refused) = below else { return Ok(()) };
            members.iter().for_each(|member| withdraw(member, &mut woken));
            Err(refused)
        });
    drop(phase);
    unpark(woken); // S4
    result
}

impl Node {
    /// A try of this one node, which is not refused because of a claim that a set withdraws. The
    /// caller wakes afterwards whom the attempt has left to be woken (S4).
    #[inline]
    pub(in super::super) fn beside_sets<Refused>(
        &self,
        mut attempt: impl FnMut() -> Result<(), Refused>,
    ) -> Result<(), Refused> {
        let sets = &self.shared().sets;
        // Acquire: what the phases before have withdrawn is seen withdrawn.
        let before = sets.phases.load(Ordering::Acquire);
        let result = attempt();
        let is_sure = result.is_ok() || (sets.phases.load(Ordering::Acquire) == before && before.is_multiple_of(2));
        if is_sure {
            return result;
        }
        let _turn = sets.lock.lock();
        attempt()
    }
}
