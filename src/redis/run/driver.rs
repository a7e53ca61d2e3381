//! [`Driver`]: one thread a store that does the I/O of tasks: it asks for what they want, and gives
//! back what they are done with.
//!
//! It has a connection of its own. A task leaves a job in a queue, under a lock that is held for
//! that long only, and goes away. The thread starts with the store's first task.
//!
//! All that has queued up goes as one pipeline, 64 commands at a time, in the order in which it
//! came. So
//!
//! * **D1**: what a task gives back reaches the server before what a task asks for afterwards.
//! * **D2**: a [barrier](Driver::settle) completes when every release queued before it has reached
//!   the server, or cannot. If a thread's `try_lock` is refused while releases are
//!   [owed](Driver::owes), it waits for a barrier and asks once more. So it never reports a lock
//!   that this store had already given back. A release that failed and will be sent again goes to
//!   the front of the queue.
//! * **D3**: no job waits for longer than a call may take. One that has is told that there was no
//!   answer in time, as a thread would be. If no connection can be had all jobs are told so at
//!   once.
//!
//! No code of users runs under a lock here, and a waker that panics does no harm.

use std::collections::{BTreeMap, VecDeque};
use std::thread::{self, ThreadId};

use super::client::Client;
use crate::observe::meters::{RoundTrip, retried};
use crate::redis::clock::{clock, until};
use crate::redis::error::Failure;
use crate::redis::primitives::{Arc, AtomicU64, Condvar, Mutex, OnceLock, Ordering, Weak};
use crate::redis::protocol::calls::{Released, Reply};
use crate::redis::protocol::release::{Outcome, Release};
use crate::redis::protocol::script::Call;
use crate::redis::protocol::timing::NEVER;
use crate::redis::value::Value;
use crate::redis::wire::Connection;

/// As many commands as this go as one pipeline: the server serves nobody else while it runs them.
const BATCH: usize = 64;

/// A task that asks for a lock, as far as the driver knows it.
pub(super) trait Asks: Send + Sync {
    /// Its request is about to be sent: what it is, and until when its answer is waited for. `None`
    /// if there is nothing to send any more.
    fn take_up(&self) -> Option<(Call, u64)>;
    /// The request that was sent at that time has its answer.
    fn answered(self: Arc<Self>, answer: Result<Value, Failure>, sent: u64);
    /// Whether the grant that came after so many lapses has been collected is to be looked at.
    fn look_after(&self, lapses: u32);
}

pub(in crate::redis) struct Driver {
    shared: Arc<Shared>,
    client: Arc<Client>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// What was given back and has not reached the server yet.
    owed: AtomicU64,
    thread: OnceLock<ThreadId>,
}

#[derive(Default)]
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

enum Job {
    /// To be sent until this time.
    Ask(Arc<dyn Asks>, u64),
    Release(Release, u64),
    Barrier(Arc<Barrier>),
}

enum Later {
    Ask(Arc<dyn Asks>),
    LookAfter(Weak<dyn Asks>, u32),
}

#[derive(Default)]
struct Barrier {
    passed: Mutex<bool>,
    changed: Condvar,
}

impl Barrier {
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
    pub(super) fn new(client: Arc<Client>) -> Self {
        let (state, changed) = (Mutex::default(), Condvar::new());
        Self { shared: Arc::new(Shared { state, changed, owed: AtomicU64::new(0), thread: OnceLock::new() }), client }
    }

    /// Starts the thread, if it does not run.
    pub(super) fn start(&self) -> Result<(), std::io::Error> {
        let mut state = self.shared.state.lock();
        if !state.running {
            let (shared, client) = (self.shared.clone(), self.client.clone());
            let thread = thread::Builder::new().name("mutextree-drive".into());
            let thread = thread.spawn(move || shared.run(&client))?;
            let _ = self.shared.thread.set(thread.thread().id());
            state.running = true;
        }
        Ok(())
    }

