//! [`Task`]: a lock that a task waits for, and [`Acquiring`], its future.
//!
//! The work is done by others: the [driver](super::driver) asks, the keeper sends heartbeats, the
//! listener brings the grant. Between them and the future there is one [`Stage`], under one lock:
//!
//! | stage | who has the [`Machine`] | the next one | by |
//! |---|---|---|---|
//! | `Queued`, to be asked for | the stage | `Sent` | the driver |
//! | `Sent`, a request is under way | the driver | `Waits`; `Queued`, to ask again; `Done` | the driver |
//! | `Waits`, in the server's queue | the stage | `Done`; `Queued`, to ask again | whoever brings news |
//! | `Done`, granted or failed, to be collected | nobody | `Over`; if it is not collected in time `Lapsed`, and is given back | the future; the driver |
//! | `Lapsed` | nobody | `Queued`, from the beginning | the future, polled |
//! | `Dropped`, `Sent` and the future is gone | the driver | `Over`, when the answer has come | the driver |
//! | `Over` | nobody | | |
//!
//! The future, dropped, makes `Dropped` of `Sent`, and `Over` of all others. Invariants:
//!
//! * **T1, no wake-up is lost.** News is left in the entry's [`Waker`](super::entry::Waker) first,
//!   and then the stage is looked at, under the lock. Becoming `Waits` and taking what news there
//!   is are one step under that lock. *If that step comes first*, the bringer sees `Waits`, and
//!   goes on with it. *If the bringer's look comes first*, the news is there when the step takes
//!   it. News that came before a request was sent is told by its answer, and dropped.
//! * **T2, the task is woken.** `Done` is set, and the waker of the latest poll taken, in one step
//!   under the lock, and the waker called after it. A poll that comes before leaves its waker to be
//!   taken; one that comes after sees `Done`.
//! * **T3, nothing is left behind.** Whoever takes the machine or the grant out of a stage is the
//!   only one to have it, and hands it on, or gives it up ([`Acquisition::give_up`]). What the
//!   server may know of it is given back by the driver: after the answer, if a request is under
//!   way.
//! * **T4, nobody is held up.** `Done` with a grant lasts for [`UNPOLLED`], twice as long after
//!   each lapse: so an executor that takes its time gets the lock at last, and a future that nobody
//!   polls, which does not come back from `Lapsed`, holds up the others once.
//! * **T5, locks.** Under this one the keeper's is taken, the waker's news, and the driver's queue;
//!   under those, none. So nobody brings news who has one of them. No code of others runs under it.

use std::fmt;
use std::future::Future;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::acquire::{Acquisition, Step};
use super::core::Core;
use super::driver::Return;
use super::entry::News;
use super::error::Failure;
use super::node::{RedisGrant, RedisNode};
use super::script::Reply;
use super::sync::{Arc, Mutex, MutexGuard};
use crate::error::LockError;
use crate::request::{Request, Wait};

/// How long a lock is kept for a future that is not polled, at first. Longer than in memory: the
/// turn costs the place in the queue, too, and a busy machine can take some tens of milliseconds to
/// poll.
const UNPOLLED: Duration = Duration::from_millis(100);
/// It is doubled so many times at the most.
const MOST_DOUBLED: u32 = 6;

pub(crate) type Machine = Acquisition<RedisNode, Request>;

pub(crate) struct Task {
    node: RedisNode,
    state: Mutex<State>,
}

struct State {
    stage: Stage,
    /// The latest poll's, until it is called.
    waker: Option<Waker>,
    /// How often it has lapsed.
    lapses: u32,
}

enum Stage {
    Queued(Box<Machine>),
    Sent,
    Waits(Box<Machine>),
    Done(Result<RedisGrant, LockError>),
    Lapsed,
    Dropped,
    Over,
}

impl Task {
    fn core(&self) -> &Arc<Core> {
        self.node.core()
    }

    /// From the beginning, with a new token.
    fn start(self: &Arc<Self>, request: &Request, mut state: MutexGuard<'_, State>, waker: Waker) {
        let entry = Arc::new(self.node.entry(request).of_task(Arc::downgrade(self)));
        let machine = Box::new(Acquisition::new(self.node.clone(), entry, request.clone(), Wait::Forever));
        state.waker = Some(waker);
        self.queue(state, machine);
    }

    fn queue(self: &Arc<Self>, mut state: MutexGuard<'_, State>, machine: Box<Machine>) {
        state.stage = Stage::Queued(machine);
        drop(state);
        self.core().driver.ask(self.clone(), self.core().patience());
    }

    /// The driver is about to send its request: `None` if it is not to.
    pub(crate) fn take_up(&self) -> Option<Box<Machine>> {
        let mut state = self.state.lock();
        match mem::replace(&mut state.stage, Stage::Sent) {
            Stage::Queued(mut machine) => {
                drop(state);
                machine.begin();
                machine.entry().waker.take(); // T1: the answer will tell
                Some(machine)
            }
            other => {
                state.stage = other;
                None
            }
        }
    }

    /// The driver has an answer.
    pub(crate) fn answered(self: &Arc<Self>, mut machine: Box<Machine>, answer: Result<Reply, Failure>, sent: u64) {
        let step = machine.answered(answer, sent, false);
        let mut state = self.state.lock();
        if let Stage::Dropped = state.stage {
            state.stage = Stage::Over;
            drop(state);
            let returned = match step {
                Step::Over(Ok(grant)) => Some(self.node.give_up(&grant)),
                Step::Over(Err(_)) => None,
                Step::Ask | Step::Pause(_) | Step::Wait => machine.give_up(),
            };
            return self.core().driver.pay(returned, self.core().patience());
        }
        match step {
            Step::Ask => self.queue(state, machine),
            Step::Pause(pause) => {
                state.stage = Stage::Queued(machine);
                drop(state);
                self.core().driver.ask_later(self.clone(), pause);
            }
            Step::Wait => self.goes_on(state, machine),
            Step::Over(outcome) => self.done(state, outcome),
        }
    }

