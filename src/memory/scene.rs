//! Who waits for whom in the tree, for [deadlock detection](crate::deadlock).
//!
//! # The edges
//! A waiter sleeps at one node for one of four reasons (`wait.rs`), and all are found there:
//!
//! 1. a lock on that node, which has a record;
//! 2. the claim on that node of another waiter, which drains, and sleeps further down;
//! 3. a gate that an older waiter has closed there;
//! 4. an earlier waiter for that node, in the same queue.
//!
//! One that follows another (`wait.rs`) sleeps for none of these. It has no edges, or those of a
//! lock that has come since. The waiter that it follows was woken, or follows one that was, and so
//! it will be woken itself.
//!
//! So a look at each node where somebody sleeps, under its slow lock, has all edges, and each was
//! there at the moment of that look. D1, that they stay, holds for each:
//!
//! * As long as the lock of 1 is held, a waiter at its node is not woken: no pass through the queue
//!   finds its way free ([`Node::wake_next`]).
//! * Where the other waiter stands still, it stays asleep where it is, as the edge that leads on
//!   from it stays. So it gives up neither its claim (2) nor its gate (3) nor its place (4). It is
//!   not polled either, so it does not lapse: only a woken task does.
//!
//! A set is one waiter, in one queue at a time. If it drains, it has a claim (2) on each of its
//! members. A holder that narrows its lock waits for newcomers, for a moment: it has no edges.
//!
//! A pending upgrade is a waiter with a claim (2): the exclusive bit of the node that it holds. It
//! waits for shared locks on that node and above, for locks below, and for no gate and no queue.
//! Its own lock is in nobody's way but others', so it is left out of its edges, by its token. A
//! waiter that was sent aside sleeps for the same claims as one that drains, and has none itself.
//!
//! A waiter that has been woken does not stand still, and has no edges. Nor has a claim without a
//! record, of a request that is still looking around: it is nobody's.
//!
//! Of several earlier waiters (4) those up to the nearest exclusive one are enough. What is before
//! that one is in its way, too.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};

use super::MemoryNode;
use super::node::Node;
use super::record::Own;
use super::sleeper::{SetClaim, Sleeper, Watched};
use super::waiter::Role;
use super::word::{KIDS, Kind, PARKED, Place};
use crate::backend::{HeldLock, WaitingLock};
use crate::deadlock::{Asks, Behind, Deadlock, Looks, Scene, Wait};
use crate::request::Owner;
use crate::sync::{Ordering, PlainArc, Stamp};

/// A wait, by its sleeper, which is kept: no other gets its address; and which of its sleeps it
/// is. What was true of one sleep may not be of the next.
#[derive(Clone, Debug)]
pub(super) struct Key(PlainArc<Sleeper>, u64);

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        PlainArc::ptr_eq(&self.0, &other.0) && self.1 == other.1
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (PlainArc::as_ptr(&self.0), self.1).hash(state);
    }
}

/// One waiter in the queue of a node.
struct Sleeping {
    sleeper: PlainArc<Sleeper>,
    sleep: u64,
    wanted: MemoryNode,
    kind: Kind,
    place: Place,
    role: Role,
    /// The nodes that it has claimed while it sleeps: one, or those of a set.
    claims: Vec<(MemoryNode, Kind)>,
    stamp: Stamp,
    /// Whether it stands still, and may be told.
    is_still: bool,
    /// Who has closed a gate for it here, by the address of the sleeper.
    gates: Vec<usize>,
}

/// What was found at one node.
struct Bed {
    node: MemoryNode,
    locks: Vec<(Kind, HeldLock)>,
    /// In the order of the queue.
    queue: Vec<Sleeping>,
}

