//! [`Who`]: what takes the steps of an acquisition.

use std::task::Waker;

use super::super::sleeper::{SetClaim, Sleeper, Watched};
use crate::request::Owner;
use crate::sync::{PlainArc, Spin};

/// What takes a step, and sleeps if it has to.
#[derive(Clone, Copy, Debug)]
pub(in crate::memory) enum Who<'w> {
    /// The calling thread.
    Thread,
    /// The task that this wakes.
    Task(&'w Waker),
}

impl Who<'_> {
    pub(in crate::memory) fn spin(self) -> Spin {
        match self {
            Self::Thread => Spin::for_thread(),
            Self::Task(_) => Spin::for_task(),
        }
    }

    pub(super) fn sleeper(self, owner: Option<&Owner>, watched: Option<Watched>) -> PlainArc<Sleeper> {
        let owner = owner.cloned();
        match (self, watched) {
            (Self::Thread, None) => Sleeper::for_thread(owner),
            (Self::Task(waker), None) => Sleeper::for_task(waker.clone(), owner),
            (Self::Thread, Some(watched)) => Sleeper::watched(None, owner, watched),
            (Self::Task(waker), Some(watched)) => Sleeper::watched(Some(waker.clone()), owner, watched),
        }
    }

    /// For a set that claims these.
    pub(in crate::memory) fn sleeper_of_set(
        self,
        owner: Option<&Owner>,
        claims: Vec<SetClaim>,
        watched: Option<Watched>,
    ) -> PlainArc<Sleeper> {
        let owner = owner.cloned();
        match self {
            Self::Thread => Sleeper::for_thread_of_set(owner, claims, watched),
            Self::Task(waker) => Sleeper::for_task_of_set(waker.clone(), owner, claims, watched),
        }
    }
}
