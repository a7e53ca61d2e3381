//! A held lock becomes another one: [`Narrow`], [`Widen`], [`Upgrade`].
//!
//! Who takes more keeps what it has all along. So a request without an answer leaves it what it
//! had, which is true either way. Who narrows lets go: a request without an answer may have done
//! so, and the kept locks have tokens of their own. So if no answer comes at all, nothing of it is
//! believed any more, and all of its tokens are given back.
//!
//! # Raised
//!
//! To widen and to upgrade draw a new fencing token: the lock is *raised* to it. The server has the
//! last one that it drew, and each request about a raised lock says the last one that is known here
//! ([`Lock::drawn`]). docs/redis.md has I11.
//!
//! * The server's is *smaller*: it has older data, and the lock as less than what is believed here.
//!   It answers that the lock is lost. A renewal finds that after a third of a lease at the most.
//! * The server's is *greater*: the request is late. It does nothing, and nobody reads its answer.
//!   Or a request that was given up has raised the lock after all. Then the answer says to what,
//!   and the request is sent again with that. The lock is believed to be what it was.
//! * **G1, a raise is believed with the deadline that it was asked with.** A renewal that was sent
//!   before the answer does not say that the lock was raised. So it may be answered by a server
//!   that does not know it, with the answer of one that did still under way. Hence the raise counts
//!   only if no renewal was answered since it was asked for; else it is asked for again, and by a
//!   server that knows the lock it is granted again. And the answer to a renewal that was sent
//!   before the raise was believed makes no deadline later. Until then the lock is in doubt: if it
//!   is released its release says nothing of kind and path, which are not what is believed.
//!
//! An upgrade waits on the server, and keeps its lock, which renews itself as before. It has no
//! heartbeat: the waiter asks again as often as it would beat. If it has left without the server
//! knowing, its place in the queue is over after a claim window. Each upgrade of a lock has a
//! number, so that a late request of one that was given up does nothing: it leaves a tombstone if
//! one of its requests may be under way, or one of an earlier upgrade of this lock.

use super::calls::{self, Answered, Attempt, Changed, InTheWay, More};
use super::held::{Outcome, Tries};
use super::keys::{self, Target};
use super::lock::Lock;
use super::release::Release;
use super::script::Call;
use super::timing::{GRACE, NEVER, RECALL, RETRY, Timing, pause, recall_pause};
use crate::error::Blocker;
use crate::redis::error::Failure;
use crate::redis::primitives::Arc;
use crate::request::Kind;

/// Lets go of a part of a lock.
#[derive(Debug)]
pub(in crate::redis) struct Narrow {
    lock: Arc<Lock>,
    kept: Vec<(Arc<Lock>, Vec<u8>)>,
    /// Until when the lock was held for certain before.
    before: u64,
    tries: Tries,
}

impl Narrow {
    /// Each of the new locks is for one of the targets. `None` if the lock is not held. From now on
    /// it is not to be renewed.
    pub(in crate::redis) fn new(
        lock: &Arc<Lock>,
        kept: Vec<(Arc<Lock>, Target)>,
        client: &str,
        timing: &Timing,
        now: u64,
    ) -> Option<Self> {
        let before = lock.deadline();
        let about = |(lock, target): (Arc<Lock>, Target)| {
            let about = calls::about(&lock, &target, client, timing);
            (lock, about)
        };
        let kept = kept.into_iter().map(about).collect();
        lock.is_held(now).then(|| Self { lock: lock.clone(), kept, before, tries: Tries::default() })
    }

    pub(in crate::redis) fn call(&self, timing: &Timing) -> Call {
        calls::narrow(&self.lock, self.kept.iter().map(|(lock, about)| (&**lock, &**about)), timing)
    }

