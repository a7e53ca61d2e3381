//! [`Lock`]: one lock of this process, from its first request to its release; or one that was
//! detached, from when it is taken up.
//!
//! Its token is the same all along, so that any request can be sent again. Several threads may look
//! at it at once: the guard's, those that renew, the keeper. What they share is under one small
//! mutex, which is held for arithmetic only. To ask whether the lock is held is one atomic load.
//!
//! What each event does; where a cell is empty, nothing changes:
//!
//! | event | deadline | renews | version |
//! |---|---|---|---|
//! | granted, or handed over | set | unless a lease was asked for | 0 |
//! | a request to set the end begins | cut to what it asks for | not, if it asks for less than the lease | one more |
//! | its answer, if it is the youngest | raised, from before it was sent | as asked for | |
//! | a renewal's answer, if no such request began since, and it was not raised | raised, from before it was sent | | |
//! | the deadline passes, or the server does not know it | 0, for good | | |

use crate::path::TreePath;
use crate::redis::primitives::{Arc, AtomicBool, AtomicU64, Mutex, Ordering};
use crate::request::Owner;

/// Whether text looks like a token: then no script takes it for a path or for a name of its own.
pub(in crate::redis) fn is_token(text: &str) -> bool {
    let is_hex = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_client = |part: &str| {
        let part = part.strip_prefix('k').unwrap_or(part);
        is_hex(part.strip_suffix('s').unwrap_or(part))
    };
    text.split_once('.').is_some_and(|(client, number)| is_client(client) && is_hex(number))
}

/// One lock of this process: asked for, waited for, held, or given back.
#[derive(Debug)]
pub(in crate::redis) struct Lock {
    /// Unique in this process, from 1; with the client's name in front of it unique in the tree.
    pub(in crate::redis) number: u64,
    pub(in crate::redis) token: String,
    pub(in crate::redis) path: TreePath,
    pub(in crate::redis) owner: Option<Owner>,
    /// The full length of its lease.
    pub(in crate::redis) lease: u64,
    /// If it is the first member of a set: the others, which are asked for with it.
    others: Box<[Arc<Self>]>,
    /// If it was taken below a kept lock: how many components that one's path has
    /// (`keep/below.rs`).
    host_depth: Option<usize>,
    /// Until when it is held; 0 before it is, and for good after it was lost. Changed only under
    /// `state`.
    deadline: AtomicU64,
    fencing_token: AtomicU64,
    /// Whether its renewal was due while nobody used it (`keep.rs`). Set only under `state`.
    is_left: AtomicBool,
    state: Mutex<State>,
}

#[derive(Clone, Debug)]
struct State {
    /// Whether its lease renews itself.
    renews: bool,
    /// The number of the youngest request that sets the end of the lease exactly (P3).
    version: u64,
    /// How it is locked, as the scripts have it; 0 before it was granted.
    kind: u8,
    /// The longest time for which the server may have been asked to hold it.
    longest: u64,
    /// Whether a request may still be under way, or have done what no answer told: then the
    /// release leaves a tombstone.
    unsure: bool,
    /// When the last request was sent whose answer said that it waits: it was not granted before.
    waited_at: u64,
    /// Its place in the queue: a grant with a smaller token was an earlier one, and has expired.
    arrival: u64,
    /// How often it was to become exclusive, and whether a request for that may be under way.
    upgrades: u64,
    upgrade_is_unsure: bool,
    /// The last fencing token that the server is known to have drawn for it: a user of a kept lock
    /// may have a later one, which the server does not know.
    drawn: u64,
    /// How often it became more than it was granted as.
    raises: u64,
    /// What decides whether it may be kept (`keep.rs`).
    keeping: Keeping,
    /// The kept lock that it is below, while it is.
    host: Option<Arc<Lock>>,
}

impl State {
    fn was_raised(&mut self, fencing_token: u64) {
        (self.drawn, self.raises) = (fencing_token, self.raises + 1);
    }

    /// Rises with each request that sets the end exactly, and each time that the lock becomes more.
    fn epoch(&self) -> u64 {
        self.version + self.raises
    }
}

impl Lock {
    /// A lock that the client of this name is about to ask for.
    pub(in crate::redis) fn new(number: u64, client: &str, path: TreePath, owner: Option<Owner>, lease: u64) -> Self {
        Self::with_token(number, format!("{client}.{number:x}"), path, owner, lease)
    }

    /// The same as the first member of a set.
    pub(in crate::redis) fn with_others(mut self, others: Vec<Arc<Self>>) -> Self {
        if !others.is_empty() {
            self.never_keep();
            others.iter().for_each(|lock| lock.never_keep());
        }
        self.others = others.into();
        self
    }

