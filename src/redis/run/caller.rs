//! What the calling thread does by itself: it takes a lock and waits for it, and does what is done
//! with a held one. It blocks for as long as the protocol has it wait, and for a call of the server
//! at a time.

use std::panic::Location;
use std::time::Duration;

use super::client::{Client, store_error};
use super::confirm;
use super::engine::Engine;
use super::inbox::Inbox;
use super::keeping::grow;
use crate::deadlock::Asks;
use crate::error::LockError;
use crate::observe::meters::retried;
use crate::observe::{Store, Waiting};
use crate::redis::clock::clock;
use crate::redis::error::Failure;
use crate::redis::primitives::Arc;
use crate::redis::protocol::acquisition::{Acquisition, Step};
use crate::redis::protocol::calls::{self, Answered, Detached, Refreshed, Released, Reply};
use crate::redis::protocol::held::{self, Detach, Downgrade, Refresh};
use crate::redis::protocol::keys::Target;
use crate::redis::protocol::lock::Lock;
use crate::redis::protocol::release::{Outcome, Release};
use crate::redis::protocol::script::Call;
use crate::redis::protocol::timing::micros;
use crate::request::{Kind, Request, Wait};

pub(super) use self::time::{instant, may_wait};

mod time;

/// Takes a lock.
pub(in crate::redis) fn acquire(
    engine: &Arc<Engine>,
    target: &Target,
    request: &Request,
    wait: Wait,
    place: &'static Location<'static>,
) -> Result<Arc<Lock>, LockError> {
    let client = &*engine.client;
    let (lock, inbox, may_wait) = (client.new_lock(target, request), Arc::new(Inbox::of_thread()), may_wait(wait));
    if let Some(agents) = &client.agents {
        agents.asks(&lock, [request], &Asks::thread(place));
    }
    let acquisition =
        Acquisition::new(target.clone(), lock, request, may_wait, inbox.clone(), &client.name, &client.timing);
    take(engine, &inbox, acquisition, (target, request))
}

/// Runs an acquisition, of a lock or of a set of which this is the first member.
pub(super) fn take(
    engine: &Arc<Engine>,
    inbox: &Arc<Inbox>,
    acquisition: Acquisition<Arc<Inbox>>,
    first: (&Target, &Request),
) -> Result<Arc<Lock>, LockError> {
    let mut waiting = None;
    let deadline = acquisition.deadline();
    let result = ask(engine, inbox, acquisition, &mut waiting, first);
    let result = result.and_then(|lock| confirm::grant(engine, lock, deadline));
    if let Some(waiting) = waiting {
        waiting.ended(first.1, &result);
    }
    result
}

fn ask(
    engine: &Arc<Engine>,
    inbox: &Arc<Inbox>,
    mut acquisition: Acquisition<Arc<Inbox>>,
    waiting: &mut Option<Waiting>,
    (target, request): (&Target, &Request),
) -> Result<Arc<Lock>, LockError> {
    let client = &engine.client;
    // For as long as it waits, where deadlocks are looked for.
    let (agents, mut waits) = (client.agents.as_ref(), None);
    let owed = engine.driver.owes();
    grow::begin(engine, &mut acquisition, (target, request));
    client.agenda(|agenda| acquisition.begin(clock(), owed, agenda));
    loop {
        let sent = clock();
        let (call, deadline) = acquisition.call(&client.timing, sent);
        let answer = client.call(&call, deadline);
        let failed = answer.is_err();
        let step = client.agenda(|agenda| acquisition.answered(answer, sent, clock(), &client.timing, agenda));
        if failed && !matches!(step, Step::Over(_)) {
            retried(1);
        }
        match step {
            Step::Ask => {}
            Step::Settle => engine.driver.settle(client.timing.call_deadline(clock())),
            Step::Pause(pause) => {
                // News cuts it short, and is told by the answer.
                inbox.sleep(instant(acquisition.deadline().min(clock() + pause)));
            }
            Step::Wait => {
                engine.listener.start();
                waiting.get_or_insert_with(|| {
                    Waiting::begin(Store::Redis, &target.path, request, || acquisition.blocker().cloned())
                });
                if let (Some(agents), None) = (agents, &waits) {
                    waits = Some(agents.waits(engine, acquisition.lock(), inbox));
                }
                let news = inbox.sleep(instant(acquisition.deadline()));
                if let Some(deadlock) = waits.as_ref().and_then(|waits| waits.verdict(news)) {
                    if let Some(unwanted) = client.agenda(|agenda| acquisition.give_up(agenda)) {
                        let _ = release(engine, unwanted);
                    }
                    return Err(LockError::Deadlock(deadlock));
                }
                if client.agenda(|agenda| acquisition.told(news, clock(), &client.timing, agenda)) {
                    return Ok(acquisition.lock().clone());
                }
            }
            Step::Grown(growth) => {
                if let Some(lock) = grow::take(client, *growth, &acquisition, (target, request)) {
                    return Ok(lock);
                }
            }
            Step::Over(outcome) => return outcome.map(|()| acquisition.lock().clone()),
        }
    }
}

