//! [`Confirmer`]: has grants confirmed by replicas before anybody is given them, where the store
//! [waits for replicas](crate::RedisStoreBuilder::wait_for_replicas). What is asked, and what the
//! answers mean, is in [`protocol/confirm.rs`](crate::redis::protocol::confirm) (C1 to C5).
//!
//! `WAIT` holds up its connection until the replicas have answered, or until its time is up. So it
//! is asked over connections of its own, by up to four [lanes](super::lanes) a site: no release,
//! renewal or other user's request is behind it. What is granted meanwhile goes as one batch. While
//! replicas are away each lane has a batch that waits in vain, and what is granted then waits for a
//! lane, but no longer than its own time.
//!
//! **Nobody is forgotten.** While the queue is not empty, one lane has been called that has not
//! looked yet: whoever adds to an empty queue calls one, under the lock of the queue, and a lane
//! takes all of it under that lock. If no thread can be had all are told so.
//!
//! A thread that waits leaves at its own time, whatever the lanes do. Then nobody reads what it is
//! told. A silent server costs a lane the store's timeout.

use std::thread;
use std::time::Duration;

use super::caller;
use super::client::{Client, store_error};
use super::engine::Engine;
use super::own::Own;
use crate::error::LockError;
use crate::observe::meters::RoundTrip;
use crate::redis::clock::{clock, until};
use crate::redis::command::command;
use crate::redis::error::{Failure, RedisStoreError};
use crate::redis::primitives::{Arc, Condvar, Mutex};
use crate::redis::protocol::calls::{Refreshed, Reply};
use crate::redis::protocol::confirm::{Batch, Replicas, Verdict};
use crate::redis::protocol::lock::Lock;
use crate::redis::protocol::release::Release;
use crate::redis::value::Value;

/// A caller whose time is up waits for so long for an answer that is on its way, in microseconds. A
/// server that has nothing else to do looks at the times of `WAIT` every 100 ms.
const LAST_ANSWER: u64 = 250_000;

/// How somebody is told: once, by a lane, under no lock.
pub(super) type Told = Box<dyn FnOnce(Verdict) + Send>;

pub(super) struct Confirmer {
    replicas: Replicas,
    client: Arc<Client>,
    queue: Arc<Queue>,
}

/// What is to be confirmed in one tree.
pub(super) struct Queue {
    replicas: Replicas,
    batch: Mutex<Batch<Told>>,
}

impl Confirmer {
    /// No thread is started yet.
    pub(super) fn new(client: Arc<Client>, replicas: Replicas) -> Self {
        let queue = Arc::new(Queue { replicas, batch: Mutex::default() });
        Self { replicas, client, queue }
    }

    /// Whether grants are to be confirmed at all.
    pub(super) fn is_on(&self) -> bool {
        self.replicas.count > 0
    }

    /// Asks about a grant whose caller waits until `deadline`.
    pub(super) fn ask(&self, locks: Vec<Arc<Lock>>, deadline: u64, told: Told) {
        let until = self.replicas.until(deadline, clock());
        let failed = {
            let mut batch = self.queue.batch.lock();
            let calls = batch.is_empty();
            batch.add(locks, until, told);
            let called = !calls || self.call_lane();
            if called { Batch::default() } else { std::mem::take(&mut *batch) }
        };
        let error = RedisStoreError::Config("a thread cannot be started".into());
        tell(failed, Err(Failure::Refused(error)), &self.replicas);
    }

    /// A site that the tree has just left may have no lanes any more.
    fn call_lane(&self) -> bool {
        let give = || {
            let workers = self.client.workers().ok()?;
            workers.confirms.give((self.client.clone(), self.queue.clone())).ok()
        };
        give().or_else(give).is_some()
    }

    /// The error for the caller; `None` if the grant is confirmed.
    pub(super) fn error_of(&self, verdict: Verdict, lock: &Lock) -> Option<LockError> {
        Some(match verdict {
            Verdict::Confirmed => return None,
            Verdict::TooFew(acknowledged) => {
                let number = |number| usize::try_from(number).unwrap_or(usize::MAX);
                let (acknowledged, wanted) = (number(acknowledged), number(self.replicas.count));
                LockError::Store(Box::new(RedisStoreError::TooFewReplicas { acknowledged, wanted }))
            }
            Verdict::Lost => LockError::NotHeld { path: lock.path.clone() },
            Verdict::Failed(failure) => store_error(failure),
        })
    }
}

/// Where a thread waits for what it is told.
#[derive(Default)]
struct Slot {
    verdict: Mutex<Option<Verdict>>,
    changed: Condvar,
}

