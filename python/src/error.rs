//! Errors of the crate as exceptions, which `mutextree/_errors.py` defines.

use std::error::Error;

use mutextree::{Blocker, LockError, PathError};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// `_errors.make`, which makes an exception of a kind, a text and what the error names.
static MAKE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// The exception of an error.
pub(crate) fn raise(py: Python<'_>, error: LockError) -> PyErr {
    let text = error.to_string();
    let path = error.path().map(ToString::to_string);
    match error {
        LockError::WouldBlock { blocker } => blocked(py, "WouldBlock", text, path, &blocker),
        LockError::TimedOut { blocker } => blocked(py, "TimedOut", text, path, &blocker),
        LockError::NotHeld { .. } => make(py, "NotLockedMutexException", text, path, None, None),
        LockError::Path(error) => path_error(&error),
        other => make(py, "StoreError", with_sources(&other), None, None, None),
    }
}

/// A wait for `path` was over, and it is not known what was in the way.
pub(crate) fn timed_out(py: Python<'_>, path: String) -> PyErr {
    let text = format!("timed out waiting for `{path}`");
    make(py, "TimedOut", text, Some(path), None, None)
}

/// The lock on `path` was released before.
pub(crate) fn not_held(py: Python<'_>, path: String) -> PyErr {
    let text = format!("`{path}` is not held: it was released before");
    make(py, "NotLockedMutexException", text, Some(path), None, None)
}

pub(crate) fn path_error(error: &PathError) -> PyErr {
    PyValueError::new_err(error.to_string())
}

fn blocked(py: Python<'_>, kind: &str, text: String, path: Option<String>, blocker: &Blocker) -> PyErr {
    let owner = blocker.owner().map(|owner| owner.as_str().to_owned());
    make(py, kind, text, path, Some(blocker.path().to_string()), owner)
}

fn make(
    py: Python<'_>,
    kind: &str,
    text: String,
    path: Option<String>,
    blocking_path: Option<String>,
    owner: Option<String>,
) -> PyErr {
    let made = MAKE
        .import(py, "mutextree._errors", "make")
        .and_then(|make| make.call1((kind, text, path, blocking_path, owner)));
    made.map_or_else(|error| error, PyErr::from_value)
}

/// The text of an error and of those that it comes from.
fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