/// Sends a call, and has the answer looked at, until there is an outcome. All of it takes no longer
/// than one call may.
pub(super) fn perform<O, R: Reply, T>(
    client: &Client,
    operation: &mut O,
    call: impl Fn(&O) -> Call,
    mut look: impl FnMut(&mut O, Result<R, Failure>, u64, bool) -> Option<T>,
) -> T {
    let deadline = client.timing.call_deadline(clock());
    loop {
        let sent = clock();
        let answer = client.call(&call(operation), deadline);
        let failed = answer.is_err();
        if let Some(outcome) = look(operation, answer, sent, clock() >= deadline) {
            return outcome;
        }
        retried(usize::from(failed));
    }
}

/// What came of something done with a held lock; `None` if it is to be done again.
pub(super) fn outcome<T>(lock: &Lock, outcome: held::Outcome<T>) -> Option<Result<T, LockError>> {
    match outcome {
        held::Outcome::Done(done) => Some(Ok(done)),
        held::Outcome::NotHeld => Some(Err(not_held(lock))),
        held::Outcome::Again => None,
        held::Outcome::Failed(failure) => Some(Err(store_error(failure))),
    }
}

pub(super) fn not_held(lock: &Lock) -> LockError {
    LockError::NotHeld { path: lock.path.clone() }
}

/// Nothing more is done for a lock whose guard goes. Whether it is held. If it is not, and nobody
/// has been told yet, those who listen for losses are.
pub(super) fn forget(client: &Client, lock: &Lock) -> bool {
    let was_held = lock.is_held(clock());
    if client.agenda(|agenda| agenda.forget(lock)) && !was_held {
        client.tell_loss(lock);
    }
    was_held
}

/// Gives a lock back. Tries for no longer than one call may take; after that the keeper goes on.
pub(in crate::redis) fn release(engine: &Engine, mut release: Release) -> Result<(), LockError> {
    let client = &*engine.client;
    let lock = release.lock.clone();
    let was_held = release.was_held;
    let result = perform(
        client,
        &mut release,
        |release| release.call(&client.timing),
        |release, answer: Result<Released, Failure>, _, hopeless| {
            let outcome = release.answered(answer.as_ref().map_err(Failure::clone), hopeless);
            if let Ok(released) = answer {
                client.left_over(released.more);
            }
            match outcome {
                Outcome::Done { was_held } => Some(Ok(was_held)),
                Outcome::Again => None,
                Outcome::Failed(failure) => Some(Err(failure)),
            }
        },
    );
    match result {
        Ok(true) if was_held => Ok(()),
        Ok(found) => {
            lock.lose();
            if was_held && !found && !lock.is_detached() {
                client.tell_loss(&lock);
            }
            Err(not_held(&lock))
        }
        Err(failure) => {
            client.agenda(|agenda| agenda.give_up(release, clock()));
            Err(if was_held { store_error(failure) } else { not_held(&lock) })
        }
    }
}

/// Gives back the lock of a guard that goes.
pub(in crate::redis) fn release_held(
    engine: &Engine,
    lock: &Arc<Lock>,
    target: &Target,
    kind: Kind,
) -> Result<(), LockError> {
    let was_held = forget(&engine.client, lock) || lock.is_detached();
    release(engine, Release::of_held(lock.clone(), target.clone(), kind, was_held))
}

/// The same without I/O, for a guard that may be dropped in a task: the driver sends it. What it
/// returns is what is known here; what only the server knows is told to those who listen for
/// losses.
pub(in crate::redis) fn hand_back(
    engine: &Engine,
    lock: &Arc<Lock>,
    target: &Target,
    kind: Kind,
) -> Result<(), LockError> {
    let was_held = forget(&engine.client, lock);
    engine.driver.give_back(Release::of_held(lock.clone(), target.clone(), kind, was_held));
    if was_held { Ok(()) } else { Err(not_held(lock)) }
}

/// Sets the end of a lease; `renews`: and lets it renew itself.
pub(in crate::redis) fn refresh(
    engine: &Engine,
    lock: &Arc<Lock>,
    length: Option<Duration>,
    renews: bool,
) -> Result<(), LockError> {
    let client = &*engine.client;
    let length = length.map_or(lock.lease, micros);
    let result = match Refresh::new(lock, length, renews, clock()) {
        None => Err(not_held(lock)),
        Some(refresh) => {
            // The deadline may be earlier now, and may come before the answer.
            client.agenda(|agenda| agenda.reschedule(lock));
            send_refresh(client, lock, refresh)
        }
    };
    // If the lock is lost, that is due now.
    client.agenda(|agenda| agenda.reschedule(lock));
    result
}

