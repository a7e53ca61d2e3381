//! [`Held`]: a lock that is held.

use std::sync::{Arc, Mutex, PoisonError};

use mutextree::LockError;
use pyo3::prelude::*;

use crate::lock::{Granted, checked};
use crate::{detached, duration, error};

/// A lock that is held. It is released when it is collected.
#[pyclass(frozen, weakref, module = "mutextree._native")]
pub(crate) struct Held {
    path: String,
    /// `None` once it is released.
    granted: Mutex<Option<Arc<dyn Granted>>>,
}

impl Held {
    pub(crate) fn new(granted: Arc<dyn Granted>) -> Self {
        Self { path: granted.path().to_string(), granted: Mutex::new(Some(granted)) }
    }

    pub(crate) fn take(&self) -> Option<Arc<dyn Granted>> {
        self.granted.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn get(&self) -> Option<Arc<dyn Granted>> {
        self.granted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Does what may wait with a lock that is held.
    fn act(
        &self,
        py: Python<'_>,
        granted: Option<Arc<dyn Granted>>,
        act: impl FnOnce(Arc<dyn Granted>) -> Result<(), LockError> + Send,
    ) -> PyResult<()> {
        match granted {
            Some(granted) => checked(py, py.detach(|| act(granted))),
            None => Err(error::not_held(py, self.path.clone())),
        }
    }
}

#[pymethods]
impl Held {
    /// The fencing token, or None once it is released.
    #[getter]
    fn fencing_token(&self, py: Python<'_>) -> Option<u64> {
        let granted = self.get();
        py.detach(|| granted.map(|granted| granted.fencing_token()))
    }

    fn is_held(&self, py: Python<'_>) -> bool {
        let granted = self.get();
        py.detach(|| granted.is_some_and(|granted| granted.is_held()))
    }

    /// The seconds until the lease ends; None if it has none.
    fn remaining(&self, py: Python<'_>) -> Option<f64> {
        let granted = self.get();
        py.detach(|| match granted {
            Some(granted) => granted.remaining().map(|remaining| remaining.as_secs_f64()),
            None => Some(0.0),
        })
    }

    /// Sets the seconds until the lease ends; None is its full length.
    fn refresh(&self, py: Python<'_>, remaining: Option<f64>) -> PyResult<()> {
        self.act(py, self.get(), |granted| granted.refresh(remaining.map(duration)))
    }

    /// Releases, and returns when the store has.
    fn release(&self, py: Python<'_>) -> PyResult<()> {
        self.act(py, self.take(), Granted::release)
    }

    /// Whether `hand_back` does no I/O.
    #[getter]
    fn of_task(&self) -> bool {
        self.get().is_none_or(|granted| granted.of_task())
    }

    /// Releases, and lets the store's own thread do the I/O if the lock came to a task.
    fn hand_back(&self, py: Python<'_>) -> PyResult<()> {
        self.act(py, self.take(), Granted::hand_back)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(granted) = self.take() {
            detached(|| drop(granted));
        }
    }
}
