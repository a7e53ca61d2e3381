//! [`Driver`]: one thread a store that does the I/O of tasks: it asks for what they want, and gives
//! back what they have done with.
//!
//! It has a thread and a connection of its own, and does not share the keeper's: the keeper has
//! deadlines to meet, and must not queue behind ten thousand requests; and requests should not wait
//! for a renewal that gets no answer. It starts with the store's first task. Nobody else waits for
//! it: a task leaves a job in a queue, under a lock that is held for that long only, and goes away.
//!
//! All that has queued up goes as one pipeline, 64 commands at a time, in the order in which it
//! came. So
//!
//! * **D1**: what a task gives back reaches the server before what is asked for by a task
//!   afterwards;
//! * **D2**: a [fence](Driver::settle) is passed when all that had been given back before has been
//!   taken back. A `try_lock` of a thread that finds something in its way while anything is
//!   [owed](Driver::owes) waits for a fence and asks again: so nobody is told of a lock that was
//!   given back before he asked, though not by him. What failed, and is to be sent again, goes back
//!   to the front;
//! * **D3**: no job waits for longer than a call may take. One that has is told that there was no
//!   answer in time, as a thread would be. If no connection can be had all jobs are told so at
//!   once;
//! * **D4**: a hand-over to very many waiters is a job for each call of it, with the others in
//!   between.
//!
//! Nothing here runs code of others under a lock, and a waker that panics does no harm.

use std::collections::{BTreeMap, VecDeque};
use std::thread::{self, ThreadId};
use std::time::Duration;

use redis::{Cmd, Value};

use super::core::Core;
use super::entry::Entry;
use super::error::Failure;
use super::link::Line;
use super::node::RedisNode;
use super::script::{More, Reply};
use super::sync::{Arc, AtomicU64, Condvar, Mutex, OnceLock, Ordering, Weak, as_micros, clock, until};
use super::task::{Machine, Task};
use crate::backend::LostLock;

/// As many commands as this go as one pipeline: the server serves nobody else while it runs them.
const BATCH: usize = 64;
const NEVER: u64 = u64::MAX;

#[derive(Default)]
pub(crate) struct Driver {
    state: Mutex<State>,
    changed: Condvar,
    /// What was given back and has not been taken back yet.
    owed: AtomicU64,
    thread: OnceLock<ThreadId>,
}

struct State {
    jobs: VecDeque<Job>,
    /// What is to be done at some time, and a number to tell apart what is due at one time.
    later: BTreeMap<(u64, u64), Later>,
    last_later: u64,
    /// Until when the thread sleeps; 0 if it does not.
    sleeps: u64,
    running: bool,
    stopped: bool,
}

impl Default for State {
    fn default() -> Self {
        let (jobs, later) = (VecDeque::new(), BTreeMap::new());
        Self { jobs, later, last_later: 0, sleeps: 0, running: false, stopped: false }
    }
}

enum Job {
    /// To be sent until this time.
    Ask(Arc<Task>, u64),
    Return(Return, u64),
    /// To go on handing over: one call at a time, and what else there is to do in between.
    HandOver(More, u64),
    Fence(Arc<Fence>),
}

enum Later {
    Ask(Arc<Task>),
    /// Has the grant been collected? See [`Task::lapse`].
    Lapse(Weak<Task>, u32),
}

/// A token to give back: of a lock that was held, or of one that is not wanted any more.
pub(crate) struct Return {
    node: RedisNode,
    entry: Arc<Entry>,
    kind: u8,
    pub(crate) was_held: bool,
    /// Whether this is the second try.
    resent: bool,
}

impl Return {
    pub(crate) fn new(node: RedisNode, entry: Arc<Entry>, kind: u8, was_held: bool) -> Self {
        Self { node, entry, kind, was_held, resent: false }
    }
}

#[derive(Default)]
struct Fence {
    passed: Mutex<bool>,
    changed: Condvar,
}

impl Fence {
    fn pass(&self) {
        *self.passed.lock() = true;
        self.changed.notify_one();
    }

    fn wait(&self, deadline: u64) {
        let mut passed = self.passed.lock();
        while !*passed && !until(deadline).is_zero() {
            self.changed.wait_for(&mut passed, until(deadline));
        }
    }
}

impl Driver {
    /// Starts the thread, if it does not run.
    pub(crate) fn start(&self, core: &Arc<Core>) -> Result<(), std::io::Error> {
        let mut state = self.state.lock();
        if !state.running {
            let core = core.clone();
            let thread = thread::Builder::new().name("mutextree-tasks".into()).spawn(move || run(&core))?;
            let _ = self.thread.set(thread.thread().id());
            state.running = true;
        }
        Ok(())
    }