    /// What is kept has what is left of the lease. A renewal that was answered meanwhile was
    /// carried out before.
    pub(in crate::redis) fn answered(
        &mut self,
        answer: Result<&Answered, Failure>,
        hopeless: bool,
    ) -> Outcome<Vec<Arc<Lock>>> {
        match answer {
            Ok(Answered { yes: Some(true), .. }) => {
                let (deadline, renews) = (self.before.max(self.lock.deadline()), self.lock.renews());
                let kept = self.kept.iter().map(|(lock, _)| lock.clone());
                let kind = self.lock.kind();
                let granted = kept.inspect(|lock| {
                    lock.set_kind(kind);
                    lock.granted(self.lock.fencing_token(), deadline, renews);
                });
                Outcome::Done(granted.collect())
            }
            Ok(_) => Outcome::NotHeld,
            Err(failure) => self.tries.failed(failure, hopeless),
        }
    }

    /// It failed. If it may have been done: all that the server may have is to be given back.
    pub(in crate::redis) fn left(self) -> Option<Release> {
        if !self.tries.unsure {
            return None;
        }
        let all: Vec<_> = std::iter::once(self.lock).chain(self.kept.into_iter().map(|(lock, _)| lock)).collect();
        all.iter().for_each(|lock| lock.doubt());
        Release::of_many(all, false)
    }
}

/// Takes a lock on what is above it, too.
#[derive(Debug)]
pub(in crate::redis) struct Widen {
    lock: Arc<Lock>,
    target: Target,
    kind: Kind,
    about: Vec<u8>,
    /// The deadline when it was asked for (G1).
    asked_with: u64,
    tries: Tries,
}

/// What came of an attempt to get more.
#[derive(Debug)]
pub(in crate::redis) enum Got<T> {
    It(T),
    NotHeld,
    Blocked(Blocker),
    /// What is in the way was recalled: to be tried again, for [`RECALL`] at the most.
    Kept(Blocker),
    Upgrading(Blocker),
    Failed(Failure),
}

impl Widen {
    pub(in crate::redis) fn new(lock: &Arc<Lock>, target: &Target, kind: Kind, client: &str, timing: &Timing) -> Self {
        let about = calls::about(lock, target, client, timing);
        let (asked_with, tries) = (lock.deadline(), Tries::default());
        Self { lock: lock.clone(), target: target.clone(), kind, about, asked_with, tries }
    }

    pub(in crate::redis) fn call(&self, timing: &Timing) -> Call {
        calls::widen(&self.lock, self.kind, &self.about, timing)
    }

    /// `None`: to be sent again, at once.
    pub(in crate::redis) fn answered(
        &mut self,
        answer: Result<Changed, Failure>,
        now: u64,
        hopeless: bool,
    ) -> (Option<Got<Arc<Lock>>>, More) {
        let failure = match answer {
            Err(failure) => failure,
            Ok(Changed::Granted { more, .. }) if self.lock.deadline() > self.asked_with => {
                self.lock.doubt(); // the server has it where it is not believed to be
                self.asked_with = self.lock.deadline();
                return (None, more);
            }
            Ok(Changed::Raised { fencing_token, more }) => {
                self.lock.doubt();
                self.lock.learn(fencing_token);
                self.asked_with = self.lock.deadline();
                return (None, more);
            }
            Ok(Changed::Granted { fencing_token, more }) => {
                let moved = Arc::new(self.lock.moved_to(self.target.path.clone(), fencing_token));
                moved.set_kind(keys::number(self.kind));
                return (Some(Got::It(moved)), more);
            }
            Ok(Changed::NotHeld(more)) => return (Some(Got::NotHeld), more),
            Ok(Changed::Clearing(by)) if !hopeless => return (None, by.more),
            Ok(Changed::Kept(by)) => return self.refused(by, now, Got::Kept),
            Ok(Changed::Blocked(by) | Changed::Queued(by) | Changed::Clearing(by) | Changed::Upgrading(by)) => {
                return self.refused(by, now, Got::Blocked);
            }
        };
        if matches!(failure, Failure::Unsure(_)) {
            // From now on its release says nothing of where it is.
            self.lock.doubt();
        }
        self.asked_with = self.lock.deadline();
        match self.tries.failed::<()>(failure, hopeless) {
            Outcome::Failed(_) if !self.lock.is_held(now) => (Some(Got::NotHeld), More::None),
            Outcome::Failed(failure) => (Some(Got::Failed(failure)), More::None),
            _ => (None, More::None),
        }
    }

