//! Tasks on a real runtime, and threads beside them.

use std::sync::Arc;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use mutextree::{OwnedTreeMutexGuard, TreeMutex, TreeMutexGuard};

use crate::common::asking::{Asking, asking};
use crate::common::kinds::{EXCLUSIVE, Kind, SHARED, mutex};
use crate::runtimes::Runtime;
use crate::stores::Tested;

const A_MOMENT: Duration = Duration::from_millis(20);

/// Lets others run.
pub(crate) async fn yield_now() {
    smol::future::yield_now().await;
}

/// A wait by a task, on its way.
fn task<S: Tested, R: Runtime>(runtime: &R, store: &S, path: &str, kind: Kind) -> Asking<OwnedTreeMutexGuard<S>> {
    let mutex = mutex(store, path, kind);
    runtime.task(async move { mutex.lock_owned_async().await.unwrap() })
}

pub(crate) fn a_release_lets_the_task_in<S: Tested, R: Runtime>() {
    let (store, runtime) = (S::make(), R::start());
    for (held, asked) in [("a", "a"), ("a/b/c", "a"), ("a", "a/b/c"), ("/", "a"), ("a", "/")] {
        for (holding, asking) in [(EXCLUSIVE, EXCLUSIVE), (EXCLUSIVE, SHARED), (SHARED, EXCLUSIVE)] {
            let guard = mutex(&store, held, holding).try_lock_owned_for(Duration::from_secs(5)).unwrap();
            let waiter = task(&runtime, &store, asked, asking);
            waiter.still_waits("they conflict");
            drop(guard);
            let guard = waiter.ends();
            assert!(mutex(&store, held, EXCLUSIVE).try_lock().is_err(), "the task on `{asked}` has no lock");
            drop(guard);
        }
    }
    store.assert_as_new();
}

/// Tasks and threads that all conflict take turns, each many times.
pub(crate) fn tasks_and_threads_take_turns<S: Tested, R: Runtime>() {
    for path in ["a/b", "a"] {
        let (store, runtime) = (S::make(), R::start());
        let inside = Arc::new(AtomicUsize::new(0));
        // One task and one thread below `a`, on the same leaf, so that the others have something to
        // look down at.
        let path_of = |at: usize| if path == "a" && at == 0 { "a/c" } else { path };
        let enter = |inside: &AtomicUsize| assert_eq!(inside.fetch_add(1, SeqCst), 0, "two are in");
        let tasks = (0..4).map(|at| {
            let (mutex, inside) = (mutex(&store, path_of(at), EXCLUSIVE), inside.clone());
            runtime.task(async move {
                for _ in 0..100 {
                    let _guard = mutex.lock_async().await.unwrap();
                    enter(&inside);
                    yield_now().await;
                    inside.fetch_sub(1, SeqCst);
                }
            })
        });
        let tasks: Vec<_> = tasks.collect();
        let threads = (0..4).map(|at| {
            let (mutex, inside) = (mutex(&store, path_of(at), EXCLUSIVE), inside.clone());
            asking(move || {
                for _ in 0..100 {
                    let _guard = mutex.lock().unwrap();
                    enter(&inside);
                    inside.fetch_sub(1, SeqCst);
                }
            })
        });
        let threads: Vec<_> = threads.collect();
        tasks.into_iter().chain(threads).for_each(Asking::ends);
        store.assert_as_new();
    }
}

/// Nobody, task or thread, waits while the others go round and round.
pub(crate) fn nobody_starves<S: Tested, R: Runtime>() {
    for (storm, asked) in [("a/b", "a"), ("a", "a/b"), ("a", "a")] {
        let (store, runtime) = (S::make(), R::start());
        let over = Arc::new(AtomicBool::new(false));
        let storm = (0..4).map(|at| {
            let path = if storm == "a/b" { format!("a/{at}") } else { storm.to_owned() };
            let (mutex, over) = (mutex(&store, path, EXCLUSIVE), over.clone());
            runtime.task(async move {
                while !over.load(SeqCst) {
                    let _guard = mutex.lock_async().await.unwrap();
                    yield_now().await;
                }
            })
        });
        let storm: Vec<_> = storm.collect();
        for _ in 0..5 {
            drop(task(&runtime, &store, asked, EXCLUSIVE).ends());
            let mutex = mutex(&store, asked, EXCLUSIVE);
            drop(mutex.try_lock_for(Duration::from_secs(5)).expect("starved"));
        }
        over.store(true, SeqCst);
        storm.into_iter().for_each(Asking::ends);
        store.assert_as_new();
    }
}

/// Held while others run, and released on whichever thread the task is on by then.
pub(crate) fn a_guard_is_held_across_awaits<S: Tested, R: Runtime>() {
    let (store, runtime) = (S::make(), R::start());
    let in_it = Arc::new(Barrier::new(2));
    let (mutex, enters) = (mutex(&store, "a", EXCLUSIVE), in_it.clone());
    let task = runtime.task(async move {
        let guard = mutex.lock_async().await.unwrap();
        enters.wait();
        for _ in 0..1000 {
            yield_now().await;
            assert!(guard.is_held());
        }
        guard.unlock().unwrap();
    });
    in_it.wait();
    task.ends();
    store.assert_as_new();
}

