//! [`Rounds`]: a thread that does something again and again while there is a reason to.
//!
//! It starts with the first reason, and ends when there has been none for [`LINGER`]. Nothing is
//! done, and nothing of others is dropped, under its lock.
//!
//! A forked child has no such thread, and the copy of the lock may never be released. So rounds
//! belong to the process that had the first reason. Another process makes none.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{PlainArc as Arc, contain};

/// How long the thread stays when there is no reason.
const LINGER: Duration = Duration::from_secs(1);

/// One round: whether it was hurried, and for how long to wait before the next. `None` ends it.
type Round = Box<dyn FnMut(bool) -> Option<Duration> + Send>;

pub(crate) struct Rounds {
    /// 0 before the first reason.
    process: AtomicU32,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    reasons: usize,
    running: bool,
    hurried: bool,
}

/// A reason, for as long as it lives.
#[derive(Debug)]
pub(crate) struct Reason(Arc<Rounds>);

impl Rounds {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { process: AtomicU32::new(0), state: Mutex::default(), changed: Condvar::new() })
    }

    fn is_ours(&self) -> bool {
        let process = std::process::id();
        let owner = self.process.compare_exchange(0, process, Ordering::Relaxed, Ordering::Relaxed);
        owner.is_ok() || owner == Err(process)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There is a reason from now on. The first round comes after `pause`. `None` in a forked
    /// child.
    pub(crate) fn reason(self: &Arc<Self>, pause: Duration, round: impl FnOnce() -> Round) -> Option<Reason> {
        if !self.is_ours() {
            return None;
        }
        let mut state = self.lock();
        state.reasons += 1;
        if !state.running {
            let (rounds, round) = (self.clone(), round());
            let thread = std::thread::Builder::new().name("mutextree-deadlock".into());
            // Should the machine have no thread left, the next reason tries again.
            state.running = thread.spawn(move || rounds.run(pause, round)).is_ok();
        } else if state.reasons == 1 {
            self.changed.notify_one();
        }
        drop(state);
        Some(Reason(self.clone()))
    }

    /// The next round comes at once.
    pub(crate) fn hurry(&self) {
        if self.is_ours() {
            self.lock().hurried = true;
            self.changed.notify_one();
        }
    }

    fn run(&self, first: Duration, mut round: Round) {
        let mut pause = first;
        loop {
            let mut state = self.lock();
            let end = Instant::now() + LINGER;
            while state.reasons == 0 {
                let left = end.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    state.running = false;
                    return;
                }
                state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            }
            let end = Instant::now() + pause;
            while !state.hurried {
                let left = end.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            }
            let hurried = std::mem::take(&mut state.hurried);
            drop(state);
            let mut next = Some(first);
            contain(|| next = round(hurried)); // or a round that panics would be the last
            match next {
                Some(next) => pause = next,
                None => {
                    self.lock().running = false;
                    return;
                }
            }
        }
    }
}

impl Drop for Reason {
    fn drop(&mut self) {
        if self.0.is_ours() {
            self.0.lock().reasons -= 1;
        }
    }
}

impl fmt::Debug for Rounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rounds").finish_non_exhaustive()
    }
}
