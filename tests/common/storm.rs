//! One request in the midst of a storm of others, recorded. Nothing here knows threads, so that any
//! harness can use it.
//!
//! The storm is a *relay*: each holder stays until the next one has the lock, if there is a next
//! one. So what they hold is never free for a moment, unless the store keeps newcomers back. The
//! storm ends when the wanted request is granted. It also ends when so many others were let in that
//! a store which keeps its promise would have granted the wanted request long ago.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use mutextree::LockStore;

use super::history::{End, Op};
use super::kinds::Ask;
use super::steps::Clock;

#[derive(Default)]
pub struct Storm {
    over: AtomicBool,
    had: AtomicUsize,
    /// At so many it gives up on the one who is wanted.
    most: usize,
}

impl Storm {
    pub fn of_at_most(most: usize) -> Self {
        Self { most, ..Self::default() }
    }

    /// How many locks have been had.
    pub fn had(&self) -> usize {
        self.had.load(SeqCst)
    }

    /// One of the storm. `hold` is given what says whether the next one is in, and returns then, or
    /// after a while.
    pub fn blow<S: LockStore>(&self, store: &S, clock: &Clock, ask: &Ask, hold: impl Fn(&dyn Fn() -> bool)) -> Vec<Op> {
        let mutex = ask.mutex(store);
        let mut ops = Vec::new();
        let is_over = || self.over.load(SeqCst) || self.had() >= self.most;
        while !is_over() {
            let asked = clock.now();
            let guard = mutex.lock_owned().unwrap();
            let from = clock.now();
            let mine = self.had.fetch_add(1, SeqCst) + 1;
            hold(&|| is_over() || self.had() > mine);
            let before = clock.now();
            drop(guard);
            ops.push(held(ask, [asked, from, before, clock.now()]));
        }
        ops
    }

    /// The one who is wanted, and whose lock ends the storm.
    pub fn brave<S: LockStore>(&self, store: &S, clock: &Clock, ask: &Ask) -> Vec<Op> {
        let mutex = ask.mutex(store);
        let asked = clock.now();
        let guard = mutex.lock_owned().unwrap();
        let from = clock.now();
        self.over.store(true, SeqCst);
        let before = clock.now();
        drop(guard);
        vec![held(ask, [asked, from, before, clock.now()])]
    }
}

fn held(ask: &Ask, [asked, from, before, after]: [u64; 4]) -> Op {
    let end = End::Held { from, downgraded: None, released: [before, after], token: None };
    Op { ask: ask.clone(), asked, end }
}

/// Storms, and who is wanted in them: an inner node above leaves, a leaf below inner nodes, a
/// writer among readers.
pub fn storms() -> Vec<(Vec<Ask>, Ask)> {
    use super::kinds::{EXCLUSIVE, EXCLUSIVE_NODE, SHARED};
    let asks = |paths: &[&str], kind| paths.iter().map(|path| Ask::new(*path, kind)).collect::<Vec<_>>();
    vec![
        (asks(&["a/1", "a/2", "a/b/3", "a/b/4"], EXCLUSIVE), Ask::new("a", EXCLUSIVE)),
        (asks(&["a/1", "a/1", "a/b/3", "a/b/3"], SHARED), Ask::new("/", EXCLUSIVE)),
        (asks(&["a", "a", "a", "a"], SHARED), Ask::new("a", EXCLUSIVE)),
        (asks(&["a", "a", "a", "a"], SHARED), Ask::new("a", EXCLUSIVE_NODE)),
        (asks(&["a", "a", "a", "a"], SHARED), Ask::new("a/b/c", EXCLUSIVE)),
        (asks(&["/", "a", "a/b", "a/b/c"], SHARED), Ask::new("a/b", EXCLUSIVE)),
        (asks(&["a", "a", "a", "a"], EXCLUSIVE), Ask::new("a/b", SHARED)),
    ]
}
