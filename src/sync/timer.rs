//! One thread a process that does things later: wakes tasks when a lease ends, and looks after
//! woken tasks that nobody polls. It is started when it is first needed, which a program without
//! tasks never does.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

type Job = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Timer {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// When, and the job's number, the earliest first.
    due: BinaryHeap<Reverse<(Instant, u64)>>,
    jobs: std::collections::HashMap<u64, Job>,
    last: u64,
    running: bool,
}

/// Does `job` at about `when`, on a thread of its own. It should be short.
pub(crate) fn later(when: Instant, job: impl FnOnce() + Send + 'static) {
    static TIMER: OnceLock<Timer> = OnceLock::new();
    let timer = TIMER.get_or_init(Timer::default);
    let mut state = timer.lock();
    state.last += 1;
    let number = state.last;
    state.due.push(Reverse((when, number)));
    state.jobs.insert(number, Box::new(job));
    if !state.running {
        // Should the machine have no thread left, the next call tries again.
        let thread = std::thread::Builder::new().name("mutextree-timer".into());
        state.running = thread.spawn(move || timer.run()).is_ok();
    }
    drop(state);
    timer.changed.notify_one();
}

impl Timer {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            let Some(&Reverse((when, number))) = state.due.peek() else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            if now < when {
                let timeout = when - now;
                state = self.changed.wait_timeout(state, timeout).unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            state.due.pop();
            let job = state.jobs.remove(&number);
            drop(state);
            if let Some(job) = job {
                // A waker is somebody else's code. Its panic is its own.
                let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
            }
            state = self.lock();
        }
    }
}
