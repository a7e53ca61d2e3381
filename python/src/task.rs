//! The wait of an asyncio task: [`Waiting`], the future of the crate, and [`Bell`], by which a
//! waker on any thread wakes the event loop.
//!
//! A waker notes the task's number and writes a byte to a socket that the loop reads: see 3 in
//! `lib.rs`. It needs no loop. If that is closed nobody reads the byte.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use pyo3::prelude::*;

use crate::detached;
use crate::held::Held;
use crate::lock::{Acquiring, checked};

/// A lock that a task waits for. If it is collected, or cancelled, it leaves nothing behind.
#[pyclass(frozen, module = "mutextree._native")]
pub(crate) struct Waiting(Mutex<Option<Acquiring>>);

impl Waiting {
    pub(crate) fn new(acquiring: Acquiring) -> Self {
        Self(Mutex::new(Some(acquiring)))
    }

    fn take(&self) -> Option<Acquiring> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[pymethods]
impl Waiting {
    /// The lock, or None: then `bell` rings for `number` when it is time to ask again.
    fn poll(&self, py: Python<'_>, bell: &Bell, number: u64) -> PyResult<Option<Held>> {
        let Some(mut acquiring) = self.take() else { return Ok(None) };
        let waker = Waker::from(Arc::new(Ringer { bell: bell.rings.clone(), number }));
        match py.detach(|| acquiring.as_mut().poll(&mut Context::from_waker(&waker))) {
            Poll::Ready(result) => checked(py, result).map(|granted| Some(Held::new(granted))),
            Poll::Pending => {
                *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(acquiring);
                Ok(None)
            }
        }
    }

    /// Ends the wait.
    fn cancel(&self, py: Python<'_>) {
        let acquiring = self.take();
        py.detach(|| drop(acquiring));
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(acquiring) = self.take() {
            detached(|| drop(acquiring));
        }
    }
}

/// Wakes an event loop: it becomes readable when a task is to ask again.
#[pyclass(frozen, module = "mutextree._native")]
pub(crate) struct Bell {
    rings: Arc<Rings>,
    reads: UnixStream,
}

/// What wakers share with the bell.
struct Rings {
    /// Whose turn it is to ask.
    woken: Mutex<VecDeque<u64>>,
    writes: UnixStream,
}

struct Ringer {
    bell: Arc<Rings>,
    number: u64,
}

impl Wake for Ringer {
    fn wake(self: Arc<Self>) {
        let mut woken = self.bell.woken.lock().unwrap_or_else(PoisonError::into_inner);
        woken.push_back(self.number);
        if woken.len() == 1 {
            // If there is no room there are bytes to read. If nobody can read, nobody waits.
            let _ = (&self.bell.writes).write(&[0]);
        }
    }
}

#[pymethods]
impl Bell {
    #[new]
    fn new() -> PyResult<Self> {
        let (reads, writes) = UnixStream::pair()?;
        reads.set_nonblocking(true)?;
        writes.set_nonblocking(true)?;
        Ok(Self { rings: Arc::new(Rings { woken: Mutex::default(), writes }), reads })
    }

    /// What the loop watches.
    fn fileno(&self) -> i32 {
        self.reads.as_raw_fd()
    }

    /// The numbers for which it rang since the last call.
    fn take(&self, py: Python<'_>) -> PyResult<Vec<u64>> {
        py.detach(|| {
            // The byte first: a ring that comes now is noted below, or writes another.
            let mut bytes = [0; 16];
            match (&self.reads).read(&mut bytes) {
                Err(error) if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Err(error)?,
                _ => {}
            }
            let mut woken = self.rings.woken.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(woken.drain(..).collect())
        })
    }
}