    /// The store is gone, and so are all tasks.
    pub(super) fn stop(&self) {
        self.shared.state.lock().stopped = true;
        self.shared.changed.notify_one();
    }

    pub(super) fn ask(&self, task: Arc<dyn Asks>) {
        self.shared.push(Job::Ask(task, self.call_deadline()));
    }

    pub(super) fn ask_later(&self, task: Arc<dyn Asks>, pause: u64) {
        self.shared.later(clock() + pause, Later::Ask(task));
    }

    pub(super) fn look_after_later(&self, task: Weak<dyn Asks>, lapses: u32, after: u64) {
        self.shared.later(clock() + after, Later::LookAfter(task, lapses));
    }

    pub(super) fn give_back(&self, release: Release) {
        self.owe();
        self.shared.push(Job::Release(release, self.call_deadline()));
    }

    /// Something will be given back, once the driver has its answer.
    pub(super) fn owe(&self) {
        // Relaxed: who asks afterwards sees it, or what became of it.
        self.shared.owed.fetch_add(1, Ordering::Relaxed);
    }

    /// What was [owed](Self::owe): ahead of all jobs. Called by the driver.
    pub(super) fn settle_owed(&self, release: Option<Release>) {
        self.shared.settle_owed(release.map(|release| (release, self.call_deadline())));
    }

    /// Whether anything that was given back may not have reached the server yet.
    pub(super) fn owes(&self) -> bool {
        self.shared.owed.load(Ordering::Relaxed) > 0
    }

    /// Waits until all that was given back before has reached the server, or cannot, or for as long
    /// as this.
    pub(super) fn settle(&self, deadline: u64) {
        // A waker may drop anything, on the driver's own thread, too.
        let is_here = self.shared.thread.get() == Some(&thread::current().id());
        if self.owes() && !is_here {
            let barrier = Arc::new(Barrier::default());
            self.shared.push(Job::Barrier(barrier.clone()));
            barrier.wait(deadline);
        }
    }

    fn call_deadline(&self) -> u64 {
        self.client.timing.call_deadline(clock())
    }
}

impl Shared {
    fn push(&self, job: Job) {
        let mut state = self.state.lock();
        state.jobs.push_back(job);
        self.wake(&mut state, 0);
    }