/// Sets the end of a lock that outlives its guard.
pub(in crate::redis) fn refresh_detached(
    engine: &Engine,
    lock: &Arc<Lock>,
    length: Option<Duration>,
) -> Result<(), LockError> {
    let length = length.map_or(lock.lease, micros);
    send_refresh(&engine.client, lock, Refresh::of_detached(lock, length, clock()))
}

fn send_refresh(client: &Client, lock: &Lock, mut refresh: Refresh) -> Result<(), LockError> {
    perform(
        client,
        &mut refresh,
        |refresh| refresh.call(&client.timing),
        |refresh, answer: Result<Refreshed, Failure>, sent, hopeless| {
            let looked = refresh.answered(answer.as_ref().map_err(Failure::clone), sent, clock(), hopeless);
            if let Ok(refreshed) = answer {
                client.left_over(refreshed.more);
            }
            outcome(lock, looked)
        },
    )
}

/// Makes an exclusive lock a shared one. Whether it is one now, or may be; and what the caller
/// gets.
pub(in crate::redis) fn downgrade(engine: &Engine, lock: &Arc<Lock>) -> (bool, Result<(), LockError>) {
    let client = &*engine.client;
    let mut downgrade = Downgrade::new(lock);
    let result = perform(
        client,
        &mut downgrade,
        |downgrade| downgrade.call(&client.timing),
        |downgrade, answer: Result<Answered, Failure>, _, hopeless| {
            let looked = downgrade.answered(answer.as_ref().map_err(Failure::clone), hopeless);
            if let Ok(answered) = answer {
                client.left_over(answered.more);
            }
            outcome(lock, looked)
        },
    );
    if !lock.is_held(clock()) {
        client.agenda(|agenda| agenda.look_now());
    }
    (result.is_ok() || downgrade.may_be_done(), result)
}

/// Makes a lock one that outlives its guard. If that fails it is released.
pub(in crate::redis) fn detach(
    engine: &Engine,
    lock: &Arc<Lock>,
    target: &Target,
    kind: Kind,
) -> Result<(Arc<Lock>, Kind), LockError> {
    let client = &*engine.client;
    let sent = clock();
    let result = match Detach::new(lock, target, sent) {
        None => Err(not_held(lock)),
        Some(mut detach) => {
            client.agenda(|agenda| agenda.reschedule(lock));
            perform(
                client,
                &mut detach,
                |detach| detach.call(&client.timing),
                |detach, answer: Result<Option<Detached>, Failure>, _, hopeless| {
                    outcome(lock, detach.answered(answer, hopeless))
                },
            )
        }
    };
    match result {
        Ok(detached) => {
            client.agenda(|agenda| agenda.forget(lock));
            Ok(found(&lock.token, target, &detached, sent))
        }
        Err(error) => {
            lock.doubt();
            let _ = release_held(engine, lock, target, kind);
            Err(error)
        }
    }
}

/// Takes up a lock that outlives its guard.
pub(in crate::redis) fn attach(engine: &Engine, token: &str, target: &Target) -> Result<(Arc<Lock>, Kind), LockError> {
    let sent = clock();
    match look_up(engine, token, target)? {
        Some(detached) => Ok(found(token, target, &detached, sent)),
        None => Err(LockError::NotHeld { path: target.path.clone() }),
    }
}

fn found(token: &str, target: &Target, detached: &Detached, sent: u64) -> (Arc<Lock>, Kind) {
    let lock = Lock::detached(token, target.path.clone(), detached.lease);
    lock.attached(detached.fencing_token, sent.saturating_add(detached.left));
    (Arc::new(lock), detached.kind)
}

/// Whether a lock that outlives its guard is held still. Another process may have set its end, or
/// released it; only the server knows.
pub(in crate::redis) fn is_still_held(engine: &Engine, lock: &Lock, target: &Target) -> bool {
    match look_up(engine, &lock.token, target) {
        Ok(found) => found.is_some(),
        Err(_) => lock.is_held(clock()),
    }
}

fn look_up(engine: &Engine, token: &str, target: &Target) -> Result<Option<Detached>, LockError> {
    if !crate::redis::protocol::lock::is_token(token) {
        return Ok(None); // no lock has it
    }
    let client = &*engine.client;
    twice(client, &calls::attach(token, target, &client.timing)).map_err(store_error)
}

/// Asks for what changes nothing: once more, if there is no answer.
pub(super) fn twice<R: Reply>(client: &Client, call: &Call) -> Result<R, Failure> {
    let deadline = client.timing.call_deadline(clock());
    match client.call(call, deadline) {
        Err(failure) if !failure.is_final() && clock() < deadline => {
            retried(1);
            client.call(call, deadline)
        }
        answer => answer,
    }
}
