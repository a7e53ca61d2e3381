//! A wait that is dropped, at every point there is, leaves the tree as if it had never been. The
//! next waiter goes on.

use mutextree::OwnedTreeMutexGuard;

use crate::common::asking::{Asking, asking};
use crate::common::hand::{Hand, lock, queued};
use crate::common::kinds::{Ask, EXCLUSIVE, mutex};
use crate::shapes::{Lock, SHAPES, Shape};
use crate::stores::Tested;

/// What happens to a wait, before it is dropped.
#[derive(Clone, Copy, Debug)]
enum Event {
    Poll,
    /// The next of the held locks is released.
    Release,
}

fn events(shape: &Shape) -> Vec<Event> {
    let mut events = vec![Event::Poll, Event::Poll];
    shape.held.iter().for_each(|_| events.extend([Event::Release, Event::Poll]));
    events
}

fn held<S: Tested>(store: &S, (path, kind): Lock) -> OwnedTreeMutexGuard<S> {
    mutex(store, path, kind).try_lock_owned().expect("what a shape holds does not conflict")
}

/// Who waits behind: a thread, or a task that has been polled, and was therefore in the queue
/// before this returned.
pub(crate) fn behind<S: Tested>(store: &S, (path, kind): Lock, is_task: bool) -> Asking<()> {
    if is_task {
        let mut wait = lock(store, path, kind);
        let ready = wait.poll();
        asking(move || drop(ready.unwrap_or_else(|| wait.block_on())))
    } else {
        let mutex = mutex(store, path, kind);
        asking(move || drop(mutex.lock_owned().unwrap()))
    }
}

fn drop_after<S: Tested>(store: &S, shape: &Shape, count: usize, task_first: usize) {
    let (path, kind) = shape.asked;
    let mut held: Vec<_> = shape.held.iter().map(|&lock| (lock, held(store, lock))).collect();
    held.reverse(); // the first one is released first
    let mut waiting: Hand<_> = lock(store, path, kind);
    let mut waiters = Vec::new();
    let mut granted = None;
    for (at, event) in events(shape)[..count].iter().enumerate() {
        match event {
            Event::Poll => granted = waiting.poll(),
            Event::Release => drop(held.pop()),
        }
        if at == 0 {
            let wait = |(at, &lock)| (lock, behind(store, lock, at % 2 == task_first));
            waiters.extend(shape.behind.iter().enumerate().map(wait));
        }
        if held.is_empty() && matches!(event, Event::Release) {
            waiting.is_woken_at_last();
        }
    }
    drop(waiting);
    drop(granted); // after the last poll it may have been

    // Those whom only the dropped one kept out get in now, before anything else is released.
    let conflicts =
        |(path, kind): Lock, (other, other_kind): Lock| Ask::new(path, kind).conflicts(&Ask::new(other, other_kind));
    let (kept_out, free): (Vec<_>, Vec<_>) =
        waiters.into_iter().partition(|(lock, _)| held.iter().any(|(held, _)| conflicts(*lock, *held)));
    // One that waits behind another that is kept out can be next in line: then it is not free.
    let all_free = kept_out.is_empty();
    let (mut later, mut now) = (kept_out, Vec::new());
    for (lock, waiter) in free {
        let in_line = !all_free && later.iter().any(|(other, _)| conflicts(lock, *other));
        if in_line { later.push((lock, waiter)) } else { now.push(waiter) }
    }
    now.into_iter().for_each(Asking::ends);
    drop(held);
    later.into_iter().for_each(|(_, waiter)| waiter.ends());
    store.assert_as_new();
}

pub(crate) fn at_every_point<S: Tested>() {
    for shape in SHAPES {
        for make in [S::make, S::strict] {
            for count in 0..=events(shape).len() {
                for task_first in [0, 1] {
                    drop_after(&make(), shape, count, task_first);
                }
            }
        }
    }
}

/// A future that nobody ever polled has done nothing.
pub(crate) fn before_the_first_poll<S: Tested>() {
    let store = S::make();
    let never_polled = lock(&store, "a", EXCLUSIVE);
    drop(mutex(&store, "a/b", EXCLUSIVE).try_lock().unwrap());
    drop(never_polled);
    store.assert_as_new();
}

/// A wait that has been in the queue is gone when its drop returns. Not so where a thread waits for
/// it (`provided.rs`).
pub(crate) fn leaves_nothing_at_once<S: Tested>() {
    let store = S::make();
    let held = held(&store, ("a", EXCLUSIVE));
    let wait = queued(&store, "a/b", EXCLUSIVE);
    drop(wait);
    drop(held);
    let root = mutex(&store, "/", EXCLUSIVE);
    assert!(!root.is_locked(), "something is still locked");
    drop(root.try_lock().expect("something is still locked"));
}

/// Many in one queue, of which every other one is dropped, some before and some after the release:
/// the rest get in.
pub(crate) fn every_other_one<S: Tested>() {
    for (held, asked) in [("a", "a"), ("a", "a/b"), ("a/b", "a")] {
        let store = S::make();
        let guard = mutex(&store, held, EXCLUSIVE).lock_owned().unwrap();
        let mut waits: Vec<_> = (0..20).map(|_| queued(&store, asked, EXCLUSIVE)).collect();
        let mut at = 0;
        waits.retain(|_| {
            at += 1;
            at % 4 != 0
        });
        drop(guard);
        waits.retain(|_| {
            at += 1;
            at % 3 != 0
        });
        let waits: Vec<_> = waits.into_iter().map(|wait| asking(move || drop(wait.block_on()))).collect();
        waits.into_iter().for_each(Asking::ends);
        store.assert_as_new();
    }
}
