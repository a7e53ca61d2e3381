//! Several locks as one, on the calling thread: they are taken, refreshed and given back in one
//! call each. Once they are held they are locks like any other: `caller.rs` does the rest.

use std::panic::Location;
use std::time::Duration;

use super::caller::{may_wait, not_held, outcome, perform, take};
use super::client::store_error;
use super::engine::Engine;
use super::inbox::Inbox;
use crate::deadlock::Asks;
use crate::error::LockError;
use crate::redis::clock::clock;
use crate::redis::error::Failure;
use crate::redis::primitives::Arc;
use crate::redis::protocol::acquisition::Acquisition;
use crate::redis::protocol::calls::{Refreshed, Released};
use crate::redis::protocol::held::{Refresh, RefreshAll};
use crate::redis::protocol::keys::Target;
use crate::redis::protocol::lock::Lock;
use crate::redis::protocol::release::{Outcome, Release};
use crate::redis::protocol::timing::micros;
use crate::request::{Request, Wait};

/// Takes all of them. Returns the first lock, which has the others.
pub(in crate::redis) fn acquire(
    engine: &Arc<Engine>,
    members: &[(&Target, &Request)],
    wait: Wait,
    place: &'static Location<'static>,
) -> Result<Arc<Lock>, LockError> {
    let client = &*engine.client;
    let (lock, inbox) = (client.new_set(members), Arc::new(Inbox::of_thread()));
    if let Some(agents) = &client.agents {
        agents.asks(&lock, members.iter().map(|it| it.1), &Asks::thread(place));
    }
    let all = members.iter().map(|&(target, request)| (target.clone(), request));
    let acquisition = Acquisition::of_set(all, lock, may_wait(wait), inbox.clone(), &client.name, &client.timing);
    take(engine, &inbox, acquisition, members[0])
}

/// Gives locks back in one call. The error is that of the first one that was not held.
pub(in crate::redis) fn release(engine: &Engine, locks: Vec<Arc<Lock>>) -> Result<(), LockError> {
    let client = &*engine.client;
    let held: Vec<bool> = locks.iter().map(|lock| super::caller::forget(client, lock)).collect();
    let was_held = |lock: &Arc<Lock>| locks.iter().zip(&held).any(|(one, &held)| held && one.number == lock.number);
    let Some(mut release) = Release::of_many(locks.clone(), held.iter().all(|&held| held)) else { return Ok(()) };
    let result = perform(
        client,
        &mut release,
        |release| release.call(&client.timing),
        |release, answer: Result<Released, Failure>, _, hopeless| {
            let outcome = release.answered(answer.as_ref().map_err(Failure::clone), hopeless);
            let missed = answer.map_or_else(
                |_| Vec::new(),
                |released| {
                    let missed = release.missed(&released);
                    client.left_over(released.more);
                    missed
                },
            );
            match outcome {
                Outcome::Done { .. } => Some(Ok(missed)),
                Outcome::Again => None,
                Outcome::Failed(failure) => Some(Err(failure)),
            }
        },
    );
    let first_lost = locks.iter().zip(&held).find(|(_, held)| !**held).map(|(lock, _)| lock);
    match result {
        Ok(missed) => {
            missed.iter().for_each(|lock| lock.lose());
            missed.iter().filter(|lock| was_held(lock)).for_each(|lock| client.tell_loss(lock));
            let gone = |lock: &&Arc<Lock>| !was_held(lock) || missed.iter().any(|it| it.number == lock.number);
            locks.iter().find(gone).map_or(Ok(()), |lock| Err(not_held(lock)))
        }
        Err(failure) => {
            client.agenda(|agenda| agenda.give_up(release, clock()));
            Err(first_lost.map_or_else(|| store_error(failure), |lock| not_held(lock)))
        }
    }
}

/// Sets the ends of leases in one call. Of each: the lock, and whether it renews itself afterwards.
/// The error is that of the first one that was not held.
pub(in crate::redis) fn refresh(
    engine: &Engine,
    locks: &[(Arc<Lock>, bool)],
    length: Option<Duration>,
) -> Result<(), LockError> {
    let (client, now) = (&*engine.client, clock());
    let begin = |(lock, renews): &(Arc<Lock>, bool)| {
        Refresh::new(lock, length.map_or(lock.lease, micros), *renews, now).ok_or_else(|| not_held(lock))
    };
    let (mut all, mut result) = (Vec::with_capacity(locks.len()), Ok(()));
    for refresh in locks.iter().map(begin) {
        match refresh {
            Ok(refresh) => all.push(refresh),
            Err(error) => result = result.and(Err(error)),
        }
    }
    if !all.is_empty() {
        reschedule(engine, locks);
        let sent = perform(
            client,
            &mut RefreshAll::new(all),
            |all| all.call(&client.timing),
            |all, answer: Result<Refreshed, Failure>, sent, hopeless| {
                let looked = all.answered(answer.as_ref().map_err(Failure::clone), sent, clock(), hopeless);
                if let Ok(refreshed) = answer {
                    client.left_over(refreshed.more);
                }
                outcome(all.first_lost(), looked)
            },
        );
        result = result.and(sent);
    }
    reschedule(engine, locks);
    result
}

fn reschedule(engine: &Engine, locks: &[(Arc<Lock>, bool)]) {
    engine.client.agenda(|agenda| locks.iter().for_each(|(lock, _)| agenda.reschedule(lock)));
}
