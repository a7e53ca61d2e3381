//! Gates: how an old waiter keeps newcomers out.
//!
//! A newcomer may claim a free word ahead of the queue. That is what makes a contended lock fast.
//! So that no waiter is overtaken for ever, *gates* are closed for a waiter that has waited longer
//! than the tree's patience (a millisecond). A node has four gates, a bit for each kind of
//! claim on it. While one is closed, newcomers of that kind have to queue there.
//!
//! * **Where.** First on the node where the waiter sleeps, or from which it was woken and has not
//!   yet run. If it is that old when it goes to sleep, it also closes the gates on its own node and
//!   on every ancestor. After that, a new conflicting request can only arrive below the node. There
//!   the waiter's claim, once made, will stop it.
//! * **Whom it binds.** A waiter passes a gate if it arrived before the waiter that closed it. So
//!   the oldest waiter passes all gates.
//! * **For how long.** Until the waiter has its lock or gives up, also while another node holds it
//!   up in turn. Otherwise two nodes could take turns in keeping it out.
//!
//! A waiter for a gate holds no claim, and waits only for older waiters. So no circle of waiters
//! can form.
//!
//! The gate bits in the word follow from the list that is kept here (invariant 6). The proof: both
//! change under the slow lock, [`Gates::close`] sets the bits that it adds, and
//! [`Node::open_gate`] clears the bits that no entry of the list has any more. While a node is
//! gathered, under the same lock, the gates of both shared kinds are closed too (`spread.rs`).

use std::collections::BTreeMap;

use super::node::Node;
use super::sleeper::{Sleeper, unpark};
use super::waiter::Waiter;
use super::word::{GATES, Kind, Place};
use crate::sync::{Ordering, PlainArc, Stamp};

/// Gate bits of a lock word.
type GateBits = u64;

/// The gates closed on one node, each by an old waiter, with the node that this waiter wants.
/// Waiters that close the same bits are in order of age, so asking for the oldest costs the same
/// for many as for few.
#[derive(Debug, Default)]
pub(super) struct Gates(BTreeMap<GateBits, BTreeMap<Closer, PlainArc<Node>>>);

/// The waiter that closed a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Closer {
    stamp: Stamp,
    /// The address of its sleeper, as two waiters may have the same stamp. No other sleeper gets
    /// that address: a gate is opened before its sleeper is dropped.
    sleeper: usize,
}

impl Closer {
    fn new(stamp: Stamp, sleeper: &PlainArc<Sleeper>) -> Self {
        Self { stamp, sleeper: PlainArc::as_ptr(sleeper) as usize }
    }
}

/// A gate as its sleeper notes it, to open it in the end.
#[derive(Debug)]
pub(super) struct Gate {
    at: PlainArc<Node>,
    bits: GateBits,
    stamp: Stamp,
}

/// The gates that are closed for a sleeper. Mostly there is one, if any, so the first is apart.
#[derive(Debug, Default)]
pub(super) struct Noted {
    first: Option<Gate>,
    others: Vec<Gate>,
}

impl Noted {
    pub(super) fn add(&mut self, gate: Gate) {
        match self.first {
            None => self.first = Some(gate),
            Some(_) => self.others.push(gate),
        }
    }

    /// Opens them, for the sleeper that noted them.
    pub(super) fn open(self, sleeper: &PlainArc<Sleeper>) {
        for gate in self.first.into_iter().chain(self.others) {
            gate.open(sleeper);
        }
    }
}

impl Gates {
    /// Closes the gates of `node` that `waiter` needs closed, unless it has done so before.
    pub(super) fn close(&mut self, node: &PlainArc<Node>, waiter: &Waiter) {
        let Waiter { kind, place, stamp, ref sleeper, .. } = *waiter;
        let bits = kind.closes(place);
        let closer = Closer::new(stamp, sleeper);
        if self.0.entry(bits).or_default().insert(closer, waiter.wanted.clone()).is_none() {
            node.word.fetch_or(bits, Ordering::SeqCst);
            sleeper.note_gate(Gate { at: node.clone(), bits, stamp });
        }
    }

    fn open(&mut self, gate: &Gate, sleeper: &PlainArc<Sleeper>) {
        if let Some(alike) = self.0.get_mut(&gate.bits) {
            alike.remove(&Closer::new(gate.stamp, sleeper));
            if alike.is_empty() {
                self.0.remove(&gate.bits);
            }
        }
    }

