//! What is done with a held lock: [`Refresh`], [`RefreshAll`], [`Downgrade`], [`Detach`]. Each is
//! sent twice at the most, and then fails.
//!
//! What a request without an answer has done is not known. What is believed afterwards is true
//! either way: the earlier deadline (P1), the weaker mode.

use super::calls::{self, Answered, Detached, Extent, Found, Refreshed};
use super::keys::Target;
use super::lock::Lock;
use super::script::Call;
use super::timing::Timing;
use crate::redis::error::Failure;
use crate::redis::primitives::Arc;

/// As many tries as this.
const TRIES: u32 = 2;

/// What came of a try.
#[derive(Debug)]
pub(in crate::redis) enum Outcome<T> {
    Done(T),
    /// The lock is not held any more.
    NotHeld,
    /// To be sent again, at once.
    Again,
    Failed(Failure),
}

/// Counts the tries of one request.
#[derive(Debug, Default)]
pub(super) struct Tries {
    count: u32,
    /// Whether one of them may have been carried out.
    pub(super) unsure: bool,
}

impl Tries {
    pub(super) fn failed<T>(&mut self, failure: Failure, hopeless: bool) -> Outcome<T> {
        self.count += 1;
        self.unsure |= matches!(failure, Failure::Unsure(_));
        if failure.is_final() || hopeless || self.count >= TRIES { Outcome::Failed(failure) } else { Outcome::Again }
    }
}

/// Sets the end of a lease, on behalf of its holder.
#[derive(Debug)]
pub(in crate::redis) struct Refresh {
    lock: Arc<Lock>,
    extent: Extent,
    length: u64,
    /// Until when it was held for certain before.
    before: u64,
    /// Whether the lease renews itself afterwards.
    renews: bool,
    tries: Tries,
}

impl Refresh {
    /// From now on the deadline is no later than what is asked for (P1). `None` if it is not held.
    pub(in crate::redis) fn new(lock: &Arc<Lock>, length: u64, renews: bool, now: u64) -> Option<Self> {
        if !lock.is_held(now) {
            return None;
        }
        let before = lock.deadline();
        let version = lock.begin_to_set(length, now);
        let extent = Extent::Exactly { length, version };
        Some(Self { lock: lock.clone(), extent, length, before, renews, tries: Tries::default() })
    }

    /// Of a detached lock, about which the server knows more than this process: it may be held
    /// though this process believes otherwise.
    pub(in crate::redis) fn of_detached(lock: &Arc<Lock>, length: u64, now: u64) -> Self {
        lock.begin_to_set(length, now);
        let extent = Extent::Detached(length);
        Self { lock: lock.clone(), extent, length, before: 0, renews: false, tries: Tries::default() }
    }

    pub(in crate::redis) fn call(&self, timing: &Timing) -> Call {
        calls::refresh([(&*self.lock, self.extent)], timing)
    }

    /// What came of the request that was sent at that time.
    pub(in crate::redis) fn answered(
        &mut self,
        answer: Result<&Refreshed, Failure>,
        sent: u64,
        now: u64,
        hopeless: bool,
    ) -> Outcome<()> {
        let found = match answer {
            Ok(refreshed) => refreshed.found.first(),
            // In between its own time may have come: then there is nothing to try again for.
            Err(failure) => return self.tries.failed(failure, hopeless || self.has_expired(now)),
        };
        self.looked(found, sent, now)
    }

    /// What is said of it in an answer.
    fn looked(&mut self, found: Option<&Found>, sent: u64, now: u64) -> Outcome<()> {
        let deadline = sent.saturating_add(self.length);
        let held = found == Some(&Found::Held)
            && match self.extent {
                // What ended as it was asked to, before the answer came, is no error.
                Extent::Exactly { version, .. } => {
                    self.lock.was_set(version, deadline, self.renews, now) || deadline <= now && now < self.before
                }
                _ => {
                    self.lock.attached(self.lock.fencing_token(), deadline);
                    true
                }
            };
        if held {
            return Outcome::Done(());
        }
        self.lock.lose();
        Outcome::NotHeld
    }

    fn has_expired(&self, now: u64) -> bool {
        matches!(self.extent, Extent::Exactly { .. }) && !self.lock.is_held(now)
    }
}

/// Sets the ends of several leases in one call. There is at least one.
#[derive(Debug)]
pub(in crate::redis) struct RefreshAll {
    all: Vec<Refresh>,
    /// The first of them that is not held any more; the first of all, if all are.
    lost: usize,
    tries: Tries,
}

