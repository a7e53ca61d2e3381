//! [`Sleeper`]: a thread or a task that waits, as the queues see it.
//!
//! A task's waker is code of the embedding program. It is woken and dropped under no lock of ours,
//! and by threads that know nothing of the task. So its panics end here ([`TaskWaker`]).

use std::task::Waker;

use super::gate::Gate;
use super::node::Node;
use super::wait::Turn;
use super::word::Kind;
use crate::deadlock::{Asks, Deadlock, Rest};
use crate::request::Owner;
use crate::sync::{AtomicBool, AtomicU64, Deadline, Mutex, Ordering, Parker, PlainArc, contain};

/// A waiter's bed: shared between the waiter and the queue that it is in.
#[derive(Debug)]
pub(super) struct Sleeper {
    bed: Bed,
    /// Set under the slow lock when the waiter is chosen to be woken.
    woken: AtomicBool,
    /// Whether it had been woken by the timer's last visit.
    seen_woken: AtomicBool,
    /// Set under the slow lock when the waiter's turn is taken from it.
    lapsed: AtomicBool,
    /// The gates that are closed for it, everywhere. Locked within slow locks, and nothing is
    /// locked within it.
    gates: Mutex<Option<Box<Noted>>>,
    /// What most waiters do not have: apart, so that a crowd of those takes less memory.
    more: Option<Box<More>>,
}

/// The gates that are closed for a waiter, if there are any.
#[derive(Debug, Default)]
struct Noted(Vec<Gate>);

#[derive(Debug)]
struct More {
    /// Who waits, for those who look.
    owner: Option<Owner>,
    /// What it claims, if it waits for a set: all of it while it drains. Empty for one node.
    set: Vec<SetClaim>,
    /// In a tree that looks for deadlocks.
    watched: Option<Watched>,
}

/// What is known of a waiter where deadlocks are looked for.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) asks: Asks,
    /// For whom it waits: the members of a set may have owners of their own.
    owners: Vec<Owner>,
    /// How often it has gone to sleep. Changes under the slow lock of the node it sleeps at.
    sleeps: AtomicU64,
    /// The sleep that is to end with an error; 0 if none is. A verdict that comes when the waiter
    /// has been woken, and sleeps again, is for nobody.
    condemned: AtomicU64,
    verdict: Mutex<Option<Deadlock>>,
    /// Keeps the tree looking.
    _rest: Rest,
}

impl Watched {
    pub(super) fn new(asks: Asks, owners: Vec<Owner>, rest: Rest) -> Self {
        let (sleeps, condemned) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { asks, owners, sleeps, condemned, verdict: Mutex::new(None), _rest: rest }
    }
}

/// A member of a set: the node that it claims, and how.
pub(super) type SetClaim = (PlainArc<Node>, Kind);

#[derive(Debug)]
enum Bed {
    Thread(Parker),
    /// The waker of the latest poll, until it is woken.
    Task(Mutex<TaskWaker>),
}

