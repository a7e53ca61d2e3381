//! The keeper: one thread a client that does what the [agenda](crate::redis::protocol::agenda) says
//! is due. It does no I/O, so losses are told in time whatever the server does.
//!
//! Three kinds of [lanes](super::lanes) do the I/O: renewals, heartbeats, and releases with what
//! else is in nobody's way. No kind waits for another, and none of them for a user's call. A
//! request that gets no answer is sent again by another lane of its kind, over another connection
//! (P6).

use super::client::Client;
use super::keeping;
use super::own::Own;
use super::schedule::Schedule;
use super::workers::Workers;
use crate::observe::meters;
use crate::redis::clock::clock;
use crate::redis::error::Failure;
use crate::redis::primitives::Arc;
use crate::redis::protocol::agenda::{self, BATCH, GivenUp, Renewal};
use crate::redis::protocol::calls::{More, Refreshed, Released, Reply};
use crate::redis::protocol::lock::Lock;
use crate::redis::protocol::message::News;
use crate::redis::protocol::release::{Outcome, Release};
use crate::redis::protocol::script::Call;
use crate::redis::value::Value;

/// What is to be done in a tree, a call each.
pub(super) type Renewals = Vec<(Arc<Client>, Vec<Renewal>)>;
pub(super) type Beats = Vec<(Arc<Client>, Vec<Arc<Lock>>)>;
pub(super) type Releases = Vec<(Arc<Client>, Vec<GivenUp>, Option<More>)>;

type Answer = Result<Value, Failure>;

/// The thread.
pub(super) fn run(schedule: &Schedule) {
    while let Some(trees) = schedule.next() {
        let mut sites: Vec<(Arc<Workers>, Vec<Arc<Client>>)> = Vec::new();
        for client in trees {
            let Ok(workers) = client.workers() else {
                client.rest();
                continue;
            };
            match sites.iter_mut().find(|(other, _)| Arc::ptr_eq(other, &workers)) {
                Some((_, trees)) => trees.push(client),
                None => sites.push((workers, vec![client])),
            }
        }
        sites.iter().for_each(|(workers, trees)| look(workers, trees));
    }
}

/// What is due in the trees of one site.
fn look(workers: &Workers, trees: &[Arc<Client>]) {
    let room = workers.room(trees);
    let (mut renewals, mut heartbeats, mut releases) = (Renewals::new(), Beats::new(), Releases::new());
    for client in trees {
        if let Some(keeping) = &client.keeping {
            keeping.look(client);
        }
        let work = client.take_work(room);
        if work.is_empty() {
            continue;
        }
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
        renewals.extend(work.renewals.into_iter().map(|batch| (client.clone(), batch)));
        heartbeats.extend(work.heartbeats.into_iter().map(|batch| (client.clone(), batch)));
        if !work.releases.is_empty() || work.more.is_some() {
            releases.push((client.clone(), work.releases, work.more));
        }
    }
    // The lease that ends first comes first.
    renewals.sort_by_key(|(_, batch)| batch.first().map_or(0, |renewal| renewal.lock.deadline()));
    // What finds no thread is due again after a while, as if it had got no answer.
    if !renewals.is_empty() {
        let _ = workers.renewals.give(renewals);
    }
    if !heartbeats.is_empty() {
        let _ = workers.heartbeats.give(heartbeats);
    }
    if !releases.is_empty()
        && let Err(releases) = workers.releases.give(releases)
    {
        releases.into_iter().for_each(|(client, given_up, _)| not_given_back(&client, given_up));
    }
}

fn not_given_back(client: &Client, given_up: impl IntoIterator<Item = GivenUp>) {
    let mut count = 0;
    let given_up = given_up.into_iter().inspect(|_| count += 1);
    client.agenda(|agenda| {
        given_up.for_each(|given_up| agenda.not_given_back(given_up, clock()));
    });
    meters::retried(count);
}

/// Sends the calls of batches, as pipelines that have no more tokens than one call may have. After
/// a failure of the connection the rest fails with it.
fn send<T>(
    own: &mut Own,
    batches: &[(Arc<Client>, Vec<T>)],
    call: impl Fn(&Client, &[T]) -> Call,
    deadline: impl Fn(&[(Arc<Client>, Vec<T>)], u64) -> u64,
    mut answered: impl FnMut(&Arc<Client>, &[T], Answer, u64),
) {
    let mut rest = batches;
    let mut failed: Option<Failure> = None;
    while !rest.is_empty() {
        let mut tokens = 0;
        let fits = |(_, batch): &&(Arc<Client>, Vec<T>)| {
            tokens += batch.len();
            tokens <= BATCH
        };
        let count = rest.iter().take_while(fits).count().max(1);
        let (now, later) = rest.split_at(count);
        rest = later;
        let sent = clock();
        let calls: Vec<Call> = now.iter().map(|(client, batch)| call(client, batch)).collect();
        let pairs: Vec<(&Client, &Call)> = now.iter().map(|(client, _)| &**client).zip(&calls).collect();
        let answers = match &failed {
            Some(failure) => Err(failure.clone()),
            None => own.exchange(&pairs, deadline(now, sent)),
        };
        let answers = answers.unwrap_or_else(|failure| vec![Err(failure); now.len()]);
        if let Some(Err(failure)) = answers.iter().find(|answer| answer.as_ref().is_err_and(Failure::is_silence)) {
            failed = Some(failure.clone());
        }
        for ((client, batch), answer) in now.iter().zip(answers) {
            answered(client, batch, answer, sent);
        }
    }
}

