//! The keeper: one thread a store that does what the [agenda](crate::redis::protocol::agenda) says
//! is due. It does no I/O, so losses are told in time whatever the server does.
//!
//! Three kinds of [lanes](super::lanes) do the I/O: renewals, heartbeats, and releases with what
//! else is in nobody's way. No kind waits for another, and none of them for a user's call. A
//! request that gets no answer is sent again by another lane of its kind, over another connection
//! (P6).

use super::client::Client;
use super::keeping;
use super::lanes::Lanes;
use crate::observe::meters::{self, RoundTrip};
use crate::redis::clock::clock;
use crate::redis::error::Failure;
use crate::redis::primitives::Arc;
use crate::redis::protocol::agenda::{self, GivenUp, Renewal, Room};
use crate::redis::protocol::calls::{More, Released, Reply};
use crate::redis::protocol::lock::Lock;
use crate::redis::protocol::message::News;
use crate::redis::protocol::release::{Outcome, Release};
use crate::redis::wire::Connection;

/// As many lanes as this for what must not wait: so many requests of one kind may be without an
/// answer at a time.
const LANES: usize = 4;

/// As many for what can: one that is stuck must not hold up all.
const RELEASE_LANES: usize = 2;

type Releases = (Vec<GivenUp>, Option<More>);

/// The thread.
pub(super) fn run(client: &Arc<Client>) {
    let renewals = Lanes::new("mutextree-renew", LANES, renew);
    let heartbeats = Lanes::new("mutextree-beat", LANES, beat);
    let releases = Lanes::new("mutextree-clean", RELEASE_LANES, give_back);
    let room =
        || Room { renewals: renewals.has_room(), heartbeats: heartbeats.has_room(), releases: releases.has_room() };
    while let Some(work) = client.next_work(room) {
        for lock in work.lost {
            lock.lose();
            if lock.is_unused() {
                keeping::below::lost(client, &lock); // and whoever is below it is told
            } else {
                client.tell_loss(&lock);
            }
            if lock.is_guest() {
                lock.doubt(); // its exchange may be under way
            }
            // Its grant on the server ends by itself, but sooner is better.
            client.agenda(|agenda| agenda.give_up(Release::of_unwanted(lock), clock()));
        }
        work.silent.iter().for_each(|waiter| waiter.tell(News::Silent));
        // What finds no thread is due again after a while, as if it had got no answer.
        if !work.renewals.is_empty() {
            let _ = renewals.give(client, work.renewals);
        }
        if !work.heartbeats.is_empty() {
            let _ = heartbeats.give(client, work.heartbeats);
        }
        let is_any = !work.releases.is_empty() || work.more.is_some();
        if is_any && let Err((given_up, _)) = releases.give(client, (work.releases, work.more)) {
            not_given_back(client, given_up);
        }
    }
    renewals.stop();
    heartbeats.stop();
    releases.stop();
}

fn not_given_back(client: &Client, given_up: impl IntoIterator<Item = GivenUp>) {
    let mut count = 0;
    let given_up = given_up.into_iter().inspect(|_| count += 1);
    client.agenda(|agenda| {
        given_up.for_each(|given_up| agenda.not_given_back(given_up, clock()));
    });
    meters::retried(count);
}

/// Sends renewals, a batch a call. After a failure the rest of them fails with it.
fn renew(client: &Client, connection: &mut Option<Connection>, batches: Vec<Vec<Renewal>>) {
    let mut failed: Option<Failure> = None;
    for batch in batches {
        let sent = clock();
        let first = batch.iter().map(|renewal| renewal.lock.deadline()).min().unwrap_or(0);
        let deadline = sent + client.timing.renewal_limit(first.saturating_sub(sent));
        let call = agenda::renewal_call(&batch, &client.timing);
        let answer = failed.clone().map_or_else(|| client.call_over(connection, &call, deadline), Err);
        let answered = answer.is_ok();
        client.agenda(|agenda| {
            agenda.renewed(&batch, &answer, sent, clock());
            match answer {
                Ok(refreshed) => agenda.left_over(refreshed.more),
                Err(failure) => failed = Some(failure),
            }
        });
        if answered {
            let lost = batch.iter().filter(|renewal| renewal.lock.deadline() == 0).count();
            meters::renewed(batch.len() - lost, lost, 0);
        } else {
            meters::renewed(0, 0, batch.len());
            meters::retried(batch.len());
        }
    }
}

/// Sends heartbeats, a batch a call. After a failure the rest of them fails with it.
fn beat(client: &Client, connection: &mut Option<Connection>, batches: Vec<Vec<Arc<Lock>>>) {
    let mut failed: Option<Failure> = None;
    for batch in batches {
        let sent = clock();
        let deadline = sent + client.timing.heartbeat_limit();
        let call = agenda::heartbeat_call(&batch, &client.timing);
        let answer = failed.clone().map_or_else(|| client.call_over(connection, &call, deadline), Err);
        let told = client.agenda(|agenda| {
            let told = agenda.beaten(&batch, &answer, sent, clock());
            match answer {
                Ok(refreshed) => agenda.left_over(refreshed.more),
                Err(failure) => failed = Some(failure),
            }
            told
        });
        told.iter().for_each(|(waiter, news)| waiter.tell(*news));
    }
}

/// Gives back what is not wanted any more, as one pipeline, and does what a call has left to do.
fn give_back(client: &Client, connection: &mut Option<Connection>, (given_up, more): Releases) {
    let deadline = clock() + client.timing.release_limit();
    if let Some(call) = more.and_then(|more| more.call(&client.timing))
        && let Ok(more) = client.call_over::<More>(connection, &call, deadline)
    {
        // If it failed the waiters' heartbeats do it.
        client.left_over(more);
    }
    if given_up.is_empty() {
        return;
    }
    let Ok(open) = client.connected(connection, deadline) else { return not_given_back(client, given_up) };
    let calls: Vec<_> = given_up.iter().map(|given_up| given_up.release.call(&client.timing)).collect();
    let mut answers = Vec::with_capacity(calls.len());
    let bytes: Vec<u8> = calls.iter().flat_map(|call| client.pack(call, false)).collect();
    let round_trip = RoundTrip::begin();
    round_trip.end(open.exchange(&bytes, calls.len(), deadline, |_, answer| answers.push(answer)));
    let mut failed = Vec::new();
    for ((mut given_up, call), answer) in given_up.into_iter().zip(&calls).zip(answers) {
        let answer: Result<Released, Failure> = match answer {
            Err(Failure::NoScript | Failure::Stranger) => client.call_over(connection, call, deadline),
            answer => Reply::from_answer(answer),
        };
        match given_up.release.answered(answer.as_ref().map_err(Failure::clone), true) {
            Outcome::Done { .. } => {}
            Outcome::Again | Outcome::Failed(_) => failed.push(given_up),
        }
        if let Ok(released) = answer {
            client.left_over(released.more);
        }
    }
    if !failed.is_empty() {
        not_given_back(client, failed);
    }
}
