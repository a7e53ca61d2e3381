//! [`Sleeper`]: a thread or a task that waits, as the queues see it.

use std::task::Waker;

use super::wait::Gate;
use crate::sync::{AtomicBool, Deadline, Mutex, Ordering, Parker, PlainArc, contain};

/// Someone who sleeps, or is about to: shared between whoever waits and the queue it is in.
#[derive(Debug)]
pub(super) struct Sleeper {
    bed: Bed,
    /// Set under the slow lock by whoever takes it out of the queue to wake it.
    woken: AtomicBool,
    /// Whether it had been woken when somebody last came by to see.
    seen_woken: AtomicBool,
    /// Set under the slow lock by whoever takes its turn from it.
    lapsed: AtomicBool,
    /// The gates that are closed for it, everywhere. Locked within slow locks, and nothing is
    /// locked within it.
    gates: Mutex<Vec<Gate>>,
}

#[derive(Debug)]
enum Bed {
    Thread(Parker),
    /// The waker of the latest poll, until it is woken.
    Task(Mutex<TaskWaker>),
}

/// A task's waker, or none. It is code of the embedding program, woken and dropped by strangers to
/// the task. So its panics stay here, or the others that they are about to wake would sleep on.
#[derive(Debug)]
struct TaskWaker(Option<Waker>);

impl TaskWaker {
    fn wake(mut self) {
        if let Some(waker) = self.0.take() {
            contain(|| waker.wake());
        }
    }
}

impl Drop for TaskWaker {
    fn drop(&mut self) {
        if let Some(waker) = self.0.take() {
            contain(|| drop(waker));
        }
    }
}

impl Sleeper {
    /// For the task that `waker` wakes; for the calling thread without one.
    pub(super) fn new(waker: Option<Waker>) -> PlainArc<Self> {
        let bed = match waker {
            None => Bed::Thread(Parker::new()),
            Some(waker) => Bed::Task(Mutex::new(TaskWaker(Some(waker)))),
        };
        PlainArc::new(Self {
            bed,
            woken: AtomicBool::new(false),
            seen_woken: AtomicBool::new(false),
            lapsed: AtomicBool::new(false),
            gates: Mutex::new(Vec::new()),
        })
    }

    pub(super) fn is_task(&self) -> bool {
        matches!(self.bed, Bed::Task(_))
    }

    pub(super) fn is_woken(&self) -> bool {
        self.woken.load(Ordering::Acquire)
    }

    /// Under the slow lock of the node it sleeps at.
    pub(super) fn set_woken(&self, woken: bool) {
        self.seen_woken.store(false, Ordering::Relaxed);
        self.woken.store(woken, Ordering::Release);
    }

    /// Whether it is a task that had been woken by the last time that this was asked, and has not
    /// been polled since. Under the slow lock of the node it sleeps at.
    pub(super) fn is_left_alone(&self) -> bool {
        self.is_task() && self.is_woken() && self.seen_woken.swap(true, Ordering::Relaxed)
    }

    /// Takes its turn from it. Under the slow lock of the node it sleeps at, as it is taken out of
    /// the queue.
    pub(super) fn lapse(&self) {
        self.lapsed.store(true, Ordering::Release);
    }

    /// Whether its turn was taken from it: asked once, by itself, when it sleeps no more.
    pub(super) fn take_lapsed(&self) -> bool {
        self.lapsed.swap(false, Ordering::AcqRel)
    }

    /// Notes that a gate was closed for it.
    pub(super) fn note_gate(&self, gate: Gate) {
        self.gates.lock().push(gate);
    }

    /// Opens all gates that were closed for it.
    pub(super) fn open_gates(self: &PlainArc<Self>) {
        let gates = std::mem::take(&mut *self.gates.lock());
        for gate in gates {
            gate.open(self);
        }
    }

    /// A thread sleeps until somebody unparks it, or the deadline, or for no time at all. A task
    /// has returned to its executor.
    pub(super) fn park(&self, deadline: Option<&Deadline>) {
        if let Bed::Thread(parker) = &self.bed {
            parker.park(deadline);
        }
    }

    /// A task is polled with this waker now. To be called before [`is_woken`](Self::is_woken) is
    /// asked: if the wake-up comes first, that is true; if this does, the new waker is woken.
    pub(super) fn set_waker(&self, new: &Waker) {
        if let Bed::Task(bed) = &self.bed {
            // If it is taken and woken right after this, the task is polled again.
            if bed.lock().0.as_ref().is_some_and(|waker| waker.will_wake(new)) {
                return;
            }
            // Cloned and dropped under no lock: both are code of the embedding program.
            let new = TaskWaker(Some(new.clone()));
            let old = std::mem::replace(&mut *bed.lock(), new);
            drop(old);
        }
    }

    fn unpark(&self) {
        match &self.bed {
            Bed::Thread(parker) => parker.unpark(),
            Bed::Task(bed) => {
                // Taken, not cloned: the poll that follows leaves another. If there is none, a
                // wake-up is under way, and its poll will find what this one is for.
                let waker = std::mem::replace(&mut *bed.lock(), TaskWaker(None));
                waker.wake(); // under no lock
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
