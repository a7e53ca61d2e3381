//! Deadlocks are named: [`Deadlock`] says who waits for whom in a circle, and since when and where.
//! Off unless a store's builder asks for it; then no lock pays for it.
//!
//! * `agent.rs` who took a lock, or waits for one: [`Agent`]
//! * `graph.rs` who waits for whom at a moment, and the cycles that two moments have in common
//! * `watch.rs` the rounds that a store with waiters makes
//!
//! Each store says who waits for whom: `memory/scene.rs`, `redis/run/agents.rs`. What follows is
//! true of both. A *wait* is one request from when it begins to wait until it is granted or given
//! up. A set of locks is one request. A wait *stands still* if it is in a queue and has not been
//! woken. A lock that waits to become exclusive is a wait, and goes on being held.
//!
//! # Invariants
//! * **D1, an edge keeps a wait where it is.** Each edge leads from a wait that stands still to a
//!   lock, or to another wait. For as long as that lock is held, or that other wait stands still,
//!   the first one is not granted.
//! * **D2, whose a lock is.** It is its thread's, if a thread took it with a call that blocks, or
//!   tries. A guard that is [handed over](crate::TreeMutexGuard::hand_over) is not its thread's any
//!   more. Any other lock is its owner's. Over Redis that is an owner in one process, which has a
//!   client name of its own. A lock with neither is nobody's, and no edge leads on from it.
//! * **D3, who stands still.** A thread that waits does, and so does the owner that it asks for. An
//!   owner is taken for one that does one thing at a time. Of an owner that is seen to wait twice
//!   nothing is concluded. A set may ask for several owners: all of them stand still.
//! * **D4, what ends by itself is no edge.** A lock whose lease was asked for, and one that
//!   outlived its guard. Over Redis also one that its client may keep without a user: a waiter has
//!   it recalled, and if it is in use its client says so. Over Redis the server does not tell a
//!   lease that was asked for from one that renews itself, so of other processes' locks it is not
//!   known.
//! * **D5, seen twice.** A cycle counts if two looks, one after the other, both saw each of its
//!   edges, between the same waits and by the same lock.
//! * **D6, one gives way.** The youngest wait of a cycle gets the error: it closed the cycle. Over
//!   Redis that may be another process' wait. If it is still there some rounds later, the youngest
//!   one of this process gives way.
//! * **D7, a grant wins.** A verdict is left with the wait, which is woken. If it was granted
//!   meanwhile, nobody hears of the verdict. In memory a wait may sleep several times, each time
//!   because of something else: a verdict is for the sleep that was looked at, and for no other.
//! * **D8, bounds.** One look at a time a store. If there are more edges than ten thousand, nothing
//!   is said.
//!
//! # Why a cycle that is told is one
//! Between the two looks every wait of the cycle was under way, as each is one request (D5). So
//! every holder in it stood still all that time (D3), and released nothing that is its own (D2).
//! At a moment in between, all edges were there. None of them ends unless one of the holders goes
//! on (D1, D4), and each waits for the next. A wait with a deadline does end. It is told earlier
//! than it would have timed out.
//!
//! What can be wrong is D2 and D3, if the program does not do as they say: a guard that went to
//! another thread and was not handed over; two tasks with one owner.
//!
//! # Why each cycle is found
//! Suppose waits that will never be granted. Each stands still because of something at the node
//! where it sleeps. That is an edge, which leads to another of these waits, or to a lock of which
//! nothing is known. If all locks are somebody's, following edges comes back to where it was.
//!
//! # A thread's own locks
//! Before it sleeps for the first time, a thread looks for a conflicting lock of its own, or of the
//! owner that it asks for. That is a cycle of one, and is told at once. It needs no second look.

use std::fmt;
use std::panic::Location;

use crate::backend::{HeldLock, WaitingLock};
use crate::error::Blocker;
use crate::path::TreePath;
use crate::request::Owner;
use crate::snapshot::{brief, printable};

pub use self::agent::Agent;
pub(crate) use self::agent::Asks;
#[cfg(feature = "redis")]
pub(crate) use self::graph::Stuck;
use self::graph::owned_by;
pub(crate) use self::graph::{Behind, Scene, Wait};
pub(crate) use self::watch::{Looks, Rest, Watch};

mod agent;
mod graph;
mod watch;

