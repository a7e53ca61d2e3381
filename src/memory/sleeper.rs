//! [`Sleeper`]: a thread or a task that waits, as the queues see it.
//!
//! A task's waker is code of the embedding program. It is woken and dropped under no lock of ours,
//! and by threads that know nothing of the task. So its panics end here ([`TaskWaker`]).

use std::task::Waker;

use super::gate::{Gate, Noted};
use super::node::Node;
use super::wait::Turn;
use super::word::Kind;
use crate::deadlock::{Asks, Deadlock, Rest};
use crate::request::Owner;
use crate::sync::{AtomicBool, AtomicU64, Deadline, Mutex, Ordering, Parker, PlainArc, contain};

/// A waiter's bed: shared between the waiter and the queue that it is in. A crowd of tasks may
/// wait, so what most of them do not have is in boxes.
#[derive(Debug)]
pub(super) struct Sleeper {
    /// Locked within slow locks, and nothing is locked within it.
    changing: Mutex<Changing>,
    /// Set under the slow lock when the waiter is chosen to be woken.
    woken: AtomicBool,
    /// Whether it had been woken by the timer's last visit.
    seen_woken: AtomicBool,
    /// Set under the slow lock when the waiter's turn is taken from it.
    lapsed: AtomicBool,
    /// Whether the gates of its node and of all above were closed for it. Only the waiter itself
    /// asks.
    closed_all: AtomicBool,
    more: Option<Box<More>>,
}

#[derive(Debug)]
struct Changing {
    /// A task's waker of the latest poll, until it is woken.
    waker: TaskWaker,
    found: Option<Box<Found>>,
}

/// What a waiter meets with while it waits, if it does.
#[derive(Debug, Default)]
struct Found {
    /// The gates that are closed for it, everywhere.
    gates: Noted,
    /// When last only a gate kept it out as it went to sleep: the node that the gate's owner wants.
    gated_for: Option<PlainArc<Node>>,
}

/// What a waiter has from the start, if it is not a task that waits for one node.
#[derive(Debug)]
struct More {
    /// Where it sleeps, if it is a thread.
    parker: Option<Parker>,
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
        Self::new(None, More { parker: Some(Parker::new()), owner, set, watched })
    }

    /// The same for the task that `waker` wakes.
    pub(super) fn for_task(
        waker: Waker,
        owner: Option<Owner>,
        set: Vec<SetClaim>,
        watched: Option<Watched>,
    ) -> PlainArc<Self> {
        Self::new(Some(waker), More { parker: None, owner, set, watched })
    }

    fn new(waker: Option<Waker>, more: More) -> PlainArc<Self> {
        let More { parker, owner, set, watched } = &more;
        let has_more = parker.is_some() || owner.is_some() || !set.is_empty() || watched.is_some();
        PlainArc::new(Self {
            changing: Mutex::new(Changing { waker: TaskWaker(waker), found: None }),
            woken: AtomicBool::new(false),
            seen_woken: AtomicBool::new(false),
            lapsed: AtomicBool::new(false),
            closed_all: AtomicBool::new(false),
            more: has_more.then(|| Box::new(more)),
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

    fn parker(&self) -> Option<&Parker> {
        self.more.as_ref()?.parker.as_ref()
    }

    pub(super) fn is_task(&self) -> bool {
        self.parker().is_none()
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

    /// Whether the gates of its node and of all above are closed for it: what was said before.
    pub(super) fn set_closed_all(&self, closed_all: bool) -> bool {
        self.closed_all.swap(closed_all, Ordering::Relaxed)
    }

    /// Notes that a gate was closed for it.
    pub(super) fn note_gate(&self, gate: Gate) {
        self.changing.lock().found.get_or_insert_default().gates.add(gate);
    }

    /// Opens all gates that were closed for it.
    pub(super) fn open_gates(self: &PlainArc<Self>) {
        let noted = self.changing.lock().found.as_mut().map(|found| std::mem::take(&mut found.gates));
        if let Some(noted) = noted {
            noted.open(self);
        }
    }

    /// It goes to sleep, and only a gate keeps it out, closed for who wants that node.
    pub(super) fn set_gated_for(&self, wanted: PlainArc<Node>) {
        self.changing.lock().found.get_or_insert_default().gated_for = Some(wanted);
    }

    pub(super) fn gated_for(&self) -> Option<PlainArc<Node>> {
        self.changing.lock().found.as_ref()?.gated_for.clone()
    }

    /// A thread sleeps until it is unparked, until the deadline, or for no time at all. A task does
    /// nothing: it has returned to its executor.
    pub(super) fn park(&self, deadline: Option<&Deadline>) {
        if let Some(parker) = self.parker() {
            parker.park(deadline);
        }
    }

    /// For a task, which is polled with this waker now, or goes to sleep. Called before
    /// [`is_woken`](Self::is_woken) is asked. There are two cases: if the wake-up comes first,
    /// `is_woken` is true; if this does, the new waker is woken.
    pub(super) fn set_waker(&self, new: &Waker) {
        // If the waker is taken and woken right after this, the task is polled again.
        if self.changing.lock().waker.0.as_ref().is_some_and(|waker| waker.will_wake(new)) {
            return;
        }
        let new = TaskWaker(Some(new.clone()));
        let old = std::mem::replace(&mut self.changing.lock().waker, new);
        drop(old); // after the lock
    }

    fn unpark(&self) {
        match self.parker() {
            Some(parker) => parker.unpark(),
            None => {
                // Taken, not cloned: before it sleeps again it leaves another. If there is none, a
                // wake-up is under way, and its poll will find what this one is for.
                let waker = std::mem::replace(&mut self.changing.lock().waker, TaskWaker(None));
                waker.wake(); // under no lock
            }
        }
    }
}

/// Waiters that were marked as woken, to be unparked once no lock is held. Mostly it is one.
#[derive(Debug, Default)]
#[must_use = "they sleep on until they are unparked"]
pub(super) struct Woken {
    first: Option<PlainArc<Sleeper>>,
    rest: Vec<PlainArc<Sleeper>>,
}

impl Woken {
    pub(super) fn push(&mut self, sleeper: PlainArc<Sleeper>) {
        match self.first {
            None => self.first = Some(sleeper),
            Some(_) => self.rest.push(sleeper),
        }
    }

    #[cfg(all(test, not(any(mutextree_loom, mutextree_shuttle))))]
    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none()
    }
}

impl From<PlainArc<Sleeper>> for Woken {
    fn from(first: PlainArc<Sleeper>) -> Self {
        Self { first: Some(first), rest: Vec::new() }
    }
}

impl IntoIterator for Woken {
    type Item = PlainArc<Sleeper>;
    type IntoIter = std::iter::Chain<std::option::IntoIter<Self::Item>, std::vec::IntoIter<Self::Item>>;

    fn into_iter(self) -> Self::IntoIter {
        self.first.into_iter().chain(self.rest)
    }
}

/// Wakes these waiters. Under no lock.
pub(super) fn unpark(sleepers: impl IntoIterator<Item = PlainArc<Sleeper>>) {
    for sleeper in sleepers {
        sleeper.unpark();
    }
}
