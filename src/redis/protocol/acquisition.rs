//! [`Acquisition`]: how a lock is taken, from the first request to a grant or an error, as a state
//! machine. It says what to do next ([`Step`]), and is told what came of it.
//!
//! | it says | what is done | it is told |
//! |---|---|---|
//! | `Ask` | the [call](Acquisition::call) is sent | [`answered`](Acquisition::answered) |
//! | `Pause` | time passes; news cuts it short | nothing: then it asks |
//! | `Settle` | the releases of this store's tasks reach the server | nothing: then it asks |
//! | `Wait` | nothing, until there is news, or its time is up | [`told`](Acquisition::told) |
//! | `Grown` | it is looked whether the lock is to be had below what was asked for in its place | nothing: it [is had](Acquisition::is_had_below), or asks |
//! | `Over` | the caller gets it | |
//!
//! Where "nothing" is told, the next thing is to ask. Where the news is not the grant itself, too.
//!
//! A set of locks is taken as one: all members are in each request, and the first one's lock is
//! known to the agenda, and to the server's queue, for all of them. Once granted each is a lock of
//! its own.
//!
//! A thread runs it by itself (`run/caller.rs`). A task has it in its stage (`run/task.rs`), and
//! the driver sends for thousands of them.

use super::agenda::Agenda;
use super::calls::{self, Acquired, InTheWay};
use super::keep::Growth;
use super::keys::{self, Target};
use super::lock::Lock;
use super::message::News;
use super::release::Release;
use super::script::Call;
use super::timing::{self, GRACE, NEVER, RECALL, Timing};
use crate::error::{Blocker, LockError};
use crate::redis::error::Failure;
use crate::redis::primitives::Arc;
use crate::request::{Kind, Request, Wait};

/// What an acquisition wants done next.
#[derive(Debug)]
pub(in crate::redis) enum Step {
    Ask,
    /// Ask again after this time.
    Pause(u64),
    /// Something in the way may have been given back by a task of this store, which the server does
    /// not know yet.
    Settle,
    /// The server has it in its queue.
    Wait,
    /// The node above was asked for: see what has come of that, and take the lock there, or ask.
    Grown(Box<Growth>),
    Over(Result<(), LockError>),
}

/// What is wanted of one lock: the only one, or a member of a set.
#[derive(Debug)]
struct Wanted {
    target: Target,
    kind: Kind,
    /// Whether a lease was asked for: then it ends unless it is refreshed.
    ends: bool,
    /// The rest of the record that the scripts keep.
    about: Vec<u8>,
}

/// One lock on its way, or a set of them.
#[derive(Debug)]
pub(in crate::redis) struct Acquisition<W> {
    /// At least one; as many as the lock has with its others.
    wanted: Vec<Wanted>,
    /// The only lock, or the first of the set.
    lock: Arc<Lock>,
    waiter: W,
    /// Whether it may queue at all, and until when.
    queues: bool,
    deadline: u64,
    /// When it began; 0 before it has.
    began: u64,
    /// Whether something that a task gave back may be in its way, and the server not know.
    owed: bool,
    /// What stood in the way when last heard of.
    blocker: Option<Blocker>,
    /// Whether the server has had it in its queue.
    waits: bool,
    /// Whether the next request is the last one that a silent server gets.
    hurries: bool,
    /// Errors in a row.
    failures: u32,
    /// How often it has asked for what is kept in its way.
    recalls: u32,
    /// What it asks for first: the node above, in place of what is kept there.
    growth: Option<Box<Growth>>,
}

/// How long an acquisition may wait.
#[derive(Clone, Copy, Debug)]
pub(in crate::redis) enum MayWait {
    /// It does not queue.
    No,
    /// Until this time, or [`NEVER`].
    Until(u64),
}

impl<W: Clone> Acquisition<W> {
    pub(in crate::redis) fn new(
        target: Target,
        lock: Arc<Lock>,
        request: &Request,
        may_wait: MayWait,
        waiter: W,
        client: &str,
        timing: &Timing,
    ) -> Self {
        Self::of_set([(target, request)], lock, may_wait, waiter, client, timing)
    }

    /// Of a set, whose locks are this one and its others; at least one member.
    pub(in crate::redis) fn of_set<'a>(
        members: impl IntoIterator<Item = (Target, &'a Request)>,
        lock: Arc<Lock>,
        may_wait: MayWait,
        waiter: W,
        client: &str,
        timing: &Timing,
    ) -> Self {
        let wanted = lock.all().zip(members).map(|(lock, (target, request))| {
            let about = calls::about(lock, &target, client, timing);
            lock.set_kind(keys::number(request.kind));
            Wanted { target, kind: request.kind, ends: request.lease.is_some(), about }
        });
        let wanted = wanted.collect();
        let (queues, deadline) = match may_wait {
            MayWait::No => (false, NEVER),
            MayWait::Until(deadline) => (true, deadline),
        };
        Self {
            wanted,
            lock,
            waiter,
            queues,
            deadline,
            began: 0,
            owed: false,
            blocker: None,
            waits: false,
            hurries: false,
            failures: 0,
            recalls: 0,
            growth: None,
        }
    }