    /// The store is gone, and so are all tasks.
    pub(crate) fn stop(&self) {
        self.state.lock().stopped = true;
        self.changed.notify_one();
    }

    pub(crate) fn ask(&self, task: Arc<Task>, patience: u64) {
        self.push(Job::Ask(task, patience));
    }

    pub(crate) fn ask_later(&self, task: Arc<Task>, pause: Duration) {
        self.later(clock() + as_micros(pause), Later::Ask(task));
    }

    pub(crate) fn lapse_later(&self, task: &Arc<Task>, lapses: u32, after: Duration) {
        self.later(clock() + as_micros(after), Later::Lapse(Arc::downgrade(task), lapses));
    }

    pub(crate) fn give_back(&self, returned: Return, patience: u64) {
        self.owe();
        self.push(Job::Return(returned, patience));
    }

    /// Something will be given back, once the driver has it.
    pub(crate) fn owe(&self) {
        self.owed.fetch_add(1, Ordering::Relaxed); // whoever asks afterwards sees it, or what became of it
    }

    /// What was [owed](Self::owe): ahead of all jobs. Called by the driver.
    pub(crate) fn pay(&self, returned: Option<Return>, patience: u64) {
        match returned {
            Some(returned) => self.state.lock().jobs.push_front(Job::Return(returned, patience)),
            None => _ = self.owed.fetch_sub(1, Ordering::Relaxed),
        }
    }

    /// Whether anything that was given back may not have reached the server yet.
    pub(crate) fn owes(&self) -> bool {
        self.owed.load(Ordering::Relaxed) > 0
    }

    /// Waits until all that was given back before has reached the server, or cannot, or for as long
    /// as this.
    pub(crate) fn settle(&self, deadline: u64) {
        // A waker may drop anything, on the driver's own thread, too.
        if self.owes() && !self.is_here() {
            let fence = Arc::new(Fence::default());
            self.push(Job::Fence(fence.clone()));
            fence.wait(deadline);
        }
    }

    /// Whether this is the driver's thread.
    pub(crate) fn is_here(&self) -> bool {
        self.thread.get() == Some(&thread::current().id())
    }

    pub(crate) fn hand_over(&self, more: More, patience: u64) {
        self.push(Job::HandOver(more, patience));
    }

    fn push(&self, job: Job) {
        let mut state = self.state.lock();
        state.jobs.push_back(job);
        self.wake(&mut state, 0);
    }

    fn later(&self, when: u64, what: Later) {
        let mut state = self.state.lock();
        state.last_later += 1;
        let number = state.last_later;
        state.later.insert((when, number), what);
        self.wake(&mut state, when);
    }

    fn wake(&self, state: &mut State, when: u64) {
        if when < state.sleeps {
            state.sleeps = 0;
            self.changed.notify_one();
        }
    }

    /// Sleeps until there is something to do, and takes it; `None` once the store is gone.
    fn next(&self) -> Option<(Vec<Later>, Vec<Job>)> {
        let mut state = self.state.lock();
        loop {
            let (now, mut due, mut jobs) = (clock(), Vec::new(), Vec::new());
            while let Some(first) = state.later.first_entry()
                && first.key().0 <= now
            {
                due.push(first.remove());
            }
            while jobs.len() < BATCH {
                match state.jobs.front() {
                    None => break,
                    Some(Job::Fence(_)) if !jobs.is_empty() => break, // D2: what is in front of it comes first
                    Some(_) => jobs.extend(state.jobs.pop_front()),
                }
            }
            if !due.is_empty() || !jobs.is_empty() {
                return Some((due, jobs));
            }
            if state.stopped {
                return None;
            }
            state.sleeps = state.later.first_key_value().map_or(NEVER, |(&(when, _), _)| when);
            if state.sleeps == NEVER {
                self.changed.wait(&mut state);
            } else {
                let time = until(state.sleeps);
                self.changed.wait_for(&mut state, time);
            }
            state.sleeps = 0;
        }
    }

    /// All jobs, except for fences.
    fn rest(&self) -> Vec<Job> {
        let mut state = self.state.lock();
        let (fences, rest) = state.jobs.drain(..).partition(|job| matches!(job, Job::Fence(_)));
        state.jobs = fences;
        Vec::from(rest)
    }
}

/// A command, and whose it is.
enum Call {
    Ask(Arc<Task>, Box<Machine>),
    Return(Return),
    HandOver(More),
}

impl Call {
    /// `None` if it needs no sending any more. Until when it is to be sent.
    fn of(job: Job) -> Option<(Self, u64)> {
        match job {
            Job::Ask(task, deadline) => task.take_up().map(|machine| (Self::Ask(task, machine), deadline)),
            Job::Return(returned, deadline) => Some((Self::Return(returned), deadline)),
            Job::HandOver(more, deadline) => Some((Self::HandOver(more), deadline)),
            Job::Fence(fence) => {
                fence.pass();
                None
            }
        }
    }

