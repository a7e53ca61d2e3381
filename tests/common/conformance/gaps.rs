//! Is what stays locked free for a moment, while its lock changes?

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;

use mutextree::LockStore;

use crate::common::asking::{Asking, asking};
use crate::common::kinds::{SHARED, mutex};

/// Threads that try all the time to get in, or look whether it is free.
pub(super) struct Intruders {
    /// Odd rounds are those in which it is locked from begin to end.
    round: Arc<AtomicUsize>,
    done: Arc<AtomicBool>,
    gaps: Arc<AtomicUsize>,
    threads: Vec<Asking<()>>,
}

impl Intruders {
    /// One for each path; it only looks if that is said.
    pub(super) fn new<S: LockStore>(store: &S, paths: [(&str, bool); 5]) -> Self {
        let (round, done, gaps) = <(Arc<AtomicUsize>, Arc<AtomicBool>, Arc<AtomicUsize>)>::default();
        let intruder = |(path, look_only)| {
            let (mutex, round) = (mutex(store, path, SHARED), round.clone());
            let (done, gaps) = (done.clone(), gaps.clone());
            asking(move || {
                while !done.load(SeqCst) {
                    let before = round.load(SeqCst);
                    let free = if look_only { !mutex.is_locked() } else { mutex.try_lock().is_ok() };
                    if before % 2 == 1 && free && round.load(SeqCst) == before {
                        gaps.fetch_add(1, SeqCst);
                    }
                    thread::yield_now();
                }
            })
        };
        let threads = paths.map(intruder).into();
        Self { round, done, gaps, threads }
    }

    /// Does what nobody may get in during.
    pub(super) fn locked_during<T>(&self, change: impl FnOnce() -> T) -> T {
        self.round.fetch_add(1, SeqCst);
        let result = change();
        self.round.fetch_add(1, SeqCst);
        result
    }

    /// Ends them. That none of them got in.
    #[track_caller]
    pub(super) fn none_got_in(self) {
        self.done.store(true, SeqCst);
        self.threads.into_iter().for_each(Asking::ends);
        assert_eq!(self.gaps.load(SeqCst), 0, "what stays locked was free for a moment");
    }
}
