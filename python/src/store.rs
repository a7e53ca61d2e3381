//! [`Store`]: a store, in memory or over Redis; and [`give_back`], for when the interpreter exits.

use std::sync::mpsc::channel;
use std::sync::{Mutex as StdMutex, PoisonError};
use std::thread;

use mutextree::{LockError, LockStore, MemoryStore, RedisStore, TreeMutex};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::held::Held;
use crate::lock::{Mutex, Path, Store as Kind, checked};
use crate::snapshot::Snapshot;
use crate::{detached, duration};

/// The locks of one tree.
#[pyclass(frozen, weakref, module = "mutextree._native")]
pub(crate) struct Store(
    /// `None` once the interpreter exits.
    StdMutex<Option<Which>>,
);

#[derive(Clone)]
enum Which {
    Memory(MemoryStore),
    Redis(RedisStore),
}

impl Store {
    fn new(which: Which) -> Self {
        Self(StdMutex::new(Some(which)))
    }

    fn take(&self) -> Option<Which> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn get(&self) -> PyResult<Which> {
        let which = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        which.ok_or_else(|| PyRuntimeError::new_err("the interpreter exits: no lock can be taken any more"))
    }
}

#[pymethods]
impl Store {
    /// A new tree in memory.
    #[staticmethod]
    fn memory() -> Self {
        Self::new(Which::Memory(MemoryStore::new()))
    }

    /// Connects to a server. Times are in seconds.
    #[staticmethod]
    fn redis(
        py: Python<'_>,
        url: &str,
        tree: &str,
        lease: f64,
        timeout: f64,
        keep: f64,
        client_name: Option<String>,
    ) -> PyResult<Self> {
        let builder = RedisStore::builder(url).tree(tree).lease(duration(lease)).timeout(duration(timeout));
        let mut builder = builder.keep(duration(keep));
        if let Some(name) = client_name {
            builder = builder.client_name(name);
        }
        let store = checked(py, py.detach(|| builder.connect()))?;
        Ok(Self::new(Which::Redis(store)))
    }

    /// What to lock, and how. Without a lease it is the store's own.
    fn mutex(
        &self,
        py: Python<'_>,
        path: &Path,
        shared: bool,
        node_only: bool,
        lease: Option<f64>,
        owner: Option<String>,
    ) -> PyResult<Mutex> {
        let how = How { shared, node_only, lease, owner };
        let which = self.get()?;
        let mutex = py.detach(|| match &which {
            Which::Memory(store) => how.mutex(store, path),
            Which::Redis(store) => how.mutex(store, path),
        });
        checked(py, mutex)
    }

    /// Who holds and who waits.
    fn snapshot(&self, py: Python<'_>) -> PyResult<Snapshot> {
        let which = self.get()?;
        let snapshot = py.detach(|| match which {
            Which::Memory(store) => store.snapshot(),
            Which::Redis(store) => store.snapshot(),
        });
        checked(py, snapshot).map(Snapshot::new)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Some(which) = self.take() {
            detached(|| drop(which));
        }
    }
}

struct How {
    shared: bool,
    node_only: bool,
    lease: Option<f64>,
    owner: Option<String>,
}

impl How {
    fn mutex<S: Kind>(self, store: &S, path: &Path) -> Result<Mutex, LockError> {
        let mut mutex = TreeMutex::new(store, &path.0)?;
        if self.shared {
            mutex = mutex.shared();
        }
        if self.node_only {
            mutex = mutex.node_only();
        }
        if let Some(lease) = self.lease {
            mutex = mutex.lease(duration(lease));
        }
        if let Some(owner) = self.owner {
            mutex = mutex.owner(owner);
        }
        Ok(Mutex::new(mutex))
    }
}

/// Releases these locks, and lets go of these stores, which gives back what their tasks released.
/// Returns after so many seconds at the latest: a server that is away must not keep the interpreter
/// from exiting.
#[pyfunction]
pub(crate) fn give_back(py: Python<'_>, held: Vec<Py<Held>>, stores: Vec<Py<Store>>, at_most: f64) {
    let granted: Vec<_> = held.iter().filter_map(|held| held.get().take()).collect();
    let stores: Vec<_> = stores.iter().filter_map(|store| store.get().take()).collect();
    py.detach(|| {
        let (tell, told) = channel::<()>();
        let all = move || {
            for granted in granted {
                let _ = granted.release();
            }
            drop((stores, tell));
        };
        if thread::Builder::new().name("mutextree-exit".into()).spawn(all).is_ok() {
            let _ = told.recv_timeout(duration(at_most)); // an error: all is done, or time is up
        }
    });
}
