//! What to lock, and how: [`Path`] and [`Mutex`]. [`Lockable`] and [`Granted`] put both kinds of
//! store under one type.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mutextree::{Blocker, LockError, LockStore, MemoryStore, OwnedTreeMutexGuard, RedisStore, TreeMutex, TreePath};
use pyo3::prelude::*;

use crate::error::{path_error, raise};
use crate::held::Held;
use crate::task::Waiting;
use crate::{duration, wait};

/// A path, checked once.
#[pyclass(frozen, eq, hash, module = "mutextree._native")]
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Path(pub(crate) TreePath);

#[pymethods]
impl Path {
    /// Of text, or of a list of names. Raises ValueError if it is no path.
    #[new]
    fn new(names: Names) -> PyResult<Self> {
        use mutextree::ToTreePath;
        let path = match &names {
            Names::Text(text) => text.to_tree_path(),
            Names::List(names) => names.to_tree_path(),
        };
        path.map(Self).map_err(|error| path_error(&error))
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }
}

#[derive(FromPyObject)]
enum Names {
    Text(String),
    List(Vec<String>),
}

/// For how long to wait.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Patience {
    /// Not at all.
    Never,
    Until(Instant),
    Forever,
}

impl Patience {
    /// In seconds; `None` is without end.
    fn new(timeout: Option<f64>) -> Self {
        match timeout {
            Some(seconds) if seconds <= 0.0 => Self::Never,
            Some(seconds) => Instant::now().checked_add(duration(seconds)).map_or(Self::Forever, Self::Until),
            None => Self::Forever,
        }
    }
}

/// The future of a lock.
pub(crate) type Acquiring = Pin<Box<dyn Future<Output = Result<Arc<dyn Granted>, LockError>> + Send>>;

/// Asks a store who is in the way of a lock.
pub(crate) type Finder = Box<dyn FnOnce() -> Result<Vec<Blocker>, LockError> + Send>;

/// One node of a store, whichever it is, and how to lock it.
pub(crate) trait Lockable: Send + Sync {
    fn path(&self) -> &TreePath;
    /// Blocks the thread.
    fn lock(&self, patience: Patience) -> Result<Arc<dyn Granted>, LockError>;
    /// Blocks nobody.
    fn acquiring(&self) -> Acquiring;
    fn is_locked(&self) -> bool;
    /// Finds who is in the way, on any thread.
    fn finder(&self) -> Finder;
}

/// A lock that is held in a store, whichever it is.
pub(crate) trait Granted: Send + Sync {
    fn path(&self) -> &TreePath;
    fn fencing_token(&self) -> u64;
    fn is_held(&self) -> bool;
    fn remaining(&self) -> Option<Duration>;
    /// `None` is the full length of the lease.
    fn refresh(&self, remaining: Option<Duration>) -> Result<(), LockError>;
    /// Returns when the store has released. If a `refresh` is under way on another thread, that one
    /// releases at its end.
    fn release(self: Arc<Self>) -> Result<(), LockError>;
    /// Whether it came to a task.
    fn of_task(&self) -> bool;
    /// Does no I/O if it came to a task; the store releases a moment later.
    fn hand_back(self: Arc<Self>) -> Result<(), LockError>;
}

/// How the two stores differ.
pub(crate) trait Store: LockStore {
    /// Whether a guard that came to a task is given back by another thread, later.
    const TASKS_GIVE_BACK_LATER: bool;
}

impl Store for MemoryStore {
    const TASKS_GIVE_BACK_LATER: bool = false;
}

impl Store for RedisStore {
    const TASKS_GIVE_BACK_LATER: bool = true;
}

struct Guard<S: Store> {
    guard: OwnedTreeMutexGuard<S>,
    of_task: bool,
}

impl<S: Store> Lockable for TreeMutex<S> {
    fn path(&self) -> &TreePath {
        TreeMutex::path(self)
    }

    fn lock(&self, patience: Patience) -> Result<Arc<dyn Granted>, LockError> {
        let guard = match patience {
            Patience::Never => self.try_lock_owned(),
            Patience::Until(deadline) => self.try_lock_owned_until(deadline),
            Patience::Forever => self.lock_owned(),
        }?;
        Ok(Arc::new(Guard { guard, of_task: false }))
    }

    fn acquiring(&self) -> Acquiring {
        let mutex = self.clone();
        Box::pin(async move {
            let guard = mutex.lock_owned_async().await?;
            Ok(Arc::new(Guard { guard, of_task: true }) as Arc<dyn Granted>)
        })
    }

    fn is_locked(&self) -> bool {
        TreeMutex::is_locked(self)
    }

    fn finder(&self) -> Finder {
        let mutex = self.clone();
        Box::new(move || mutex.blockers())
    }
}

impl<S: Store> Granted for Guard<S> {
    fn path(&self) -> &TreePath {
        self.guard.path()
    }

    fn fencing_token(&self) -> u64 {
        self.guard.fencing_token()
    }

    fn is_held(&self) -> bool {
        self.guard.is_held()
    }

    fn remaining(&self) -> Option<Duration> {
        self.guard.remaining()
    }

    fn refresh(&self, remaining: Option<Duration>) -> Result<(), LockError> {
        match remaining {
            Some(remaining) => self.guard.refresh_for(remaining),
            None => self.guard.refresh(),
        }
    }

    fn release(self: Arc<Self>) -> Result<(), LockError> {
        match Arc::into_inner(self) {
            None => Ok(()),
            // A lock without a guard is released by the thread that asks, at once. So whoever is
            // told of the release, on another machine too, can have the lock.
            Some(Self { guard, of_task: true }) if S::TASKS_GIVE_BACK_LATER => guard.into_lease()?.release(),
            Some(Self { guard, .. }) => guard.unlock(),
        }
    }

    fn of_task(&self) -> bool {
        self.of_task
    }

    fn hand_back(self: Arc<Self>) -> Result<(), LockError> {
        Arc::into_inner(self).map_or(Ok(()), |granted| granted.guard.unlock())
    }
}

/// One node of a store, and how to lock it.
#[pyclass(frozen, module = "mutextree._native")]
pub(crate) struct Mutex(Box<dyn Lockable>);

impl Mutex {
    pub(crate) fn new(mutex: impl Lockable + 'static) -> Self {
        Self(Box::new(mutex))
    }
}

#[pymethods]
impl Mutex {
    /// Locks, and blocks for `timeout` seconds at the most; None is for ever, zero not at all.
    fn acquire(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Held> {
        wait::acquire(py, &*self.0, Patience::new(timeout)).map(Held::new)
    }

    /// Locks if that is possible now, or begins to wait in a task.
    fn waiting(&self) -> Waiting {
        Waiting::new(self.0.acquiring())
    }

    /// Whether an exclusive lock could not be had right now.
    fn is_locked(&self, py: Python<'_>) -> bool {
        py.detach(|| self.0.is_locked())
    }

    /// The exception of a wait that ran out of time, which names what is in the way.
    fn timed_out(&self, py: Python<'_>) -> PyErr {
        wait::timed_out(py, &*self.0)
    }
}

/// Raises the error of a result.
pub(crate) fn checked<T>(py: Python<'_>, result: Result<T, LockError>) -> PyResult<T> {
    result.map_err(|error| raise(py, error))
}