/// The time is over while it waits, again and again: nothing is left of it, and who waited behind
/// it gets in.
pub(crate) fn a_timeout_gives_up<S: Tested, R: Runtime>() {
    let (store, runtime) = (S::make(), R::start());
    for (held, asked, behind) in [("a", "a", "a/b"), ("a", "a/b", "a/b"), ("a/b", "a", "a/c"), ("a/b", "/", "b")] {
        let guard = mutex(&store, held, EXCLUSIVE).try_lock_owned_for(Duration::from_secs(5)).unwrap();
        let in_vain = [EXCLUSIVE, SHARED].map(|kind| {
            let mutex = mutex(&store, asked, kind);
            let lock = async move { mutex.lock_owned_async().await.unwrap() };
            (kind, runtime.task(R::timeout(A_MOMENT, Box::pin(lock))))
        });
        let waiter = task(&runtime, &store, behind, EXCLUSIVE);
        for (kind, in_vain) in in_vain {
            assert!(in_vain.ends().is_none(), "{kind:?} on `{asked}` while `{held}` is held");
        }
        if held == "a/b" {
            drop(waiter.ends()); // though nothing was released
            drop(guard);
        } else {
            drop(guard);
            drop(waiter.ends());
        }
        store.assert_as_new();
    }
}

/// A task that panics with a guard in its hands releases.
pub(crate) fn a_panic_releases<S: Tested, R: Runtime>() {
    let (store, runtime) = (S::make(), R::start());
    let mutex_of_it = mutex(&store, "a", EXCLUSIVE);
    let waiter = mutex(&store, "a/b", EXCLUSIVE);
    let panics = runtime.task(async move {
        let caught = std::panic::AssertUnwindSafe(async move {
            let _guard = mutex_of_it.lock_async().await.unwrap();
            yield_now().await;
            std::panic::resume_unwind(Box::new("without a message"));
        });
        smol::future::FutureExt::catch_unwind(caught).await.map(|()| "it went well")
    });
    assert!(panics.ends().is_err());
    drop(waiter.try_lock_owned_for(Duration::from_secs(5)).expect("it was released"));
    drop(waiter);
    store.assert_as_new();
}

/// As many as can wait for one node, and for nodes all over the tree, wait behind one lock: it is
/// released, and all get in.
pub(crate) fn a_crowd_drains<S: Tested, R: Runtime>() {
    for kind in [EXCLUSIVE, SHARED] {
        for one_node in [true, false] {
            let (store, runtime) = (S::make(), R::start());
            let root = mutex(&store, "/", EXCLUSIVE).lock_owned().unwrap();
            let tasks = (0..S::TASKS).map(|at| {
                let path = if one_node { "a/b/c".to_owned() } else { format!("a/{}/{at}", at % 10) };
                let mutex = mutex(&store, path, kind);
                runtime.task(async move { drop(mutex.lock_async().await.unwrap()) })
            });
            let tasks: Vec<_> = tasks.collect();
            drop(root);
            tasks.into_iter().for_each(Asking::ends);
            store.assert_as_new();
        }
    }
}

/// The same crowd gives up, the last ones first, then from the front: it is gone without trace, and
/// nobody waited long for that.
pub(crate) fn a_crowd_gives_up<S: Tested>() {
    for kind in [EXCLUSIVE, SHARED] {
        for one_node in [true, false] {
            let store = S::make();
            let root = mutex(&store, "/", SHARED).lock_owned().unwrap();
            let leaf = mutex(&store, "a/b/c", SHARED).lock_owned().unwrap();
            let mut tasks: std::collections::VecDeque<_> = (0..S::TASKS)
                .map(|at| {
                    let path = if one_node { "a/b/c".to_owned() } else { format!("a/{}/{at}", at % 10) };
                    let mut wait = crate::common::hand::lock(&store, &path, kind);
                    drop(wait.poll());
                    wait
                })
                .collect();
            while tasks.pop_back().is_some() {
                tasks.pop_front();
            }
            drop((root, leaf));
            store.assert_as_new();
        }
    }
}

/// What must be `Send` is: it compiles.
pub(crate) fn futures_and_guards_are_send<S: Tested>() {
    fn is_send<T: Send>(what: T) -> T {
        what
    }
    fn is_sync<T: Sync>(_: &T) {}
    fn is_static<T: 'static>(what: T) -> T {
        what
    }
    let store = S::make();
    let mutex: TreeMutex<S> = is_send(mutex(&store, "a", EXCLUSIVE));
    let guard: TreeMutexGuard<'_, S> = is_send(smol::block_on(is_send(mutex.lock_async())).unwrap());
    is_sync(&guard);
    drop(guard);
    let owned: OwnedTreeMutexGuard<S> = is_static(is_send(smol::block_on(is_send(mutex.lock_owned_async())).unwrap()));
    is_sync(&owned);
    drop(owned);
    smol::block_on(is_static(is_send(async move {
        let guard = mutex.lock_async().await;
        yield_now().await;
        drop(guard);
    })));
    store.assert_as_new();
}
