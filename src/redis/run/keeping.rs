//! [`Keeping`]: what a store keeps whose users have let go of it, for threads and tasks. The
//! protocol, and why all of it is right, is in `protocol/keep.rs`.
//!
//! To let go of a lock, and to take it again, is a step under one mutex, and no I/O. One thread,
//! `mutextree-kept`, has a connection of its own. It gives back what is recalled, and what nobody
//! has used for long. It has no other work, so nobody who waits for a recall waits for anything
//! else. What it cannot give back at once is left to the agenda.

use std::thread;
use std::time::Duration;

use super::client::Client;
use crate::deadlock::Asks;
use crate::error::LockError;
use crate::path::TreePath;
use crate::redis::clock::{clock, until};
use crate::redis::error::Failure;
use crate::redis::kept::KeptLocks;
use crate::redis::primitives::{Arc, AtomicU64, Condvar, Mutex, Ordering};
use crate::redis::protocol::calls::{self, Answered, Released};
use crate::redis::protocol::exchange::Exchange;
use crate::redis::protocol::keep::{Below, Found, Keep};
use crate::redis::protocol::keys::Target;
use crate::redis::protocol::lock::Lock;
use crate::redis::protocol::release::{Outcome, Release};
use crate::redis::protocol::script::Call;
use crate::redis::wire::Connection;
use crate::request::{Kind, Request};

pub(in crate::redis) mod below;

/// As many locks go into one call.
const BATCH: usize = 64;
/// The thread looks for what nobody uses no more often than this, in microseconds.
const LOOKS: u64 = 1_000;

pub(in crate::redis) struct Keeping {
    state: Mutex<State>,
    changed: Condvar,
    /// An exchange was answered.
    exchanged: Condvar,
    counts: Counts,
}

struct State {
    keep: Keep,
    /// To be given back.
    back: Vec<Arc<Lock>>,
    /// Recalled, and in use.
    in_use: Vec<Arc<Lock>>,
    /// Kept locks to become those that are held below them: when they are due.
    exchanges: Vec<(u64, Exchange)>,
    /// Whether the thread sleeps until there is something to do.
    sleeps: bool,
}

/// What has come of keeping locks, since the store was made.
#[derive(Debug, Default)]
struct Counts {
    hits: AtomicU64,
    misses: AtomicU64,
    recalls: AtomicU64,
    given_back: AtomicU64,
    exchanges: AtomicU64,
}

fn count(what: &AtomicU64, by: usize) {
    what.fetch_add(by as u64, Ordering::Relaxed); // Relaxed: only counted
}

impl Keeping {
    pub(super) fn new(idle: u64) -> Self {
        let (back, in_use, exchanges) = (Vec::new(), Vec::new(), Vec::new());
        let state = Mutex::new(State { keep: Keep::new(idle), back, in_use, exchanges, sleeps: false });
        Self { state, changed: Condvar::new(), exchanged: Condvar::new(), counts: Counts::default() }
    }

    /// Starts the thread. Without one nothing can be given back in time.
    pub(super) fn start(client: &Arc<Client>) -> std::io::Result<()> {
        let client = client.clone();
        thread::Builder::new().name("mutextree-kept".into()).spawn(move || run(&client)).map(|_| ())
    }

    /// Has the thread look.
    pub(super) fn stop(&self) {
        let mut state = self.state.lock();
        state.sleeps = false;
        self.changed.notify_one();
    }

    fn wake(&self, state: &mut State) {
        if state.sleeps {
            state.sleeps = false;
            self.changed.notify_one();
        }
    }

    /// How many recalls there have been: noted by whoever is about to ask for a lock.
    pub(super) fn recalls(&self) -> u64 {
        self.state.lock().keep.recalled()
    }

