//! [`Keep`]: what a process keeps, in parts, so that users of different nodes do not meet.
//!
//! Each node belongs to one [`Part`], by a hash of its text, and so does what is kept there. A part
//! is a state machine of its own, with a mutex of its own. A step of one cover is a step of its
//! part, and touches no other. What concerns several nodes is a step of each part, one after the
//! other: a recall, a look for what is idle, the end of the store.
//!
//! # Why a step in each part is as good as one
//!
//! * **A recall** (K3) is counted in a part and looked for among what is kept there in one step of
//!   that part. A cover is let go of, and lent, in that part alone. So for each cover it comes
//!   before or after the recall, and the argument is that of one part. Two covers may see two
//!   recalls in different orders, and nothing compares them.
//! * **What a lock is counted from** is the count of its own part, read before the request is sent.
//! * **A guest** (K7) is among those of its host, in its host's part. Who wants a lock looks in the
//!   part of its node for the lock itself, then from the root down for a host, in one part after
//!   the other. The server has granted this process no two covers in conflict. So there is one host
//!   at the most, and what comes or goes meanwhile in another part is none. Who finds nothing asks
//!   the server, as without this.
//! * **A guest** knows all along on which node its host is, or was. In that part it is below its
//!   host; *from when the exchange begins* it is in the list of exchanges, until the answer; after
//!   that it is in neither. So whoever is to know looks in one part.
//! * **The end of the store** marks each part. What is let go of in a part after that is not kept,
//!   and what was kept there before goes back.
//!
//! Nobody has the mutex of two parts at a time. The mutexes of locks and of the agenda come after
//! a part's, and before none.

use super::below::{Exchanges, Left, ends};
use super::{Found, Part};
use crate::path::TreePath;
use crate::redis::primitives::{Arc, Mutex, MutexGuard};
use crate::redis::protocol::exchange::Exchange;
use crate::redis::protocol::keys::{self, Target};
use crate::redis::protocol::lock::Lock;
use crate::redis::protocol::timing::Timing;
use crate::request::{Kind, Owner};

/// How many parts there are. Two nodes of one part cost their users more than one node each: the
/// mutex and the map go to and fro between two cores. Drawn at random, one in eight of a thread's
/// 64 nodes has its part in common with one of another thread's 64. A step of each part takes
/// longer with more parts, and each part remembers recalls of its own.
pub(super) const PARTS: usize = if cfg!(mutextree_shuttle) { 2 } else { 512 };

/// What a process keeps.
#[derive(Debug)]
pub(in crate::redis) struct Keep {
    /// How long a lock is kept without a user.
    idle: u64,
    parts: Box<[Apart]>,
    /// After so many locks below a node that one is asked for (`grow.rs`).
    pub(super) grows: usize,
}

/// So that no two parts have a cache line in common.
#[derive(Debug)]
#[repr(align(128))]
struct Apart(Mutex<Part>);

/// What was kept in the way of somebody.
#[derive(Debug, Default)]
pub(in crate::redis) struct Recalled {
    /// To be given back.
    pub(in crate::redis) back: Vec<Arc<Lock>>,
    /// How many are on their way to become what is held below them.
    pub(in crate::redis) exchanged: usize,
}

/// The number of the part that a node belongs to: FNV-1a.
pub(super) fn part_of(node: &[u8]) -> usize {
    let hash = node
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    (hash ^ (hash >> 32)) as usize % PARTS
}

/// The node of the lock that this one was taken below, if it was. `text`: its own node.
fn host_of<'a>(lock: &Lock, text: &'a [u8]) -> Option<&'a [u8]> {
    let depth = lock.host_depth()?;
    Some(ends(text).nth(depth).map_or(text, |end| &text[..end]))
}

impl Keep {
    pub(in crate::redis) fn new(idle: u64) -> Self {
        let parts = (0..PARTS).map(|_| Apart(Mutex::new(Part::new(idle)))).collect();
        Self { idle, parts, grows: usize::MAX }
    }

