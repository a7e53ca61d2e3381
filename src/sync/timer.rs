//! One thread a process that does things later. It revokes leases when they expire, and looks after
//! woken tasks that are not polled. It is started when it is first needed.
//!
//! Dropping a [`Timeout`] takes its job back. So the timer holds no more jobs than there are
//! timeouts. The timer's lock is the last one taken: nothing is
//! locked, and no job is run or dropped, under it.
//!
//! # After a fork
//! A child process has a copy of the timer's state, but not of its thread. If another thread held
//! the timer's lock at the moment of the fork, the copy of the lock is never released. So a timer
//! belongs to one process, by its id, and only that process waits for its lock. A child takes the
//! first timer whose lock it gets without waiting, and starts a thread of its own. A timeout that
//! was set in the parent does not come in the child, and dropping it there does nothing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Instant;

use super::contain;

type Job = Box<dyn FnOnce() + Send>;

/// When, and a number that tells jobs of the same moment apart.
type Key = (Instant, u64);

struct Timer {
    /// The process that it serves; 0 before the first.
    process: AtomicU32,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    due: BTreeMap<Key, Job>,
    last: u64,
    thread: Thread,
}

/// What the timer's thread does.
#[derive(Clone, Copy)]
enum Thread {
    /// There is none yet.
    None,
    /// It will look at what is due before it sleeps.
    Awake,
    /// It sleeps until this instant, if there is one.
    Asleep(Option<Instant>),
}

/// One for the process, and spare ones: a child needs one for each of its forebears that held the
/// lock of its timer just as it was forked.
static TIMERS: [Timer; 8] = [const { Timer::new() }; 8];

/// Something that is to be done later. Dropping it takes it back, unless it has begun.
#[derive(Debug)]
pub(crate) struct Timeout {
    key: Key,
    timer: Option<&'static Timer>,
    process: u32,
}

/// Does `job` at about `when`, on a thread of its own. It should be short, and must not own a
/// [`Timeout`].
#[must_use = "what is dropped is not done"]
pub(crate) fn later(when: Instant, job: impl FnOnce() + Send + 'static) -> Timeout {
    let process = std::process::id();
    // Without a timer, which takes eight unlucky forks in a row, nothing is done later.
    let timer = Timer::for_process(process);
    let number = timer.map_or(0, |timer| timer.add(when, Box::new(job)));
    Timeout { key: (when, number), timer, process }
}

impl Timeout {
    /// Whether it comes, and at `when` at the latest.
    pub(crate) fn comes_by(&self, when: Instant) -> bool {
        self.key.0 <= when && self.process == std::process::id()
    }
}

impl Drop for Timeout {
    fn drop(&mut self) {
        if let Some(timer) = self.timer
            && self.process == std::process::id()
        {
            let job = timer.lock().due.remove(&self.key);
            drop(job); // after the lock
        }
    }
}

impl Timer {
    const fn new() -> Self {
        let state = State { due: BTreeMap::new(), last: 0, thread: Thread::None };
        Self { process: AtomicU32::new(0), state: Mutex::new(state), changed: Condvar::new() }
    }

    fn for_process(process: u32) -> Option<&'static Self> {
        // Acquire: synchronizes with the release in `take_over`.
        let ours = TIMERS.iter().find(|timer| timer.process.load(Ordering::Acquire) == process);
        ours.or_else(|| Self::take_over(process))
    }

    /// Takes a timer that no process has, or that only processes before this one had.
    #[cold]
    fn take_over(process: u32) -> Option<&'static Self> {
        TIMERS.iter().find(|timer| {
            let mut state = match timer.state.try_lock() {
                Ok(state) => state,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                // Held by another thread, which may have been the quicker one to take it.
                Err(TryLockError::WouldBlock) => return timer.process.load(Ordering::Acquire) == process,
            };
            if timer.process.load(Ordering::Relaxed) == process {
                return true;
            }
            let inherited = std::mem::take(&mut state.due);
            state.thread = Thread::None;
            timer.process.store(process, Ordering::Release);
            drop(state);
            drop(inherited);
            true
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&'static self, when: Instant, job: Job) -> u64 {
        let mut state = self.lock();
        state.last += 1;
        let number = state.last;
        state.due.insert((when, number), job);
        match state.thread {
            Thread::None => {
                // Should the machine have no thread left, the next call tries again.
                let thread = std::thread::Builder::new().name("mutextree-timer".into());
                if thread.spawn(move || self.run()).is_ok() {
                    state.thread = Thread::Awake;
                }
            }
            // It wakes up in time by itself, or looks before it sleeps.
            Thread::Asleep(Some(until)) if until <= when => {}
            Thread::Awake => {}
            Thread::Asleep(_) => {
                state.thread = Thread::Awake;
                drop(state);
                self.changed.notify_one();
            }
        }
        number
    }

    fn run(&self) {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            match state.due.first_key_value().map(|((when, _), _)| *when) {
                None => {
                    state.thread = Thread::Asleep(None);
                    state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                Some(when) if now < when => {
                    state.thread = Thread::Asleep(Some(when));
                    let timeout = when.saturating_duration_since(now);
                    state = self.changed.wait_timeout(state, timeout).unwrap_or_else(PoisonError::into_inner).0;
                }
                Some(_) => {
                    let job = state.due.pop_first();
                    drop(state);
                    if let Some((_, job)) = job {
                        contain(job); // or a job that panics would be the last
                    }
                    state = self.lock();
                }
            }
            state.thread = Thread::Awake;
        }
    }
}

impl std::fmt::Debug for Timer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Timer").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