    /// What is kept now, and what has come of it.
    pub(in crate::redis) fn counted(&self) -> KeptLocks {
        let read = |what: &AtomicU64| what.load(Ordering::Relaxed); // Relaxed: only counted
        KeptLocks {
            kept: self.state.lock().keep.count(),
            hits: read(&self.counts.hits),
            misses: read(&self.counts.misses),
            recalls: read(&self.counts.recalls),
            given_back: read(&self.counts.given_back),
            exchanges: read(&self.counts.exchanges),
        }
    }

    /// Whether nobody uses the lock with this token, and it is kept.
    pub(super) fn has(&self, token: &str, path: &TreePath) -> bool {
        self.state.lock().keep.has(token, path)
    }

    /// Whether the lock with this token is one that others are held below.
    pub(super) fn is_host(&self, token: &str, path: &TreePath) -> bool {
        self.state.lock().keep.is_host(token, path)
    }

    /// Somebody else wants a lock of this kind.
    pub(super) fn recalled(&self, client: &Client, path: &TreePath, kind: Kind) {
        count(&self.counts.recalls, 1);
        let back = self.state.lock().keep.recall(path, kind, clock());
        count(&self.counts.given_back, back.len());
        let in_use = client.agenda(|agenda| agenda.in_the_way(path, kind));
        let mut state = self.state.lock();
        state.back.extend(back);
        state.in_use.extend(in_use);
        self.wake(&mut state);
    }

    /// Somebody has ended a lock.
    pub(super) fn broken(&self, number: u64, fencing_token: u64) {
        self.state.lock().keep.broken(number, fencing_token);
    }

    /// Recalls may have been lost.
    pub(super) fn recall_all(&self) {
        let mut state = self.state.lock();
        let back = state.keep.recall_all();
        state.back.extend(back);
        self.wake(&mut state);
    }

