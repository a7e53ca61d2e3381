//! [`Who`]: what takes the steps of an acquisition.

use std::task::Waker;

use super::super::node::Node;
use super::super::sleeper::{SetClaim, Sleeper, Watched};
use super::super::word::PARKED;
use crate::request::Owner;
use crate::sync::{Ordering, PlainArc, Spin};

/// What takes a step, and sleeps if it has to.
#[derive(Clone, Copy, Debug)]
pub(in crate::memory) enum Who<'w> {
    /// The calling thread.
    Thread,
    /// The task that this wakes.
    Task(&'w Waker),
}

impl Who<'_> {
    /// Whether it may spin before it sleeps there. Where others sleep already, a task is not next,
    /// and its executor has others to run.
    pub(in crate::memory) fn may_spin(self, at: &Node) -> bool {
        match self {
            Self::Thread => true,
            Self::Task(_) => at.word.load(Ordering::Relaxed) & PARKED == 0,
        }
    }

    pub(in crate::memory) fn spin(self) -> Spin {
        match self {
            Self::Thread => Spin::for_thread(),
            Self::Task(_) => Spin::for_task(),
        }
    }

    /// It is about to sleep again, in this bed.
    pub(in crate::memory) fn renew(self, sleeper: &Sleeper) {
        if let Self::Task(waker) = self {
            sleeper.set_waker(waker);
        }
    }

    /// `set` is what it claims if it waits for a set.
    pub(in crate::memory) fn sleeper(
        self,
        owner: Option<&Owner>,
        set: Vec<SetClaim>,
        watched: Option<Watched>,
    ) -> PlainArc<Sleeper> {
        let owner = owner.cloned();
        match self {
            Self::Thread => Sleeper::for_thread(owner, set, watched),
            Self::Task(waker) => Sleeper::for_task(waker.clone(), owner, set, watched),
        }
    }
}