    /// The server may have it for a little longer than it is held.
    fn refused(&self, by: InTheWay, now: u64, got: fn(Blocker) -> Got<Arc<Lock>>) -> (Option<Got<Arc<Lock>>>, More) {
        let (blocker, more) = blocker(&self.target, by);
        (Some(if self.lock.is_held(now) { got(blocker) } else { Got::NotHeld }), more)
    }
}

fn blocker(target: &Target, by: InTheWay) -> (Blocker, More) {
    (Blocker::new(target.path.clone(), by.path, by.owner), by.more)
}

/// Turns a shared lock into an exclusive one, and waits for that if it may.
#[derive(Debug)]
pub(in crate::redis) struct Upgrade {
    lock: Arc<Lock>,
    target: Target,
    attempt: Attempt,
    /// Until when it waits; 0 if it does not wait.
    deadline: u64,
    began: u64,
    /// When it last heard that it waits.
    waited_at: u64,
    /// The deadline when it was last asked for; and when it was asked for what was answered last,
    /// after which a message may have come (G1).
    asked_with: u64,
    waits_with: u64,
    failures: u32,
    blocker: Option<Blocker>,
    /// What made it give up: said once the server has let it leave, or is asked no more.
    failed: Option<Failure>,
}

/// What an upgrade wants done next.
#[derive(Debug)]
pub(in crate::redis) enum Next {
    /// The call is sent.
    Ask,
    /// Nothing until this time, or news. Then it asks.
    Wait(u64),
    Over(Got<()>),
}

impl Upgrade {
    pub(in crate::redis) fn new(lock: &Arc<Lock>, target: &Target, deadline: u64, now: u64) -> Self {
        let (number, is_unsure) = lock.next_upgrade();
        let attempt = Attempt { number, queue: deadline > now, is_unsure };
        Self {
            lock: lock.clone(),
            target: target.clone(),
            attempt,
            deadline,
            began: now,
            waited_at: 0,
            asked_with: lock.deadline(),
            waits_with: lock.deadline(),
            failures: 0,
            blocker: None,
            failed: None,
        }
    }

    pub(in crate::redis) fn blocker(&self) -> Option<&Blocker> {
        self.blocker.as_ref()
    }

    /// It waits no longer: the next request leaves the queue, or finds that it was granted.
    pub(in crate::redis) fn leave(&mut self, now: u64) {
        self.deadline = self.deadline.min(now);
    }

    /// The request to send now, and until when to wait for its answer.
    pub(in crate::redis) fn call(&mut self, timing: &Timing, now: u64) -> (Call, u64) {
        self.attempt.queue = self.deadline > now && self.failed.is_none();
        self.asked_with = self.lock.deadline();
        let last = if self.deadline == NEVER { NEVER } else { self.deadline.max(now.saturating_add(GRACE)) };
        let last = if self.deadline == 0 { NEVER } else { last };
        (calls::upgrade(&self.lock, self.attempt, timing), timing.call_deadline(now).min(last))
    }

    /// A message says that it was granted. An earlier one is not believed, nor one after which a
    /// renewal may have been answered (G1): then it asks.
    pub(in crate::redis) fn told(&self, fencing_token: u64, now: u64) -> bool {
        let is_it = fencing_token > self.lock.drawn()
            && fencing_token > self.lock.fencing_token()
            && self.lock.is_held(now)
            && self.lock.deadline() <= self.waits_with;
        if is_it {
            self.lock.became_exclusive(fencing_token);
        } else {
            self.lock.doubt_upgrade(); // the server may have it as exclusive
        }
        is_it
    }

