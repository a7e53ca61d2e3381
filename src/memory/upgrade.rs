//! Upgrading: a shared lock becomes the exclusive one of the same scope, and never lets go.
//!
//! Let A be the held node. An upgrade that waits is *pending*: it has A's exclusive bit besides its
//! shared claim. No other word has both, so the word itself says so ([`is_upgrading`]).
//!
//! | state | shared claim | exclusive bit | to others |
//! |---|---|---|---|
//! | shared | yes | no | a shared lock |
//! | pending | yes | yes | newcomers see an exclusive one; holders of locks above (`narrow.rs`) a shared one |
//! | exclusive | no | yes | an exclusive lock |
//!
//! # Waiting
//! 1. **Register**: under one lock for the whole tree, unless a pending upgrade would conflict, on
//!    this node, above or below. Then the error is `Upgrading`: each would wait for the other.
//! 2. **Set the bit**, and strike out the marks on A and above. From now on no newcomer gets in: on
//!    A by the CAS, from below as it looks up, from above as it looks down.
//! 3. **Above**, from the root down: wait until no ancestor has a shared claim for its subtree.
//!    Exclusive claims there are passed: A is held, so none of them is a lock yet.
//! 4. **Here**: wait until there is one shared claim, its own.
//! 5. **Below**, for a subtree: look down, as a claim that drains does.
//! 6. **Commit**: take off the shared claim. An upgrade that gives up takes off the
//!    exclusive bit instead.
//!    Both wake the waiters at A.
//!
//! Steps 3 to 5 go downwards, as locks do that are narrowed meanwhile. So none is missed. And what
//! was found gone stays gone, by step 2.
//!
//! # Why nobody waits in a circle
//! A pending upgrade has a claim, and waits upwards. So invariant 8 does not say enough. A shared
//! claim above may be that of a waiter which drains. It may drain for a lock of the one who
//! upgrades, or wait for a claim that drains and waits for A. A set (`set.rs`) may have a shared
//! claim on A, or below A, and drain for something else. So there is invariant 13: **no waiter
//! sleeps with a shared claim while an upgrade is pending that waits for that claim**: on the
//! claimed node, below it, or above it. The waiter withdraws all its claims, and sleeps in the same
//! place without ([`Role::Aside`]). To hold that,
//!
//! * a waiter that drains writes itself on a list of each node that it claims as shared, and then
//!   queues. As it queues, it asks whether such an upgrade is pending;
//! * an upgrade registers. It then goes through the lists of its ancestors, of A, and of each node
//!   below that is in its way. Each waiter there that sleeps with its claims lapses, as a task may:
//!   it wakes, and starts over.
//!
//! *If the list is written first*, the upgrade finds the waiter there. It finds it in its queue, or
//! the waiter has not queued yet: then it will ask later, and find the upgrade registered. *If the
//! upgrade reads first*, the waiter asks later still.
//!
//! So a pending upgrade waits for locks, and for claims of those that run. An exclusive waiter may
//! drain for A, but the upgrade does not wait for it. Two upgrades do not wait for each other, by
//! step 1. The upgrade passes all waiters.
//!
//! A shared waiter that has to drain gets in when no such upgrade is pending. Upgrades that wait,
//! one after the other without a gap, could keep it out.
//!
//! # Why no wake-up is lost
//! The upgrade sleeps as others do (`wait.rs`), for claims only. Their end finds `PARKED`. So does
//! the end of the claim for which somebody sleeps aside. If that claim was the upgrade's own bit,
//! step 6 or the later release is its end.
//!
//! # Trying
//! A try must not be in the way of a newcomer and then fail. So for a subtree it is a mark beside
//! its shared claim, which a conflicting request strikes out (`tentative.rs`). A lock on the node
//! alone has nothing to look around in but the nodes above: it looks there, then sets the bit, and
//! looks once more.
//!
//! # Leases
//! A pending upgrade's record says so. A thread that takes the record off the list takes off both
//! claims in one step, and wakes the upgrade, which finds the lock lost (`change.rs`). A commit
//! changes word and record under one hold of the slow lock.

