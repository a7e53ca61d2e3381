//! [`Acquiring`]: the future of a [`Task`].

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::{Place, Stage, Task, Wanted};
use crate::error::LockError;
use crate::observe::{Store, Waiting};
use crate::redis::error::{Failure, RedisStoreError};
use crate::redis::primitives::Arc;
use crate::redis::protocol::lock::Lock;
use crate::redis::run::client::store_error;
use crate::redis::run::engine::Engine;

/// Waits for a lock. Dropped at any point before it is ready it leaves nothing behind.
pub(in crate::redis) struct Acquiring<'a> {
    engine: &'a Arc<Engine>,
    wanted: Wanted,
    place: Place,
    /// From the first poll on.
    task: Option<Arc<Task>>,
    waiting: Option<Waiting>,
}

impl<'a> Acquiring<'a> {
    /// There is at least one member.
    pub(in crate::redis) fn new(engine: &'a Arc<Engine>, wanted: Wanted, place: Place) -> Self {
        Self { engine, wanted, place, task: None, waiting: None }
    }

    /// A forked child leaves the task to its parent, and begins anew.
    fn leave_to_parent(&mut self) {
        if let Some(task) = self.task.take_if(|task| !task.engine.is_ours()) {
            mem::forget(task); // to drop it may take a lock that is locked for ever
        }
    }

    fn begin(&mut self, waker: Waker) -> Result<(), LockError> {
        let engine = self.engine.current()?;
        engine.driver.start().map_err(|error| {
            let error = RedisStoreError::Config(format!("a thread cannot be started: {error}"));
            store_error(Failure::Refused(error))
        })?;
        let task = Task::new(engine, self.wanted.clone(), self.place);
        task.start(task.state.lock(), waker);
        self.task = Some(task);
        Ok(())
    }
}

impl Future for Acquiring<'_> {
    type Output = Result<Arc<Lock>, LockError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.leave_to_parent();
        let waker = context.waker().clone();
        let this = &mut *self;
        let Some(task) = &this.task else {
            return this.begin(waker).map_or_else(|error| Poll::Ready(Err(error)), |()| Poll::Pending);
        };
        let mut state = task.state.lock();
        let waits = state.waits.take();
        let polled = match mem::replace(&mut state.stage, Stage::Over) {
            Stage::Done(outcome) => {
                drop(state);
                Poll::Ready(outcome)
            }
            // It had its turn, and was not polled: it asks anew, behind those who wait by now.
            Stage::Lapsed => {
                task.start(state, waker);
                Poll::Pending
            }
            other => {
                state.stage = other;
                let old = state.waker.replace(waker);
                drop(state);
                drop(old); // T5
                Poll::Pending
            }
        };
        let (target, request) = &this.wanted[0];
        waits.begin(&mut this.waiting, Store::Redis, &target.path, request);
        if let Poll::Ready(result) = &polled
            && let Some(waiting) = this.waiting.take()
        {
            waiting.ended(request, result);
        }
        polled
    }
}

impl Drop for Acquiring<'_> {
    fn drop(&mut self) {
        self.leave_to_parent();
        let Some(task) = self.task.take() else { return };
        let (client, driver) = (&task.engine.client, &task.engine.driver);
        let mut state = task.state.lock();
        let stage = match mem::replace(&mut state.stage, Stage::Over) {
            // The driver gives back what comes of the request that is under way (T3).
            Stage::Sent(machine) => {
                driver.owe();
                state.stage = Stage::Dropped(machine);
                Stage::Over
            }
            other => other,
        };
        let waker = state.waker.take();
        state.watched = None;
        drop(state);
        drop(waker); // T5
        match stage {
            Stage::Queued(machine) | Stage::Waits(machine) => {
                if let Some(release) = client.agenda(|agenda| machine.give_up(agenda)) {
                    driver.give_back(release);
                }
            }
            Stage::Done(Ok(lock)) | Stage::Confirms(lock) => task.hand_back(&lock),
            _ => {}
        }
    }
}
