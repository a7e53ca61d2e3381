//! Waiting in a task for a store that can only block a thread: what [`Backend::acquire_async`]
//! provides. Each waiting task has a thread that waits for it.
//!
//! 1. **It notices a dropped future.** The thread waits for a slice of time at a time, and looks in
//!    between whether the future is still there.
//! 2. **It holds up nobody for a task that is not polled.** A lock that is there and is not
//!    collected is given back after [`UNPOLLED`]. When the task is polled after all, the thread
//!    asks for the lock again.
//! 3. **The lock is given back exactly once.** The outcome is in the state, and is taken out of it
//!    by the future that collects it, by the thread that gives it back, or by the future's end.
//! 4. **No code of others runs under the state's lock**: wakers and grants are moved out first.
//!
//! The other stores have machines of their own for 2, in `memory/wait.rs` and `redis/task.rs`: they
//! wait in a queue, and not on a thread.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::task::{Poll, Waker};
use std::time::Duration;

use super::Backend;
use crate::error::{Blocker, LockError};
use crate::observe::{self, News, SEES_WAITS, Store};
use crate::request::{Request, Wait};
use crate::sync::{Deadline, Mutex, MutexGuard, OnceLock, Parker, PlainArc, contain, now};

/// What the thread and the future share.
struct Meeting<S: Backend> {
    node: S::Node,
    state: Mutex<State<S>>,
    /// How to wake the thread; set before it first sleeps.
    thread: OnceLock<Parker>,
    /// Whether the lock has to be waited for, for the future to say so.
    waits: Mutex<News>,
}

enum State<S: Backend> {
    /// The thread waits for the lock. The waker is that of the last poll.
    Waiting(Option<Waker>),
    /// The outcome is there, for the next poll to collect.
    Done(Outcome<S>),
    /// The lock was there and was not collected in time. The thread sleeps until the next poll.
    Lapsed,
    /// The future is gone, or has its answer.
    Over,
}

enum Outcome<S: Backend> {
    Granted(S::Grant),
    Failed(LockError),
    /// The store panicked; the panic goes on in the task.
    Panicked(Box<dyn Any + Send>),
}

/// The longest that a dropped future goes unnoticed.
const SLICE: Duration = Duration::from_millis(100);

/// How long a lock may be there for a future that nobody polls.
const UNPOLLED: Duration = Duration::from_millis(10);

impl<S: Backend> Meeting<S> {
    /// What the thread does.
    fn run(&self, request: &Request) {
        // It was empty: there is one thread.
        let _ = self.thread.set(Parker::new());
        while let Some(outcome) = self.wait(request) {
            if !self.arrive(outcome) || !self.lapses() {
                return;
            }
            self.sleep_while(None, |state| matches!(state, State::Lapsed));
        }
    }

    /// Waits for the lock: `None` if the future is gone.
    fn wait(&self, request: &Request) -> Option<Outcome<S>> {
        let mut is_try = SEES_WAITS;
        while matches!(*self.state.lock(), State::Waiting(_)) {
            let wait = if is_try { Wait::Never } else { Wait::timeout(SLICE) };
            match catch_unwind(AssertUnwindSafe(|| S::acquire(&self.node, request, wait))) {
                Ok(Err(LockError::WouldBlock { blocker })) if is_try => {
                    is_try = false;
                    self.has_to_wait(blocker);
                }
                Ok(Err(LockError::TimedOut { .. })) => {}
                Ok(Err(error)) => return Some(Outcome::Failed(error)),
                Ok(Ok(grant)) => return Some(Outcome::Granted(grant)),
                Err(panic) => return Some(Outcome::Panicked(panic)),
            }
        }
        None
    }

    /// What the future does when it is polled.
    fn poll(&self, waker: Waker) -> Poll<Outcome<S>> {
        let mut state = self.state.lock();
        if let State::Waiting(there) = &mut *state {
            let old = there.replace(waker);
            drop(state);
            drop(old); // somebody else's code, not under our lock
            return Poll::Pending;
        }
        let next = if matches!(*state, State::Lapsed) { State::Waiting(Some(waker)) } else { State::Over };
        match self.replace(state, next) {
            State::Done(outcome) => Poll::Ready(outcome),
            State::Waiting(_) | State::Lapsed | State::Over => Poll::Pending,
        }
    }