pub(super) use self::registry::Upgrades;

use super::change::{Change, Ended};
use super::node::{Node, Slow, is_roomy};
use super::record::Lost;
use super::sleeper::{Sleeper, unpark};
use super::waiter::Role;
use super::walk::{Marks, Walk};
use super::word::{CLEAR, KIDS, Kind, MARKS, PARKED, Place, SPREAD, is_upgrading, readers, readers_below};
use crate::deadlock::{Asks, Deadlock};
use crate::path::TreePath;
use crate::request::Owner;
use crate::sync::{Deadline, Ordering, PlainArc, claim_fence};

mod registry;

/// Why a lock did not become exclusive.
#[derive(Debug)]
pub(super) enum Failed {
    Lost,
    /// Another one is pending, on this path.
    Upgrading(TreePath, Option<Owner>),
    InTheWay(PlainArc<Node>),
    /// It would have waited for ever.
    Deadlock(Deadlock),
}

impl From<Ended> for Failed {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Lost => Self::Lost,
            Ended::TimedOut(in_the_way) => Self::InTheWay(in_the_way),
            Ended::Deadlock(deadlock) => Self::Deadlock(deadlock),
        }
    }
}

impl From<Lost> for Failed {
    fn from(Lost: Lost) -> Self {
        Self::Lost
    }
}

/// Makes a shared claim exclusive if nothing is in the way, and leaves no trace if something is.
/// `shared` is its kind, and `token` that of its record. Answers the token of its record then.
pub(super) fn try_upgrade(node: &PlainArc<Node>, shared: Kind, token: Option<u64>) -> Result<Option<u64>, Failed> {
    if token.is_none() && node.upgrade_fast(shared) {
        return Ok(None);
    }
    node.shared().upgrades.none_pending(node, shared.upgraded())?;
    loop {
        if token.is_some_and(|token| !node.is_held(token)) {
            return Err(Failed::Lost);
        }
        let tried = if shared.is_subtree() { node.probe_upgrade(token) } else { node.claim_upgrade(token) };
        match tried {
            Err(Failed::InTheWay(in_the_way)) if in_the_way.revoke_expired() => {}
            // It was struck out: the request that did it is in the way now.
            Ok(None) => {}
            Ok(Some(token)) => return Ok(token),
            Err(failed) => return Err(failed),
        }
    }
}

/// Makes a shared claim exclusive, and waits for that until the deadline. `sleeps` is called with
/// the node where it is about to sleep. `asks` is who does it, in a tree that looks for deadlocks.
pub(super) fn upgrade(
    node: &PlainArc<Node>,
    shared: Kind,
    token: Option<u64>,
    asks: Option<Asks>,
    deadline: Option<&Deadline>,
    mut sleeps: impl FnMut(&PlainArc<Node>),
) -> Result<Option<u64>, Failed> {
    if token.is_none() && node.upgrade_fast(shared) {
        return Ok(None);
    }
    let mut change = Change::new(node, token, Role::Upgrades);
    (change.deadline, change.asks) = (deadline, asks);
    let pending = PendingUpgrade::begin(&change, shared)?;
    let kind = shared.upgraded();
    claim_fence();
    node.ancestors().iter().for_each(|above| above.strike(kind, Place::Above));
    for above in node.ancestors().iter().rev() {
        if above.has_readers_below() {
            above.send_aside();
        }
        while above.has_readers_below() {
            change.wait_at(above, Place::Above, (node, kind), || sleeps(above))?;
        }
    }
    node.send_aside();
    while readers(node.word.load(Ordering::SeqCst)) > 1 {
        change.wait_at(node, Place::Here, (node, kind), || sleeps(node))?;
    }
    if kind.is_subtree() {
        let mut walk = Walk::new(node, kind, Marks::Strike);
        while let Some(below) = walk.next_conflict() {
            below.send_aside();
            change.wait_at(&below, Place::Below, (node, kind), || sleeps(&below))?;
        }
    }
    pending.commit()
}

/// An upgrade that waits. Unless it is committed, it is taken back when it is dropped.
struct PendingUpgrade<'a> {
    node: &'a PlainArc<Node>,
    shared: Kind,
    token: Option<u64>,
    over: bool,
}

