//! Looking at the tree: who holds and who waits, for snapshots, listings, and who asks what is in
//! the way. Nothing is claimed, and no word is written.
//!
//! # A look at one node
//! The word tells how many claims of each kind there are, the records whose, the queue who sleeps
//! there. All of it is read under one hold of the node's slow lock ([`Node::look`]). So it is true
//! of the moment at which the word is loaded:
//!
//! * A record is put on the list after its claim was made, and taken off before the claim ends,
//!   both under the slow lock. So each record that is seen has its claim in the word. What the word
//!   has beyond the records are claims without one.
//! * The claims in a word never conflict, as each was made by a CAS that expects nothing that does.
//!   So a look never shows two locks on one node that conflict.
//! * The queue changes under the slow lock.
//!
//! A look waits for no lock of the tree's users, and holds a single slow lock (invariant 11). It
//! holds up whoever queues, wakes or enrols at that node for as long as it takes to copy its queue
//! and its records. Claims and releases that meet nobody take no slow lock: they go on meanwhile.
//!
//! # Claims that are no locks yet
//! A claim in a word may be that of a waiter that drains. Such a waiter sleeps at a node below its
//! claim (invariant 8), so it is found in another queue. While it is there, its claim stands: it
//! leaves that queue, or lapses, under that node's slow lock, before its claim ends. So the look
//! that finds it reads the word of the wanted node once more, under the same lock. Then
//! `claims - draining ones` is the number of locks on the wanted node at that moment, and the
//! smaller one of this and what the look at the wanted node found is told. Locks that are held all
//! the time are in both numbers, so none of them is left out.
//!
//! A set that drains has claims on all of its members, and sleeps below one of them. Its sleeper
//! names its claims, and each is counted in this way. Who looks only around one node asks the store
//! for the places where sets drain.
//!
//! A claim of a request that is still looking around is told as a lock. Nothing but the request
//! itself knows better.
//!
//! # Locks that move
//! To narrow or widen a lock moves it from one node to others. A snapshot that looks at one of
//! these before, and at the other one after, would not show it. So moves are counted, and a
//! snapshot in which there was one is taken again, three times at the most
//! ([`Shared::unless_moved`](super::tree::Shared::unless_moved)).
//!
//! # What keeps the nodes
//! The nodes are looked at after they were found, under neither the index's lock nor a list's. Each
//! is kept by a reference until then, like one with a handle, and counts as used. When that
//! reference goes it is said to the accounts, like the end of a handle (`reclaim.rs`).

use std::collections::HashMap;

use super::MemoryNode;
use super::node::Node;
use super::sleeper::Sleeper;
use super::tree::Tree;
use super::waiter::Role;
use super::word::{COVERS, KIDS, Kind, PARKED, SPREAD, is_upgrading};
use crate::backend::{HeldLock, WaitingLock};
use crate::snapshot::Snapshot;
use crate::sync::{Ordering, PlainArc, Stamp};

/// After so many children the list's lock is released once, for others.
const STRETCH: usize = if cfg!(any(test, mutextree_loom, mutextree_shuttle)) { 2 } else { 512 };

/// What one look at a node found.
#[derive(Debug)]
pub(super) struct Look {
    /// The claims in the word, of each kind.
    pub(super) claims: [u64; 4],
    /// Those of them that have a record.
    pub(super) recorded: Vec<(Kind, HeldLock)>,
    /// Who sleeps here.
    pub(super) asleep: Vec<Asleep>,
}

/// A waiter, as it was found in a queue.
#[derive(Debug)]
pub(super) struct Asleep {
    wanted: MemoryNode,
    kind: Kind,
    draining: bool,
    upgrades: bool,
    stamp: Stamp,
    /// Tells it from others, so it is kept: no other gets its address.
    sleeper: PlainArc<Sleeper>,
    /// If it drains: what it has claimed, which is one node or those of a set.
    claims: Vec<Claimed>,
}

/// A claim of a waiter that drains.
#[derive(Debug)]
struct Claimed {
    node: MemoryNode,
    kind: Kind,
    /// The claims of that kind on the node, this one among them.
    of_kind: u64,
}

/// Whether a look at a node with this word would find anything.
fn shows(word: u64) -> bool {
    word & (PARKED | SPREAD) != 0 || Kind::ALL.iter().any(|kind| kind.count(word) > 0)
}

