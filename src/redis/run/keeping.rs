//! [`Keeping`]: what a store keeps whose users have let go of it, for threads and tasks. The
//! protocol, and why all of it is right, is in `protocol/keep.rs`.
//!
//! To let go of a lock, and to take it again, is a step of the part that its node belongs to, and
//! no I/O. It writes nothing that two nodes of different parts have in common: the agenda knows the
//! lock all along (K13), each part counts its own hits, and when the keeper is to look is only read
//! (`looks_at`), as it mostly looks before what was let go of now is due. One
//! [lane](super::lanes) a site, `mutextree-kept`, gives back what is recalled, and what nobody has
//! used for long. It has no other work, so nobody who waits for a recall waits for anything else.
//! What it cannot give back at once is left to the agenda. When something has not been used for
//! long the keeper sees, by an entry in its schedule.
//!
//! **Nothing is left lying.** While there is something to be given back, a lane has been called
//! that has not looked yet: whoever adds something calls one, unless that is so, and a lane takes
//! all of it, both under the mutex of [`State`]. Nobody takes the mutex of a part under that.
//!
//! **The keeper oversleeps nothing.** Before it goes through the parts it sets `looks_at` to never.
//! What is let go of in a part after it was there is compared with that, or with what the keeper
//! has found to be next, as the mutex of the part comes in between. Whoever has something due
//! earlier than `looks_at` says so.

use super::client::Client;
use super::schedule::{Entry, Schedule};
use crate::deadlock::Asks;
use crate::error::LockError;
use crate::observe::meters::{self, Recall};
use crate::observe::{self, Recalled};
use crate::path::TreePath;
use crate::redis::clock::clock;
use crate::redis::kept::KeptLocks;
use crate::redis::primitives::{Arc, AtomicU64, Condvar, Mutex, MutexGuard, Ordering};
use crate::redis::protocol::calls::{self, Answered};
use crate::redis::protocol::exchange::Exchange;
use crate::redis::protocol::keep::{self, Found, Keep};
use crate::redis::protocol::keys::Target;
use crate::redis::protocol::lock::Lock;
use crate::redis::protocol::release::Release;
use crate::redis::protocol::timing::NEVER;
use crate::request::{Kind, Request};

pub(in crate::redis) mod below;
pub(super) mod grow;
mod lane;

use lane::give_back;
pub(super) use lane::give_back_all;

/// As many locks go into one call.
const BATCH: usize = 64;
/// It is looked for what nobody uses no more often than this, in microseconds.
const LOOKS: u64 = 1_000;
/// If nobody can be had to send an exchange, it is tried again after this.
const LATER: u64 = 50_000;

pub(in crate::redis) struct Keeping {
    keep: Keep,
    state: Mutex<State>,
    /// When the keeper looks, as `state` has it.
    looks_at: AtomicU64,
    /// An exchange was answered.
    exchanged: Condvar,
    /// What the schedule knows it by.
    pub(super) number: u64,
    counts: Counts,
}

struct State {
    /// To be given back.
    back: Vec<Arc<Lock>>,
    /// Recalled, and in use.
    in_use: Vec<Arc<Lock>>,
    /// Those recalls that something of `back`, or of `exchanges`, is in the way of.
    recalls: Vec<Recall>,
    /// Kept locks to become those that are held below them: when they are due.
    exchanges: Vec<(u64, Exchange)>,
    /// How many locks were let go while they were exchanged, and are not back yet.
    owed: usize,
    /// Whether a lane has been called that has not looked yet.
    called: bool,
    /// How many exchanges were answered.
    answered: u64,
    entry: Entry,
}

impl State {
    /// Whether there is something to do now, and nobody has been called who has not looked yet.
    fn needs_a_lane(&self) -> bool {
        let now = clock();
        let is_due = self.exchanges.iter().any(|it| it.0 <= now);
        !self.called && (is_due || !self.back.is_empty() || !self.in_use.is_empty())
    }
}

/// What has come of keeping locks, since the store was made.
#[derive(Debug, Default)]
struct Counts {
    misses: AtomicU64,
    recalls: AtomicU64,
    given_back: AtomicU64,
    exchanges: AtomicU64,
    grown: AtomicU64,
}

fn count(what: &AtomicU64, by: usize) {
    what.fetch_add(by as u64, Ordering::Relaxed); // Relaxed: only counted
}