    /// The same, where a node is asked for after so many locks below it.
    pub(in crate::redis) fn that_grows(self, grows: usize) -> Self {
        Self { grows, ..self }
    }

    pub(super) fn of(&self, node: &[u8]) -> MutexGuard<'_, Part> {
        self.parts[part_of(node)].0.lock()
    }

    pub(super) fn of_path(&self, path: &TreePath) -> MutexGuard<'_, Part> {
        self.of(&keys::encode(path))
    }

    /// All parts, each locked for as long as it is looked at.
    pub(super) fn each(&self) -> impl Iterator<Item = MutexGuard<'_, Part>> {
        self.parts.iter().map(|part| part.0.lock())
    }

    /// How many locks are kept, and not hosts.
    pub(in crate::redis) fn count(&self) -> usize {
        self.each().map(|part| part.count()).sum()
    }

    /// How often one of them was lent, or was taken below.
    pub(in crate::redis) fn hits(&self) -> u64 {
        self.each().map(|part| part.hits).sum()
    }

    /// Whether the lock with this token is kept, and not a host.
    pub(in crate::redis) fn has(&self, token: &str, path: &TreePath) -> bool {
        self.of_path(path).has(token, path)
    }

    /// Whether the lock with this token has others below it, or had, and is being exchanged.
    pub(in crate::redis) fn is_host(&self, token: &str, path: &TreePath) -> bool {
        self.of_path(path).is_host(token, path)
    }

    /// How many recalls there have been: noted by whoever is about to ask for this.
    pub(in crate::redis) fn recalled(&self, target: &Target) -> u64 {
        self.of(target.text()).recalled
    }

    /// Lends a kept lock, if there is the very one.
    pub(in crate::redis) fn take(
        &self,
        target: &Target,
        kind: Kind,
        owner: Option<&Owner>,
        timing: &Timing,
        now: u64,
    ) -> Found {
        self.of(target.text()).take(target, kind, owner, timing, now)
    }

    /// A lock below a kept one, if there is one that covers it and nobody there is in conflict.
    /// `new` makes the lock. `then` has it, and the lock above, if this is its first guest, in the
    /// same step.
    pub(in crate::redis) fn take_below(
        &self,
        (target, kind): (&Target, Kind),
        timing: &Timing,
        now: u64,
        new: impl FnOnce() -> Lock,
        then: impl FnOnce(&Arc<Lock>, Option<&Arc<Lock>>),
    ) -> Found {
        let mut new = Some(new);
        for end in ends(target.text()) {
            let node = &target.text()[..end];
            let mut part = self.of(node);
            let new = || new.take().expect("it is asked for once")();
            let Some((found, host)) = part.take_below(node, (target, kind), timing, now, new) else { continue };
            if let Found::It(lock) = &found {
                then(lock, host.as_ref());
            }
            return found;
        }
        Found::Nothing
    }

    /// The user of a guest lets go. `then` has what becomes of it, in the same step. While it is
    /// exchanged nothing changes, unless it `may_owe`.
    pub(in crate::redis) fn leave<R>(
        &self,
        lock: &Lock,
        target: &Target,
        may_owe: bool,
        now: u64,
        then: impl FnOnce(Left) -> R,
    ) -> R {
        let Some(node) = host_of(lock, target.text()) else { return then(Left::default()) };
        let mut part = self.of(node);
        let left = part.leave(node, lock, may_owe, now);
        then(left)
    }

    /// Its user has let go. `false`, and nothing has changed, if it is not to be kept.
    pub(in crate::redis) fn keep(&self, lock: &Arc<Lock>, target: &Target, kind: Kind, now: u64) -> bool {
        self.of(target.text()).keep(lock, target, kind, now)
    }

    /// When what is let go of now will have been kept for long enough, if nobody takes it.
    pub(in crate::redis) fn due(&self, now: u64) -> u64 {
        now.saturating_add(self.idle)
    }

    /// Somebody wants this (K3).
    pub(in crate::redis) fn recall(&self, path: &TreePath, kind: Kind, now: u64) -> Recalled {
        let mut recalled = Recalled::default();
        let (wanted, text) = (Arc::new((path.clone(), kind)), keys::encode(path));
        for mut part in self.each() {
            let before = part.exchanging();
            recalled.back.extend(part.recall(&wanted, &text, now));
            recalled.exchanged += part.exchanging() - before;
        }
        recalled
    }

    /// What is about to be said to be in use is not kept from then on (K6). What was let go of
    /// meanwhile goes back.
    pub(in crate::redis) fn in_use(&self, mut found: Vec<Arc<Lock>>, back: &mut Vec<Arc<Lock>>) -> Vec<Arc<Lock>> {
        found.retain(|lock| {
            let node = keys::encode(&lock.path);
            let mut part = self.of(&node);
            part.is_in_use(&node, lock, back)
        });
        found
    }

    /// Messages may have been lost: all that is kept goes back, and nothing that is in use is kept.
    pub(in crate::redis) fn recall_all(&self) -> Vec<Arc<Lock>> {
        self.each().flat_map(|mut part| part.recall_all()).collect()
    }

    /// Somebody has ended the lock with this number, if it was granted with this fencing token or
    /// lent with it.
    pub(in crate::redis) fn broken(&self, number: u64, fencing_token: u64) {
        self.each().for_each(|mut part| part.broken(number, fencing_token));
    }

    /// What has been kept for long enough.
    pub(in crate::redis) fn idle(&self, now: u64) -> Vec<Arc<Lock>> {
        self.each().flat_map(|mut part| part.idle(now)).collect()
    }

    /// When something will have been kept for long enough, if nobody takes it.
    pub(in crate::redis) fn next(&self) -> Option<u64> {
        self.each().filter_map(|part| part.next()).min()
    }

    /// The store is gone.
    pub(in crate::redis) fn end(&self) -> Vec<Arc<Lock>> {
        self.each().flat_map(|mut part| part.end()).collect()
    }

    /// A guest is to be more than that (K12). Whether its exchange is under way: then to be asked
    /// again.
    pub(in crate::redis) fn exchange(&self, lock: &Lock) -> bool {
        let text = keys::encode(&lock.path);
        let Some(node) = host_of(lock, &text) else { return false };
        let mut part = self.of(node);
        if lock.is_below() {
            part.exchange(node, lock);
        }
        part.is_exchanged(lock)
    }

    /// Whether a guest is to become a lock of its own, and the server has not said yet that it is.
    pub(in crate::redis) fn is_exchanged(&self, lock: &Lock) -> bool {
        let text = keys::encode(&lock.path);
        host_of(lock, &text).is_some_and(|node| self.of(node).is_exchanged(lock))
    }

    /// What is held at a node, above it and below it is to be shown (K12). Returns the numbers of
    /// the locks there that are being exchanged.
    pub(in crate::redis) fn exchange_around(&self, target: &Target) -> Vec<u64> {
        self.each().flat_map(|mut part| part.exchange_around(target)).collect()
    }

    /// Whether one of these is being exchanged.
    pub(in crate::redis) fn is_exchanging(&self, hosts: &[u64]) -> bool {
        self.each().any(|part| part.is_exchanging(hosts))
    }

    /// Exchanges that have begun, to be sent until they are answered. From now on nobody renews
    /// the locks that they end.
    pub(in crate::redis) fn begun(&self) -> Vec<Exchange> {
        self.each().flat_map(|mut part| part.begun()).collect()
    }

    /// An exchange was answered: which of its locks the server has now; none if it never was.
    /// `then` has what it has come to, in the same step.
    pub(in crate::redis) fn exchanged<R>(
        &self,
        exchange: &Exchange,
        found: &[bool],
        now: u64,
        then: impl FnOnce(Exchanges) -> R,
    ) -> R {
        let mut part = self.of_path(&exchange.host().path);
        let exchanges = part.exchanged(exchange, found, now);
        then(exchanges)
    }

    /// A host was lost, and with it its guests (K9).
    pub(in crate::redis) fn lost(&self, host: &Lock) {
        self.of_path(&host.path).lost(host);
    }
}
