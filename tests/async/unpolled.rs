//! A task that was woken and is not polled: it loses its turn, and the waiters behind it get in.

use std::time::{Duration, Instant};

use crate::common::asking::{Asking, asking};
use crate::common::hand::queued;
use crate::common::kinds::{EXCLUSIVE, mutex};
use crate::dropping::behind;
use crate::shapes::{SHAPES, Shape};
use crate::stores::Tested;

/// The promise is about ten milliseconds. A store that waits for the poll waits for ever.
const BOUND: Duration = Duration::from_secs(2);

fn holds_nobody_up<S: Tested>(store: &S, shape: &Shape, task_first: usize) {
    let (path, kind) = shape.asked;
    let hold = |&(path, kind): &_| mutex(store, path, kind).try_lock_owned().unwrap();
    let mut held: Vec<_> = shape.held.iter().map(hold).collect();
    let mut unpolled = queued(store, path, kind);
    let behind: Vec<_> =
        shape.behind.iter().enumerate().map(|(at, &lock)| behind(store, lock, at % 2 == task_first)).collect();
    while held.pop().is_some() {
        // It waits for them one after the other, in whatever order, and is left alone once all are
        // gone.
        if !held.is_empty() && unpolled.is_woken_within(Duration::from_millis(1)) {
            assert!(unpolled.poll().is_none(), "each of those held is in its way");
        }
    }
    let start = Instant::now();
    behind.into_iter().for_each(Asking::ends);
    assert!(start.elapsed() < BOUND, "{shape:?}: those behind it waited for {:?}", start.elapsed());
    // And it is in no worse a position than a newcomer.
    drop(unpolled.block_on());
    store.assert_as_new();
}

pub(crate) fn those_behind_it_get_in<S: Tested>() {
    for shape in SHAPES {
        for make in [S::make, S::strict] {
            for task_first in [0, 1] {
                holds_nobody_up(&make(), shape, task_first);
            }
        }
    }
}

/// Every wait but the last is left alone.
pub(crate) fn a_whole_queue_of_them<S: Tested>() {
    for (held, asked) in [("a", "a"), ("a", "a/b"), ("a/b", "a")] {
        for make in [S::make, S::strict] {
            let store = make();
            let guard = mutex(&store, held, EXCLUSIVE).lock_owned().unwrap();
            let unpolled: Vec<_> = (0..10).map(|_| queued(&store, asked, EXCLUSIVE)).collect();
            let last = mutex(&store, asked, EXCLUSIVE);
            let last = asking(move || drop(last.lock_owned().unwrap()));
            drop(guard);
            let start = Instant::now();
            last.ends();
            assert!(start.elapsed() < 2 * BOUND, "it waited for {:?}", start.elapsed());
            let late: Vec<_> = unpolled.into_iter().map(|wait| asking(move || drop(wait.block_on()))).collect();
            late.into_iter().for_each(Asking::ends);
            store.assert_as_new();
        }
    }
}

/// It lost its turn, others came and went, it was polled and waited again, and lost its turn again:
/// it still gets in when it is polled.
pub(crate) fn turns_lost_are_not_held_against_it<S: Tested>() {
    for (held, asked) in [("a", "a"), ("a", "a/b"), ("a/b", "a")] {
        let store = S::strict();
        let mut guard = mutex(&store, held, EXCLUSIVE).lock_owned().unwrap();
        let mut wait = queued(&store, asked, EXCLUSIVE);
        for _ in 0..3 {
            drop(guard);
            wait.is_woken_at_last();
            guard = mutex(&store, held, EXCLUSIVE).try_lock_owned_for(BOUND).expect("it has lost its turn");
            assert!(wait.poll().is_none(), "the lock is held");
        }
        drop(guard);
        drop(wait.block_on());
        store.assert_as_new();
    }
}
