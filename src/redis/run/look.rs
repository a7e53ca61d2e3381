//! Looking at what is held and who waits, and ending what somebody else holds. On the calling
//! thread.

use std::collections::{HashMap, HashSet};
use std::thread;
use std::time::Duration;

use super::caller::twice;
use super::client::{Client, store_error};
use super::engine::Engine;
use super::keeping;
use crate::backend::{HeldLock, LeaseToken, WaitingLock};
use crate::error::LockError;
use crate::redis::clock::clock;
use crate::redis::error::Failure;
use crate::redis::protocol::calls::{self, Answered, Cursor, Entry, Listed};
use crate::redis::protocol::keys::Target;
use crate::redis::protocol::lock::is_token;
use crate::redis::protocol::timing::{RECALL, recall_pause};
use crate::request::Kind;
use crate::snapshot::Snapshot;

/// A waiter of a listing.
pub(super) struct Waiter {
    pub(super) arrival: u64,
    pub(super) token: String,
    pub(super) line: WaitingLock,
}

/// All that is held on a node, below it, and on those above; and who waits, if that is asked for.
pub(in crate::redis) fn list(engine: &Engine, target: &Target, waiters: bool) -> Result<Snapshot, LockError> {
    keeping::below::show(&engine.client, target)?;
    let (mut held, mut waiting) = listed(engine, target, waiters)?;
    if let Some(agents) = &engine.client.agents {
        agents.complete(&mut held, &mut waiting);
    }
    Ok(Snapshot::new(held, waiting.into_iter().map(|waiter| waiter.line).collect()))
}

/// The same as it comes: the waiters in the order of their arrival.
pub(super) fn listed(
    engine: &Engine,
    target: &Target,
    waiters: bool,
) -> Result<(Vec<HeldLock>, Vec<Waiter>), LockError> {
    let client = &*engine.client;
    if engine.driver.owes() {
        // What tasks of this store gave back is to be gone.
        engine.driver.settle(client.timing.call_deadline(clock()));
    }
    let (mut held, mut waiting) = (Vec::new(), Vec::new());
    let mut from = Some(Cursor::default());
    while let Some(cursor) = from {
        let call = calls::list(target, waiters, &cursor, &client.timing);
        let Listed { entries, next } = twice(client, &call).map_err(store_error)?;
        for entry in entries {
            match entry {
                // What is kept here is held by nobody.
                Entry::Held(lock) if is_kept(client, &lock) => {}
                Entry::Held(mut lock) => {
                    // No user has what others of this store are held below: that is exchanged.
                    lock.may_be_kept &= lock.client.as_ref() != Some(&client.name) || is_host(client, &lock);
                    held.push(lock);
                }
                Entry::Waiting { token, arrival, lock: line } => waiting.push(Waiter { arrival, token, line }),
            }
        }
        from = next;
    }
    // Waiters come first. One that was granted its lock between two calls is held now.
    let names: HashSet<_> = held.iter().filter_map(|lock| lock.name.as_ref()).map(LeaseToken::as_str).collect();
    waiting.retain(|waiter| !names.contains(&*waiter.token));
    // A lock that waits to become exclusive goes before others.
    waiting.sort_by_key(|waiter| (!waiter.line.upgrades, waiter.arrival));
    drop(names);
    // The members of a set arrived as one.
    let mut with_number: HashMap<u64, usize> = HashMap::new();
    for waiter in &waiting {
        *with_number.entry(waiter.arrival).or_default() += 1;
    }
    for waiter in &mut waiting {
        waiter.line.set = (with_number[&waiter.arrival] > 1).then_some(waiter.arrival);
    }
    Ok((held, waiting))
}

/// As what a lock with this token waits to become exclusive.
pub(super) fn upgrade_of(token: &str) -> String {
    format!("{token}^")
}

fn is_kept(client: &Client, lock: &HeldLock) -> bool {
    let (Some(keeping), Some(name)) = (&client.keeping, &lock.name) else { return false };
    lock.client.as_ref() == Some(&client.name) && keeping.has(name.as_str(), &lock.path)
}

fn is_host(client: &Client, lock: &HeldLock) -> bool {
    let (Some(keeping), Some(name)) = (&client.keeping, &lock.name) else { return false };
    keeping.is_host(name.as_str(), &lock.path)
}

/// The token of the lock that is to become exclusive, if that is what this one waits for.
pub(super) fn of_upgrade(token: &str) -> Option<&str> {
    token.strip_suffix('^')
}

/// Whether an exclusive lock would be refused. A store that does not answer would refuse it, too.
pub(in crate::redis) fn is_locked(engine: &Engine, target: &Target, kind: Kind) -> bool {
    let client = &*engine.client;
    let call = calls::inspect(target, kind, &client.timing);
    let (mut owed, began, mut asked) = (engine.driver.owes(), clock(), 0);
    let until = client.timing.call_deadline(began);
    loop {
        let Ok(Answered { yes, is_recalled, more, .. }) = twice(client, &call) else { return true };
        client.left_over(more);
        match yes {
            // Every call takes away some of what has expired.
            None if clock() >= until => return true,
            None if !is_recalled => {}
            None if clock() >= began + RECALL => return true,
            None => {
                thread::sleep(Duration::from_micros(recall_pause(asked)));
                asked += 1;
            }
            Some(true) if std::mem::take(&mut owed) => {
                engine.driver.settle(client.timing.call_deadline(clock()));
            }
            Some(yes) => return yes,
        }
    }
}

/// Ends a held lock, whoever holds it. Whether it was held.
pub(in crate::redis) fn break_lock(engine: &Engine, lock: &HeldLock) -> Result<bool, LockError> {
    let Some(token) = lock.name.as_ref().or(lock.token.as_ref()).map(LeaseToken::as_str) else {
        let text = "this lock does not say what the store calls it: take it from `locks` or a `snapshot`";
        return Err(LockError::Store(text.into()));
    };
    if !is_token(token) {
        return Ok(false); // no lock has it
    }
    let client = &*engine.client;
    let target = Target::new(lock.path.clone());
    let call = calls::break_lock(token, &target, lock.fencing_token.unwrap_or(0), &client.timing);
    let deadline = client.timing.call_deadline(clock());
    let (answer, again) = match client.call(&call, deadline) {
        Err(failure) if !failure.is_final() && clock() < deadline => {
            (client.call(&call, deadline), matches!(failure, Failure::Unsure(_)))
        }
        answer => (answer, false),
    };
    let Answered { yes, more, .. } = answer.map_err(store_error)?;
    client.left_over(more);
    // What a request without an answer has done is not known: then it is gone either way.
    Ok(yes == Some(true) || again)
}
