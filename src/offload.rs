//! Waiting for a blocking acquire on a thread of its own: what a store without a better way gives to tasks.
//!
//! The thread waits for a slice of time at a time, so that it notices when the future is gone.

use std::future::poll_fn;
use std::task::{Poll, Waker};
use std::time::Duration;

use crate::error::LockError;
use crate::request::{Request, Wait};
use crate::store::LockStore;
use crate::sync::{Mutex, PlainArc};

/// What the thread and the future share.
struct Meeting<S: LockStore> {
    node: S::Node,
    state: Mutex<State<S>>,
}

enum State<S: LockStore> {
    /// The thread is at it; who to wake.
    Waiting(Option<Waker>),
    Done(Result<S::Grant, LockError>),
    /// The future is gone, or has its answer.
    Over,
}

const SLICE: Duration = Duration::from_millis(100);

impl<S: LockStore> Meeting<S> {
    fn wait(&self, request: &Request) {
        loop {
            match S::acquire(&self.node, request, Wait::timeout(SLICE)) {
                Err(LockError::TimedOut { .. }) if matches!(*self.state.lock(), State::Waiting(_)) => {}
                result => return self.arrive(result),
            }
        }
    }

    fn arrive(&self, result: Result<S::Grant, LockError>) {
        let mut state = self.state.lock();
        if let State::Waiting(waker) = &mut *state {
            let waker = waker.take();
            *state = State::Done(result);
            drop(state);
            if let Some(waker) = waker {
                waker.wake();
            }
        } else if let Ok(grant) = result {
            drop(state);
            let _ = S::release(&self.node, grant); // nobody is there to take it
        }
    }
}

/// Ends the meeting, and gives back what was not collected.
struct Leaving<S: LockStore>(PlainArc<Meeting<S>>);

impl<S: LockStore> Drop for Leaving<S> {
    fn drop(&mut self) {
        let state = std::mem::replace(&mut *self.0.state.lock(), State::Over);
        if let State::Done(Ok(grant)) = state {
            let _ = S::release(&self.0.node, grant);
        }
    }
}

pub(crate) async fn acquire<S: LockStore>(node: S::Node, request: Request) -> Result<S::Grant, LockError> {
    let meeting = PlainArc::new(Meeting::<S> { node, state: Mutex::new(State::Waiting(None)) });
    let leaving = Leaving(meeting.clone());
    std::thread::Builder::new()
        .name("mutextree-acquire".into())
        .spawn(move || meeting.wait(&request))
        .map_err(|error| LockError::Store(Box::new(error)))?;
    poll_fn(|context| {
        let mut state = leaving.0.state.lock();
        if let State::Waiting(waker) = &mut *state {
            *waker = Some(context.waker().clone());
            return Poll::Pending;
        }
        match std::mem::replace(&mut *state, State::Over) {
            State::Done(result) => Poll::Ready(result),
            State::Waiting(_) | State::Over => Poll::Pending, // polled again after it was ready
        }
    })
    .await
}