impl<'a> PendingUpgrade<'a> {
    fn begin(change: &Change<'a>, shared: Kind) -> Result<Self, Failed> {
        let (node, token) = (change.node, change.token);
        node.shared().upgrades.register(node, shared.upgraded(), change.owner.clone())?;
        let mut pending = Self { node, shared, token, over: true };
        let kind = shared.upgraded();
        let set = |slow: &mut Slow| {
            node.gather_under(slow); // (G4)
            let marks = kind.conflicting_marks(Place::Here);
            // It always succeeds.
            let _ = node.word.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |word| {
                debug_assert_eq!(word & kind.unit(), 0, "one pending upgrade at a time");
                Some((word & !marks) + kind.unit())
            });
        };
        match token {
            None => set(&mut node.cold().slow.lock()),
            Some(token) => node.begin_upgrade_recorded(token, set)?,
        }
        pending.over = false;
        Ok(pending)
    }

    fn commit(mut self) -> Result<Option<u64>, Failed> {
        let (node, shared) = (self.node, self.shared);
        // Release: as in `downgrade_word`. SeqCst: after the looks.
        let take_off = || node.word.fetch_sub(shared.unit(), Ordering::SeqCst) & PARKED != 0;
        let (parked, token) = match self.token {
            None => (take_off(), None),
            Some(token) => {
                let (parked, token) = node.commit_recorded(token, shared.upgraded(), || Some(take_off()))?;
                (parked == Some(true), Some(token))
            }
        };
        self.over = true;
        if parked {
            node.wake_next();
        }
        Ok(token)
    }
}

impl Drop for PendingUpgrade<'_> {
    fn drop(&mut self) {
        let (node, kind) = (self.node, self.shared.upgraded());
        let take_off = || node.drop_claim(kind);
        match self.token {
            _ if self.over => {}
            None => take_off(),
            // If the lock was lost, both claims went with it.
            Some(token) => {
                if node.end_upgrade_recorded(token) {
                    take_off();
                }
            }
        }
        // Last: the next one to be pending here sets the bit that has been taken off.
        node.shared().upgrades.done(node);
    }
}

impl Node {
    /// The fast path: one step, if nothing is on this node but that one shared claim, and nothing
    /// has to be looked at.
    fn upgrade_fast(&self, shared: Kind) -> bool {
        let word = self.word.load(Ordering::Relaxed);
        let below = if shared.is_subtree() { KIDS } else { 0 };
        if word & CLEAR == 0 || word & (below | MARKS | SPREAD) != 0 || readers(word) != 1 || is_upgrading(word) {
            return false;
        }
        let upgraded = word - shared.unit() + shared.upgraded().unit();
        self.word.compare_exchange(word, upgraded, Ordering::SeqCst, Ordering::Relaxed).is_ok()
    }

    /// One attempt for a subtree, by a mark: `None` if it was struck out.
    fn probe_upgrade(self: &PlainArc<Self>, token: Option<u64>) -> Result<Option<Option<u64>>, Failed> {
        let (shared, kind) = (Kind::Ss, Kind::Xs);
        let alone = |word| readers(word) == 1 && !is_upgrading(word) && word & SPREAD == 0;
        let _turn = self.cold().probe.lock();
        self.gather();
        let set = |word| alone(word).then_some((word & !kind.conflicting_marks(Place::Here)) | kind.mark());
        match self.word.fetch_update(Ordering::SeqCst, Ordering::SeqCst, set) {
            Ok(_) => {}
            // It was spread in between: once more.
            Err(word) if word & SPREAD != 0 => return Ok(None),
            Err(_) => return Err(Failed::InTheWay(self.clone())),
        }
        let mut in_the_way = self.readers_above();
        if in_the_way.is_none() {
            in_the_way = Walk::new(self, kind, Marks::Conflict).next_conflict();
        }
        if let Some(node) = in_the_way {
            self.word.fetch_and(!kind.mark(), Ordering::SeqCst);
            return Err(Failed::InTheWay(node));
        }
        let grant = || {
            let granted = |word| {
                (word & kind.mark() != 0 && alone(word)).then(|| word - kind.mark() - shared.unit() + kind.unit())
            };
            self.word.fetch_update(Ordering::SeqCst, Ordering::SeqCst, granted).ok()
        };
        let granted = match token {
            None => grant().map(|word| (word, None)),
            Some(token) => match self.commit_recorded(token, kind, grant) {
                Ok((word, token)) => word.map(|word| (word, Some(token))),
                Err(Lost) => {
                    self.word.fetch_and(!kind.mark(), Ordering::SeqCst);
                    return Err(Failed::Lost);
                }
            },
        };
        if granted.is_none() {
            // Struck out, or there is another reader now.
            self.word.fetch_and(!kind.mark(), Ordering::SeqCst);
        }
        // Nobody is woken: a waiter that a shared claim kept out is kept out by an exclusive one.
        Ok(granted.map(|(_, token)| token))
    }