/// Sends renewals.
pub(super) fn renew(own: &mut Own, batches: Renewals) {
    send(
        own,
        &batches,
        |client, batch| agenda::renewal_call(batch, &client.timing),
        |batches, sent| {
            let limit = |(client, batch): &(Arc<Client>, Vec<Renewal>)| {
                let first = batch.iter().map(|renewal| renewal.lock.deadline()).min().unwrap_or(0);
                client.timing.renewal_limit(first.saturating_sub(sent))
            };
            sent + batches.iter().map(limit).min().unwrap_or(0)
        },
        |client, batch, answer, sent| {
            let answer: Result<Refreshed, Failure> = Reply::from_answer(answer);
            let answered = answer.is_ok();
            client.agenda(|agenda| {
                agenda.renewed(batch, &answer, sent, clock());
                if let Ok(refreshed) = answer {
                    agenda.left_over(refreshed.more);
                }
            });
            if answered {
                let lost = batch.iter().filter(|renewal| renewal.lock.deadline() == 0).count();
                meters::renewed(batch.len() - lost, lost, 0);
            } else {
                meters::renewed(0, 0, batch.len());
                meters::retried(batch.len());
            }
        },
    );
}

/// Sends heartbeats.
pub(super) fn beat(own: &mut Own, batches: Beats) {
    send(
        own,
        &batches,
        |client, batch| agenda::heartbeat_call(batch, &client.timing),
        |batches, sent| {
            let limit = |(client, _): &(Arc<Client>, Vec<Arc<Lock>>)| client.timing.heartbeat_limit();
            sent + batches.iter().map(limit).min().unwrap_or(0)
        },
        |client, batch, answer, sent| {
            let answer: Result<Refreshed, Failure> = Reply::from_answer(answer);
            let told = client.agenda(|agenda| {
                let told = agenda.beaten(batch, &answer, sent, clock());
                if let Ok(refreshed) = answer {
                    agenda.left_over(refreshed.more);
                }
                told
            });
            told.iter().for_each(|(waiter, news)| waiter.tell(*news));
        },
    );
}

/// Gives back what is not wanted any more, a tree's as one pipeline, and does what a call has left
/// to do. A server that is silent to one tree is to the rest.
pub(super) fn give_back(own: &mut Own, trees: Releases) {
    let mut is_silent = false;
    for (client, given_up, more) in trees {
        let deadline = clock() + client.timing.release_limit();
        // If it fails the waiters' heartbeats do it.
        if let (Some(call), false) = (more.and_then(|more| more.call(&client.timing)), is_silent) {
            match own.call::<More>(&client, &call, deadline) {
                Ok(more) => client.left_over(more),
                Err(failure) => is_silent = failure.is_silence(),
            }
        }
        if given_up.is_empty() {
            continue;
        }
        if is_silent {
            not_given_back(&client, given_up);
            continue;
        }
        let calls: Vec<_> = given_up.iter().map(|given_up| given_up.release.call(&client.timing)).collect();
        let pairs: Vec<(&Client, &Call)> = calls.iter().map(|call| (&*client, call)).collect();
        let answers = own.exchange(&pairs, deadline);
        let answers = answers.unwrap_or_else(|failure| vec![Err(failure); calls.len()]);
        is_silent = answers.iter().any(|answer| answer.as_ref().is_err_and(Failure::is_silence));
        let mut failed = Vec::new();
        for (mut given_up, answer) in given_up.into_iter().zip(answers) {
            let answer: Result<Released, Failure> = Reply::from_answer(answer);
            match given_up.release.answered(answer.as_ref().map_err(Failure::clone), true) {
                Outcome::Done { .. } => {}
                Outcome::Again | Outcome::Failed(_) => failed.push(given_up),
            }
            if let Ok(released) = answer {
                client.left_over(released.more);
            }
        }
        if !failed.is_empty() {
            not_given_back(&client, failed);
        }
    }
}