/// Requests that wait for each other in a circle, and would for ever: what
/// [`LockError::Deadlock`](crate::LockError::Deadlock) says, with
/// [deadlock detection](crate::MemoryStoreBuilder::deadlock_detection) on.
///
/// As text it has a line for each of them.
///
/// ```
/// use mutextree::{LockError, LockStore, MemoryStore};
/// let store = MemoryStore::builder().deadlock_detection(true).build();
/// let _team = store.lock("org/team")?;
/// match store.lock("org/team/mail") {
///     Err(LockError::Deadlock(deadlock)) => {
///         println!("{deadlock}");
///         let [wanted] = deadlock.cycle() else { panic!("one thread alone") };
///         assert_eq!(wanted.holds.as_ref().unwrap().path.to_string(), "org/team");
///         assert_eq!(wanted.wants.path.to_string(), "org/team/mail");
///     }
///     other => panic!("{other:?}"),
/// }
/// # Ok::<(), LockError>(())
/// ```
///
/// ```text
/// thread `main` holds `org/team` (exclusive) for 1 ms, taken at main.rs:4:20, and waits for …
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Deadlock(Box<[Wanted]>);

impl Deadlock {
    pub(crate) fn new(cycle: Vec<Wanted>) -> Self {
        Self(cycle.into())
    }

    /// Of one that waits for what it holds itself.
    pub(crate) fn with_itself(held: HeldLock, mut wants: WaitingLock) -> Self {
        if let Some(owner) = owned_by(&held) {
            wants.owner = Some(owner.clone());
        }
        wants.behind = Some(Blocker::by_holder(wants.path.clone(), held.clone()));
        Self::new(vec![Wanted { holds: Some(held), wants }])
    }

    /// Who waits for whom: each for the next one, and the last one for the first. The first one is
    /// the request that got the error. At least one.
    pub fn cycle(&self) -> &[Wanted] {
        &self.0
    }
}

/// One of those that wait for each other: what it holds, and what it wants.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Wanted {
    /// The lock that the one before it waits for. `None` if the one before waits for no lock of
    /// it, but stands behind it in a queue.
    pub holds: Option<HeldLock>,
    /// What it waits for. [`behind`](WaitingLock::behind) says because of which lock of the next
    /// one, or that the next one came earlier.
    pub wants: WaitingLock,
}

impl Wanted {
    /// Who it is: the owner's name if there is one; otherwise the thread's name, or its number;
    /// otherwise "a task".
    pub fn who(&self) -> String {
        let holds = self.holds.as_ref();
        let owner = self.wants.owner.as_ref().or_else(|| holds.and_then(|lock| lock.owner.as_ref()));
        name(owner, self.wants.agent.as_ref())
    }
}

fn name(owner: Option<&Owner>, agent: Option<&Agent>) -> String {
    match (owner, agent) {
        (Some(owner), _) => printable(owner.as_str()),
        (None, Some(agent)) => agent.to_string(),
        (None, None) => "somebody".into(),
    }
}

/// Where in the code, if that is known.
struct At(&'static str, Option<&'static Location<'static>>);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.1.map_or(Ok(()), |place| write!(f, ", {} at {place}", self.0))
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { holds, wants } = self;
        f.write_str(&self.who())?;
        if let (Some(_), Some(agent)) = (&wants.owner, wants.agent.as_ref().filter(|agent| !agent.is_task())) {
            write!(f, " ({agent})")?;
        }
        if let Some(client) = &wants.client {
            write!(f, " of client {}", printable(client))?;
        }
        if let Some(lock) = holds {
            write!(f, " holds `{}` ({})", lock.path, crate::snapshot::how(lock.kind))?;
            if let Some(time) = lock.held_for {
                write!(f, " for {}", brief(time))?;
            }
            write!(f, "{}, and", At("taken", lock.taken_at))?;
        }
        write!(f, " waits for `{}` ({})", wants.path, crate::snapshot::how(wants.kind))?;
        if let Some(time) = wants.waited {
            write!(f, " for {}", brief(time))?;
        }
        write!(f, "{}", At("asked for", wants.asked_at))
    }
}

/// Where a path lies, seen from another.
fn relation(path: &TreePath, wanted: &TreePath) -> &'static str {
    if path == wanted {
        "it is"
    } else if wanted.starts_with(path) {
        "above it, is"
    } else {
        "below it, is"
    }
}

impl fmt::Display for Deadlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, wanted) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{wanted}")?;
            let Some(behind) = &wanted.wants.behind else { continue };
            let next = if self.0.len() == 1 { "itself".into() } else { self.0[(at + 1) % self.0.len()].who() };
            let (path, is) = (behind.path(), relation(behind.path(), &wanted.wants.path));
            match (is, behind.waiting()) {
                ("it is", None) => write!(f, ": it is locked by {next}")?,
                ("it is", Some(_)) => write!(f, ": {next} waits for it and came earlier")?,
                (is, None) => write!(f, ": `{path}`, {is} locked by {next}")?,
                (is, Some(_)) => write!(f, ": `{path}`, {is} waited for by {next}, who came earlier")?,
            }
        }
        Ok(())
    }
}

/// The text, a line for each.
impl fmt::Debug for Deadlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.to_string().lines()).finish()
    }
}