    pub(in crate::redis) fn lock(&self) -> &Arc<Lock> {
        &self.lock
    }

    /// What stood in the way when last heard of.
    pub(in crate::redis) fn blocker(&self) -> Option<&Blocker> {
        self.blocker.as_ref()
    }

    pub(in crate::redis) fn deadline(&self) -> u64 {
        self.deadline
    }

    fn may_queue(&self, now: u64) -> bool {
        self.queues && self.deadline > now
    }

    /// Before the first request. From now on a message for it finds it. `owed`: whether a task of
    /// this store has given something back that may not have reached the server yet.
    pub(in crate::redis) fn begin(&mut self, now: u64, owed: bool, agenda: &mut Agenda<W>) {
        if self.began == 0 {
            self.began = now;
            self.owed = owed;
            if self.may_queue(now) {
                agenda.asks(&self.lock, self.waiter.clone());
            }
        }
    }

    /// The request to send now, and until when to wait for its answer.
    pub(in crate::redis) fn call(&self, timing: &Timing, now: u64) -> (Call, u64) {
        let queue = self.may_queue(now);
        let call = match (&self.growth, &*self.wanted) {
            (Some(growth), _) => growth.call(timing),
            (None, [it]) => calls::acquire(&self.lock, &it.target, it.kind, &it.about, queue, timing),
            (None, all) => {
                let members = self.lock.all().zip(all).map(|(lock, it)| (lock, it.kind, &*it.about));
                calls::acquire_set(members, queue, timing)
            }
        };
        // An answer may be there at once, so a caller whose time is up waits a moment for it.
        let last = if self.hurries { now + GRACE } else { self.deadline.max(now.saturating_add(GRACE)) };
        (call, timing.call_deadline(now).min(last))
    }

    /// What has come of the request that was sent at that time.
    pub(in crate::redis) fn answered(
        &mut self,
        answer: Result<Acquired, Failure>,
        sent: u64,
        now: u64,
        timing: &Timing,
        agenda: &mut Agenda<W>,
    ) -> Step {
        if let Some(growth) = self.growth.take() {
            return self.grown(growth, answer, sent, now, agenda);
        }
        let failure = match answer {
            Err(failure) => failure,
            Ok(acquired) => {
                (self.failures, self.hurries) = (0, false);
                match acquired {
                    Acquired::Granted { fencing_token, more } => {
                        agenda.left_over(more);
                        // If the answer took longer than the lease lasts, the guard says it is
                        // lost.
                        for (lock, it) in self.lock.all().zip(&self.wanted) {
                            lock.granted(fencing_token, sent.saturating_add(lock.lease).max(1), !it.ends);
                            agenda.held(lock);
                        }
                        return Step::Over(Ok(()));
                    }
                    Acquired::Queued { by, arrival } => {
                        let left = self.blocked(by, agenda);
                        self.lock.arrived(arrival);
                        // From now on a release is handed over to it.
                        (self.waits, self.owed) = (true, false);
                        agenda.waits(&self.lock, self.waiter.clone(), left, sent, now);
                        return Step::Wait;
                    }
                    Acquired::Blocked(by) => {
                        self.blocked(by, agenda);
                        if std::mem::take(&mut self.owed) {
                            return Step::Settle;
                        }
                        return Step::Over(Err(self.refused(false, now, agenda)));
                    }
                    Acquired::Clearing(by) => {
                        self.blocked(by, agenda);
                        // Every request takes away some of it. A caller without time leaves the
                        // rest to the keeper.
                        let until = if self.queues { self.deadline } else { self.began.saturating_add(GRACE) };
                        if now < until {
                            return Step::Ask;
                        }
                        agenda.left_over(calls::More::Tidy);
                        return Step::Over(Err(self.refused(self.waits, now, agenda)));
                    }
                    // It does not wait. Whoever keeps what is in its way gives it back, or says
                    // that it is in use.
                    Acquired::Kept(by) => {
                        self.blocked(by, agenda);
                        if now < self.began.saturating_add(RECALL) {
                            self.recalls += 1;
                            return Step::Pause(timing::recall_pause(self.recalls - 1));
                        }
                        return Step::Over(Err(self.refused(self.waits, now, agenda)));
                    }
                    // This one was not given up. So it was handed over, and broken before it was
                    // claimed.
                    Acquired::Cancelled(more) => {
                        agenda.left_over(more);
                        // Of a set some member was broken: the others are held.
                        self.leave(self.wanted.len() > 1, now, agenda);
                        return Step::Over(Err(LockError::NotHeld { path: self.lock.path.clone() }));
                    }
                }
            }
        };
        self.failed(failure, sent, now, timing, agenda)
    }