    fn command(&self, core: &Core, by_text: bool) -> Cmd {
        match self {
            Self::Ask(_, machine) => {
                core.command(&core.scripts.acquire, by_text, |command| machine.fill(command, true))
            }
            Self::Return(it) => core.command(&core.scripts.release, by_text, |command| {
                it.node.fill_release(command, &it.entry, it.kind);
            }),
            Self::HandOver(more) => core.command(&core.scripts.handover, by_text, |command| more.fill(command)),
        }
    }

    fn answered(self, core: &Core, answer: Result<Value, Failure>, sent: u64) {
        let answer = Reply::of(answer);
        match self {
            Self::Ask(task, machine) => task.answered(machine, answer, sent),
            Self::Return(it) => it.answered(core, answer),
            Self::HandOver(_) => core.finish(answer.ok().and_then(|mut reply| reply.more())),
        }
    }
}

impl Return {
    /// There is nobody to return an error to. That the lock was not held any more is told to those
    /// who watch.
    fn answered(mut self, core: &Core, answer: Result<Reply, Failure>) {
        match answer {
            Ok(mut reply) => {
                if !self.node.was_released(&mut reply, &self.entry, self.resent) && self.was_held {
                    core.tell(&LostLock::of(&self.entry));
                }
            }
            Err(failure) if self.resent || matches!(failure, Failure::Refused(_) | Failure::NoScript) => {
                core.keeper.abandon(&self.entry);
            }
            Err(_) => {
                self.resent = true;
                return core.driver.pay(Some(self), core.patience());
            }
        }
        core.driver.pay(None, 0);
    }
}

/// The thread.
fn run(core: &Core) {
    let mut line = None;
    while let Some((due, jobs)) = core.driver.next() {
        for later in due {
            match later {
                Later::Ask(task) => core.driver.ask(task, core.patience()),
                Later::Lapse(task, lapses) => {
                    if let Some(task) = task.upgrade() {
                        task.lapse(lapses);
                    }
                }
            }
        }
        send(core, &mut line, jobs);
    }
}

/// Sends jobs as one pipeline, and tells everyone.
fn send(core: &Core, line: &mut Option<Line>, jobs: Vec<Job>) {
    let (now, mut last, mut calls) = (clock(), 0, Vec::with_capacity(jobs.len()));
    for (call, deadline) in jobs.into_iter().filter_map(Call::of) {
        if deadline <= now {
            call.answered(core, Err(Failure::Down(core.link.too_late())), now); // D3
        } else {
            last = last.max(deadline);
            calls.push(call);
        }
    }
    if calls.is_empty() {
        return;
    }
    let sent = clock();
    match exchange(core, line, &calls, last) {
        Ok(answers) => {
            for (call, answer) in calls.into_iter().zip(answers) {
                call.answered(core, answer, sent);
            }
        }
        Err(failure) => {
            let rest = core.driver.rest().into_iter().filter_map(Call::of).map(|(call, _)| call);
            calls.into_iter().chain(rest).for_each(|call| call.answered(core, Err(failure.clone()), sent));
        }
    }
}

/// The answers, in order. Scripts that the server does not know are sent by their text. The error
/// is that there is no connection.
fn exchange(
    core: &Core,
    own: &mut Option<Line>,
    calls: &[Call],
    deadline: u64,
) -> Result<Vec<Result<Value, Failure>>, Failure> {
    let timeout = || until(deadline).min(core.link.timeout());
    let mut line = match own.take() {
        Some(line) => line,
        None => core.link.open(timeout())?,
    };
    let mut answers = Vec::with_capacity(calls.len());
    let commands: Vec<u8> = calls.iter().flat_map(|call| call.command(core, false).get_packed_command()).collect();
    let mut good = core.link.exchange(&mut line, &commands, calls.len(), timeout(), |_, answer| answers.push(answer));
    let unknown = |answer: &Result<Value, Failure>| matches!(answer, Err(Failure::NoScript));
    let again: Vec<usize> = (0..answers.len()).filter(|&at| unknown(&answers[at])).collect();
    if good && !again.is_empty() {
        let commands: Vec<u8> =
            again.iter().flat_map(|&at| calls[at].command(core, true).get_packed_command()).collect();
        good = core.link.exchange(&mut line, &commands, again.len(), timeout(), |at, answer| {
            answers[again[at]] = answer;
        });
    }
    if good {
        *own = Some(line);
    }
    Ok(answers)
}