    fn settle_owed(&self, release: Option<(Release, u64)>) {
        match release {
            Some((release, deadline)) => self.state.lock().jobs.push_front(Job::Release(release, deadline)),
            None => _ = self.owed.fetch_sub(1, Ordering::Relaxed),
        }
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
                    // D2: what is before it comes first.
                    Some(Job::Barrier(_)) if !jobs.is_empty() => break,
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

    /// All jobs, except for barriers.
    fn rest(&self) -> Vec<Job> {
        let mut state = self.state.lock();
        let (barriers, rest) = state.jobs.drain(..).partition(|job| matches!(job, Job::Barrier(_)));
        state.jobs = barriers;
        Vec::from(rest)
    }

    /// The thread.
    fn run(&self, client: &Client) {
        let mut connection = None;
        while let Some((due, jobs)) = self.next() {
            for later in due {
                match later {
                    Later::Ask(task) => self.push(Job::Ask(task, client.timing.call_deadline(clock()))),
                    Later::LookAfter(task, lapses) => {
                        if let Some(task) = task.upgrade() {
                            task.look_after(lapses);
                        }
                    }
                }
            }
            self.send(client, &mut connection, jobs);
        }
    }

    /// Sends jobs as one pipeline, and tells everyone.
    fn send(&self, client: &Client, connection: &mut Option<Connection>, jobs: Vec<Job>) {
        let (now, mut last, mut sends) = (clock(), 0, Vec::with_capacity(jobs.len()));
        for (send, deadline) in jobs.into_iter().filter_map(|job| Sending::from_job(job, client)) {
            if deadline <= now {
                self.answered(client, send, Err(Failure::Down(client.wire.too_late())), now); // D3
            } else {
                last = last.max(deadline);
                sends.push(send);
            }
        }
        if sends.is_empty() {
            return;
        }
        let sent = clock();
        match exchange(client, connection, &sends, last) {
            Ok(answers) => {
                for (send, answer) in sends.into_iter().zip(answers) {
                    self.answered(client, send, answer, sent);
                }
            }
            Err(failure) => {
                let rest = self.rest().into_iter().filter_map(|job| Sending::from_job(job, client));
                let all = sends.into_iter().chain(rest.map(|(send, _)| send));
                all.for_each(|send| self.answered(client, send, Err(failure.clone()), sent));
            }
        }
    }

    fn answered(&self, client: &Client, send: Sending, answer: Result<Value, Failure>, sent: u64) {
        match send.whose {
            Whose::Task(task) => task.answered(answer, sent),
            Whose::Release(release) => self.released(client, release, answer),
        }
    }

    /// There is nobody to return an error to. That the lock was not held any more is told to those
    /// who listen for losses.
    fn released(&self, client: &Client, mut release: Release, answer: Result<Value, Failure>) {
        let answer: Result<Released, Failure> = Reply::from_answer(answer);
        match release.answered(answer.as_ref().map_err(Failure::clone), false) {
            Outcome::Done { was_held } => {
                if release.was_held && !was_held {
                    client.tell_loss(&release.lock);
                }
            }
            Outcome::Again => {
                retried(1);
                let deadline = client.timing.call_deadline(clock());
                return self.settle_owed(Some((release, deadline)));
            }
            Outcome::Failed(_) => client.agenda(|agenda| agenda.give_up(release, clock())),
        }
        if let Ok(released) = answer {
            client.left_over(released.more);
        }
        self.settle_owed(None);
    }
}

/// A command, and whose it is.
struct Sending {
    call: Call,
    whose: Whose,
}

enum Whose {
    Task(Arc<dyn Asks>),
    Release(Release),
}

impl Sending {
    /// `None` if there is nothing to send. And until when it is to be sent.
    fn from_job(job: Job, client: &Client) -> Option<(Self, u64)> {
        match job {
            Job::Ask(task, latest) => {
                let (call, deadline) = task.take_up()?;
                Some((Self { call, whose: Whose::Task(task) }, deadline.min(latest)))
            }
            Job::Release(release, deadline) => {
                Some((Self { call: release.call(&client.timing), whose: Whose::Release(release) }, deadline))
            }
            Job::Barrier(barrier) => {
                barrier.pass();
                None
            }
        }
    }
}

/// The answers, in order. Scripts that the server does not know are sent by their text. The error
/// is that there is no connection.
fn exchange(
    client: &Client,
    own: &mut Option<Connection>,
    sends: &[Sending],
    deadline: u64,
) -> Result<Vec<Result<Value, Failure>>, Failure> {
    let connection = client.connected(own, deadline)?;
    let mut answers = Vec::with_capacity(sends.len());
    let bytes: Vec<u8> = sends.iter().flat_map(|send| client.pack(&send.call, false)).collect();
    let round_trip = RoundTrip::begin();
    let good = connection.exchange(&bytes, sends.len(), deadline, |_, answer| answers.push(answer));
    round_trip.end(good);
    let unknown = |answer: &Result<Value, Failure>| matches!(answer, Err(Failure::NoScript | Failure::Stranger));
    let again: Vec<usize> = (0..answers.len()).filter(|&at| unknown(&answers[at])).collect();
    if good && answers.contains(&Err(Failure::Stranger)) && client.greet_over(connection, deadline).is_err() {
        return Ok(answers);
    }
    if good && !again.is_empty() {
        let bytes: Vec<u8> = again.iter().flat_map(|&at| client.pack(&sends[at].call, true)).collect();
        let round_trip = RoundTrip::begin();
        round_trip.end(connection.exchange(&bytes, again.len(), deadline, |at, answer| answers[again[at]] = answer));
    }
    Ok(answers)
}