    /// What has come of the request that was sent at that time.
    pub(in crate::redis) fn answered(
        &mut self,
        answer: Result<Changed, Failure>,
        sent: u64,
        now: u64,
        timing: &Timing,
    ) -> (Next, More) {
        match answer {
            Ok(Changed::Granted { more, .. }) if self.lock.deadline() > self.asked_with => {
                self.lock.doubt_upgrade();
                (Next::Ask, more)
            }
            Ok(Changed::Raised { fencing_token, more }) => {
                self.lock.doubt_upgrade();
                self.lock.learn(fencing_token);
                (Next::Ask, more)
            }
            Ok(Changed::Granted { fencing_token, more }) => {
                self.lock.became_exclusive(fencing_token);
                let got = if self.lock.is_held(now) { Got::It(()) } else { Got::NotHeld };
                (Next::Over(got), more)
            }
            Ok(Changed::NotHeld(more)) => (Next::Over(Got::NotHeld), more),
            Ok(Changed::Upgrading(by)) => {
                let (blocker, more) = blocker(&self.target, by);
                (Next::Over(Got::Upgrading(blocker)), more)
            }
            Ok(Changed::Queued(by)) => {
                (self.failures, self.waited_at, self.waits_with) = (0, sent, self.asked_with);
                let left = by.left.unwrap_or(NEVER).max(RETRY).min(timing.heartbeat);
                let more = self.blocked(by);
                if !self.lock.is_held(now) {
                    return (Next::Over(Got::NotHeld), more);
                }
                (Next::Wait(self.deadline.min(now.saturating_add(left))), more)
            }
            Ok(Changed::Clearing(by)) if now < self.began.saturating_add(GRACE).max(self.deadline) => {
                (Next::Ask, self.blocked(by))
            }
            Ok(Changed::Kept(by)) if now < self.began.saturating_add(RECALL) => {
                let more = self.blocked(by);
                (Next::Wait(now + recall_pause(0)), more)
            }
            Ok(Changed::Blocked(by) | Changed::Clearing(by) | Changed::Kept(by)) => {
                let more = self.blocked(by);
                (Next::Over(self.gives_up()), more)
            }
            Err(failure) => (self.fails(failure, sent, now, timing), More::None),
        }
    }

    fn blocked(&mut self, by: InTheWay) -> More {
        let (blocker, more) = blocker(&self.target, by);
        self.blocker = Some(blocker);
        more
    }

    fn gives_up(&mut self) -> Got<()> {
        match (self.failed.take(), self.blocker.take()) {
            (Some(failure), _) => Got::Failed(failure),
            (None, Some(blocker)) => Got::Blocked(blocker),
            (None, None) => Got::NotHeld,
        }
    }

    /// Tries again, or leaves the queue with one request more, or gives up. The lock is held on.
    fn fails(&mut self, failure: Failure, sent: u64, now: u64, timing: &Timing) -> Next {
        if matches!(failure, Failure::Unsure(_)) {
            self.attempt.is_unsure = true;
            self.lock.doubt_upgrade();
        }
        self.failures += 1;
        if !self.lock.is_held(now) {
            return Next::Over(Got::NotHeld);
        }
        let last = self.failed.is_some() || self.deadline > 0 && self.deadline <= sent;
        let gives_up = match &failure {
            Failure::Refused(_) => true,
            _ if self.waited_at > 0 => now > self.waited_at.saturating_add(timing.lease),
            Failure::Later(_) | Failure::NoScript | Failure::Stranger => {
                now > self.began.saturating_add(timing.timeout)
            }
            Failure::Down(_) | Failure::Unsure(_) => self.failures > 1,
        };
        if last {
            self.failed.get_or_insert(failure);
            return Next::Over(self.gives_up());
        }
        if gives_up {
            self.failed = Some(failure);
            if self.waited_at == 0 && !self.attempt.is_unsure {
                return Next::Over(self.gives_up());
            }
            return Next::Ask;
        }
        match pause(self.failures) {
            0 => Next::Ask,
            pause if self.deadline == 0 => Next::Wait(now.saturating_add(pause)),
            pause => Next::Wait(now.saturating_add(pause).min(self.deadline)),
        }
    }
}

#[cfg(test)]
mod tests;