    /// One attempt for the node alone: sets the bit, and takes it back if there is a conflict.
    fn claim_upgrade(self: &PlainArc<Self>, token: Option<u64>) -> Result<Option<Option<u64>>, Failed> {
        if let Some(above) = self.readers_above() {
            return Err(Failed::InTheWay(above));
        }
        if readers(self.word_for(Kind::Xn, Place::Here)) > 1 {
            return Err(Failed::InTheWay(self.clone()));
        }
        let pending = PendingUpgrade::begin(&Change::new(self, token, Role::Upgrades), Kind::Sn)?;
        if let Some(above) = self.readers_above() {
            return Err(Failed::InTheWay(above));
        }
        if readers(self.word.load(Ordering::SeqCst)) > 1 {
            return Err(Failed::InTheWay(self.clone()));
        }
        pending.commit().map(Some)
    }

    /// An ancestor with a shared claim for its subtree, after marks above were struck out.
    fn readers_above(&self) -> Option<PlainArc<Self>> {
        claim_fence();
        let from_root = || self.ancestors().iter().rev();
        let look = || from_root().find(|above| above.has_readers_below());
        if let Some(above) = look() {
            return Some(above.clone());
        }
        if from_root().any(|above| above.word.load(Ordering::SeqCst) & MARKS != 0) {
            from_root().for_each(|above| above.strike(Kind::Xs, Place::Above));
            return look().cloned();
        }
        None
    }

    /// Whether there are readers here that cover what is below.
    fn has_readers_below(&self) -> bool {
        readers_below(self.word_for(Kind::Xs, Place::Above))
    }

    /// Notes a shared waiter that is to drain for this node, asleep at another one.
    pub(super) fn note_drain(&self, sleeper: &PlainArc<Sleeper>, at: &PlainArc<Self>) {
        let mut slow = self.cold().slow.lock();
        self.gather_under(&mut slow); // (G4)
        slow.drains.push((sleeper.clone(), at.clone()));
    }

    /// It does not sleep there any more.
    pub(super) fn forget_drain(&self, sleeper: &PlainArc<Sleeper>) {
        let mut slow = self.cold().slow.lock();
        let forgotten = slow.drains.extract_if(.., |(drain, _)| PlainArc::ptr_eq(drain, sleeper));
        let forgotten: Vec<_> = forgotten.collect();
        if is_roomy(slow.drains.len(), slow.drains.capacity()) {
            let room = slow.drains.capacity() / 2;
            slow.drains.shrink_to(room);
        }
        drop(slow);
        drop(forgotten);
    }

    /// Has all shared waiters that drain for this node lapse: an upgrade below is pending (13).
    fn send_aside(&self) {
        let Some(cold) = self.cold_if_any() else { return };
        let drains = cold.slow.lock().drains.clone();
        for (sleeper, at) in drains {
            if let Some(waiter) = at.take_draining(&sleeper) {
                // As in `look_after`: it may find its own claim still there for a moment.
                waiter.claims().for_each(|(node, kind)| node.drop_claim(kind));
                sleeper.open_gates();
                unpark(vec![sleeper]);
            }
        }
    }
}
