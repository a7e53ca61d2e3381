//! [`Driver`]: one thread a site that does the I/O of tasks: it asks for what they want, and gives
//! back what they are done with.
//!
//! It has a connection of its own. A task leaves a job in a queue, under a lock that is held for
//! that long only, and goes away. The thread starts with the first task of a tree that is there.
//!
//! All that has queued up goes as one pipeline, 64 commands at a time, in the order in which it
//! came. So
//!
//! * **D1**: what a task gives back reaches the server before what a task asks for afterwards.
//! * **D2**: a [barrier](Driver::settle) completes when every release queued before it has reached
//!   the server, or cannot. If a thread's `try_lock` is refused while releases are
//!   [owed](Driver::owes), it waits for a barrier and asks once more. So it never reports a lock
//!   that this store had already given back. What was let go while it was exchanged (K10) is owed,
//!   too, and given back by another thread, which is waited for first. A release that failed and
//!   will be sent again goes to the front of the queue.
//! * **D3**: no job waits for longer than a call may take. One that has is told that there was no
//!   answer in time, as a thread would be. If no connection can be had all jobs are told so at
//!   once.
//! * **D4**: a site that the last tree has left is not driven any more. Its driver does what jobs
//!   there are, and then takes no more, in one step. So whoever pushes one finds the driver of the
//!   site where the tree is by then. What was to be done later goes there, too.
//!
//! No code of users runs under a lock here, and a waker that panics does no harm.

use std::collections::{BTreeMap, VecDeque};
use std::thread::{self, ThreadId};

use super::client::Client;
use super::keeping;
use super::own::Own;
use crate::redis::clock::{clock, until};
use crate::redis::error::Failure;
use crate::redis::primitives::{Arc, Condvar, Mutex, OnceLock, Ordering, Weak};
use crate::redis::protocol::release::Release;
use crate::redis::protocol::script::Call;
use crate::redis::protocol::timing::NEVER;
use crate::redis::value::Value;
use crate::redis::wire::Site;
use sending::Sending;

mod sending;

/// As many commands as this go as one pipeline: the server serves nobody else while it runs them.
const BATCH: usize = 64;

/// A task that asks for a lock, as far as the driver knows it.
pub(super) trait Asks: Send + Sync {
    /// Its tree.
    fn client(&self) -> &Arc<Client>;
    /// Its request is about to be sent: what it is, and until when its answer is waited for. `None`
    /// if there is nothing to send any more.
    fn take_up(&self) -> Option<(Call, u64)>;
    /// The request that was sent at that time has its answer.
    fn answered(self: Arc<Self>, answer: Result<Value, Failure>, sent: u64);
    /// Whether the grant that came after so many lapses has been collected is to be looked at.
    fn look_after(&self, lapses: u32);
}

/// Of one tree: what its tasks do goes to the thread that drives them where the tree is.
pub(in crate::redis) struct Driver {
    client: Arc<Client>,
}

/// Of one site.
pub(in crate::redis) struct Shared {
    site: Arc<Site>,
    state: Mutex<State>,
    changed: Condvar,
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
    /// Whether the thread has ended, and takes nothing more.
    ended: bool,
}

enum Job {
    /// To be sent until this time.
    Ask(Arc<dyn Asks>, u64),
    Release(Arc<Client>, Release, u64),
    Barrier(Arc<Barrier>),
}