    /// Has the future polled, so that it says what it waits for.
    fn has_to_wait(&self, blocker: Blocker) {
        self.waits.lock().tell(Some(blocker));
        let waker = match &mut *self.state.lock() {
            State::Waiting(waker) => waker.take(),
            _ => None,
        };
        if let Some(waker) = waker {
            contain(|| waker.wake());
        }
    }

    /// Leaves the outcome for the future to collect. Whether it is a lock, which may have to be
    /// given back.
    fn arrive(&self, outcome: Outcome<S>) -> bool {
        let granted = matches!(outcome, Outcome::Granted(_));
        let mut state = self.state.lock();
        if let State::Waiting(waker) = &mut *state {
            let waker = waker.take();
            *state = State::Done(outcome);
            drop(state);
            if let Some(waker) = waker {
                contain(|| waker.wake()); // or its panic would be the end of this thread
            }
            granted
        } else {
            drop(state);
            self.give_back(outcome); // the future is gone
            false
        }
    }

    /// Waits until the lock is collected. `true` if it was not, and has been given back.
    fn lapses(&self) -> bool {
        let limit = now() + UNPOLLED;
        self.sleep_while(Some(&Deadline::at(limit)), |state| matches!(state, State::Done(_)));
        let mut state = self.state.lock();
        if !matches!(*state, State::Done(_)) {
            return false;
        }
        if let State::Done(outcome) = std::mem::replace(&mut *state, State::Lapsed) {
            drop(state);
            self.give_back(outcome);
        }
        true
    }

    fn sleep_while(&self, deadline: Option<&Deadline>, reason: impl Fn(&State<S>) -> bool) {
        let Some(thread) = self.thread.get() else { return };
        while reason(&self.state.lock()) && !deadline.is_some_and(Deadline::has_passed) {
            thread.park(deadline);
        }
    }

    fn give_back(&self, outcome: Outcome<S>) {
        if let Outcome::Granted(grant) = outcome {
            let _ = S::release(&self.node, grant); // it may have been lost in the meantime
        }
    }

    /// Changes the state, which the thread may be waiting for.
    fn replace(&self, mut state: MutexGuard<'_, State<S>>, new: State<S>) -> State<S> {
        let old = std::mem::replace(&mut *state, new);
        drop(state);
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
        old
    }
}

/// Ends the meeting, and gives back what was not collected.
struct Leaving<S: Backend>(PlainArc<Meeting<S>>);

impl<S: Backend> Drop for Leaving<S> {
    fn drop(&mut self) {
        if let State::Done(outcome) = self.0.replace(self.0.state.lock(), State::Over) {
            self.0.give_back(outcome);
        }
    }
}

pub(super) async fn acquire<S: Backend>(node: S::Node, request: Request) -> Result<S::Grant, LockError> {
    let state = Mutex::new(State::Waiting(None));
    let meeting =
        PlainArc::new(Meeting::<S> { node, state, thread: OnceLock::new(), waits: Mutex::new(News::default()) });
    observe::ends_itself();
    let (mut waiting, asked) = (None, SEES_WAITS.then(|| request.clone()));
    let leaving = Leaving(meeting.clone());
    std::thread::Builder::new()
        .name("mutextree-acquire".into())
        .spawn(move || meeting.run(&request))
        .map_err(|error| LockError::Store(Box::new(error)))?;
    let outcome = poll_fn(|context| {
        let polled = leaving.0.poll(context.waker().clone());
        if let Some(asked) = &asked {
            let waits = leaving.0.waits.lock().take();
            waits.begin(&mut waiting, Store::Other, S::path(&leaving.0.node), asked);
        }
        polled
    })
    .await;
    let result = match outcome {
        Outcome::Granted(grant) => Ok(grant),
        Outcome::Failed(error) => Err(error),
        Outcome::Panicked(panic) => resume_unwind(panic),
    };
    if let (Some(waiting), Some(asked)) = (waiting, asked) {
        waiting.ended(&asked, &result);
    }
    result
}
