//! What callers do until they have a lock: they draw what to lock, ask, wait, and give up. The
//! steps are those of `run/caller.rs` for threads and of `run/task.rs` for tasks.

use std::time::Duration;

use super::chance::Chance;
use super::claim::{Claim, Place};
use super::plan::{Part, SECOND};
use super::process::{Act, Held, State, Waiter};
use super::sends::{Answer, Purpose};
use super::world::World;
use crate::error::LockError;
use crate::redis::primitives::Arc;
use crate::redis::protocol::acquisition::{Acquisition, MayWait, Step};
use crate::redis::protocol::agenda::Agenda;
use crate::redis::protocol::calls::Reply;
use crate::redis::protocol::lock::Lock;
use crate::redis::protocol::message::News;
use crate::redis::protocol::timing::{NEVER, micros};
use crate::request::{Kind, Mode, Request, Scope};

type Machine = Box<Acquisition<Waiter>>;

impl World<'_> {
    pub(super) fn agenda(&mut self, process: usize) -> &mut Agenda<Waiter> {
        self.processes[process].agenda.as_mut().expect("a process has one while it runs")
    }

    fn take_state(&mut self, process: usize, caller: usize) -> State {
        std::mem::replace(&mut self.processes[process].callers[caller].state, State::Over)
    }

    pub(super) fn set_state(&mut self, process: usize, caller: usize, state: State) {
        self.processes[process].callers[caller].state = state;
    }

    /// The line that a caller's requests go over: its own, or that of all tasks.
    pub(super) fn line_of(&self, process: usize, caller: usize) -> usize {
        let it = &self.processes[process];
        if it.callers[caller].is_task { it.driver() } else { caller }
    }

    /// A caller's time has come.
    pub(super) fn woken(&mut self, process: usize, caller: usize) {
        match self.take_state(process, caller) {
            State::Idle => self.begin_operation(process, caller),
            State::Pauses { machine, place, kind } | State::Settles { machine, place, kind } => {
                if self.is_dropped_now(process, caller) {
                    self.drop_future(process, *machine);
                    self.rest(process, caller);
                } else {
                    self.ask(process, caller, machine, (place, kind));
                }
            }
            State::Waits { machine, place, kind } => {
                if self.is_dropped_now(process, caller) {
                    self.drop_future(process, *machine);
                    self.rest(process, caller);
                } else {
                    self.tell(process, caller, machine, (place, kind));
                }
            }
            State::Asks { machine, place, kind, request, sent } => {
                // It wakes only to be dropped: its request is under way.
                if let Some(request) = self.requests.get_mut(&request) {
                    request.purpose = Some(Purpose::Dropped { machine, place, kind });
                    self.processes[process].debts += 1;
                    self.cover.see("a task is dropped while it asks");
                    self.rest(process, caller);
                } else {
                    self.set_state(process, caller, State::Asks { machine, place, kind, request, sent });
                }
            }
            State::Holds(held) => self.go_on(process, caller, held),
            State::Acts { held, act: Act::Change(change), request: 0, .. } => {
                self.ask_change(process, caller, held, change);
            }
            other => self.set_state(process, caller, other),
        }
        self.arrange(process);
    }

    /// Whether the caller's time to be dropped, if it has one, is up.
    fn is_dropped_now(&self, process: usize, caller: usize) -> bool {
        let it = &self.processes[process].callers[caller];
        it.dropped_at <= self.now
    }

    /// The caller thinks, and then begins something else; in a history that was made shorter when
    /// it did before, if that is still to come.
    pub(super) fn rest(&mut self, process: usize, caller: usize) {
        self.set_state(process, caller, State::Idle);
        let ((least, most), incarnation) = (self.plan.think, self.processes[process].incarnation);
        let it = &mut self.processes[process].callers[caller];
        it.dropped_at = NEVER;
        let then = self.now + it.chance.magnitude(least, most);
        let before = self.plan.begins.get(&(incarnation, caller, it.operations + 1));
        let at = before.filter(|before| **before > self.now).map_or(then, |before| *before);
        self.wake(process, caller, at);
    }

    fn begin_operation(&mut self, process: usize, caller: usize) {
        if self.is_calm {
            return self.set_state(process, caller, State::Over);
        }
        let incarnation = self.processes[process].incarnation;
        let it = &mut self.processes[process].callers[caller];
        it.operations += 1;
        let number = it.operations;
        it.chance = Chance::about(self.plan.seed, &[5, incarnation, caller as u64, number.into()]);
        let part = Part::Operation(incarnation, caller, number);
        let attaches = it.chance.hits(0.3) && !self.detached.is_empty();
        let is_left_out = self.plan.left_out.contains(&part);
        if !is_left_out {
            self.begun.insert((incarnation, caller, number), self.now);
        }
        if attaches {
            let at = it.chance.between(0, self.detached.len() as u64 - 1) as usize;
            let (token, place) = self.detached.swap_remove(at);
            if !is_left_out {
                return self.attach(process, caller, token, place);
            }
        } else {
            let operation = self.draw_operation(process, caller);
            self.draw_set(process, caller, (operation.place, operation.kind));
            if !is_left_out {
                return self.acquire(process, caller, operation);
            }
        }
        self.rest(process, caller);
    }

    fn draw_operation(&mut self, process: usize, caller: usize) -> Operation {
        let (plan, it) = (&self.plan, &mut self.processes[process].callers[caller]);
        let chance = &mut it.chance;
        let hot = plan.places.len() as u64 / 2;
        let at = if chance.hits(plan.hot) { hot } else { chance.between(0, plan.places.len() as u64 - 1) };
        let mode = if chance.hits(plan.shared) { Mode::Shared } else { Mode::Exclusive };
        let scope = if chance.hits(plan.node_only) { Scope::Node } else { Scope::Subtree };
        let lease = chance.hits(plan.leased).then(|| chance.magnitude(plan.lease.0, plan.lease.1));
        let wait = match (chance.hits(plan.tried), chance.hits(0.5)) {
            (true, _) => Some(None),
            (false, true) => Some(Some(chance.magnitude(plan.wait.0, plan.wait.1))),
            (false, false) => None,
        };
        // A task is a future: it waits without an end, and may be dropped instead.
        let wait = if it.is_task { None } else { wait };
        let dropped = chance.hits(plan.dropped).then(|| chance.magnitude(1, plan.wait.1));
        let dropped = if it.is_task { dropped } else { None };
        let hold = chance.magnitude(plan.hold.0, plan.hold.1);
        let hold = if chance.hits(0.05) && !plan.strides { hold + plan.timing.lease * 3 / 2 } else { hold };
        let (place, kind) = (plan.places[at as usize], Kind::new(mode, scope));
        let comes = self.processes[process].callers[caller].comes.take().map(|place| (place, kind));
        let (place, kind) = comes.or_else(|| self.draw_below(process, caller, kind)).unwrap_or((place, kind));
        Operation { place, kind, lease, wait, dropped, hold }
    }

    fn acquire(&mut self, process: usize, caller: usize, operation: Operation) {
        let Operation { place, kind, lease, wait, dropped, hold } = operation;
        let (now, timing) = (self.clock(process), self.plan.timing);
        let mut request = Request::new(kind);
        request.lease = lease.map(Duration::from_micros);
        let may_wait = match wait {
            Some(None) => MayWait::No,
            Some(Some(time)) => MayWait::Until(now + time),
            None => MayWait::Until(NEVER),
        };
        let members = self.members(process, caller, (place, kind), &request);
        self.processes[process].callers[caller].holds_for = hold;
        if self.take_kept(process, caller, (place, kind), &request) {
            return;
        }
        let it = &mut self.processes[process];
        let own = request.lease.map(micros);
        let mut locks = members.iter().map(|(target, _)| {
            it.numbers += 1;
            Lock::new(it.numbers, &it.name, target.path.clone(), None, own.unwrap_or(timing.lease))
                .with_recalls(it.keep.as_ref().map_or(0, |keep| keep.recalled(target)))
        });
        let first = locks.next().expect("it wants something");
        let lock = Arc::new(first.with_others(locks.map(Arc::new).collect()));
        it.callers[caller].epoch += 1;
        it.callers[caller].news = News::Nothing;
        it.callers[caller].dropped_at = dropped.map_or(NEVER, |time| self.now + time);
        let waiter = Waiter { caller, epoch: it.callers[caller].epoch };
        let all = members.iter().map(|(target, request)| (target.clone(), request));
        let mut machine = Box::new(Acquisition::of_set(all, lock, may_wait, waiter, &it.name, &timing));
        // A thread that does not wait for tasks asks about what they owe; a task does not.
        let owed = !it.callers[caller].is_task && it.debts > 0;
        self.grow(process, &mut machine, (place, kind));
        machine.begin(now, owed, self.agenda(process));
        self.note_caller(process, caller, || format!("wants {}", Claim::new(place, kind)));
        self.ask(process, caller, machine, (place, kind));
    }

    fn ask(&mut self, process: usize, caller: usize, machine: Machine, (place, kind): (Place, Kind)) {
        let (now, timing) = (self.clock(process), self.plan.timing);
        let it = &mut self.processes[process].callers[caller];
        if it.is_task {
            it.news = News::Nothing; // the answer will tell
        }
        let (call, deadline) = machine.call(&timing, now);
        let line = self.line_of(process, caller);
        let request = self.send(process, line, call, deadline, Purpose::Caller(caller));
        self.set_state(process, caller, State::Asks { machine, place, kind, request, sent: self.now });
        let dropped = self.processes[process].callers[caller].dropped_at;
        self.wake(process, caller, dropped);
    }

    /// The answer to what a caller asked.
    pub(super) fn caller_answered(&mut self, process: usize, caller: usize, id: u64, answer: Answer, sent: u64) {
        let then = self.clock_of(process).at(sent);
        match self.take_state(process, caller) {
            State::Asks { mut machine, place, kind, request, .. } if request == id => {
                let (now, timing) = (self.clock(process), self.plan.timing);
                let step = machine.answered(Reply::from_answer(answer), then, now, &timing, self.agenda(process));
                self.step(process, caller, machine, (place, kind), step, sent);
            }
            State::Acts { held, act: Act::Change(change), request, deadline } if request == id => {
                self.changed(process, caller, (held, change, deadline), answer, sent);
            }
            State::Acts { held, act, request, deadline, .. } if request == id => {
                self.acted(process, caller, (held, act, deadline), answer, sent);
            }
            State::GivesBack { release, request, deadline, held } if request == id => {
                self.gave_back(process, caller, (release, deadline, held), answer);
            }
            State::Attaches { token, place, request } if request == id => {
                self.attached(process, caller, (token, place), answer, sent);
            }
            other => self.set_state(process, caller, other),
        }
    }

    fn step(
        &mut self,
        process: usize,
        caller: usize,
        machine: Machine,
        (place, kind): (Place, Kind),
        step: Step,
        sent: u64,
    ) {
        self.cover.step(&step);
        let dropped = self.processes[process].callers[caller].dropped_at;
        match step {
            Step::Ask => self.ask(process, caller, machine, (place, kind)),
            Step::Settle if self.processes[process].debts == 0 => self.ask(process, caller, machine, (place, kind)),
            Step::Settle => {
                self.set_state(process, caller, State::Settles { machine, place, kind });
                self.wake(process, caller, self.now + self.plan.timing.timeout);
            }
            Step::Pause(pause) => {
                let until = self.when(process, machine.deadline().min(self.clock(process) + pause));
                self.set_state(process, caller, State::Pauses { machine, place, kind });
                self.wake(process, caller, until.min(dropped));
            }
            Step::Wait => {
                self.start_listener(process);
                if self.processes[process].callers[caller].news != News::Nothing {
                    return self.tell(process, caller, machine, (place, kind));
                }
                let until = self.when(process, machine.deadline());
                self.set_state(process, caller, State::Waits { machine, place, kind });
                self.wake(process, caller, until.min(dropped));
            }
            Step::Grown(growth) => match self.take_grown(process, *growth, &machine, (place, kind)) {
                Some(lock) => {
                    let sent = self.rests_on(process, &lock);
                    self.granted(process, caller, lock, (place, kind), sent);
                }
                None => self.ask(process, caller, machine, (place, kind)),
            },
            Step::Over(Ok(())) => self.granted(process, caller, machine.lock().clone(), (place, kind), sent),
            Step::Over(Err(error)) => {
                self.refused(process, caller, &error);
                self.rest(process, caller);
            }
        }
    }

    /// News has come for a caller.
    pub(super) fn news(&mut self, process: usize, waiter: Waiter, news: News) {
        let it = &mut self.processes[process].callers[waiter.caller];
        if it.epoch != waiter.epoch {
            return;
        }
        if !matches!(it.news, News::Granted(_)) || matches!(news, News::Granted(_)) {
            it.news = news;
        }
        let is_task = it.is_task;
        match self.take_state(process, waiter.caller) {
            State::Waits { machine, place, kind } => self.tell(process, waiter.caller, machine, (place, kind)),
            State::Acts { held, act: Act::Change(change), request: 0, .. } => {
                self.change_told(process, waiter.caller, held, change);
            }
            // News cuts a thread's pause short.
            State::Pauses { machine, place, kind } if !is_task => {
                self.processes[process].callers[waiter.caller].news = News::Nothing;
                self.ask(process, waiter.caller, machine, (place, kind));
            }
            other => self.set_state(process, waiter.caller, other),
        }
    }

    /// A waiter looks at its news, or at the time.
    fn tell(&mut self, process: usize, caller: usize, mut machine: Machine, what: (Place, Kind)) {
        let (now, timing) = (self.clock(process), self.plan.timing);
        let news = std::mem::take(&mut self.processes[process].callers[caller].news);
        if machine.told(news, now, &timing, self.agenda(process)) {
            self.cover.see("a message grants");
            let lock = machine.lock().clone();
            // It rests on the last answer that said it waits: a claim window before its deadline.
            let then = lock.deadline().saturating_sub(timing.claim_window());
            let sent = self.when(process, then).min(self.now);
            self.granted(process, caller, lock, what, sent);
        } else {
            self.cover.news(news);
            self.ask(process, caller, machine, what);
        }
    }

    pub(super) fn granted(&mut self, process: usize, caller: usize, lock: Arc<Lock>, what: (Place, Kind), sent: u64) {
        let also = std::mem::take(&mut self.processes[process].callers[caller].also);
        let hold = if self.is_calm { 0 } else { self.processes[process].callers[caller].holds_for };
        let mut all: Vec<Held> = Vec::new();
        for (lock, (place, kind)) in lock.all().zip(std::iter::once(what).chain(also)) {
            let id = self.id_of(process, lock);
            let judged = self.judged(process, lock.deadline(), sent);
            let claim = Claim::new(place, kind);
            let token = lock.fencing_token();
            self.note_caller(process, caller, || format!("has {claim}, token {token}, until {judged}"));
            if judged > self.now {
                self.judge.granted(id, claim, token, self.now, judged, sent);
            } else {
                self.cover.see("a grant is over before its answer comes");
            }
            let (until, may_end) = (self.now + hold, !lock.renews() && !lock.is_guest());
            let judged = if judged > self.now { judged } else { 0 };
            let (lock, others) = (lock.clone(), Vec::new());
            all.push(Held {
                lock,
                place,
                kind,
                id,
                rests_on: sent,
                judged,
                until,
                is_detached: false,
                may_end,
                others,
            });
        }
        let mut held = all.remove(0);
        if !all.is_empty() {
            self.cover.see("a set is taken");
        }
        held.others = all;
        self.hold(process, caller, held);
    }

    /// A future is gone that had no request under way.
    fn drop_future(&mut self, process: usize, machine: Acquisition<Waiter>) {
        self.cover.see("a task is dropped while it waits");
        if let Some(release) = machine.give_up(self.agenda(process)) {
            self.drive(process, release);
        }
    }

    fn refused(&mut self, process: usize, caller: usize, error: &LockError) {
        self.note_caller(process, caller, || format!("gives up: {error}"));
        match error {
            LockError::Store(_) if !self.plan.has_faults() => {
                self.violate(format!("nothing was wrong, and still: {error}"));
            }
            LockError::Store(_) => self.cover.see("an acquisition fails"),
            LockError::TimedOut { .. } => self.cover.see("an acquisition times out"),
            _ => self.cover.see("a try is refused"),
        }
    }

    pub(super) fn note_caller(&mut self, process: usize, caller: usize, what: impl FnOnce() -> String) {
        self.trace.note(self.now, || format!("process {process}, caller {caller}"), what);
    }
}

/// What a caller is about to do.
struct Operation {
    place: Place,
    kind: Kind,
    lease: Option<u64>,
    /// `None`: without an end. `Some(None)`: not at all.
    wait: Option<Option<u64>>,
    /// When its future is dropped.
    dropped: Option<u64>,
    hold: u64,
}

/// The longest that a lock which outlives its guard is set to.
pub(super) const LONGEST_DETACHED: u64 = 10 * SECOND;