impl RefreshAll {
    pub(in crate::redis) fn new(all: Vec<Refresh>) -> Self {
        Self { all, lost: 0, tries: Tries::default() }
    }

    pub(in crate::redis) fn call(&self, timing: &Timing) -> Call {
        calls::refresh(self.all.iter().map(|it| (&*it.lock, it.extent)), timing)
    }

    /// As for one. What each of them believes afterwards is its own affair.
    pub(in crate::redis) fn answered(
        &mut self,
        answer: Result<&Refreshed, Failure>,
        sent: u64,
        now: u64,
        hopeless: bool,
    ) -> Outcome<()> {
        let found = match answer {
            Ok(refreshed) => &refreshed.found,
            Err(failure) => {
                let none_is_held = self.all.iter().all(|it| it.has_expired(now));
                return self.tries.failed(failure, hopeless || none_is_held);
            }
        };
        let mut lost = None;
        for (at, refresh) in self.all.iter_mut().enumerate() {
            if matches!(refresh.looked(found.get(at), sent, now), Outcome::NotHeld) {
                lost.get_or_insert(at);
            }
        }
        self.lost = lost.unwrap_or(0);
        if lost.is_some() { Outcome::NotHeld } else { Outcome::Done(()) }
    }

    pub(in crate::redis) fn first_lost(&self) -> &Lock {
        &self.all[self.lost].lock
    }
}

/// Makes an exclusive lock a shared one.
#[derive(Debug)]
pub(in crate::redis) struct Downgrade {
    lock: Arc<Lock>,
    tries: Tries,
}

impl Downgrade {
    pub(in crate::redis) fn new(lock: &Arc<Lock>) -> Self {
        Self { lock: lock.clone(), tries: Tries::default() }
    }

    pub(in crate::redis) fn call(&self, timing: &Timing) -> Call {
        calls::downgrade(&self.lock, timing)
    }

    pub(in crate::redis) fn answered(&mut self, answer: Result<&Answered, Failure>, hopeless: bool) -> Outcome<()> {
        match answer {
            Ok(Answered { yes: Some(true), .. }) => {
                self.lock.became_shared();
                Outcome::Done(())
            }
            Ok(&Answered { raised: Some(fencing_token), .. }) => {
                self.lock.learn(fencing_token);
                Outcome::Again
            }
            Ok(_) => {
                self.lock.lose();
                Outcome::NotHeld
            }
            Err(failure) => self.tries.failed(failure, hopeless),
        }
    }

    /// Whether the lock may be a shared one, though no answer said so. Shared is true either way.
    pub(in crate::redis) fn may_be_done(&self) -> bool {
        self.tries.unsure
    }
}

/// Makes a lock one that outlives its guard. Nobody renews it from then on.
#[derive(Debug)]
pub(in crate::redis) struct Detach {
    lock: Arc<Lock>,
    target: Target,
    /// The time left from then on; 0: as it is.
    length: u64,
    version: u64,
    tries: Tries,
}

impl Detach {
    /// The lease starts anew if it has renewed itself so far. `None` if the lock is not held.
    pub(in crate::redis) fn new(lock: &Arc<Lock>, target: &Target, now: u64) -> Option<Self> {
        if !lock.is_held(now) {
            return None;
        }
        let length = if lock.stop_renewing() { lock.lease } else { 0 };
        let left = if length > 0 { length } else { lock.deadline().saturating_sub(now) };
        let version = lock.begin_to_set(left, now);
        Some(Self { lock: lock.clone(), target: target.clone(), length, version, tries: Tries::default() })
    }

    pub(in crate::redis) fn call(&self, timing: &Timing) -> Call {
        calls::detach(&self.lock, &self.target, self.length, self.version, timing)
    }

    pub(in crate::redis) fn answered(
        &mut self,
        answer: Result<Option<Detached>, Failure>,
        hopeless: bool,
    ) -> Outcome<Detached> {
        match answer {
            // A server with older data may have less than was held.
            Ok(Some(detached)) if detached.fencing_token >= self.lock.drawn() => Outcome::Done(detached),
            Ok(_) => {
                self.lock.lose();
                Outcome::NotHeld
            }
            Err(failure) => self.tries.failed(failure, hopeless),
        }
    }
}

#[cfg(test)]
mod tests;