    /// This lock and, if it is the first of a set, all others, in the order of the members.
    pub(in crate::redis) fn all(self: &Arc<Self>) -> impl Iterator<Item = &Arc<Self>> {
        std::iter::once(self).chain(&self.others)
    }

    /// A lock that was detached, maybe by another process. For all that is known here a request for
    /// it may still be under way.
    pub(in crate::redis) fn detached(token: &str, path: TreePath, lease: u64) -> Self {
        let lock = Self::with_token(0, token.into(), path, None, lease);
        lock.doubt();
        lock
    }

    fn with_token(number: u64, token: String, path: TreePath, owner: Option<Owner>, lease: u64) -> Self {
        let state = State {
            renews: false,
            version: 0,
            kind: 0,
            longest: lease,
            unsure: false,
            waited_at: 0,
            arrival: 0,
            upgrades: 0,
            upgrade_is_unsure: false,
            drawn: 0,
            raises: 0,
            keeping: Keeping::default(),
            host: None,
        };
        Self {
            number,
            token,
            path,
            owner,
            lease,
            others: Box::default(),
            host_depth: None,
            deadline: AtomicU64::new(0),
            fencing_token: AtomicU64::new(0),
            is_left: AtomicBool::new(false),
            state: Mutex::new(state),
        }
    }

    /// Whether it outlives its guard: then the server alone knows whether it is held.
    pub(in crate::redis) fn is_detached(&self) -> bool {
        self.number == 0
    }

    pub(in crate::redis) fn fencing_token(&self) -> u64 {
        self.fencing_token.load(Ordering::Relaxed)
    }

    pub(in crate::redis) fn deadline(&self) -> u64 {
        self.deadline.load(Ordering::Acquire) // Acquire: synchronizes with the release in `set`
    }

    /// Whether the lock is held. Whoever sees first that the time is up makes it so for good (P2).
    pub(in crate::redis) fn is_held(&self, now: u64) -> bool {
        let deadline = self.deadline();
        if deadline > now {
            return true;
        }
        if deadline == 0 {
            return false;
        }
        let state = self.state.lock();
        self.expire(&state, now)
    }

    /// Under `state`. Returns whether it is held.
    fn expire(&self, state: &State, now: u64) -> bool {
        if self.deadline() <= now {
            self.set(if self.deadline() > 0 { state.deadline_of_host(now) } else { 0 });
        }
        self.deadline() != 0
    }

    fn set(&self, deadline: u64) {
        self.deadline.store(deadline, Ordering::Release); // Release: see `deadline`
    }

    /// It has been granted: its first deadline.
    pub(super) fn granted(&self, fencing_token: u64, deadline: u64, renews: bool) {
        let mut state = self.state.lock();
        state.renews = renews;
        (state.keeping.first, state.drawn) = (fencing_token, fencing_token);
        self.fencing_token.store(fencing_token, Ordering::Relaxed);
        self.set(deadline);
    }

    /// How it is locked from now on; 0: it has been given back. A server that has forgotten it is
    /// told this.
    pub(super) fn set_kind(&self, kind: u8) {
        self.state.lock().kind = kind;
    }

    pub(super) fn became_shared(&self) {
        let mut state = self.state.lock();
        if let 1 | 2 = state.kind {
            state.kind += 2;
            // Its next user would have the token of one that was exclusive.
            state.keeping.forbid();
        }
    }

    /// How it is held, if it is.
    pub(super) fn kind(&self) -> u8 {
        let state = self.state.lock();
        if self.deadline() > 0 { state.kind } else { 0 }
    }

    /// It has become exclusive, and has another fencing token since. Its deadline stays.
    pub(super) fn became_exclusive(&self, fencing_token: u64) {
        let mut state = self.state.lock();
        if let 3 | 4 = state.kind {
            state.kind -= 2;
        }
        state.was_raised(fencing_token);
        self.fencing_token.store(fencing_token, Ordering::Relaxed);
    }

    /// The same lock on another node, with another fencing token. This one is not used any more.
    pub(super) fn moved_to(&self, path: TreePath, fencing_token: u64) -> Self {
        let state = self.state.lock();
        let moved = Self::with_token(self.number, self.token.clone(), path, self.owner.clone(), self.lease);
        moved.fencing_token.store(fencing_token, Ordering::Relaxed);
        moved.set(self.deadline());
        *moved.state.lock() = state.clone();
        moved.state.lock().was_raised(fencing_token);
        moved.never_keep();
        moved
    }

