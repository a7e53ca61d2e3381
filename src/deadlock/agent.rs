//! [`Agent`]: who took a lock, or waits for one: a thread or a task. One concept for detection,
//! listings and errors.

use std::cell::OnceCell;
use std::fmt;
use std::panic::Location;
use std::thread::{self, ThreadId};

use crate::sync::PlainArc;

/// Who took a lock, or waits for one: a thread, or a task. Known with
/// [deadlock detection](crate::MemoryStoreBuilder::deadlock_detection) on, of the locks of this
/// process.
///
/// A task has no name here. Its [`owner`](crate::TreeMutex::owner) tells it from others.
///
/// ```
/// use mutextree::{LockStore, MemoryStore};
/// let store = MemoryStore::builder().deadlock_detection(true).build();
/// let _guard = store.lock("org/team")?;
/// let lock = store.locks()?.remove(0);
/// let agent = lock.agent.unwrap();
/// assert_eq!(agent.thread_id(), Some(std::thread::current().id()));
/// assert!(lock.taken_at.unwrap().file().ends_with(".rs"));
/// # Ok::<(), mutextree::LockError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Agent(Option<PlainArc<Thread>>);

#[derive(PartialEq, Eq)]
struct Thread {
    id: ThreadId,
    name: Option<String>,
}

thread_local! {
    static CURRENT: OnceCell<PlainArc<Thread>> = const { OnceCell::new() };
}

impl Thread {
    fn current() -> PlainArc<Self> {
        let current = thread::current();
        PlainArc::new(Self { id: current.id(), name: current.name().map(Into::into) })
    }
}

impl Agent {
    /// The calling thread.
    pub(crate) fn current() -> Self {
        let known = CURRENT.try_with(|known| known.get_or_init(Thread::current).clone());
        // In the destructor of another thread local there is none to keep it.
        Self(Some(known.unwrap_or_else(|_| Thread::current())))
    }

    /// A task, whichever it is.
    pub(crate) const TASK: Self = Self(None);

    /// The thread; `None` if it is a task.
    pub fn thread_id(&self) -> Option<ThreadId> {
        self.0.as_ref().map(|thread| thread.id)
    }

    /// The thread's name, if it has one.
    pub fn thread_name(&self) -> Option<&str> {
        self.0.as_ref().and_then(|thread| thread.name.as_deref())
    }

    /// Whether it is a task.
    pub fn is_task(&self) -> bool {
        self.0.is_none()
    }
}

impl fmt::Display for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("a task"),
            Some(thread) => match &thread.name {
                Some(name) => write!(f, "thread `{}`", name.escape_debug()),
                None => write!(f, "thread {}", number(thread.id)),
            },
        }
    }
}

/// `ThreadId(7)` as `7`.
fn number(id: ThreadId) -> String {
    format!("{id:?}").chars().filter(char::is_ascii_digit).collect()
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Agent({self})")
    }
}

/// Who asks for a lock, and where in the code: what is taken down of each request.
#[derive(Clone, Debug)]
pub(crate) struct Asks {
    pub(crate) agent: Agent,
    pub(crate) place: &'static Location<'static>,
    /// The fencing token of the lock that this one is to replace, as in an upgrade: it is in
    /// nobody's way there.
    pub(crate) replaces: Option<u64>,
}

impl Asks {
    /// The calling thread asks.
    pub(crate) fn thread(place: &'static Location<'static>) -> Self {
        Self { agent: Agent::current(), place, replaces: None }
    }

    /// A task asks.
    pub(crate) fn task(place: &'static Location<'static>) -> Self {
        Self { agent: Agent::TASK, place, replaces: None }
    }
}

#[cfg(test)]
mod tests;