#[derive(Clone)]
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
        Self { client }
    }

    fn shared(&self) -> std::io::Result<Arc<Shared>> {
        Ok(self.client.workers()?.driver.clone())
    }

    /// Starts the thread, if it does not run.
    pub(super) fn start(&self) -> std::io::Result<()> {
        let shared = self.shared()?;
        let mut state = shared.state.lock();
        shared.start(&mut state)
    }

    pub(super) fn ask(&self, task: Arc<dyn Asks>) {
        let _ = push(&self.client, Job::Ask(task, self.call_deadline()), false);
    }

    pub(super) fn ask_later(&self, task: Arc<dyn Asks>, pause: u64) {
        later(&self.client, clock() + pause, Later::Ask(task));
    }

    pub(super) fn look_after_later(&self, task: Weak<dyn Asks>, lapses: u32, after: u64) {
        later(&self.client, clock() + after, Later::LookAfter(task, lapses));
    }

    pub(super) fn give_back(&self, release: Release) {
        self.owe();
        self.send_back(release, false);
    }

    /// Something will be given back, once the driver has its answer.
    pub(super) fn owe(&self) {
        // Relaxed: who asks afterwards sees it, or what became of it.
        self.client.owed.fetch_add(1, Ordering::Relaxed);
    }

    /// What was [owed](Self::owe): ahead of all jobs. Called by the driver.
    pub(super) fn settle_owed(&self, release: Option<Release>) {
        match release {
            Some(release) => self.send_back(release, true),
            None => _ = self.client.owed.fetch_sub(1, Ordering::Relaxed),
        }
    }

    fn send_back(&self, release: Release, first: bool) {
        let job = Job::Release(self.client.clone(), release, self.call_deadline());
        if push(&self.client, job, first).is_err() {
            self.client.owed.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Whether anything that was given back may not have reached the server yet.
    pub(super) fn owes(&self) -> bool {
        self.client.owed.load(Ordering::Relaxed) > 0
    }

    /// Waits until all that was given back before has reached the server, or cannot, or for as long
    /// as this.
    pub(super) fn settle(&self, deadline: u64) {
        if !self.owes() {
            return;
        }
        keeping::below::settle(&self.client, deadline);
        let Ok(shared) = self.shared() else { return };
        // A waker may drop anything, on the driver's own thread, too.
        if shared.thread.get() != Some(&thread::current().id()) {
            let barrier = Arc::new(Barrier::default());
            if shared.push(Job::Barrier(barrier.clone()), false).is_ok() {
                barrier.wait(deadline);
            }
        }
    }

    fn call_deadline(&self) -> u64 {
        self.client.timing.call_deadline(clock())
    }
}

/// To the driver where the tree is, ahead of all jobs or behind them. It comes back if the store is
/// gone.
fn push(client: &Arc<Client>, mut job: Job, first: bool) -> Result<(), Job> {
    // A site that the tree has just left may not be driven any more (D4).
    while let Ok(workers) = client.workers() {
        match workers.driver.push(job, first) {
            Ok(()) => return Ok(()),
            Err(back) => job = back,
        }
    }
    Err(job)
}

/// The same for what is to be done at some time.
fn later(client: &Arc<Client>, when: u64, mut what: Later) {
    while let Ok(workers) = client.workers() {
        match workers.driver.later(when, what) {
            Ok(()) => return,
            Err(back) => what = back,
        }
    }
}

impl Shared {
    pub(super) fn new(site: Arc<Site>) -> Arc<Self> {
        let (state, changed) = (Mutex::default(), Condvar::new());
        Arc::new(Self { site, state, changed, thread: OnceLock::new() })
    }

    fn start(self: &Arc<Self>, state: &mut State) -> std::io::Result<()> {
        if !state.running {
            let shared = self.clone();
            let thread = thread::Builder::new().name("mutextree-drive".into()).spawn(move || shared.run())?;
            let _ = self.thread.set(thread.thread().id());
            state.running = true;
        }
        Ok(())
    }

    /// The site is gone, and so are all tasks.
    pub(super) fn stop(&self) {
        self.state.lock().stopped = true;
        self.changed.notify_one();
    }

    fn push(self: &Arc<Self>, job: Job, first: bool) -> Result<(), Job> {
        let mut state = self.state.lock();
        if state.ended {
            return Err(job);
        }
        if first {
            state.jobs.push_front(job);
        } else {
            state.jobs.push_back(job);
        }
        // It runs, but where a tree has just come. If none can be had the next job tries again.
        let _ = self.start(&mut state);
        self.wake(&mut state, 0);
        Ok(())
    }

    fn later(self: &Arc<Self>, when: u64, what: Later) -> Result<(), Later> {
        let mut state = self.state.lock();
        if state.ended {
            return Err(what);
        }
        state.last_later += 1;
        let number = state.last_later;
        state.later.insert((when, number), what);
        let _ = self.start(&mut state);
        self.wake(&mut state, when);
        Ok(())
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
                state.ended = true;
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
    fn run(self: &Arc<Self>) {
        let mut own = Own::new(self.site.clone());
        while let Some((due, jobs)) = self.next() {
            for later in due {
                match later {
                    Later::Ask(task) => {
                        let client = task.client().clone();
                        let deadline = client.timing.call_deadline(clock());
                        let _ = push(&client, Job::Ask(task, deadline), false);
                    }
                    Later::LookAfter(task, lapses) => {
                        if let Some(task) = task.upgrade() {
                            task.look_after(lapses);
                        }
                    }
                }
            }
            self.send(&mut own, jobs);
        }
        // D4: of trees that have left.
        let rest = std::mem::take(&mut self.state.lock().later);
        for ((when, _), what) in rest {
            let client = match &what {
                Later::Ask(task) => Some(task.client().clone()),
                Later::LookAfter(task, _) => task.upgrade().map(|task| task.client().clone()),
            };
            client.iter().for_each(|client| later(client, when, what.clone()));
        }
    }

    /// Sends jobs as one pipeline, and tells everyone.
    fn send(self: &Arc<Self>, own: &mut Own, jobs: Vec<Job>) {
        let (now, mut last, mut sends) = (clock(), 0, Vec::with_capacity(jobs.len()));
        for (send, deadline) in jobs.into_iter().filter_map(Sending::from_job) {
            if deadline <= now {
                send.answered(self, Err(Failure::Down(self.site.too_late())), now); // D3
            } else {
                last = last.max(deadline);
                sends.push(send);
            }
        }
        if sends.is_empty() {
            return;
        }
        let sent = clock();
        let calls: Vec<(&Client, &Call)> = sends.iter().map(|send| (&*send.client, &send.call)).collect();
        match own.exchange(&calls, last) {
            Ok(answers) => {
                for (send, answer) in sends.into_iter().zip(answers) {
                    send.answered(self, answer, sent);
                }
            }
            Err(failure) => {
                let rest = self.rest().into_iter().filter_map(Sending::from_job);
                let all = sends.into_iter().chain(rest.map(|(send, _)| send));
                all.for_each(|send| send.answered(self, Err(failure.clone()), sent));
            }
        }
    }
}
