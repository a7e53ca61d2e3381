//! What belongs to the embedding program: its wakers, which may panic, and its threads' park
//! tokens.

mod common;

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc;
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use common::naive::NaiveStore;
use mutextree::{LockStore, MemoryStore, TreeMutex};

/// Longer than anything here takes, on a busy machine, too.
const AT_MOST: Duration = Duration::from_secs(20);

/// Panics when it is woken, or when it is dropped.
struct Panics {
    on_wake: bool,
    on_drop: bool,
}

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        if self.on_wake {
            std::panic::resume_unwind(Box::new("a waker's own words"));
        }
    }
}

impl Drop for Panics {
    fn drop(&mut self) {
        if self.on_drop && !thread::panicking() {
            std::panic::resume_unwind(Box::new("a waker's last words"));
        }
    }
}

const WAYS: [(bool, bool); 3] = [(true, false), (false, true), (true, true)];

/// Polls once, with a waker that panics: the lock must not be there.
fn sleeps<F: Future>(wait: &mut Pin<Box<F>>, (on_wake, on_drop): (bool, bool)) {
    let waker = Waker::from(Arc::new(Panics { on_wake, on_drop }));
    assert!(wait.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    drop(waker); // not the last of it: the wait has one
}

/// A thread that locks, and says so when it has.
fn locks(mutex: TreeMutex, has: &mpsc::Sender<()>) -> thread::JoinHandle<()> {
    let has = has.clone();
    thread::spawn(move || {
        let guard = mutex.lock().unwrap();
        has.send(()).unwrap();
        drop(guard);
    })
}

/// None of those that wait gets its lock before it is released, however long this is.
fn let_them_queue() {
    thread::sleep(Duration::from_millis(50));
}

#[test]
fn a_waker_that_panics_keeps_nobody_asleep() {
    // The lock that is held, what the task asks for, and what the two threads behind it ask for.
    for (held, task, behind) in [("a", "a", "a"), ("a", "a/b", "a/c"), ("a", "a/b", "a/b"), ("a/b", "a", "a/b")] {
        for way in WAYS {
            let store = MemoryStore::new();
            let mutex = |path: &str| store.mutex(path).unwrap();
            let guard = mutex(held).lock_owned().unwrap();
            let task = mutex(task).shared();
            let mut wait = Box::pin(task.lock_async());
            sleeps(&mut wait, way);
            let (has, got) = mpsc::channel();
            let threads = [0, 1].map(|_| locks(mutex(behind).shared(), &has));
            let_them_queue();
            // Whether the one who releases hears of the panic is left open.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(guard)));
            for thread in threads {
                got.recv_timeout(AT_MOST).unwrap_or_else(|_| panic!("{held}, {behind}, {way:?}: still asleep"));
                thread.join().unwrap();
            }
            // The task, too, is none the worse.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(wait)));
            drop(mutex("/").try_lock_for(AT_MOST).unwrap());
            store.shrink_to_fit();
            drop(task);
            store.shrink_to_fit();
            assert_eq!(store.node_count(), 1);
        }
    }
}

/// The same of tasks that are woken one after the other, each because the one before it is not
/// polled.
#[test]
fn wakers_that_panic_are_passed_over() {
    for way in WAYS {
        let store = MemoryStore::new();
        let mutex = store.mutex("a").unwrap();
        let guard = mutex.lock().unwrap();
        let mut waits: Vec<_> = (0..5).map(|_| Box::pin(mutex.lock_async())).collect();
        waits.iter_mut().for_each(|wait| sleeps(wait, way));
        let _ = catch_unwind(AssertUnwindSafe(|| drop(guard)));
        drop(mutex.try_lock_for(AT_MOST).expect("they lose their turn"));
        for wait in waits {
            let _ = catch_unwind(AssertUnwindSafe(|| drop(wait)));
        }
        drop(mutex.try_lock().unwrap());
    }
}

/// A future that is polled again, or dropped, drops its waker, wherever it is.
#[test]
fn a_waker_whose_drop_panics_leaves_the_tree_as_it_was() {
    for (held, asked) in [("a", "a"), ("a", "a/b"), ("a/b", "a")] {
        for is_polled in [false, true] {
            let store = MemoryStore::new();
            let guard = store.lock(held).unwrap();
            let mutex = store.mutex(asked).unwrap();
            let mut wait = Box::pin(mutex.lock_async());
            sleeps(&mut wait, (false, true));
            if is_polled {
                let polled =
                    AssertUnwindSafe(|| wait.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
                assert!(!catch_unwind(polled).unwrap_or(false));
            }
            let _ = catch_unwind(AssertUnwindSafe(|| drop(wait)));
            drop(guard);
            drop(store.mutex("/").unwrap().try_lock().unwrap());
        }
    }
}

/// A store that has no tasks of its own waits in a thread for them. The thread outlives the panic,
/// and so gives back what the task does not collect.
#[test]
fn a_waker_that_panics_leaves_no_lock_behind_in_a_store_that_blocks() {
    for way in WAYS {
        let store = NaiveStore::default();
        let (mutex, other) = (store.mutex("a").unwrap(), store.mutex("a/b").unwrap());
        let held = mutex.lock().unwrap();
        let mut wait = Box::pin(mutex.lock_async());
        sleeps(&mut wait, way);
        drop(held);
        while !mutex.is_locked() {
            thread::yield_now(); // until it is the task's, which is woken then
        }
        drop(other.try_lock_for(AT_MOST).unwrap());
    }
}

/// A guard that is dropped while its thread unwinds must not panic a second time: that would end
/// the process.
#[test]
fn a_guard_dropped_in_a_panic_wakes_a_waker_that_panics() {
    let store = MemoryStore::new();
    let mutex = store.mutex("a").unwrap();
    let guard = mutex.lock_owned().unwrap();
    let mut wait = Box::pin(mutex.lock_async());
    sleeps(&mut wait, (true, true));
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let _guard = guard;
        std::panic::resume_unwind(Box::new("the holder's own words"));
    }));
    assert_eq!(panic.unwrap_err().downcast_ref(), Some(&"the holder's own words"));
    drop(mutex.try_lock_for(AT_MOST).unwrap());
}

/// A token given to a thread before or while it waits for a lock is there afterwards.
#[test]
fn a_wait_leaves_the_threads_park_token_alone() {
    let store = MemoryStore::new();
    let _held = store.lock("a").unwrap();
    for (asked, wait) in [("a", 50), ("a/b", 50), ("/", 50), ("a", 0)] {
        let mutex = store.mutex(asked).unwrap();
        thread::current().unpark();
        assert!(mutex.try_lock_for(Duration::from_millis(wait)).is_err());
        let start = Instant::now();
        thread::park_timeout(AT_MOST);
        assert!(start.elapsed() < AT_MOST / 2, "{asked}: the token is gone");
    }
}

/// And a wait leaves none behind: a thread that parks afterwards is not woken for a lock that it
/// has.
#[test]
fn a_wait_leaves_no_park_token_behind() {
    let store = MemoryStore::new();
    let guard = store.lock("a").unwrap();
    let mutex = store.mutex("a").unwrap();
    let waiter = thread::spawn(move || {
        drop(mutex.lock().unwrap());
        let start = Instant::now();
        thread::park_timeout(Duration::from_millis(200));
        start.elapsed()
    });
    let_them_queue();
    drop(guard);
    assert!(waiter.join().unwrap() >= Duration::from_millis(100));
}
