//! [`Batch`]: grants that replicas are to have before anybody is given them
//! (`RedisStoreBuilder::wait_for_replicas`).
//!
//! `WAIT` says how many replicas have what the *same connection* wrote before. A grant may have
//! been written by another connection: a caller's, the driver's, or that of the client whose
//! release handed the lock over. So each grant is *renewed* first, and `WAIT` follows in the same
//! pipeline. The renewal writes something in any case: the tree's `tick`, which is before the time
//! of each script. A replica takes the writes of its master in their order. So one that has the
//! renewal has the grant, whoever wrote it.
//!
//! | a grant is | the next | by |
//! |---|---|---|
//! | asked for, waited for | granted, and held as far as the agenda knows | an answer, or a message |
//! | granted | in a batch | a lane that is free |
//! | in a batch | confirmed: given out | `WAIT` counts enough, and the renewal found it |
//! | | in the batch: asked about again | too few, or a failure, and there is time left |
//! | | refused: given back, and then the caller is told | too few, or a failure, and its time is up; the renewal did not find it |
//!
//! # Invariants
//!
//! * **C1, none without.** Only a grant that was confirmed is given out.
//! * **C2, one server.** A count is believed for what was renewed before it in the same pipeline,
//!   over the same connection. Each round renews all that is left of the batch. So what one server
//!   says of its replicas is never taken for what another one has granted.
//! * **C3, refused is free.** What is refused is given back first, and the caller told then. A
//!   task's is on its way by then, ahead of what the task asks for next. If it cannot be given back
//!   at once the agenda goes on with it (P4).
//! * **C4, an end.** A `WAIT` ends with the time of the first of its batch, so each round tells
//!   somebody, unless it failed; and a round that fails after the time of the last tells all.
//! * **C5, everybody is told once**: who is taken out of the batch is told, and nobody else.
//!
//! Meanwhile the lock is held, as far as server and agenda know: it is renewed, and others wait for
//! it as for any holder. Nobody waits for a waiter's confirmation, so there is no circle.

use super::agenda::BATCH;
use super::calls::{self, Extent, Found, Refreshed};
use super::lock::Lock;
use super::script::Call;
use super::timing::{GRACE, Timing, pause};
use crate::redis::error::Failure;
use crate::redis::primitives::Arc;

/// How many replicas have to have a grant, and within which time.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::redis) struct Replicas {
    /// 0: none, so nobody asks.
    pub(in crate::redis) count: u64,
    /// In microseconds.
    pub(in crate::redis) time: u64,
}

/// What came of it.
#[derive(Clone, Debug)]
pub(in crate::redis) enum Verdict {
    Confirmed,
    /// Only so many replicas have it.
    TooFew(u64),
    /// The server that was asked does not have it: another one has taken over.
    Lost,
    Failed(Failure),
}

/// A grant that has to be confirmed: a lock, or all of a set.
#[derive(Debug)]
struct Unconfirmed<T> {
    locks: Vec<Arc<Lock>>,
    until: u64,
    whose: T,
}

/// Grants that are asked about together. `T` is whom to tell.
#[derive(Debug)]
pub(in crate::redis) struct Batch<T> {
    all: Vec<Unconfirmed<T>>,
    /// Rounds in a row that failed.
    failures: u32,
}

impl<T> Default for Batch<T> {
    fn default() -> Self {
        Self { all: Vec::new(), failures: 0 }
    }
}

impl Replicas {
    /// Until when a grant of now may be asked about, if its caller waits until `deadline`. As
    /// everywhere, a caller whose time is up waits a moment for the answer.
    pub(in crate::redis) fn until(&self, deadline: u64, now: u64) -> u64 {
        now.saturating_add(self.time).min(deadline.max(now.saturating_add(GRACE)))
    }
}

impl<T> Batch<T> {
    /// A grant goes with the others.
    pub(in crate::redis) fn add(&mut self, locks: Vec<Arc<Lock>>, until: u64, whose: T) {
        self.all.push(Unconfirmed { locks, until, whose });
    }

    pub(in crate::redis) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The calls that renew all of them: what was granted with a lease of its own keeps its end.
    pub(in crate::redis) fn calls(&self, timing: &Timing) -> Vec<Call> {
        let locks: Vec<&Arc<Lock>> = self.all.iter().flat_map(|one| &one.locks).collect();
        let extent = |lock: &Lock| Extent::AtLeast(if lock.renews() { lock.lease } else { 1 });
        let call = |locks: &[&Arc<Lock>]| calls::refresh(locks.iter().map(|lock| (&***lock, extent(lock))), timing);
        locks.chunks(BATCH).map(call).collect()
    }

    /// The time of the first whose time is up.
    pub(in crate::redis) fn first(&self) -> u64 {
        self.all.iter().map(|one| one.until).min().unwrap_or(0)
    }

    /// For how long `WAIT` is to wait, in milliseconds. Not zero, which would be for ever.
    pub(in crate::redis) fn milliseconds(&self, now: u64) -> u64 {
        self.first().saturating_sub(now).div_ceil(1000).max(1)
    }

    /// How long to wait before the next round.
    pub(in crate::redis) fn pause(&self) -> u64 {
        pause(self.failures)
    }

    /// What one round has shown: what the renewals found, and how many replicas have them. Returns
    /// those to be told, and what.
    pub(in crate::redis) fn answered(
        &mut self,
        round: Result<(Vec<Refreshed>, u64), Failure>,
        replicas: &Replicas,
        now: u64,
    ) -> Vec<(T, Verdict)> {
        self.failures = if round.is_err() { self.failures + 1 } else { 0 };
        let (mut told, mut rest) = (Vec::new(), Vec::new());
        let mut found = round.as_ref().ok().into_iter().flat_map(|(refreshed, _)| refreshed).flat_map(|it| &it.found);
        for one in std::mem::take(&mut self.all) {
            // C4: `WAIT` counts milliseconds.
            let is_over = one.until <= now.saturating_add(1000);
            let verdict = match &round {
                Err(failure) => (is_over || failure.is_final()).then(|| Verdict::Failed(failure.clone())),
                Ok((_, acknowledged)) => {
                    let its = found.by_ref().take(one.locks.len());
                    let held = its.filter(|&found| *found == Found::Held).count() == one.locks.len();
                    match *acknowledged {
                        _ if !held => Some(Verdict::Lost),
                        count if count >= replicas.count => Some(Verdict::Confirmed),
                        count => is_over.then_some(Verdict::TooFew(count)),
                    }
                }
            };
            match verdict {
                Some(verdict) => told.push((one.whose, verdict)),
                None => rest.push(one),
            }
        }
        self.all = rest;
        told
    }
}

#[cfg(test)]
mod tests;