    /// Nothing is kept from now on. What was kept is given back, by this thread, as far as the time
    /// goes.
    pub(super) fn end(&self, client: &Client, deadline: u64) {
        let mut state = self.state.lock();
        let mut all = state.keep.end();
        all.append(&mut state.back);
        below::begin(client, &mut state);
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
    client: &Client,
    target: &Target,
    request: &Request,
    asks: impl FnOnce() -> Asks,
) -> Option<Arc<Lock>> {
    let keeping = client.keeping.as_ref()?;
    if request.lease.is_some() {
        return None;
    }
    loop {
        let mut state = keeping.state.lock();
        match state.keep.take(target, request.kind, request.owner.as_ref(), &client.timing, clock()) {
            Found::It(lock) => {
                drop(state);
                if let Some(agents) = &client.agents {
                    agents.asks(&lock, [request], &asks());
                }
                client.agenda(|agenda| agenda.held(&lock));
                count(&keeping.counts.hits, 1);
                return Some(lock);
            }
            Found::Soon => {
                drop(state);
                std::hint::spin_loop();
            }
            Found::Spent(lock) => {
                state.back.push(lock);
                keeping.wake(&mut state);
                break;
            }
            Found::Nothing => match below::take(client, &mut state, target, request) {
                Below::It { lock, .. } => {
                    drop(state);
                    if let Some(agents) = &client.agents {
                        agents.asks(&lock, [request], &asks());
                    }
                    count(&keeping.counts.hits, 1);
                    return Some(lock);
                }
                Below::Soon => {
                    drop(state);
                    std::hint::spin_loop();
                }
                Below::Spent(lock) => {
                    state.back.push(lock);
                    keeping.wake(&mut state);
                    break;
                }
                Below::Nothing => break,
            },
        }
    }
    count(&keeping.counts.misses, 1);
    None
}

/// Keeps a lock whose user lets go of it. `false` if it is to be released.
pub(in crate::redis) fn keep(client: &Client, lock: &Arc<Lock>, target: &Target, kind: Kind) -> bool {
    let Some(keeping) = &client.keeping else { return false };
    if !keeping.state.lock().keep.may_keep(lock, target, kind, clock()) {
        return false;
    }
    // Nobody renews it from now on. Whoever has taken it off the agenda before tells of its loss.
    if !client.agenda(|agenda| agenda.forget(lock)) {
        return false;
    }
    let mut state = keeping.state.lock();
    if state.keep.keep(lock, target, kind, clock()) {
        if state.keep.count() == 1 {
            keeping.wake(&mut state);
        }
        return true;
    }
    drop(state);
    client.agenda(|agenda| agenda.held(lock)); // as it was
    false
}

/// Before a lock becomes something else: the server has it, and draws greater fencing tokens than
/// its user has, and it is not kept any more.
///
/// # Errors
/// If the server does not answer in time, and it is below a kept lock. Then it is held as before.
pub(in crate::redis) fn settle(client: &Client, lock: &Lock) -> Result<(), LockError> {
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

fn give_back(client: &Client, batch: &[Arc<Lock>], send: impl FnOnce(&Release) -> Result<Released, Failure>) {
    let Some(mut release) = Release::of_many(batch.to_vec(), false) else { return };
    let answer = send(&release);
    match release.answered(answer.as_ref().map_err(Failure::clone), true) {
        Outcome::Done { .. } => {}
        Outcome::Again | Outcome::Failed(_) => client.agenda(|agenda| agenda.give_up(release, clock())),
    }
    if let Ok(released) = answer {
        client.left_over(released.more);
    }
}

/// The thread.
fn run(client: &Arc<Client>) {
    let Some(keeping) = &client.keeping else { return };
    let mut connection: Option<Connection> = None;
    while let Some((mut back, in_use, exchanges)) = next(client, keeping) {
        let mut failed: Option<Failure> = None;
        for exchange in exchanges {
            // After a failure the rest fails with it, and is sent again a little later.
            let send = |call: &Call, deadline| {
                let answer = failed.clone().map_or_else(|| client.call_over(&mut connection, call, deadline), Err);
                failed = answer.as_ref().err().cloned();
                answer
            };
            back.extend(keeping.send(client, exchange, send));
        }
        let deadline = clock() + client.timing.release_limit();
        for batch in back.chunks(BATCH) {
            give_back(client, batch, |release| {
                client.call_over(&mut connection, &release.call(&client.timing), deadline)
            });
        }
        for batch in in_use.chunks(BATCH) {
            let call = calls::in_use(batch.iter().map(|lock| &**lock), &client.timing);
            // If it fails, whoever wants to know asks again.
            if let Ok(Answered { more, .. }) = client.call_over(&mut connection, &call, deadline) {
                client.left_over(more);
            }
        }
    }
}

type Locks = Vec<Arc<Lock>>;

/// Sleeps until there is something to give back, to say, or to exchange: `None` once the store is
/// gone.
fn next(client: &Client, keeping: &Keeping) -> Option<(Locks, Locks, Vec<Exchange>)> {
    let mut state = keeping.state.lock();
    loop {
        if client.is_stopped() {
            return None;
        }
        let now = clock();
        let idle = if state.keep.next().is_some_and(|next| next <= now) { state.keep.idle(now) } else { Vec::new() };
        state.back.extend(idle);
        below::begin(client, &mut state);
        let exchanges: Vec<_> = state.exchanges.extract_if(.., |it| it.0 <= now).map(|it| it.1).collect();
        if !state.back.is_empty() || !state.in_use.is_empty() || !exchanges.is_empty() {
            return Some((std::mem::take(&mut state.back), std::mem::take(&mut state.in_use), exchanges));
        }
        let next = state.exchanges.iter().map(|it| it.0).chain(state.keep.next()).min();
        let next = next.map(|next| next.max(now + LOOKS));
        state.sleeps = true;
        match next {
            None => keeping.changed.wait(&mut state),
            Some(next) => _ = keeping.changed.wait_for(&mut state, until(next).min(Duration::from_secs(3600))),
        }
        state.sleeps = false;
    }
}
