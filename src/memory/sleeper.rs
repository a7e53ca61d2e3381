//! [`Sleeper`]: a thread or a task that waits, as the queues see it.

use std::task::Waker;

use crate::sync::{AtomicBool, Deadline, Mutex, Ordering, Parker, PlainArc};

/// Someone who sleeps, or is about to: shared between whoever waits and the queue it is in.
#[derive(Debug)]
pub(super) struct Sleeper {
    bed: Bed,
    /// Set under the slow lock by whoever takes it out of the queue to wake it.
    woken: AtomicBool,
    /// Set under the slow lock by whoever closes a gate for it while it sleeps.
    gated: AtomicBool,
}

#[derive(Debug)]
enum Bed {
    Thread(Parker),
    /// The waker of the latest poll.
    Task(Mutex<Waker>),
}

impl Sleeper {
    /// For the task that `waker` wakes; for the calling thread without one.
    pub(super) fn new(waker: Option<Waker>) -> PlainArc<Self> {
        let bed = match waker {
            None => Bed::Thread(Parker::new()),
            Some(waker) => Bed::Task(Mutex::new(waker)),
        };
        PlainArc::new(Self { bed, woken: AtomicBool::new(false), gated: AtomicBool::new(false) })
    }

    pub(super) fn is_task(&self) -> bool {
        matches!(self.bed, Bed::Task(_))
    }

    pub(super) fn is_woken(&self) -> bool {
        self.woken.load(Ordering::Acquire)
    }

    /// Under the slow lock of the node it sleeps at.
    pub(super) fn set_woken(&self, woken: bool) {
        self.woken.store(woken, Ordering::Release);
    }

    /// Notes that a gate was closed for it where it sleeps.
    pub(super) fn note_gate(&self) {
        self.gated.store(true, Ordering::Release);
    }

    /// Whether a gate was closed for it where it slept: asked once, by itself, when it sleeps no more.
    pub(super) fn take_gated(&self) -> bool {
        self.gated.swap(false, Ordering::AcqRel)
    }

    /// A thread sleeps until somebody unparks it, or the deadline, or for no time at all. A task has returned to its executor.
    pub(super) fn park(&self, deadline: Option<&Deadline>) {
        if let Bed::Thread(parker) = &self.bed {
            parker.park(deadline);
        }
    }

    /// A task is polled with this waker now. To be called before [`is_woken`](Self::is_woken) is asked: if the wake-up comes first, that is true; if this does, the new
    /// waker is woken.
    pub(super) fn set_waker(&self, new: &Waker) {
        if let Bed::Task(waker) = &self.bed {
            let mut waker = waker.lock();
            if !waker.will_wake(new) {
                let old = std::mem::replace(&mut *waker, new.clone());
                drop(waker);
                drop(old); // somebody else's code, not under our lock
            }
        }
    }

    fn unpark(&self) {
        match &self.bed {
            Bed::Thread(parker) => parker.unpark(),
            Bed::Task(waker) => {
                let waker = waker.lock().clone();
                waker.wake(); // somebody else's code, not under our lock
            }
        }
    }
}

/// Wakes them, under no lock.
pub(super) fn unpark(sleepers: Vec<PlainArc<Sleeper>>) {
    for sleeper in sleepers {
        sleeper.unpark();
    }
}