impl Keeping {
    pub(super) fn new(idle: u64, number: u64) -> Self {
        let state = Mutex::new(State {
            back: Vec::new(),
            in_use: Vec::new(),
            recalls: Vec::new(),
            exchanges: Vec::new(),
            owed: 0,
            called: false,
            answered: 0,
            entry: Entry::new(number),
        });
        Self {
            keep: Keep::new(idle).that_grows(keep::GROWS),
            state,
            looks_at: AtomicU64::new(NEVER),
            exchanged: Condvar::new(),
            number,
            counts: Counts::default(),
        }
    }

    /// The store is gone.
    pub(super) fn stop(&self, schedule: &Schedule) {
        self.state.lock().entry.leave(schedule);
    }

    /// There may be something to do.
    fn call(&self, client: &Arc<Client>, mut state: MutexGuard<'_, State>) {
        if !state.needs_a_lane() {
            return;
        }
        state.called = true;
        drop(state);
        let called = client.workers().is_ok_and(|workers| workers.kept.give(client.clone()).is_ok());
        if called {
            return;
        }
        // Nobody can be had who does it now. Exchanges wait for somebody, the agenda does the rest.
        let mut state = self.state.lock();
        state.called = false;
        let (back, _) = (std::mem::take(&mut state.back), std::mem::take(&mut state.in_use));
        state.recalls.clear();
        let later = clock() + LATER;
        state.exchanges.iter_mut().for_each(|(at, _)| *at = later.max(*at));
        if !state.exchanges.is_empty() {
            self.look_by(client, &mut state, later);
        }
        drop(state);
        if let Some(release) = Release::of_many(back, false) {
            client.agenda(|agenda| agenda.give_up(release, clock()));
        }
    }

    /// The keeper is to look then, or earlier.
    fn look_by(&self, client: &Client, state: &mut State, at: u64) {
        state.entry.bring_forward(&client.sites.schedule, at);
        self.looks_at.fetch_min(at, Ordering::Release);
    }

    /// Something has just been let go of. Mostly the keeper looks before that has been kept for
    /// long, and nothing is written.
    fn was_kept(&self, client: &Client, now: u64) {
        let due = self.keep.due(now);
        if due < self.looks_at.load(Ordering::Acquire) {
            self.look_by(client, &mut self.state.lock(), due);
        }
    }

    /// The keeper looks for what nobody has used for long.
    pub(super) fn look(&self, client: &Arc<Client>) {
        let mut state = self.state.lock();
        let now = clock();
        if !state.entry.is_due(now) {
            return;
        }
        // From now on whoever lets go of something says when it is due.
        state.entry.set(&client.sites.schedule, NEVER);
        self.looks_at.store(NEVER, Ordering::Release);
        drop(state);
        let (mut next, mut idle) = (self.keep.next(), Vec::new());
        if next.is_some_and(|next| next <= now) {
            idle = self.keep.idle(now);
            next = self.keep.next();
        }
        let kept = next.map(|next| next.max(now + LOOKS));
        let mut state = self.state.lock();
        state.back.extend(idle);
        // What is due already a lane is called for.
        let exchange = state.exchanges.iter().map(|it| it.0).filter(|&at| at > now).min();
        if let Some(next) = exchange.into_iter().chain(kept).min() {
            self.look_by(client, &mut state, next);
        }
        self.call(client, state);
    }

    /// How many recalls there have been: noted by whoever is about to ask for a lock.
    pub(super) fn recalls(&self, target: &Target) -> u64 {
        self.keep.recalled(target)
    }

    /// What is kept now, and what has come of it.
    pub(in crate::redis) fn counted(&self) -> KeptLocks {
        let read = |what: &AtomicU64| what.load(Ordering::Relaxed); // Relaxed: only counted
        KeptLocks {
            kept: self.keep.count(),
            hits: self.keep.hits(),
            misses: read(&self.counts.misses),
            recalls: read(&self.counts.recalls),
            given_back: read(&self.counts.given_back),
            exchanges: read(&self.counts.exchanges),
            grown: read(&self.counts.grown),
        }
    }

    /// Whether nobody uses the lock with this token, and it is kept.
    pub(super) fn has(&self, token: &str, path: &TreePath) -> bool {
        self.keep.has(token, path)
    }

    /// Whether the lock with this token is one that others are held below.
    pub(super) fn is_host(&self, token: &str, path: &TreePath) -> bool {
        self.keep.is_host(token, path)
    }