/// A task's waker, or none. If it panics as it is woken or dropped, the panic stays here: otherwise
/// the other waiters that are to be woken with it would sleep on.
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
    /// For the calling thread. `set` is what it claims if it waits for a set.
    pub(super) fn for_thread(owner: Option<Owner>, set: Vec<SetClaim>, watched: Option<Watched>) -> PlainArc<Self> {
        Self::new(Bed::Thread(Parker::new()), owner, set, watched)
    }

    /// The same for the task that `waker` wakes.
    pub(super) fn for_task(
        waker: Waker,
        owner: Option<Owner>,
        set: Vec<SetClaim>,
        watched: Option<Watched>,
    ) -> PlainArc<Self> {
        Self::new(Bed::Task(Mutex::new(TaskWaker(Some(waker)))), owner, set, watched)
    }

    fn new(bed: Bed, owner: Option<Owner>, set: Vec<SetClaim>, watched: Option<Watched>) -> PlainArc<Self> {
        let has_more = owner.is_some() || !set.is_empty() || watched.is_some();
        PlainArc::new(Self {
            bed,
            woken: AtomicBool::new(false),
            seen_woken: AtomicBool::new(false),
            lapsed: AtomicBool::new(false),
            gates: Mutex::new(None),
            more: has_more.then(|| Box::new(More { owner, set, watched })),
        })
    }

    pub(super) fn owner(&self) -> Option<&Owner> {
        self.more.as_ref()?.owner.as_ref()
    }

    /// What it claims, if it waits for a set.
    pub(super) fn set(&self) -> &[SetClaim] {
        self.more.as_ref().map_or(&[], |more| &more.set)
    }

    fn watched(&self) -> Option<&Watched> {
        self.more.as_ref()?.watched.as_ref()
    }

    /// Who waits and where it asked, if that is known.
    pub(super) fn asks(&self) -> Option<&Asks> {
        self.watched().map(|watched| &watched.asks)
    }

    /// Everybody for whom it waits, if that is known.
    pub(super) fn owners(&self) -> &[Owner] {
        self.watched().map_or(&[], |watched| &watched.owners)
    }

    /// Which of its sleeps this is. Under the slow lock of the node it sleeps at.
    pub(super) fn sleep(&self) -> u64 {
        self.watched().map_or(0, |watched| watched.sleeps.load(Ordering::Relaxed))
    }

    /// Whether its sleep is to end with an error, or has.
    pub(super) fn is_condemned(&self) -> bool {
        self.watched().is_some_and(|watched| {
            let condemned = watched.condemned.load(Ordering::Acquire);
            condemned != 0 && condemned == watched.sleeps.load(Ordering::Relaxed)
        })
    }

    /// Ends this sleep with an error, unless it ends by itself first. Under no lock.
    pub(super) fn condemn(&self, sleep: u64, deadlock: Deadlock) {
        if let Some(watched) = self.watched() {
            *watched.verdict.lock() = Some(deadlock);
            watched.condemned.store(sleep, Ordering::Release);
            self.unpark();
        }
    }

    /// Why its wait is to end with an error, if it is.
    pub(super) fn take_verdict(&self) -> Option<Deadlock> {
        if self.is_condemned() { self.watched()?.verdict.lock().take() } else { None }
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
        if let Some(watched) = self.watched().filter(|_| !woken) {
            watched.sleeps.fetch_add(1, Ordering::Relaxed);
        }
        self.woken.store(woken, Ordering::Release);
    }

    /// Whether it is a task that had been woken when this was last asked, and has not been polled
    /// since. Under the slow lock of the node it sleeps at.
    pub(super) fn is_left_alone(&self) -> bool {
        self.is_task() && self.is_woken() && self.seen_woken.swap(true, Ordering::Relaxed)
    }

    /// Takes its turn from it. Under the slow lock of the node it sleeps at, as it is taken out of
    /// the queue.
    pub(super) fn lapse(&self) {
        self.lapsed.store(true, Ordering::Release);
    }

    /// Whether it still has its turn. The waiter itself asks, once, when it stops sleeping.
    pub(super) fn take_turn(&self) -> Turn {
        if self.lapsed.swap(false, Ordering::AcqRel) { Turn::Lapsed } else { Turn::Kept }
    }

    /// Notes that a gate was closed for it.
    pub(super) fn note_gate(&self, gate: Gate) {
        self.gates.lock().get_or_insert_default().0.push(gate);
    }

    /// Opens all gates that were closed for it.
    pub(super) fn open_gates(self: &PlainArc<Self>) {
        let noted = self.gates.lock().take();
        let gates = noted.map_or_else(Vec::new, |noted| noted.0);
        for gate in gates {
            gate.open(self);
        }
    }

    /// A thread sleeps until it is unparked, until the deadline, or for no time at all. A task does
    /// nothing: it has returned to its executor.
    pub(super) fn park(&self, deadline: Option<&Deadline>) {
        if let Bed::Thread(parker) = &self.bed {
            parker.park(deadline);
        }
    }

    /// The task is polled with this waker now. Called before [`is_woken`](Self::is_woken) is asked.
    /// There are two cases: if the wake-up comes first, `is_woken` is true; if this does, the new
    /// waker is woken.
    pub(super) fn set_waker(&self, new: &Waker) {
        if let Bed::Task(bed) = &self.bed {
            // If the waker is taken and woken right after this, the task is polled again.
            if bed.lock().0.as_ref().is_some_and(|waker| waker.will_wake(new)) {
                return;
            }
            let new = TaskWaker(Some(new.clone()));
            let old = std::mem::replace(&mut *bed.lock(), new);
            drop(old); // after the lock
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

/// Wakes these waiters. Under no lock.
pub(super) fn unpark(sleepers: Vec<PlainArc<Sleeper>>) {
    for sleeper in sleepers {
        sleeper.unpark();
    }
}
