//! The wait of a thread. On the main thread, which alone runs the handlers of signals, it ends
//! within [`TICK`] of a signal whose handler raises, as Ctrl-C's does.
//!
//! The main thread tries once. If another lock is in the way it polls one future, and sleeps until
//! the future's waker rings. So the wait keeps its place in the queue for as long as it lasts. When
//! it ends without the lock the future is dropped, which leaves nothing behind; a grant that came
//! at that moment is given back.
//!
//! The try is for speed: a lock of a future is given back by another thread. To ask a server is no
//! wait. It takes no longer than the store's timeout, and a signal is seen after it.

use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use mutextree::{Blocker, LockError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::error;
use crate::lock::{Acquiring, Granted, Lockable, Patience, checked};

/// How long a signal may go unnoticed.
const TICK: Duration = Duration::from_millis(50);
/// How long the search for what was in the way may take when a wait is over.
const LONGEST_LOOK: Duration = Duration::from_millis(100);

/// Takes the lock.
pub(crate) fn acquire(py: Python<'_>, mutex: &dyn Lockable, patience: Patience) -> PyResult<Arc<dyn Granted>> {
    // No other thread runs handlers, so there is nothing to look for.
    let looks_up = !matches!(patience, Patience::Never) && is_main_thread(py)?;
    let first = if looks_up { Patience::Never } else { patience };
    match py.detach(|| mutex.lock(first)) {
        Err(LockError::WouldBlock { .. }) if looks_up => {}
        result => return checked(py, result),
    }
    let deadline = match patience {
        Patience::Until(deadline) => Some(deadline),
        Patience::Forever | Patience::Never => None,
    };
    let bell = Arc::new(Bell::default());
    let mut acquiring = mutex.acquiring();
    loop {
        let until = Instant::now() + TICK;
        let until = deadline.map_or(until, |deadline| until.min(deadline));
        if let Poll::Ready(result) = py.detach(|| poll_until(&mut acquiring, &bell, until)) {
            return checked(py, result);
        }
        let ended = match py.check_signals() {
            Err(raised) => Some(raised),
            Ok(()) if deadline.is_some_and(|deadline| deadline <= Instant::now()) => None,
            Ok(()) => continue,
        };
        py.detach(|| drop(acquiring));
        return Err(ended.unwrap_or_else(|| timed_out(py, mutex)));
    }
}

/// Polls now, and when the bell rings, until that time.
fn poll_until(
    acquiring: &mut Acquiring,
    bell: &Arc<Bell>,
    until: Instant,
) -> Poll<Result<Arc<dyn Granted>, LockError>> {
    let waker = Waker::from(bell.clone());
    loop {
        let polled = acquiring.as_mut().poll(&mut Context::from_waker(&waker));
        if polled.is_ready() || !bell.wait_until(until) {
            return polled;
        }
    }
}

/// Rung by a waker, on any thread.
#[derive(Default)]
struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Bell {
    /// Whether it rang by that time, since it was last asked.
    fn wait_until(&self, until: Instant) -> bool {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let left = until.saturating_duration_since(Instant::now());
        let waited = self.changed.wait_timeout_while(rung, left, |rung| !*rung);
        let (mut rung, _) = waited.unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *rung)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_one();
    }
}

/// The exception of a wait that ran out of time. It names what is in the way now, if that is found
/// out soon: a server that is away must not prolong the wait.
pub(crate) fn timed_out(py: Python<'_>, mutex: &dyn Lockable) -> PyErr {
    match py.detach(|| look(mutex)) {
        Some(blocker) => error::raise(py, LockError::TimedOut { blocker }),
        None => error::timed_out(py, mutex.path().to_string()),
    }
}

fn look(mutex: &dyn Lockable) -> Option<Blocker> {
    let (tell, told) = sync_channel(1);
    let finder = mutex.finder();
    let look = move || {
        let _ = tell.send(finder().ok().and_then(|blockers| blockers.into_iter().next()));
    };
    thread::Builder::new().name("mutextree-look".into()).spawn(look).ok()?;
    told.recv_timeout(LONGEST_LOOK).ok().flatten()
}

fn is_main_thread(py: Python<'_>) -> PyResult<bool> {
    static THREADING: PyOnceLock<[Py<PyAny>; 2]> = PyOnceLock::new();
    let [main, this] = THREADING.get_or_try_init(py, || {
        let threading = py.import("threading")?;
        let get = |name| threading.getattr(name).map(Bound::unbind);
        PyResult::Ok([get("main_thread")?, get("get_ident")?])
    })?;
    // A thread that Python did not start has no object of its own, but an identity.
    let main = main.call0(py)?.getattr(py, "ident")?;
    main.bind(py).eq(this.call0(py)?)
}