    /// Somebody else wants a lock of this kind.
    pub(super) fn recalled(&self, client: &Arc<Client>, path: &TreePath, kind: Kind) {
        count(&self.counts.recalls, 1);
        let recall = Recall::begin();
        let keep::Recalled { mut back, exchanged } = self.keep.recall(path, kind, clock());
        let found = client.agenda(|agenda| agenda.in_the_way(path, kind));
        let in_use = self.keep.in_use(found, &mut back);
        let begun = self.keep.begun();
        count(&self.counts.given_back, back.len());
        let recalled = Recalled { given_back: back.len(), exchanged, in_use: in_use.len() };
        let mut state = self.state.lock();
        if !back.is_empty() || exchanged > 0 {
            state.recalls.push(recall);
        }
        state.back.extend(back);
        state.in_use.extend(in_use);
        below::begin(client, &mut state, begun);
        self.call(client, state);
        observe::recalled(path, kind, recalled);
    }

    /// Somebody has ended a lock.
    pub(super) fn broken(&self, number: u64, fencing_token: u64) {
        self.keep.broken(number, fencing_token);
    }

    /// Recalls may have been lost.
    pub(super) fn recall_all(&self, client: &Arc<Client>) {
        let (back, begun) = (self.keep.recall_all(), self.keep.begun());
        let mut state = self.state.lock();
        state.back.extend(back);
        below::begin(client, &mut state, begun);
        self.call(client, state);
    }

    /// Nothing is kept from now on. What was kept is given back, by this thread, as far as the time
    /// goes.
    pub(super) fn end(&self, client: &Client, deadline: u64) {
        let (mut all, begun) = (self.keep.end(), self.keep.begun());
        let mut state = self.state.lock();
        all.append(&mut state.back);
        below::begin(client, &mut state, begun);
        drop(state);
        for batch in all.chunks(BATCH) {
            give_back(client, batch, |release| client.call(&release.call(&client.timing), deadline));
        }
        below::end(self, client, deadline);
    }
}

/// Takes a kept lock, if there is the one that is wanted, or one below it. `asks` is who asks,
/// where deadlocks are looked for.
pub(in crate::redis) fn take(
    client: &Arc<Client>,
    target: &Target,
    request: &Request,
    asks: impl FnOnce() -> Asks,
) -> Option<Arc<Lock>> {
    let keeping = client.keeping.as_ref()?;
    if request.lease.is_some() {
        return None;
    }
    loop {
        let found = match keeping.keep.take(target, request.kind, request.owner.as_ref(), &client.timing, clock()) {
            Found::Nothing => below::take(client, &keeping.keep, target, request),
            found => found,
        };
        match found {
            Found::It(lock) => {
                if let Some(agents) = &client.agents {
                    agents.asks(&lock, [request], &asks());
                }
                if lock.was_left() {
                    client.agenda(|agenda| agenda.lent(&lock));
                }
                meters::kept(true);
                return Some(lock);
            }
            Found::Soon => std::hint::spin_loop(),
            Found::Spent(lock) => {
                let mut state = keeping.state.lock();
                state.back.push(lock);
                keeping.call(client, state);
                break;
            }
            Found::Nothing => break,
        }
    }
    count(&keeping.counts.misses, 1);
    meters::kept(false);
    None
}

/// Keeps a lock whose user lets go of it. `false` if it is to be released.
pub(in crate::redis) fn keep(client: &Client, lock: &Arc<Lock>, target: &Target, kind: Kind) -> bool {
    let Some(keeping) = &client.keeping else { return false };
    let now = clock();
    let is_kept = keeping.keep.keep(lock, target, kind, now);
    if is_kept {
        keeping.was_kept(client, now);
    }
    is_kept
}

/// Before a lock becomes something else: the server has it, and draws greater fencing tokens than
/// its user has, and it is not kept any more.
///
/// # Errors
/// If the server does not answer in time, and it is below a kept lock. Then it is held as before.
pub(in crate::redis) fn settle(client: &Arc<Client>, lock: &Lock) -> Result<(), LockError> {
    if client.keeping.is_none() {
        return Ok(());
    }
    below::own(client, lock)?;
    lock.never_keep();
    if lock.was_lent() {
        let call = calls::in_use(std::iter::once(lock), &client.timing);
        let _ = super::caller::twice::<Answered>(client, &call);
    }
    Ok(())
}