impl Tree {
    /// Who holds and who waits, everywhere.
    pub(super) fn snapshot(&self) -> Snapshot {
        self.shared.unless_moved(|| {
            let mut nodes = Vec::new();
            let mut note = |node: &PlainArc<Node>| {
                if shows(node.word.load(Ordering::Acquire)) {
                    nodes.push(MemoryNode::new(node.clone()));
                }
            };
            note(&self.root);
            // Under the index's lock no node is looked at more closely.
            self.index.for_each(&mut note);
            look_at(nodes)
        })
    }
}

impl Node {
    /// Who holds and who waits among those that may matter to a lock on this node.
    pub(super) fn snapshot_around(self: &PlainArc<Self>) -> Snapshot {
        self.shared().unless_moved(|| look_at(self.around()))
    }

    /// The nodes above this one, itself, and those below it, as far as a look at them would find
    /// anything. Where a node above is claimed with its subtree, all that is below that one, too: a
    /// waiter that drains for it may sleep there.
    fn around(self: &PlainArc<Self>) -> Vec<MemoryNode> {
        let (mut found, mut to_visit) = (Vec::new(), vec![(MemoryNode::new(self.root_of_tree().clone()), false)]);
        while let Some((node, is_covered)) = to_visit.pop() {
            let word = node.0.word.load(Ordering::SeqCst);
            let is_covered = is_covered || word & COVERS != 0;
            if word & KIDS != 0 {
                let all = is_covered || self.is_at_or_above(&node.0);
                let kids = node.0.kids_of_interest(|kid| all || kid.is_at_or_above(self));
                to_visit.extend(kids.into_iter().map(|kid| (kid, is_covered)));
            }
            if shows(word) {
                found.push(node);
            }
        }
        // A set that has claimed one of these may drain below another of its members.
        found.append(&mut self.shared().sets.drained());
        found
    }

    /// Whether this is `other`, or above it.
    pub(super) fn is_at_or_above(self: &PlainArc<Self>, other: &PlainArc<Self>) -> bool {
        match other.depth().checked_sub(self.depth()) {
            None => false,
            Some(0) => PlainArc::ptr_eq(self, other),
            Some(up) => PlainArc::ptr_eq(self, &other.ancestors()[up - 1]),
        }
    }

    /// The enrolled children that have children, claims or waiters. From back to front, so that
    /// none is missed, as in `walk.rs`; one that is moved meanwhile may be there twice.
    pub(super) fn kids_of_interest(&self, matters: impl Fn(&PlainArc<Self>) -> bool) -> Vec<MemoryNode> {
        let (mut kids, mut left) = (Vec::new(), usize::MAX);
        let Some(cold) = self.cold_if_any() else { return kids };
        loop {
            let slow = cold.slow.lock();
            for _ in 0..STRETCH {
                left = left.min(slow.kids.len());
                let Some(at) = left.checked_sub(1) else { return kids };
                left = at;
                let kid = slow.kids.get(at);
                let word = kid.word.load(Ordering::SeqCst);
                if (word & KIDS != 0 || shows(word)) && matters(kid) {
                    kids.push(MemoryNode::new(kid.clone()));
                }
            }
        }
    }

    /// What is claimed here, and who sleeps here: true of one moment.
    pub(super) fn look(self: &PlainArc<Self>) -> Look {
        self.revoke_expired();
        let mut slow = self.cold_if_any().map(|cold| cold.slow.lock());
        // A lock that is shown has a token, by which it can be broken.
        slow.iter_mut().for_each(|slow| self.put_on_record(slow));
        // Those who sit are counted.
        slow.iter_mut().for_each(|slow| self.gather_under(slow));
        // Acquire: a claim that was made before the slow lock was last released is in this word.
        let word = self.word.load(Ordering::Acquire);
        // An upgrade that is pending holds a shared lock.
        let is_held = |kind: Kind| kind.is_shared() || !is_upgrading(word);
        let claims = Kind::ALL.map(|kind| if is_held(kind) { kind.count(word) } else { 0 });
        let Some(slow) = slow else { return Look { claims, recorded: Vec::new(), asleep: Vec::new() } };
        let recorded = slow.records.listed(self);
        // A lock that is being narrowed is held, and waits for nobody's lock.
        let asleep = slow.queue.iter().filter(|waiter| waiter.role != Role::Narrows).map(|waiter| {
            let claimed = |(node, kind): (&PlainArc<Node>, Kind)| Claimed {
                node: MemoryNode::new(node.clone()),
                kind,
                of_kind: kind.count(node.word.load(Ordering::Acquire)),
            };
            let claims = waiter.claims().map(claimed).collect();
            Asleep {
                wanted: MemoryNode::new(waiter.wanted.clone()),
                kind: waiter.kind,
                draining: waiter.is_draining(),
                upgrades: waiter.role == Role::Upgrades,
                stamp: waiter.stamp,
                sleeper: waiter.sleeper.clone(),
                claims,
            }
        });
        Look { claims, recorded, asleep: asleep.collect() }
    }
}