    /// It is to become exclusive: the number of this attempt, and whether a request of an earlier
    /// one may be under way.
    pub(super) fn next_upgrade(&self) -> (u64, bool) {
        let mut state = self.state.lock();
        state.upgrades += 1;
        (state.upgrades, state.upgrade_is_unsure)
    }

    /// A request for that has no answer. As what kind it is released is not known, either.
    pub(super) fn doubt_upgrade(&self) {
        let mut state = self.state.lock();
        (state.upgrade_is_unsure, state.unsure) = (true, true);
    }

    /// The last fencing token that the server is known to have drawn for it.
    pub(super) fn drawn(&self) -> u64 {
        self.state.lock().drawn
    }

    /// The same, if it has become more since it was granted: a server that has it with a smaller
    /// one has older data.
    pub(super) fn raised_to(&self) -> Option<u64> {
        let state = self.state.lock();
        (state.raises > 0).then_some(state.drawn)
    }

    /// A request that has no answer has done more than is known here: the server has drawn this.
    pub(super) fn learn(&self, fencing_token: u64) {
        let mut state = self.state.lock();
        state.drawn = state.drawn.max(fencing_token);
    }

    /// The server says that a detached lock is held for so long.
    pub(in crate::redis) fn attached(&self, fencing_token: u64, deadline: u64) {
        self.granted(fencing_token, deadline.max(1), false);
    }

    /// It is not held any more.
    pub(in crate::redis) fn lose(&self) {
        let _state = self.state.lock();
        self.set(0);
    }

    pub(in crate::redis) fn renews(&self) -> bool {
        self.state.lock().renews
    }

    /// Its lease does not renew itself any more. Whether it did.
    pub(super) fn stop_renewing(&self) -> bool {
        std::mem::replace(&mut self.state.lock().renews, false)
    }

    /// What a renewal is noted with here: its answer counts only while this stays as it is. It is
    /// not sent.
    pub(super) fn epoch(&self) -> u64 {
        self.state.lock().epoch()
    }

    /// A request is about to be sent, for the first time, that sets the end to `length` from then
    /// on (P1, P3). Returns its version.
    pub(super) fn begin_to_set(&self, length: u64, now: u64) -> u64 {
        let mut state = self.state.lock();
        state.version += 1;
        state.longest = state.longest.max(length);
        // A renewal would undo it. One that sets at least the full lease is not undone by one.
        state.renews &= length >= self.lease;
        if self.expire(&state, now) {
            self.set(self.deadline().min(now.saturating_add(length)).max(1));
        }
        state.version
    }

    /// The answer to a request with this version, sent at some time before: the lock is held until
    /// `deadline`. `false` if it was lost meanwhile (P2).
    pub(super) fn was_set(&self, version: u64, deadline: u64, renews: bool, now: u64) -> bool {
        let mut state = self.state.lock();
        if !self.expire(&state, now) {
            return false;
        }
        if state.version == version {
            state.renews = renews;
            // What is later than this is a renewal's that began after it.
            self.set(deadline.max(self.deadline()));
        }
        true
    }

    /// The answer to a renewal: the lock is held until `deadline`, if it is of this epoch. `false`
    /// if it was lost meanwhile.
    pub(super) fn renewed(&self, epoch: u64, deadline: u64, now: u64) -> bool {
        let state = self.state.lock();
        if !self.expire(&state, now) {
            return false;
        }
        if state.epoch() == epoch && state.renews {
            self.set(deadline.max(self.deadline()));
        }
        true
    }

    /// A request may still be under way, or have done what no answer told.
    pub(in crate::redis) fn doubt(&self) {
        self.state.lock().unsure = true;
    }

    pub(super) fn is_unsure(&self) -> bool {
        self.state.lock().unsure
    }

    /// The longest time for which the server may hold it after the last request.
    pub(super) fn longest(&self) -> u64 {
        self.state.lock().longest
    }

    /// The server has it in its queue, as a request says that was sent then.
    pub(super) fn waits(&self, sent: u64) {
        let mut state = self.state.lock();
        state.waited_at = state.waited_at.max(sent);
    }

    pub(super) fn waited_at(&self) -> u64 {
        self.state.lock().waited_at
    }

    pub(super) fn arrived(&self, arrival: u64) {
        self.state.lock().arrival = arrival;
    }

    pub(super) fn arrival(&self) -> u64 {
        self.state.lock().arrival
    }
}

mod below;
mod lent;
#[cfg(test)]
mod tests;

use lent::Keeping;
pub(super) use lent::Lend;
