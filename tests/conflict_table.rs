//! Every lock against every other lock on a tree of three levels. The conflict table says which of
//! them exclude each other; here each pair is tried, and waited for.

mod common;

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use common::asking::{AT_MOST, in_time};
use common::kinds::{Ask, EXCLUSIVE, Kind, SMALL_TREE, all_locks};
use common::naive::NaiveStore;
use mutextree::{LockError, LockStore, MemoryStore, Mode, OwnedTreeMutexGuard, TreeMutex};

/// Every lock on the tree with its mutex.
fn every_lock<S: LockStore>(store: &S) -> Vec<(Ask, TreeMutex<S>)> {
    all_locks(&SMALL_TREE).map(|ask| (ask.clone(), ask.mutex(store))).collect()
}

fn assert_all_free<S: LockStore>(store: &S, after: impl std::fmt::Debug) {
    assert!(!store.mutex("/").unwrap().is_locked(), "something is left after {after:?}");
}

/// Tries every lock while `held` are, and asks of every node whether it is locked.
fn try_everything<S: LockStore>(all: &[(Ask, TreeMutex<S>)], held: &[&Ask]) {
    for (asked, mutex) in all {
        let in_the_way: Vec<_> = held.iter().filter(|lock| lock.conflicts(asked)).collect();
        let error = match (mutex.try_lock(), &*in_the_way) {
            (Ok(_), []) => continue,
            (Err(error), [_, ..]) => error,
            (Ok(_), _) => panic!("{asked:?} was had while {in_the_way:?} held"),
            (Err(error), _) => panic!("{asked:?} was refused while {held:?} held: {error}"),
        };
        assert!(matches!(error, LockError::WouldBlock { .. }), "{error:?}");
        assert!(
            in_the_way.iter().any(|lock| Some(&lock.path) == error.blocking_path()),
            "{asked:?} was refused because of {in_the_way:?}, but: {error}"
        );
    }
    for (asked, mutex) in all {
        let exclusive = Ask::new(&asked.path, Kind::new(Mode::Exclusive, asked.kind.scope));
        let expected = held.iter().any(|lock| lock.conflicts(&exclusive));
        assert_eq!(mutex.is_locked(), expected, "{:?} {} while {held:?} held", asked.path, asked.kind.scope);
    }
}

fn every_pair_and_triple<S: LockStore>(store: S) {
    let all = every_lock(&store);
    try_everything(&all, &[]);
    for (first, mutex) in &all {
        let _first = mutex.try_lock().unwrap();
        try_everything(&all, &[first]);
        for (second, mutex) in &all {
            if let Ok(guard) = mutex.try_lock() {
                try_everything(&all, &[first, second]);
                drop(guard);
                try_everything(&all, &[first]);
            }
        }
    }
    assert_all_free(&store, "all of them");
}

/// Two locks released in either order, one of them perhaps downgraded before: what is left counts,
/// and nothing else.
fn every_order_of_release<S: LockStore>(store: S) {
    let all = every_lock(&store);
    for (first, first_mutex) in &all {
        for (second, second_mutex) in all.iter().filter(|(second, _)| !second.conflicts(first)) {
            let (one, other) = (first_mutex.lock().unwrap(), second_mutex.lock().unwrap());
            drop(one);
            try_everything(&all, &[second]);
            drop(other);
            assert_all_free(&store, (first, second));

            let (mut one, other) = (first_mutex.lock().unwrap(), second_mutex.lock().unwrap());
            one.downgrade().unwrap();
            let mut downgraded = first.clone();
            downgraded.kind.mode = Mode::Shared;
            try_everything(&all, &[&downgraded, second]);
            drop(other);
            drop(one);
            assert_all_free(&store, (first, second));
        }
    }
}

/// Somebody else who locks, one lock after the other, and hands the guards back.
struct Other<S: LockStore> {
    asks: Sender<TreeMutex<S>>,
    guards: Receiver<OwnedTreeMutexGuard<S>>,
}

impl<S: LockStore> Other<S> {
    fn new() -> Self {
        let (asks, to_do) = channel::<TreeMutex<S>>();
        let (done, guards) = channel();
        thread::spawn(move || to_do.into_iter().try_for_each(|mutex| done.send(mutex.lock_owned().unwrap())));
        Self { asks, guards }
    }

    fn asks_for(&self, mutex: &TreeMutex<S>) {
        self.asks.send(mutex.clone()).unwrap();
    }

    fn waits(&self) -> bool {
        matches!(self.guards.recv_timeout(Duration::from_micros(500)), Err(RecvTimeoutError::Timeout))
    }

    fn gets_it(&self) -> OwnedTreeMutexGuard<S> {
        self.guards.recv_timeout(AT_MOST).expect("it waits for ever")
    }
}

/// The second lock is asked for in another thread: it waits as long as the first is held if they
/// conflict, and not at all if they do not.
fn every_pair_waited_for<S: LockStore>(store: S) {
    let all = every_lock(&store);
    let other = Other::new();
    for (first, first_mutex) in &all {
        for (second, second_mutex) in &all {
            let held = first_mutex.lock().unwrap();
            other.asks_for(second_mutex);
            if first.conflicts(second) {
                assert!(other.waits(), "{second:?} was had while {first:?} held");
                drop(held);
                let guard = other.gets_it();
                assert!(first_mutex.try_lock().is_err(), "{second:?} was let in, but does not keep off {first:?}");
                drop(guard);
            } else {
                drop(other.gets_it());
                drop(held);
            }
            assert_all_free(&store, (first, second));
        }
    }
}

/// Two who keep a third one waiting: it gets in when both have left, and no sooner.
fn every_two_in_the_way<S: LockStore>(store: S) {
    let all = every_lock(&store);
    let other = Other::new();
    let (asked, mutex) = all.iter().find(|(ask, _)| *ask == Ask::new("a", EXCLUSIVE)).unwrap();
    let conflicting: Vec<_> = all.iter().filter(|(ask, _)| ask.conflicts(asked)).collect();
    for (first, first_mutex) in &conflicting {
        for (second, second_mutex) in conflicting.iter().filter(|(second, _)| !second.conflicts(first)) {
            let (one, two) = (first_mutex.lock().unwrap(), second_mutex.lock().unwrap());
            other.asks_for(mutex);
            assert!(other.waits(), "{asked:?} was had while {first:?} and {second:?} held");
            drop(one);
            assert!(other.waits(), "{asked:?} was had while {second:?} held");
            drop(two);
            drop(other.gets_it());
            assert_all_free(&store, (first, second));
        }
    }
}

macro_rules! for_each_store {
    ($($test:ident)+) => {
        mod naive {
            $(#[test] fn $test() { super::in_time(|| super::$test(super::NaiveStore::default())); })+
        }
        mod memory {
            $(#[test] fn $test() { super::in_time(|| super::$test(super::MemoryStore::new())); })+
        }
    };
}

for_each_store! { every_pair_and_triple every_order_of_release every_pair_waited_for every_two_in_the_way }