    /// The bits of all closed gates.
    pub(super) fn bits(&self) -> GateBits {
        self.0.keys().fold(0, |all, bits| all | bits)
    }

    /// If the gate of a waiter older than `stamp` keeps `kind` out: the node which that waiter
    /// wants. Every waiter is older than a newcomer, which has no stamp.
    pub(super) fn against(&self, kind: Kind, stamp: Option<Stamp>) -> Option<&PlainArc<Node>> {
        let closed = self.0.iter().filter(|(bits, _)| *bits & kind.gate() != 0);
        let mut oldest = closed.filter_map(|(_, gates)| gates.first_key_value());
        oldest.find(|(closer, _)| stamp.is_none_or(|stamp| closer.stamp < stamp)).map(|(_, wanted)| wanted)
    }

    /// Who keeps `kind` out of this node, of those older than `stamp`: the addresses of their
    /// sleepers.
    pub(super) fn closers_against(&self, kind: Kind, stamp: Stamp) -> Vec<usize> {
        let closed = self.0.iter().filter(|(bits, _)| *bits & kind.gate() != 0);
        let closers = closed.flat_map(|(_, gates)| gates.keys());
        closers.filter(|older| older.stamp < stamp).map(|older| older.sleeper).collect()
    }

    /// If nothing but a gate holds up `waiter`, with this word: the node which the waiter that
    /// closed it wants.
    pub(super) fn alone_in_the_way(&self, waiter: &Waiter, word: u64) -> Option<PlainArc<Node>> {
        let is_claimed = waiter.place != Place::Here || word & waiter.kind.conflicts(Place::Here) != 0;
        if is_claimed { None } else { self.against(waiter.kind, Some(waiter.stamp)).cloned() }
    }

    /// The stamps of the waiters that have closed gates.
    #[cfg(all(test, not(any(mutextree_loom, mutextree_shuttle))))]
    pub(super) fn stamps(&self) -> Vec<Stamp> {
        self.0.values().flat_map(|gates| gates.keys().map(|closer| closer.stamp)).collect()
    }

    #[cfg(all(test, mutextree_loom))]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Gate {
    /// Opens the gate on behalf of the waiter that closed it.
    fn open(&self, sleeper: &PlainArc<Sleeper>) {
        self.at.open_gate(self, sleeper);
    }
}

impl Node {
    /// If a gate closed by a waiter older than `stamp` keeps `kind` from claiming this node: the
    /// node which that waiter wants.
    pub(super) fn gated_for(&self, kind: Kind, stamp: Option<Stamp>) -> Option<PlainArc<Self>> {
        self.cold().slow.lock().gates.against(kind, stamp).cloned()
    }

    /// If a gate keeps `kind` from claiming this node that was closed for a node of which `except`
    /// is not true: that node.
    pub(super) fn gated_unless(&self, kind: Kind, except: impl Fn(&PlainArc<Self>) -> bool) -> Option<PlainArc<Self>> {
        let slow = self.cold().slow.lock();
        let closed = slow.gates.0.iter().filter(|(bits, _)| *bits & kind.gate() != 0);
        closed.flat_map(|(_, gates)| gates.values()).find(|wanted| !except(wanted)).cloned()
    }

    /// Closes the gates here for a waiter that is to sleep at another node.
    pub(super) fn close_gate(self: &PlainArc<Self>, waiter: &Waiter) {
        self.cold().slow.lock().gates.close(self, waiter);
    }

    /// Opens a gate that was closed here for `sleeper`, and wakes the waiters it kept out.
    fn open_gate(self: &PlainArc<Self>, gate: &Gate, sleeper: &PlainArc<Sleeper>) {
        let patience = self.shared().patience;
        let mut slow = self.cold().slow.lock();
        slow.gates.open(gate, sleeper);
        let closed = slow.gates.bits();
        let word = self.word.fetch_and(!(GATES & !closed), Ordering::SeqCst);
        // Mostly it is opened by one that has got the node. Then nobody can go, and the end of that
        // claim goes through the queue.
        if slow.is_hopeless(word) {
            return;
        }
        let next = slow.take_next(self, patience);
        drop(slow);
        unpark(next);
    }
}
