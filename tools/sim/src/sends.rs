//! [`Purpose`]: who gets the answer to a request.

use super::process::{State, Waiter};
use super::world::World;
use crate::redis::error::Failure;
use crate::redis::primitives::Arc;
use crate::redis::protocol::acquisition::{Acquisition, Step};
use crate::redis::protocol::agenda::{GivenUp, Renewal};
use crate::redis::protocol::calls::{Greeted, More, Released, Reply};
use crate::redis::protocol::exchange::Exchange;
use crate::redis::protocol::lock::Lock;
use crate::redis::protocol::release::{Outcome, Release};
use crate::redis::value::Value;
use crate::request::Kind;

use super::claim::Place;

pub(super) type Answer = Result<Value, Failure>;

#[derive(Debug)]
pub(super) enum Purpose {
    /// The caller that waits for it; its state says what for.
    Caller(usize),
    /// A task was dropped while its request was under way: what comes of it is given back.
    Dropped {
        machine: Box<Acquisition<Waiter>>,
        place: Place,
        kind: Kind,
    },
    /// A task's lock on its way back.
    Driver(Release),
    Renewals {
        batch: Vec<Renewal>,
        rest: Vec<Vec<Renewal>>,
    },
    Heartbeats {
        batch: Vec<Arc<Lock>>,
        rest: Vec<Vec<Arc<Lock>>>,
    },
    /// One of the releases that go as one pipeline.
    Clean(GivenUp),
    /// What was kept, on its way back; and what is in use.
    Kept(Release),
    InUse,
    /// A kept lock on its way to become those that are held below it.
    Exchange(Exchange),
    /// What a call has left to do.
    More,
    /// To a server that may have forgotten what is held.
    Hello,
}

impl World<'_> {
    /// Hands an answer to whom it is for. `sent` is true time.
    pub(super) fn deliver(
        &mut self,
        process: usize,
        line: usize,
        id: u64,
        purpose: Purpose,
        answer: Answer,
        sent: u64,
    ) {
        if let Err(failure) = &answer {
            self.cover.failure(failure);
        }
        match purpose {
            Purpose::Caller(caller) => self.caller_answered(process, caller, id, answer, sent),
            Purpose::Dropped { machine, place, kind } => {
                self.dropped_answered(process, *machine, (place, kind), answer, sent);
            }
            Purpose::Driver(release) => self.driver_answered(process, release, answer),
            Purpose::Renewals { batch, rest } => self.renewed(process, line, (batch, rest), answer, sent),
            Purpose::Heartbeats { batch, rest } => self.beaten(process, line, (batch, rest), answer, sent),
            Purpose::Clean(given_up) => self.cleaned(process, line, given_up, answer),
            Purpose::Kept(release) => self.kept_answered(process, release, answer),
            Purpose::InUse => self.in_use_answered(process, answer),
            Purpose::Exchange(exchange) => self.exchange_answered(process, exchange, answer),
            Purpose::Hello => {
                if let Ok(Greeted(left)) = Reply::from_answer(answer) {
                    self.processes[process].has_greeted = true;
                    self.cover.see(if left > 0 { "a grace period is open" } else { "no grace period is opened" });
                    if left > 0 {
                        let now = self.clock(process);
                        self.agenda(process).renew_soon(now);
                    }
                }
            }
            Purpose::More => {
                if let Ok(more) = More::from_answer(answer) {
                    self.left_over(process, more);
                }
                self.lane_done(process, line);
            }
        }
        self.arrange(process);
    }

    /// The answer to the request of a task that was dropped meanwhile.
    fn dropped_answered(
        &mut self,
        process: usize,
        mut machine: Acquisition<Waiter>,
        (place, kind): (Place, Kind),
        answer: Answer,
        sent: u64,
    ) {
        let (now, then, timing) = (self.clock(process), self.clock_of(process).at(sent), self.plan.timing);
        let it = &mut self.processes[process];
        let agenda = it.agenda.as_mut().expect("a process has one while it runs");
        let step = machine.answered(Reply::from_answer(answer), then, now, &timing, agenda);
        let step = match step {
            Step::Grown(growth) => {
                self.grown(process, *growth);
                Step::Ask
            }
            step => step,
        };
        let agenda = self.processes[process].agenda.as_mut().expect("a process has one while it runs");
        let release = match step {
            Step::Over(Ok(())) => {
                let lock = machine.lock().clone();
                let was_held = lock.is_held(now);
                for lock in lock.all() {
                    if agenda.forget(lock) && !was_held {
                        self.cover.see("a loss is told to nobody's task");
                    }
                }
                let is_set = lock.all().count() > 1;
                Some(if is_set {
                    Release::of_unwanted_set(&lock)
                } else {
                    Release::of_held(lock, self.targets[&place].clone(), kind, was_held)
                })
            }
            Step::Over(Err(_)) => None,
            Step::Ask | Step::Pause(_) | Step::Settle | Step::Wait | Step::Grown(_) => machine.give_up(agenda),
        };
        self.processes[process].debts -= 1;
        match release {
            Some(release) => self.drive(process, release),
            None => self.debt_paid(process),
        }
    }

    /// Gives back what a task had, over the tasks' line.
    pub(super) fn drive(&mut self, process: usize, release: Release) {
        self.processes[process].debts += 1;
        self.send_release(process, release);
    }

    fn send_release(&mut self, process: usize, release: Release) {
        let timing = self.plan.timing;
        let (call, deadline) = (release.call(&timing), timing.call_deadline(self.clock(process)));
        let line = self.processes[process].driver();
        self.send(process, line, call, deadline, Purpose::Driver(release));
    }

    fn driver_answered(&mut self, process: usize, mut release: Release, answer: Answer) {
        let answer: Result<Released, Failure> = Reply::from_answer(answer);
        let (outcome, now) = (release.answered(answer.as_ref().map_err(Failure::clone), false), self.clock(process));
        if let Ok(released) = answer {
            self.left_over(process, released.more);
        }
        match outcome {
            Outcome::Done { was_held } => {
                if release.was_held && !was_held {
                    self.loss_told(process, &release.lock);
                }
            }
            Outcome::Again => return self.send_release(process, release),
            Outcome::Failed(_) => self.agenda(process).give_up(release, now),
        }
        self.processes[process].debts -= 1;
        self.debt_paid(process);
    }

    /// Nothing that tasks gave back is under way any more.
    fn debt_paid(&mut self, process: usize) {
        if self.processes[process].debts > 0 {
            return;
        }
        for caller in 0..self.plan.callers {
            if matches!(self.processes[process].callers[caller].state, State::Settles { .. }) {
                self.wake(process, caller, self.now);
            }
        }
    }
}
