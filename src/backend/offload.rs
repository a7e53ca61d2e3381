//! Waiting in a task for a store that can only block a thread: what [`Backend::acquire_async`] and
//! [`Backend::acquire_all_async`] provide. Each waiting task has a thread that waits for it. What
//! it asks for is an [`Ask`]: one lock, or a set.
//!
//! 1. **It notices a dropped future.** The thread waits for a slice of time at a time, and looks in
//!    between whether the future is still there. What it is granted after that it gives back at
//!    once. Nobody can call it back from a wait in the store: so this is a moment later than the
//!    drop, and a lock that nobody wants is in the way of others for that moment.
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

use super::{Backend, Member};
use crate::error::{Blocker, LockError};
use crate::observe::{self, News, SEES_WAITS, Store};
use crate::path::TreePath;
use crate::request::{Request, Wait};
use crate::sync::{Deadline, Mutex, MutexGuard, OnceLock, Parker, PlainArc, contain, now};

/// What a task asks for.
trait Ask: Send + Sync + 'static {
    type Got: Send + 'static;
    fn acquire(&self, wait: Wait) -> Result<Self::Got, LockError>;
    fn release(&self, got: Self::Got) -> Result<(), LockError>;
    /// A wait shows as one for this lock.
    fn shown(&self) -> (&TreePath, &Request);
}

impl<S: Backend> Ask for Member<S> {
    type Got = S::Grant;

    fn acquire(&self, wait: Wait) -> Result<S::Grant, LockError> {
        S::acquire(&self.node, &self.request, wait)
    }

    fn release(&self, grant: S::Grant) -> Result<(), LockError> {
        S::release(&self.node, grant)
    }

    fn shown(&self) -> (&TreePath, &Request) {
        (S::path(&self.node), &self.request)
    }
}

/// At least one.
struct Members<S: Backend>(Vec<Member<S>>);

impl<S: Backend> Ask for Members<S> {
    type Got = Vec<S::Grant>;

    fn acquire(&self, wait: Wait) -> Result<Vec<S::Grant>, LockError> {
        S::acquire_all(&self.0, wait)
    }

    fn release(&self, grants: Vec<S::Grant>) -> Result<(), LockError> {
        S::release_all(&self.0, grants)
    }

    fn shown(&self) -> (&TreePath, &Request) {
        self.0[0].shown()
    }
}

/// What the thread and the future share.
struct Meeting<A: Ask> {
    ask: A,
    state: Mutex<State<A>>,
    /// How to wake the thread; set before it first sleeps.
    thread: OnceLock<Parker>,
    /// Whether the lock has to be waited for, for the future to say so.
    waits: Mutex<News>,
}

enum State<A: Ask> {
    /// The thread waits for the lock. The waker is that of the last poll.
    Waiting(Option<Waker>),
    /// The outcome is there, for the next poll to collect.
    Done(Outcome<A>),
    /// The lock was there and was not collected in time. The thread sleeps until the next poll.
    Lapsed,
    /// The future is gone, or has its answer.
    Over,
}

enum Outcome<A: Ask> {
    Granted(A::Got),
    Failed(LockError),
    /// The store panicked; the panic goes on in the task.
    Panicked(Box<dyn Any + Send>),
}

/// The longest that a dropped future goes unnoticed.
const SLICE: Duration = Duration::from_millis(100);

/// How long a lock may be there for a future that nobody polls.
const UNPOLLED: Duration = Duration::from_millis(10);

impl<A: Ask> Meeting<A> {
    /// What the thread does.
    fn run(&self) {
        // It was empty: there is one thread.
        let _ = self.thread.set(Parker::new());
        while let Some(outcome) = self.wait() {
            if !self.arrive(outcome) || !self.lapses() {
                return;
            }
            self.sleep_while(None, |state| matches!(state, State::Lapsed));
        }
    }

    /// Waits for the lock: `None` if the future is gone.
    fn wait(&self) -> Option<Outcome<A>> {
        let mut is_try = SEES_WAITS;
        while matches!(*self.state.lock(), State::Waiting(_)) {
            let wait = if is_try { Wait::Never } else { Wait::timeout(SLICE) };
            match catch_unwind(AssertUnwindSafe(|| self.ask.acquire(wait))) {
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
    fn poll(&self, waker: Waker) -> Poll<Outcome<A>> {
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
    fn arrive(&self, outcome: Outcome<A>) -> bool {
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

    fn sleep_while(&self, deadline: Option<&Deadline>, reason: impl Fn(&State<A>) -> bool) {
        let Some(thread) = self.thread.get() else { return };
        while reason(&self.state.lock()) && !deadline.is_some_and(Deadline::has_passed) {
            thread.park(deadline);
        }
    }

    fn give_back(&self, outcome: Outcome<A>) {
        if let Outcome::Granted(grant) = outcome {
            let _ = self.ask.release(grant); // it may have been lost in the meantime
        }
    }

    /// Changes the state, which the thread may be waiting for.
    fn replace(&self, mut state: MutexGuard<'_, State<A>>, new: State<A>) -> State<A> {
        let old = std::mem::replace(&mut *state, new);
        drop(state);
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
        old
    }
}

/// Ends the meeting, and gives back what was not collected.
struct Leaving<A: Ask>(PlainArc<Meeting<A>>);

impl<A: Ask> Drop for Leaving<A> {
    fn drop(&mut self) {
        if let State::Done(outcome) = self.0.replace(self.0.state.lock(), State::Over) {
            self.0.give_back(outcome);
        }
    }
}

pub(super) async fn acquire<S: Backend>(node: S::Node, request: Request) -> Result<S::Grant, LockError> {
    meet(Member::<S> { node, request }).await
}

pub(super) async fn acquire_all<S: Backend>(members: Vec<Member<S>>) -> Result<Vec<S::Grant>, LockError> {
    if members.is_empty() { Ok(Vec::new()) } else { meet(Members(members)).await }
}

async fn meet<A: Ask>(ask: A) -> Result<A::Got, LockError> {
    let state = Mutex::new(State::Waiting(None));
    let meeting = PlainArc::new(Meeting { ask, state, thread: OnceLock::new(), waits: Mutex::new(News::default()) });
    observe::ends_itself();
    let mut waiting = None;
    let leaving = Leaving(meeting.clone());
    std::thread::Builder::new()
        .name("mutextree-acquire".into())
        .spawn(move || meeting.run())
        .map_err(|error| LockError::Store(Box::new(error)))?;
    let (path, request) = leaving.0.ask.shown();
    let outcome = poll_fn(|context| {
        let polled = leaving.0.poll(context.waker().clone());
        if SEES_WAITS {
            leaving.0.waits.lock().take().begin(&mut waiting, Store::Other, path, request);
        }
        polled
    })
    .await;
    let result = match outcome {
        Outcome::Granted(grant) => Ok(grant),
        Outcome::Failed(error) => Err(error),
        Outcome::Panicked(panic) => resume_unwind(panic),
    };
    if let Some(waiting) = waiting {
        waiting.ended(request, &result);
    }
    result
}