/// Has a grant confirmed, on behalf of a thread that waits until `deadline`: the error if it is
/// not.
pub(super) fn check(engine: &Engine, lock: &Arc<Lock>, deadline: u64) -> Option<LockError> {
    let confirmer = &engine.confirmer;
    if !confirmer.is_on() {
        return None;
    }
    let slot = Arc::new(Slot::default());
    let told = slot.clone();
    let until_then = confirmer.replicas.until(deadline, clock());
    let leaves = engine.client.timing.call_deadline(until_then);
    let leaves = leaves.min(deadline.max(until_then).saturating_add(LAST_ANSWER));
    confirmer.ask(
        lock.all().cloned().collect(),
        deadline,
        Box::new(move |verdict| {
            *told.verdict.lock() = Some(verdict);
            told.changed.notify_one();
        }),
    );
    let mut verdict = slot.verdict.lock();
    while verdict.is_none() && !until(leaves).is_zero() {
        slot.changed.wait_for(&mut verdict, until(leaves));
    }
    let verdict = verdict.take();
    confirmer.error_of(verdict.unwrap_or_else(|| Verdict::Failed(Failure::Unsure(engine.client.wire.too_late()))), lock)
}

/// The same for a lock, or a set, that was just taken: if it is not confirmed it is given back
/// (C3).
pub(super) fn grant(engine: &Engine, lock: Arc<Lock>, deadline: u64) -> Result<Arc<Lock>, LockError> {
    let Some(error) = check(engine, &lock, deadline) else { return Ok(lock) };
    engine.client.agenda(|agenda| lock.all().for_each(|lock| _ = agenda.forget(lock)));
    let _ = caller::release(engine, Release::of_unwanted_set(&lock));
    Err(error)
}

/// A lane has been called: takes all there is, and asks until everybody has been told.
pub(super) fn work(own: &mut Own, (client, queue): (Arc<Client>, Arc<Queue>)) {
    let mut batch = std::mem::take(&mut *queue.batch.lock());
    while !batch.is_empty() {
        let round = round(&client, own, &batch, &queue.replicas);
        batch = tell(batch, round, &queue.replicas);
        thread::sleep(Duration::from_micros(batch.pause()).min(until(batch.first())));
    }
}

fn tell(mut batch: Batch<Told>, round: Result<(Vec<Refreshed>, u64), Failure>, replicas: &Replicas) -> Batch<Told> {
    for (told, verdict) in batch.answered(round, replicas, clock()) {
        told(verdict);
    }
    batch
}

/// Renews all, and asks how many replicas have that, as one pipeline (C2).
fn round(
    client: &Arc<Client>,
    own: &mut Own,
    batch: &Batch<Told>,
    replicas: &Replicas,
) -> Result<(Vec<Refreshed>, u64), Failure> {
    let calls = batch.calls(&client.timing);
    let deadline = client.timing.call_deadline(batch.first().max(clock()));
    let (mut by_text, mut greeted) = (false, false);
    loop {
        let now = clock();
        let wait = [replicas.count, batch.milliseconds(now)].map(|number| number.to_string());
        own.connected(&client.run_id(&own.site), deadline)?;
        let mut bytes: Vec<u8> = calls.iter().flat_map(|call| client.pack(&own.site, call, by_text)).collect();
        bytes.extend(command(&[b"WAIT", wait[0].as_bytes(), wait[1].as_bytes()]));
        let mut answers = Vec::with_capacity(calls.len() + 1);
        let round_trip = RoundTrip::begin();
        let Some(connection) = &mut own.connection else { continue };
        let good = connection.exchange(&bytes, calls.len() + 1, deadline, |_, answer| answers.push(answer));
        round_trip.end(good);
        if answers.contains(&Err(Failure::NoScript)) && !by_text {
            by_text = true;
            continue;
        }
        if answers.contains(&Err(Failure::Stranger)) && !greeted {
            own.greet(&[&**client], deadline)?;
            greeted = true;
            continue;
        }
        answers.iter().for_each(|answer| client.heed(answer));
        let acknowledged = match answers.pop() {
            Some(Ok(Value::Int(count))) => u64::try_from(count).unwrap_or(0),
            Some(Err(failure)) => return Err(failure),
            _ => return Err(Failure::Refused(RedisStoreError::Protocol("the answer to WAIT is no number".into()))),
        };
        let refreshed: Vec<Refreshed> = answers.into_iter().map(Reply::from_answer).collect::<Result<_, _>>()?;
        refreshed.iter().for_each(|it| client.left_over(it.more.clone()));
        return Ok((refreshed, acknowledged));
    }
}