    /// It has been granted: a message has come.
    pub(crate) fn is_granted(self: &Arc<Self>) {
        let mut state = self.state.lock();
        match mem::replace(&mut state.stage, Stage::Over) {
            Stage::Waits(machine) => self.goes_on(state, machine),
            other => state.stage = other,
        }
    }

    /// There may be news: the server is asked.
    pub(crate) fn asks_again(self: &Arc<Self>) {
        let mut state = self.state.lock();
        match mem::replace(&mut state.stage, Stage::Over) {
            Stage::Waits(machine) => self.queue(state, machine),
            other => state.stage = other,
        }
    }

    /// Waits, unless there is news (T1).
    fn goes_on(self: &Arc<Self>, mut state: MutexGuard<'_, State>, mut machine: Box<Machine>) {
        match machine.entry().waker.take() {
            News::Nothing => state.stage = Stage::Waits(machine),
            news => match machine.news(news) {
                Some(grant) => self.done(state, Ok(grant)),
                None => self.queue(state, machine),
            },
        }
    }

    /// T2.
    fn done(self: &Arc<Self>, mut state: MutexGuard<'_, State>, outcome: Result<RedisGrant, LockError>) {
        let granted = outcome.is_ok();
        state.stage = Stage::Done(outcome);
        let (waker, lapses) = (state.waker.take(), state.lapses);
        drop(state);
        if granted {
            self.core().driver.lapse_later(self, lapses, UNPOLLED * (1 << lapses.min(MOST_DOUBLED)));
        }
        if let Some(waker) = waker {
            let _ = catch_unwind(AssertUnwindSafe(|| waker.wake())); // somebody else's code, and his panic
        }
    }

    /// The grant that came after so many lapses had its time: if it is still there nobody polls the
    /// future.
    pub(crate) fn lapse(&self, lapses: u32) {
        let mut state = self.state.lock();
        if state.lapses != lapses || !matches!(state.stage, Stage::Done(Ok(_))) {
            return;
        }
        state.lapses += 1;
        if let Stage::Done(Ok(grant)) = mem::replace(&mut state.stage, Stage::Lapsed) {
            drop(state);
            let _ = self.node.hand_back(&grant);
        }
    }
}

/// Waits for a lock. Dropped at any point before it is ready it leaves nothing behind.
pub(crate) struct Acquiring<'a> {
    node: &'a RedisNode,
    request: &'a Request,
    /// From the first poll on.
    task: Option<Arc<Task>>,
}

impl<'a> Acquiring<'a> {
    pub(crate) fn new(node: &'a RedisNode, request: &'a Request) -> Self {
        Self { node, request, task: None }
    }
}

impl Future for Acquiring<'_> {
    type Output = Result<RedisGrant, LockError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let waker = context.waker().clone();
        let Some(task) = &self.task else {
            let core = self.node.core();
            if let Err(error) = core.driver.start(core) {
                return Poll::Ready(Err(LockError::Store(Box::new(error))));
            }
            let state = Mutex::new(State { stage: Stage::Over, waker: None, lapses: 0 });
            let task = Arc::new(Task { node: self.node.clone(), state });
            task.start(self.request, task.state.lock(), waker);
            self.task = Some(task);
            return Poll::Pending;
        };
        let mut state = task.state.lock();
        match mem::replace(&mut state.stage, Stage::Over) {
            Stage::Done(outcome) => Poll::Ready(outcome),
            Stage::Lapsed => {
                task.start(self.request, state, waker);
                Poll::Pending
            }
            other => {
                state.stage = other;
                let old = state.waker.replace(waker);
                drop(state);
                drop(old); // T5
                Poll::Pending
            }
        }
    }
}

impl Drop for Acquiring<'_> {
    fn drop(&mut self) {
        let Some(task) = self.task.take() else { return };
        let core = task.core();
        let mut state = task.state.lock();
        let stage = mem::replace(&mut state.stage, Stage::Over);
        if let Stage::Sent = stage {
            core.driver.owe();
            state.stage = Stage::Dropped;
        }
        let waker = state.waker.take();
        drop(state);
        drop(waker); // T5
        match stage {
            Stage::Queued(machine) | Stage::Waits(machine) => {
                if let Some(returned) = machine.give_up() {
                    core.driver.give_back(returned, core.patience());
                }
            }
            Stage::Done(Ok(grant)) => _ = task.node.hand_back(&grant),
            Stage::Done(Err(_)) | Stage::Sent | Stage::Lapsed | Stage::Dropped | Stage::Over => {}
        }
    }
}

impl RedisNode {
    /// Releases by way of the driver, for a guard that may be dropped in a task. What it returns is
    /// what is known here; what only the server knows is told to those who watch for lost locks.
    pub(crate) fn hand_back(&self, grant: &RedisGrant) -> Result<(), LockError> {
        let (core, returned) = (self.core(), self.give_up(grant));
        let was_held = returned.was_held;
        core.driver.give_back(returned, core.patience());
        if was_held { Ok(()) } else { Err(LockError::NotHeld { path: self.path().clone() }) }
    }

    /// Nobody keeps it from now on.
    fn give_up(&self, grant: &RedisGrant) -> Return {
        let was_held = self.forget(grant);
        Return::new(self.clone(), grant.entry().clone(), grant.kind(), was_held)
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").field("path", self.node.path()).finish_non_exhaustive()
    }
}
