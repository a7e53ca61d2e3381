//! Nobody starves: not an inner node under a storm of leaf locks, not a leaf under a storm of inner
//! locks, not a writer among readers.
//!
//! The storms are as hostile as they can be. In a *relay* each holder stays until the next one has
//! the lock. So the wanted node is never free of them for a moment, unless the store keeps
//! newcomers back. After [`BATON`] a holder leaves in any case. In a *rush* several threads lock
//! again at once after each release. The times allowed are generous, as the machine may be busy. A
//! store that starves a waiter makes it wait for as long as the storm lasts.

mod common;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use common::asking::{Asking, asking};
use common::kinds::{Ask, EXCLUSIVE, EXCLUSIVE_NODE, Kind, SHARED, SHARED_NODE, all_locks};
use common::naive::NaiveStore;
use mutextree::{LockStore, MemoryStore, TreeMutex};

/// How long a holder of a relay waits for the next one.
const BATON: Duration = Duration::from_millis(4);
/// How long a holder of a rush holds.
const TURN: Duration = Duration::from_micros(500);
/// The longest that anybody may wait: the storm lasts on.
const LONGEST: Duration = Duration::from_secs(3);
/// How long they may wait in the median.
const MEDIAN: Duration = Duration::from_millis(50);
/// How many may overtake in a rush, in the median: those of the millisecond allowed, several times
/// over.
const OVERTAKEN: usize = 30;
const ROUNDS: usize = 15;

/// One storm at a time: they measure.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Threads that lock all the time, until it is dropped.
struct Storm {
    over: Arc<AtomicBool>,
    /// How many locks have been had.
    had: Arc<AtomicUsize>,
    threads: Vec<Asking<()>>,
}

impl Storm {
    /// One thread for each of these. `hold` gets the number of locks that had been had, and holds.
    fn new<S: LockStore>(store: &S, asks: &[(&str, Kind)], hold: fn(&dyn Fn() -> bool)) -> Self {
        let (over, had) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let thread = |&(path, kind): &(&str, Kind)| {
            let (mutex, over, had) = (Ask::new(path, kind).mutex(store), over.clone(), had.clone());
            asking(move || {
                while !over.load(SeqCst) {
                    let _guard = mutex.lock().unwrap();
                    let mine = had.fetch_add(1, SeqCst) + 1;
                    hold(&|| over.load(SeqCst) || had.load(SeqCst) > mine);
                }
            })
        };
        let threads = asks.iter().map(thread).collect();
        Self { over, had, threads }
    }

    /// Each holds until the next one is in.
    fn relay<S: LockStore>(store: &S, asks: &[(&str, Kind)]) -> Self {
        Self::new(store, asks, |next_is_in| {
            let start = Instant::now();
            while !next_is_in() && start.elapsed() < BATON {
                thread::yield_now();
            }
        })
    }

    /// Each holds for a short time, and asks again at once.
    fn rush<S: LockStore>(store: &S, asks: &[(&str, Kind)]) -> Self {
        Self::new(store, asks, |_| {
            let start = Instant::now();
            while start.elapsed() < TURN {
                std::hint::spin_loop();
            }
        })
    }

    /// Waits until it has been going for a while since now.
    fn goes_on(&self) {
        let (before, start) = (self.had.load(SeqCst), Instant::now());
        while self.had.load(SeqCst) < before + 3 * self.threads.len() {
            assert!(start.elapsed() < LONGEST, "the storm itself stands still");
            thread::yield_now();
        }
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        self.over.store(true, SeqCst);
        if !thread::panicking() {
            self.threads.drain(..).for_each(Asking::ends);
        }
    }
}

/// Locks, and says for how long it waited and how many were let in meanwhile.
fn wait_for<S: LockStore>(mutex: &TreeMutex<S>, had: &AtomicUsize) -> (Duration, usize) {
    let (before, start) = (had.load(SeqCst), Instant::now());
    let guard = mutex.try_lock_for(LONGEST);
    let result = (start.elapsed(), had.load(SeqCst) - before);
    drop(guard.unwrap_or_else(|error| panic!("starved, and overtaken by {}: {error}", result.1)));
    result
}

/// Asks again and again, in the midst of the storm, for each of `wanted` at the same time.
fn everybody_gets_through<S: LockStore>(store: &S, storm: Storm, wanted: &[(&str, Kind)]) -> Vec<(Duration, usize)> {
    let mutexes: Vec<_> = wanted.iter().map(|&(path, kind)| Ask::new(path, kind).mutex(store)).collect();
    let mut medians: Vec<(Vec<Duration>, Vec<usize>)> = mutexes.iter().map(|_| Default::default()).collect();
    for _ in 0..ROUNDS {
        storm.goes_on();
        let waiting: Vec<_> = mutexes
            .iter()
            .map(|mutex| {
                let (mutex, had) = (mutex.clone(), storm.had.clone());
                asking(move || wait_for(&mutex, &had))
            })
            .collect();
        for (waiting, (times, overtaken)) in waiting.into_iter().zip(&mut medians) {
            let (time, by) = waiting.ends();
            times.push(time);
            overtaken.push(by);
        }
    }
    drop(storm);
    let median = |(mut times, mut overtaken): (Vec<Duration>, Vec<usize>)| {
        times.sort();
        overtaken.sort();
        (times[ROUNDS / 2], overtaken[ROUNDS / 2])
    };
    let medians: Vec<_> = medians.into_iter().map(median).collect();
    for (asked, (time, _)) in wanted.iter().zip(&medians) {
        assert!(*time <= MEDIAN, "{asked:?} waited {time:?} in the median");
    }
    medians
}