/// Looks at each of these nodes, and puts together what was found.
fn look_at(mut nodes: Vec<MemoryNode>) -> Snapshot {
    // In the order of paths: the same at each run.
    nodes.sort_by(|one, other| one.0.path.cmp(&other.0.path));
    nodes.dedup_by(|one, other| PlainArc::ptr_eq(&one.0, &other.0));
    let mut looks: Vec<Look> = nodes.iter().map(|node| node.0.look()).collect();
    let mut asleep = Vec::new();
    // By node, how many locks of each kind there are at the most.
    let mut most: HashMap<*const Node, [u64; 4]> = HashMap::new();
    for look in &mut looks {
        let mut draining: HashMap<(*const Node, usize), u64> = HashMap::new();
        for claim in look.asleep.iter().flat_map(|waiter| &waiter.claims) {
            let (node, kind) = (PlainArc::as_ptr(&claim.node.0), claim.kind.index());
            let here = draining.entry((node, kind)).or_default();
            *here += 1;
            let most = &mut most.entry(node).or_insert([u64::MAX; 4])[kind];
            *most = claim.of_kind.saturating_sub(*here).min(*most);
        }
        asleep.append(&mut look.asleep);
    }
    let mut held = Vec::new();
    for (node, look) in nodes.iter().zip(looks) {
        let most = most.get(&PlainArc::as_ptr(&node.0)).copied().unwrap_or([u64::MAX; 4]);
        held.extend(look.holders(&node.0, most));
    }
    Snapshot::new(held, in_turn(asleep))
}

impl Look {
    /// The locks, each by name if it has a record; `most` is how many there are at the most.
    fn holders(self, node: &Node, most: [u64; 4]) -> Vec<HeldLock> {
        let mut unnamed = [0, 1, 2, 3].map(|kind: usize| self.claims[kind].min(most[kind]));
        let mut held = Vec::new();
        for (kind, lock) in self.recorded {
            unnamed[kind.index()] = unnamed[kind.index()].saturating_sub(1);
            held.push(lock);
        }
        for kind in Kind::ALL {
            held.extend((0..unnamed[kind.index()]).map(|_| HeldLock::new(node.path.clone(), kind.public())));
        }
        held
    }
}

/// The waiters in the order in which they get their turn. One that went on to wait at another node
/// meanwhile was found in two queues.
fn in_turn(mut asleep: Vec<Asleep>) -> Vec<WaitingLock> {
    // The later look is the one that counts.
    let mut seen = HashMap::new();
    for (at, waiter) in asleep.iter().enumerate() {
        seen.insert(PlainArc::as_ptr(&waiter.sleeper), at);
    }
    let mut at = 0;
    asleep.retain(|waiter| {
        at += 1;
        seen[&PlainArc::as_ptr(&waiter.sleeper)] == at - 1
    });
    asleep.sort_by_key(|waiter| (!waiter.upgrades, !waiter.draining, waiter.stamp));
    let line = |waiter: &Asleep, node: &MemoryNode, kind: Kind| {
        let mut line = WaitingLock::new(node.0.path.clone(), kind.public());
        line.owner = waiter.sleeper.owner().cloned();
        line.waited = waiter.stamp.age();
        line.upgrades = waiter.upgrades;
        if let Some(asks) = waiter.sleeper.asks() {
            (line.agent, line.asked_at) = (Some(asks.agent.clone()), Some(asks.place));
        }
        line
    };
    // A set that drains keeps others out of all its members, so it shows as a waiter for each.
    let lines = |(number, waiter): (u64, &Asleep)| -> Vec<WaitingLock> {
        if waiter.claims.is_empty() {
            return vec![line(waiter, &waiter.wanted, waiter.kind)];
        }
        let set = (waiter.claims.len() > 1).then_some(number);
        let of_claim = |claim: &Claimed| WaitingLock { set, ..line(waiter, &claim.node, claim.kind) };
        waiter.claims.iter().map(of_claim).collect()
    };
    (0..).zip(&asleep).flat_map(lines).collect()
}

#[cfg(all(test, not(any(mutextree_loom, mutextree_shuttle))))]
mod tests;
