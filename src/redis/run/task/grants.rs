//! What becomes of a task's grant: replicas are asked whether they have it, or it is given back.

use std::mem;

use super::super::{caller, keeping};
use super::{Stage, State, Task};
use crate::redis::primitives::{Arc, MutexGuard, Weak};
use crate::redis::protocol::confirm::Verdict;
use crate::redis::protocol::lock::Lock;
use crate::redis::protocol::release::Release;
use crate::redis::protocol::timing::NEVER;

impl Task {
    /// Where replicas are to have it first they are asked, and who asked them goes on.
    pub(super) fn granted(self: &Arc<Self>, mut state: MutexGuard<'_, State>, lock: Arc<Lock>) {
        let confirmer = &self.engine.confirmer;
        if !confirmer.is_on() {
            return self.done(state, Ok(lock));
        }
        state.stage = Stage::Confirms(lock.clone());
        drop(state);
        let task = Arc::downgrade(self);
        let told = move |verdict| {
            if let Some(task) = Weak::upgrade(&task) {
                task.judged(verdict);
            }
        };
        confirmer.ask(lock.all().cloned().collect(), NEVER, Box::new(told));
    }

    /// What replicas did not acknowledge is on its way back before the task is told (C3, D1).
    fn judged(self: Arc<Self>, verdict: Verdict) {
        let mut state = self.state.lock();
        match mem::replace(&mut state.stage, Stage::Over) {
            Stage::Confirms(lock) => match self.engine.confirmer.error_of(verdict, &lock) {
                None => self.done(state, Ok(lock)),
                Some(error) => {
                    self.engine.client.agenda(|agenda| lock.all().for_each(|lock| _ = agenda.forget(lock)));
                    self.engine.driver.give_back(Release::of_unwanted_set(&lock));
                    self.done(state, Err(error));
                }
            },
            // The future was dropped, and the lock is on its way back.
            other => state.stage = other,
        }
    }

    /// One after the other: the driver sends them as one pipeline.
    pub(super) fn hand_back(&self, lock: &Arc<Lock>) {
        for (lock, (target, request)) in lock.all().zip(&self.wanted) {
            // Below a kept lock it is nothing that the server knows.
            if !keeping::below::leave(&self.engine.client, lock, target, true).unwrap_or(false) {
                let _ = caller::hand_back(&self.engine, lock, target, request.kind);
            }
        }
    }
}