    /// The request of that time has failed: tries again, or gives up.
    fn failed(&mut self, failure: Failure, sent: u64, now: u64, timing: &Timing, agenda: &mut Agenda<W>) -> Step {
        if matches!(failure, Failure::Unsure(_)) {
            self.lock.all().for_each(|lock| lock.doubt());
        }
        self.failures += 1;
        // A request that was sent when the time was up was the last one.
        let last = self.queues && self.deadline <= sent;
        if !last && !self.gives_up(&failure, now, timing) {
            return match timing::pause(self.failures) {
                0 => Step::Ask,
                pause => Step::Pause(pause),
            };
        }
        let expired = self.queues && self.deadline <= now;
        if expired && self.blocker.is_some() && !matches!(failure, Failure::Refused(_)) {
            return Step::Over(Err(self.refused(self.waits, now, agenda)));
        }
        self.leave(self.waits, now, agenda);
        Step::Over(Err(LockError::Store(Box::new(failure.into_error()))))
    }

    /// A waiter sits out the outage of a server for as long as a lease lasts; a caller that does
    /// not wait yet wants to know.
    fn gives_up(&self, failure: &Failure, now: u64, timing: &Timing) -> bool {
        match failure {
            Failure::Refused(_) => true,
            _ if self.waits => now > self.lock.waited_at().saturating_add(timing.lease),
            Failure::Later(_) | Failure::NoScript | Failure::Stranger => {
                now > self.began.saturating_add(timing.timeout)
            }
            Failure::Down(_) | Failure::Unsure(_) => self.failures > 1,
        }
    }

    /// Takes down what stands in the way. Returns for how long that lasts at the most.
    fn blocked(&mut self, by: InTheWay, agenda: &mut Agenda<W>) -> Option<u64> {
        agenda.left_over(by.more);
        let wanted = self.lock.all().nth(by.member).unwrap_or(&self.lock);
        self.blocker = Some(Blocker::new(wanted.path.clone(), by.path, by.owner));
        by.left
    }

    /// There is news: whether it is the grant itself. Else it asks.
    ///
    /// A lease that was asked for begins with the claim, so that one asks in any case.
    pub(in crate::redis) fn told(&mut self, news: News, now: u64, timing: &Timing, agenda: &mut Agenda<W>) -> bool {
        match news {
            News::Granted(fencing_token) if !self.wanted.iter().any(|it| it.ends) => {
                self.handed_over(fencing_token, now, timing, agenda)
            }
            News::Silent => {
                self.hurries = true;
                false
            }
            _ => false,
        }
    }

    /// The message says that the server granted it. It did so after the last answer that said it
    /// waits, and keeps it for a claim window. A request of before that arrives late claims it, and
    /// then the server keeps it for a lease from that time on, which may be shorter. So the time of
    /// that answer and the shorter of both is a safe deadline (P1). `false` if too little of that
    /// is left, or if the message is about an earlier grant, which has expired.
    fn handed_over(&mut self, fencing_token: u64, now: u64, timing: &Timing, agenda: &mut Agenda<W>) -> bool {
        let window = self.lock.all().map(|lock| lock.lease).fold(timing.claim_window(), u64::min);
        let deadline = self.lock.waited_at().saturating_add(window);
        if fencing_token <= self.lock.arrival() || deadline < now.saturating_add(window / 4) {
            return false;
        }
        for lock in self.lock.all() {
            lock.granted(fencing_token, deadline, true);
            agenda.handed_over(lock, now);
        }
        true
    }

    fn refused(&mut self, known: bool, now: u64, agenda: &mut Agenda<W>) -> LockError {
        self.leave(known, now, agenda);
        let blocker = self.blocker.take().unwrap_or_else(|| {
            let path = &self.lock.path;
            Blocker::new(path.clone(), path.clone(), None)
        });
        LockError::refused(if self.queues { Wait::Forever } else { Wait::Never }, blocker)
    }

    /// Leaves nothing behind. If the server may know the token it is given back as soon as
    /// possible.
    fn leave(&self, known: bool, now: u64, agenda: &mut Agenda<W>) {
        if known || self.lock.is_unsure() {
            agenda.give_up(Release::of_unwanted_set(&self.lock), now);
        } else {
            agenda.forget(&self.lock);
        }
    }

    /// Nobody wants it any more, and none of its requests is under way. Returns what the server may
    /// know of it.
    pub(in crate::redis) fn give_up(self, agenda: &mut Agenda<W>) -> Option<Release> {
        if self.began == 0 {
            return None;
        }
        agenda.forget(&self.lock);
        let known = self.waits || self.lock.is_unsure();
        let mut wanted = self.wanted;
        known.then(|| match (wanted.pop(), wanted.is_empty()) {
            (Some(it), true) => Release::of_held(self.lock, it.target, it.kind, false),
            _ => Release::of_unwanted_set(&self.lock),
        })
    }
}

mod growing;
#[cfg(test)]
mod tests;