impl Node {
    fn bed(self: &PlainArc<Self>) -> Bed {
        let node = MemoryNode::new(self.clone());
        let Some(cold) = self.cold_if_any() else { return Bed { node, locks: Vec::new(), queue: Vec::new() } };
        let slow = cold.slow.lock();
        let locks = slow.records.lasting(self);
        let queue = slow.queue.iter().map(|waiter| {
            let is_gated = waiter.role == Role::Wants && waiter.place == Place::Here;
            let upgrades = (waiter.role == Role::Upgrades).then_some((&waiter.wanted, waiter.kind));
            let claims = waiter.claims().chain(upgrades);
            Sleeping {
                sleeper: waiter.sleeper.clone(),
                sleep: waiter.sleeper.sleep(),
                wanted: MemoryNode::new(waiter.wanted.clone()),
                kind: waiter.kind,
                place: waiter.place,
                role: waiter.role,
                claims: claims.map(|(node, kind)| (MemoryNode::new(node.clone()), kind)).collect(),
                stamp: waiter.stamp,
                is_still: waiter.role != Role::Narrows && !waiter.sleeper.is_woken() && !waiter.sleeper.is_condemned(),
                gates: if is_gated { slow.gates.closers_against(waiter.kind, waiter.stamp) } else { Vec::new() },
            }
        });
        Bed { node, locks, queue: queue.collect() }
    }

    /// A lasting lock of whoever asks, at this node, above it or below it: one that conflicts, if
    /// there is one (`true`).
    pub(super) fn own_lock_around(self: &PlainArc<Self>, wants: &Own<'_>) -> Option<(bool, HeldLock)> {
        let mut related = None;
        let here = std::iter::once((self, Place::Here));
        let above = self.ancestors().iter().map(|node| (node, Place::Above));
        for (node, place) in here.chain(above) {
            match node.own_lock(wants, place) {
                Some((true, lock)) => return Some((true, lock)),
                other => related = related.or(other),
            }
        }
        if wants.kind.is_subtree() {
            let mut to_visit = self.kids_of_interest(|_| true);
            while let Some(node) = to_visit.pop() {
                to_visit.extend(node.0.kids_of_interest(|_| true));
                match node.0.own_lock(wants, Place::Below) {
                    Some((true, lock)) => return Some((true, lock)),
                    other => related = related.or(other),
                }
            }
        }
        related
    }
}

impl Node {
    /// What is known of a waiter for this node, where deadlocks are looked for: the tree looks for
    /// as long as that is kept.
    pub(super) fn watched(self: &PlainArc<Self>, asks: &Asks, owners: Vec<Owner>) -> Option<Watched> {
        let rest = self.shared().watch.as_ref()?.begin(PlainArc::downgrade(self.root_of_tree()));
        Some(Watched::new(asks.clone(), owners, rest))
    }
}

/// Of the root: it is there for as long as any node of its tree is.
impl Node {
    /// Every node where somebody sleeps is enrolled, and so are those above it: a walk over the
    /// lists finds it.
    fn beds(self: &PlainArc<Self>) -> Vec<Bed> {
        let (mut beds, mut to_visit) = (Vec::new(), vec![MemoryNode::new(self.clone())]);
        while let Some(node) = to_visit.pop() {
            let word = node.0.word.load(Ordering::SeqCst);
            if word & KIDS != 0 {
                to_visit.extend(node.0.kids_of_interest(|kid| kid.word.load(Ordering::SeqCst) & (KIDS | PARKED) != 0));
            }
            if word & PARKED != 0 {
                beds.push(node.0.bed());
            }
        }
        beds
    }
}

impl Looks for Node {
    type Key = Key;

