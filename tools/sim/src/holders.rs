//! What callers do with a lock that they have: refresh it, downgrade it, let it outlive its guard,
//! and give it back. The steps are those of `run/caller.rs`.

use super::callers::LONGEST_DETACHED;
use super::claim::{Claim, Place};
use super::plan::{Fault, MILLI};
use super::process::{Act, Held, State};
use super::sends::{Answer, Purpose};
use super::world::World;
use crate::redis::error::Failure;
use crate::redis::primitives::Arc;
use crate::redis::protocol::calls::{self, Answered, Detached, Refreshed, Released, Reply};
use crate::redis::protocol::held::{Detach, Downgrade, Outcome, Refresh};
use crate::redis::protocol::lock::Lock;
use crate::redis::protocol::release::{self, Release};
use crate::request::{Kind, Mode};

impl World<'_> {
    /// A caller has a lock, and keeps it for a while.
    pub(super) fn hold(&mut self, process: usize, caller: usize, held: Held) {
        let (now, until) = (self.now, held.until);
        let it = &mut self.processes[process].callers[caller];
        let acts = !self.is_calm && until > now + MILLI && it.chance.hits(self.plan.acts);
        let next = if acts { it.chance.between(now + MILLI, until) } else { until };
        it.rests_since = now;
        self.set_state(process, caller, State::Holds(held));
        self.wake(process, caller, next);
    }

    /// A holder does something else with its lock, or gives it back.
    pub(super) fn go_on(&mut self, process: usize, caller: usize, mut held: Held) {
        if self.is_calm || held.until <= self.now {
            return self.give_back(process, caller, held);
        }
        if !held.others.is_empty() {
            return self.go_on_with_set(process, caller, held);
        }
        if held.lock.is_guest() && !self.is_own(process, &held.lock) {
            // It is a lock of its own in a moment.
            self.set_state(process, caller, State::Holds(held));
            return self.wake(process, caller, self.now + MILLI);
        }
        if held.lock.was_lent() {
            // The server would have to be told its fencing token first.
            return self.give_back(process, caller, held);
        }
        if !held.is_detached && self.processes[process].callers[caller].chance.hits(self.plan.changes) {
            return self.change(process, caller, held);
        }
        let (now, timing) = (self.clock(process), self.plan.timing);
        let chance = &mut self.processes[process].callers[caller].chance;
        let (what, length) = (chance.between(0, 9), chance.magnitude(self.plan.lease.0, LONGEST_DETACHED));
        let act = match what {
            _ if held.is_detached && what < 5 => {
                // It is left to anybody.
                self.detached.push((held.lock.token.clone(), held.place));
                return self.rest(process, caller);
            }
            _ if held.is_detached => Some(Act::Refresh(Refresh::of_detached(&held.lock, length, now))),
            0..3 => Refresh::new(&held.lock, held.lock.lease, true, now).map(Act::Refresh),
            3..6 if self.plan.ends => Refresh::new(&held.lock, length, false, now).map(Act::Refresh),
            6..8 if held.kind.mode == Mode::Exclusive => Some(Act::Downgrade(Downgrade::new(&held.lock))),
            _ if !self.plan.ends => Refresh::new(&held.lock, held.lock.lease, true, now).map(Act::Refresh),
            6..8 => None,
            _ => Detach::new(&held.lock, &self.targets[&held.place], now).map(Act::Detach),
        };
        let Some(act) = act else { return self.give_back(process, caller, held) };
        // A request that may shorten the lease cuts the deadline before it is sent (P1).
        self.sync(process, &mut held, None);
        if matches!(act, Act::Refresh(_) | Act::Detach(_)) && !held.is_detached {
            self.agenda(process).reschedule(&held.lock);
        }
        if matches!(act, Act::Downgrade(_)) {
            // From now on its holder must be content with a shared lock.
            let shared = Kind { mode: Mode::Shared, ..held.kind };
            self.judge.changed(held.id, self.now, Claim::new(held.place, shared));
        }
        self.send_act(process, caller, held, act, timing.call_deadline(now));
    }

    pub(super) fn send_act(&mut self, process: usize, caller: usize, held: Held, act: Act, deadline: u64) {
        let timing = &self.plan.timing;
        let call = match &act {
            Act::Refresh(refresh) => refresh.call(timing),
            Act::Downgrade(downgrade) => downgrade.call(timing),
            Act::Detach(detach) => detach.call(timing),
            Act::RefreshAll(all) => all.call(timing),
            Act::Change(change) => change.call(timing),
        };
        let request = self.send(process, caller, call, deadline, Purpose::Caller(caller));
        self.set_state(process, caller, State::Acts { held, act, request, deadline });
    }

    /// The answer to something that a holder did.
    pub(super) fn acted(
        &mut self,
        process: usize,
        caller: usize,
        (mut held, mut act, deadline): (Held, Act, u64),
        answer: Answer,
        sent: u64,
    ) {
        let (now, then) = (self.clock(process), self.clock_of(process).at(sent));
        let hopeless = now >= deadline;
        match &mut act {
            Act::Refresh(refresh) => {
                let answer: Result<Refreshed, Failure> = Reply::from_answer(answer);
                let outcome = refresh.answered(answer.as_ref().map_err(Failure::clone), then, now, hopeless);
                if let Ok(refreshed) = answer {
                    self.left_over(process, refreshed.more);
                }
                if !held.is_detached {
                    self.agenda(process).reschedule(&held.lock);
                }
                match outcome {
                    Outcome::Again => return self.send_act(process, caller, held, act, deadline),
                    Outcome::Done(()) => {
                        self.cover.see("a lease is set");
                        self.sync(process, &mut held, Some(sent));
                    }
                    Outcome::NotHeld => self.cover.see("a refresh finds it lost"),
                    Outcome::Failed(_) => self.cover.see("a refresh fails"),
                }
                held.may_end = !held.lock.renews();
                self.sync(process, &mut held, None);
            }
            Act::Downgrade(downgrade) => {
                let answer: Result<Answered, Failure> = Reply::from_answer(answer);
                let outcome = downgrade.answered(answer.as_ref().map_err(Failure::clone), hopeless);
                if let Ok(answered) = answer {
                    self.left_over(process, answered.more);
                }
                if !held.lock.is_held(now) {
                    self.agenda(process).look_now();
                }
                let is_done = match outcome {
                    Outcome::Again => return self.send_act(process, caller, held, act, deadline),
                    Outcome::Done(()) => true,
                    Outcome::NotHeld => false,
                    Outcome::Failed(_) => downgrade.may_be_done(),
                };
                if is_done {
                    self.cover.see("a lock is downgraded");
                    held.kind = Kind { mode: Mode::Shared, ..held.kind };
                }
                self.judge.changed(held.id, self.now, Claim::new(held.place, held.kind));
                self.sync(process, &mut held, None);
            }
            Act::Change(_) => {} // it has its own way: changes.rs
            Act::RefreshAll(all) => {
                let answer: Result<Refreshed, Failure> = Reply::from_answer(answer);
                let outcome = all.answered(answer.as_ref().map_err(Failure::clone), then, now, hopeless);
                if let Ok(refreshed) = answer {
                    self.left_over(process, refreshed.more);
                }
                if matches!(outcome, Outcome::Again) {
                    return self.send_act(process, caller, held, act, deadline);
                }
                let rests_on = matches!(outcome, Outcome::Done(())).then_some(sent);
                self.set_refreshed(process, &mut held, rests_on);
            }
            Act::Detach(detach) => {
                let answer: Result<Option<Detached>, Failure> = Reply::from_answer(answer);
                match detach.answered(answer, hopeless) {
                    Outcome::Again => return self.send_act(process, caller, held, act, deadline),
                    Outcome::Done(detached) => {
                        self.cover.see("a lock outlives its guard");
                        let old = held.lock.clone();
                        self.agenda(process).forget(&old);
                        self.judge.ended(held.id, self.now);
                        held = self.found(held.place, &old.token, &detached, then, held.until);
                    }
                    Outcome::NotHeld | Outcome::Failed(_) => {
                        held.lock.doubt();
                        return self.give_back(process, caller, held);
                    }
                }
            }
        }
        self.hold(process, caller, held);
    }

    fn found(&mut self, place: Place, token: &str, detached: &Detached, then: u64, until: u64) -> Held {
        let lock = Lock::detached(token, self.targets[&place].path.clone(), detached.lease);
        lock.attached(detached.fencing_token, then.saturating_add(detached.left));
        let (lock, kind) = (Arc::new(lock), detached.kind);
        Held {
            lock,
            place,
            kind,
            id: 0,
            rests_on: 0,
            judged: 0,
            until,
            is_detached: true,
            may_end: true,
            others: Vec::new(),
        }
    }

    pub(super) fn give_back(&mut self, process: usize, caller: usize, held: Held) {
        if !held.others.is_empty() {
            return self.give_back_set(process, caller, held);
        }
        if held.lock.is_guest() && self.leave_below(process, &held) {
            self.note_caller(process, caller, || format!("leaves {}", Claim::new(held.place, held.kind)));
            self.judge.ended(held.id, self.now);
            return self.rest(process, caller);
        }
        if self.keep_held(process, &held) {
            self.note_caller(process, caller, || format!("keeps {}", Claim::new(held.place, held.kind)));
            self.judge.ended(held.id, self.now);
            return self.rest(process, caller);
        }
        let now = self.clock(process);
        let was_held = held.lock.is_held(now);
        if self.agenda(process).forget(&held.lock) && !was_held {
            self.loss_told(process, &held.lock);
        }
        self.judge.ended(held.id, self.now);
        self.note_caller(process, caller, || format!("releases {}", Claim::new(held.place, held.kind)));
        let (target, was_held) = (self.targets[&held.place].clone(), was_held || held.is_detached);
        let release = Release::of_held(held.lock.clone(), target, held.kind, was_held);
        if self.processes[process].callers[caller].is_task && !held.is_detached {
            self.drive(process, release);
            return self.rest(process, caller);
        }
        let deadline = self.plan.timing.call_deadline(now);
        self.send_back(process, caller, release, deadline, held);
    }

    pub(super) fn send_back(&mut self, process: usize, caller: usize, release: Release, deadline: u64, held: Held) {
        let call = release.call(&self.plan.timing);
        let request = self.send(process, caller, call, deadline, Purpose::Caller(caller));
        self.set_state(process, caller, State::GivesBack { release, request, deadline, held });
    }

    pub(super) fn gave_back(
        &mut self,
        process: usize,
        caller: usize,
        (mut release, deadline, held): (Release, u64, Held),
        answer: Answer,
    ) {
        let now = self.clock(process);
        let answer: Result<Released, Failure> = Reply::from_answer(answer);
        let outcome = release.answered(answer.as_ref().map_err(Failure::clone), now >= deadline);
        let missed = answer.as_ref().map_or_else(|_| Vec::new(), |released| release.missed(released));
        if let Ok(released) = answer {
            self.left_over(process, released.more);
        }
        match outcome {
            release::Outcome::Done { .. } if !held.others.is_empty() => self.set_given_back(process, &held, &missed),
            release::Outcome::Again => return self.send_back(process, caller, release, deadline, held),
            release::Outcome::Done { was_held } => {
                held.lock.lose();
                if release.was_held && !was_held && !held.is_detached {
                    self.loss_told(process, &held.lock);
                }
            }
            release::Outcome::Failed(_) => {
                self.cover.see("a release is left to the agenda");
                self.agenda(process).give_up(release, now);
            }
        }
        self.rest(process, caller);
    }

    /// A caller takes up a lock that outlived its guard.
    pub(super) fn attach(&mut self, process: usize, caller: usize, token: String, place: Place) {
        let timing = &self.plan.timing;
        let (call, deadline) = (
            calls::attach(&token, &self.targets[&place], timing),
            timing.call_deadline(self.processes[process].clock.at(self.now)),
        );
        let request = self.send(process, caller, call, deadline, Purpose::Caller(caller));
        self.set_state(process, caller, State::Attaches { token, place, request });
    }

    pub(super) fn attached(
        &mut self,
        process: usize,
        caller: usize,
        (token, place): (String, Place),
        answer: Answer,
        sent: u64,
    ) {
        let then = self.clock_of(process).at(sent);
        let found: Result<Option<Detached>, Failure> = Reply::from_answer(answer);
        match found {
            Ok(Some(detached)) => {
                self.cover.see("a lock that outlived its guard is taken up");
                let until = self.now + self.processes[process].callers[caller].chance.magnitude(MILLI, 100 * MILLI);
                let held = self.found(place, &token, &detached, then, until);
                self.hold(process, caller, held);
            }
            Ok(None) => self.rest(process, caller),
            Err(_) => {
                self.detached.push((token, place));
                self.rest(process, caller);
            }
        }
    }

    /// Has the judge know what the holder believes now. `sent`: when the request was sent whose
    /// answer the belief rests on, if that is another one than before.
    pub(super) fn sync(&mut self, process: usize, held: &mut Held, sent: Option<u64>) {
        if held.is_detached {
            return;
        }
        let until = match held.lock.latest_deadline() {
            0 => 0,
            deadline => self.judged(process, deadline, sent.unwrap_or(held.rests_on).max(held.rests_on)),
        };
        if let Some(sent) = sent {
            held.rests_on = held.rests_on.max(sent);
        } else if until == held.judged {
            return;
        }
        match until {
            0 => self.judge.ended(held.id, self.now),
            // It was extended in the time that is left aside for clocks of different rates.
            _ if held.judged < self.now && self.plan.has(Fault::Drift) => return held.judged = 0,
            _ if held.judged > 0 => self.judge.extended(held.id, self.now, until, held.rests_on),
            _ => {}
        }
        held.judged = until;
    }

    /// The same for whichever caller has the lock.
    pub(super) fn sync_lock(&mut self, process: usize, number: u64, sent: u64) {
        for caller in 0..self.plan.callers {
            let is_it = match &self.processes[process].callers[caller].state {
                // A renewal that was under way finds it gone, and the answer says what it became.
                State::Acts { held, act: Act::Change(change), .. } if change.narrows() && held.lock.deadline() == 0 => {
                    false
                }
                State::Holds(held) | State::Acts { held, .. } => {
                    !held.is_detached && held.all().any(|held| held.lock.number == number)
                }
                _ => false,
            };
            if !is_it {
                continue;
            }
            let mut state = std::mem::replace(&mut self.processes[process].callers[caller].state, State::Over);
            if let State::Holds(held) | State::Acts { held, .. } = &mut state
                && let Some(held) = held.find_mut(number)
            {
                let held_still = held.lock.latest_deadline() > 0;
                self.sync(process, held, held_still.then_some(sent));
            }
            self.set_state(process, caller, state);
        }
    }
}