/// Under a relay: the present holders leave, and it is in.
fn under_a_relay<S: LockStore>(make: fn() -> S, storm: &[(&str, Kind)], wanted: &[(&str, Kind)]) {
    let (_alone, store) = (alone(), make());
    everybody_gets_through(&store, Storm::relay(&store, storm), wanted);
}

/// Under a rush: few overtake.
fn under_a_rush<S: LockStore>(make: fn() -> S, storm: &[(&str, Kind)], wanted: &[(&str, Kind)]) {
    let (_alone, store) = (alone(), make());
    for (time, overtaken) in everybody_gets_through(&store, Storm::rush(&store, storm), wanted) {
        assert!(overtaken <= OVERTAKEN, "{wanted:?} was overtaken {overtaken} times in the median, in {time:?}");
    }
}

/// Who waits keeps off later ones on its node and above, wherever it sleeps itself, and whoever
/// else is let in by those it waits for. For every kind of lock that can wait for a lock above it.
#[test]
fn later_ones_queue_behind_one_that_sleeps_elsewhere() {
    let store = MemoryStore::builder().patience(Duration::ZERO).build();
    let above: Vec<_> = all_locks(&["a"]).collect();
    let asked: Vec<_> = all_locks(&["a/b"]).collect();
    for (held, waits) in above.iter().flat_map(|held| asked.iter().map(move |waits| (held, waits))) {
        if !held.conflicts(waits) {
            continue;
        }
        let holder = held.mutex(&store).lock_owned().unwrap();
        let mutex = waits.mutex(&store);
        let waiting = asking(move || mutex.lock_owned().unwrap());
        let others = all_locks(&["/", "a", "a/b", "a/c"]).filter(|later| !later.conflicts(held));
        let (behind, free): (Vec<_>, Vec<_>) = others.partition(|later| later.conflicts(waits));
        for later in behind {
            let (mutex, start) = (later.mutex(&store), Instant::now());
            while mutex.try_lock().is_ok() {
                assert!(start.elapsed() < LONGEST, "{later:?} overtakes {waits:?}, which waits for {held:?}");
                thread::yield_now();
            }
        }
        for later in free {
            assert!(later.mutex(&store).try_lock().is_ok(), "{later:?} has nothing to do with {waits:?}");
        }
        drop(holder);
        drop(waiting.ends());
    }
    assert!(!store.mutex("/").unwrap().is_locked());
}

const LEAVES: &[(&str, Kind)] = &[("a/1", EXCLUSIVE), ("a/2", EXCLUSIVE), ("a/b/3", EXCLUSIVE), ("a/b/c/4", EXCLUSIVE)];
const READ_LEAVES: &[(&str, Kind)] = &[("a/1", SHARED), ("a/1", SHARED), ("a/b/3", SHARED), ("a/b/3", SHARED_NODE)];
const READERS: &[(&str, Kind)] = &[("a", SHARED), ("a", SHARED), ("a", SHARED), ("a", SHARED)];
const WRITERS: &[(&str, Kind)] = &[("a", EXCLUSIVE), ("a", EXCLUSIVE), ("a", EXCLUSIVE), ("a", EXCLUSIVE)];
const READ_ALL_OVER: &[(&str, Kind)] = &[("/", SHARED), ("a", SHARED), ("a/b", SHARED), ("a/b/c", SHARED)];
const WRITE_ALL_OVER: &[(&str, Kind)] = &[("/", EXCLUSIVE), ("a", EXCLUSIVE), ("a/b", EXCLUSIVE), ("a/b/c", EXCLUSIVE)];

macro_rules! storms {
    ($($test:ident: $how:ident($storm:expr, $wanted:expr);)+) => {
        mod naive {
            use super::*;
            $(#[test] fn $test() { $how(NaiveStore::default, $storm, &$wanted); })+
        }
        mod memory {
            use super::*;
            $(#[test] fn $test() { $how(MemoryStore::new, $storm, &$wanted); })+
        }
    };
}

storms! {
    an_inner_writer_above_leaves: under_a_relay(LEAVES, [("a", EXCLUSIVE)]);
    an_inner_reader_above_leaves: under_a_relay(LEAVES, [("a", SHARED)]);
    the_root_above_leaves: under_a_relay(LEAVES, [("/", EXCLUSIVE)]);
    the_root_above_readers: under_a_relay(READ_LEAVES, [("/", EXCLUSIVE)]);
    a_leaf_below_readers: under_a_relay(READERS, [("a/b/c", EXCLUSIVE)]);
    a_writer_among_readers: under_a_relay(READERS, [("a", EXCLUSIVE)]);
    a_node_only_writer_among_readers: under_a_relay(READERS, [("a", EXCLUSIVE_NODE)]);
    a_writer_between_readers_above_and_below: under_a_relay(READ_ALL_OVER, [("a/b", EXCLUSIVE)]);
    writers_everywhere_among_readers:
        under_a_relay(READ_ALL_OVER, [("/", EXCLUSIVE), ("a/b", EXCLUSIVE), ("a/b/c", EXCLUSIVE_NODE)]);
    a_leaf_below_writers: under_a_rush(WRITERS, [("a/b/c", EXCLUSIVE)]);
    a_reader_below_writers: under_a_rush(WRITERS, [("a/b", SHARED)]);
    a_writer_among_writers: under_a_rush(WRITERS, [("a", EXCLUSIVE)]);
    an_inner_node_above_a_rush_of_leaves: under_a_rush(LEAVES, [("a", EXCLUSIVE)]);
    readers_everywhere_among_writers:
        under_a_rush(WRITE_ALL_OVER, [("/", SHARED), ("a/b", SHARED), ("a/b/c", SHARED_NODE)]);
}