    fn look(self: &PlainArc<Self>) -> Option<Scene<Key>> {
        let beds = self.beds();
        // The place in the scene of each waiter that stands still.
        let mut places: HashMap<usize, usize> = HashMap::new();
        // By the node that they have claimed: those that drain.
        let mut draining: HashMap<*const Node, Vec<(usize, Kind)>> = HashMap::new();
        let mut stamps = Vec::new();
        for waiter in beds.iter().flat_map(|bed| &bed.queue).filter(|waiter| waiter.is_still) {
            // One that went on to wait at another node meanwhile was found twice: no edge of
            // either place is sure, and the next look tells.
            let at = places.len();
            places.entry(address(&waiter.sleeper)).or_insert(at);
            for (node, kind) in &waiter.claims {
                draining.entry(PlainArc::as_ptr(&node.0)).or_default().push((address(&waiter.sleeper), *kind));
            }
            stamps.push(waiter.stamp);
        }
        stamps.sort_unstable();
        let mut scene = Scene::default();
        let mut waits: Vec<Option<Wait<Key>>> = places.iter().map(|_| None).collect();
        for bed in beds {
            let first = scene.locks.len();
            let claims = draining.get(&PlainArc::as_ptr(&bed.node.0)).map_or(&[][..], Vec::as_slice);
            for (turn, waiter) in bed.queue.iter().enumerate().filter(|(_, waiter)| waiter.is_still) {
                let at = places[&address(&waiter.sleeper)];
                let obstacles = waiter.obstacles();
                let is_own = |other: usize| other == address(&waiter.sleeper);
                let mut behind = Vec::new();
                let replaces = waiter.sleeper.asks().and_then(|asks| asks.replaces);
                for (lock, (kind, line)) in bed.locks.iter().enumerate() {
                    let is_replaced = replaces.is_some() && line.fencing_token == replaces;
                    if kind.unit() & obstacles != 0 && !is_replaced {
                        behind.push(Behind::Lock(first + lock));
                    }
                }
                let mut add = |other: usize| {
                    if let Some(&other) = places.get(&other).filter(|_| !is_own(other)) {
                        behind.push(Behind::Wait(other));
                    }
                };
                claims.iter().filter(|(_, kind)| kind.unit() & obstacles != 0).for_each(|&(other, _)| add(other));
                waiter.gates.iter().for_each(|&other| add(other));
                let earlier = bed.queue[..turn].iter().rev().filter(|_| waiter.role == Role::Wants);
                for other in earlier.filter(|other| other.place == Place::Here && other.kind.unit() & obstacles != 0) {
                    add(address(&other.sleeper));
                    if other.is_still && !other.kind.is_shared() {
                        break;
                    }
                }
                let order = stamps.partition_point(|stamp| *stamp < waiter.stamp) as u64;
                let line = waiter.line();
                let key = Key(waiter.sleeper.clone(), waiter.sleep);
                match &mut waits[at] {
                    // Found twice.
                    Some(wait) => wait.behind.clear(),
                    none => {
                        let owners = waiter.sleeper.owners().to_vec();
                        let member = |(node, kind): &SetClaim| (node.path.clone(), kind.public());
                        let members = waiter.sleeper.set().iter().map(member).collect();
                        *none = Some(Wait { key, line, owners, members, order, ours: true, behind });
                    }
                }
            }
            scene.locks.extend(bed.locks.into_iter().map(|(_, lock)| lock));
        }
        scene.waits = waits.into_iter().flatten().collect();
        Some(scene)
    }

    fn condemn(self: &PlainArc<Self>, wait: &Key, deadlock: Deadlock) {
        wait.0.condemn(wait.1, deadlock);
    }
}

impl Sleeping {
    /// The claims on the node where it sleeps that are in its way.
    fn obstacles(&self) -> u64 {
        match (self.role, self.place) {
            // Exclusive ones there are of waiters, which it passes.
            (Role::Upgrades, Place::Above) => Kind::Ss.unit(),
            (Role::Upgrades, Place::Here) => Kind::Ss.unit() | Kind::Sn.unit(),
            _ => self.kind.conflicts(self.place),
        }
    }

    fn line(&self) -> WaitingLock {
        let mut line = WaitingLock::new(self.wanted.0.path.clone(), self.kind.public());
        line.owner = self.sleeper.owner().cloned();
        line.waited = self.stamp.age();
        if let Some(asks) = self.sleeper.asks() {
            (line.agent, line.asked_at) = (Some(asks.agent.clone()), Some(asks.place));
        }
        line
    }
}

fn address(sleeper: &PlainArc<Sleeper>) -> usize {
    PlainArc::as_ptr(sleeper) as usize
}

#[cfg(all(test, not(any(mutextree_loom, mutextree_shuttle))))]
mod tests;
