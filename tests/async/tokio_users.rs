//! What users of tokio do: `select!`, abort, `spawn_blocking`.

use std::time::Duration;

use crate::common::kinds::{EXCLUSIVE, mutex};
use crate::stores::Tested;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

/// Of two locks the one that can be had is taken, and the wait for the other one leaves nothing; in
/// either order, and again and again on the same future.
pub(crate) fn select_takes_the_first<S: Tested>() {
    let store = S::make();
    let (one, other) = (mutex(&store, "a/1", EXCLUSIVE), mutex(&store, "a/2", EXCLUSIVE));
    runtime().block_on(async {
        let held = one.lock_async().await.unwrap();
        let taken = tokio::select! {
            biased;
            guard = one.lock_async() => guard.unwrap(),
            guard = other.lock_async() => guard.unwrap(),
        };
        assert_eq!(taken.path(), other.path());
        // Both are taken now. A wait that is selected on over and over keeps its place.
        let mut wait = std::pin::pin!(one.lock_async());
        let mut ticks = 0;
        let mut held = Some(held);
        let guard = loop {
            tokio::select! {
                guard = &mut wait => break guard.unwrap(),
                () = tokio::time::sleep(Duration::from_millis(1)) => {
                    ticks += 1;
                    if ticks == 5 {
                        held = None;
                    }
                }
            }
        };
        assert!(held.is_none());
        drop((guard, taken));
    });
    drop((one, other));
    store.assert_as_new();
}

pub(crate) fn an_aborted_task_is_forgotten<S: Tested>() {
    let store = S::make();
    for (held, asked) in [("a", "a"), ("a", "a/b"), ("a/b", "a")] {
        let guard = mutex(&store, held, EXCLUSIVE).try_lock_owned_for(Duration::from_secs(5)).unwrap();
        runtime().block_on(async {
            let mutex = mutex(&store, asked, EXCLUSIVE);
            let task = tokio::spawn(async move { drop(mutex.lock_owned_async().await) });
            tokio::task::yield_now().await;
            task.abort();
            assert!(task.await.unwrap_err().is_cancelled());
        });
        drop(guard);
        store.assert_as_new();
    }
}

/// `lock` belongs on a thread that may block; there it waits in the same queue.
pub(crate) fn a_blocking_thread_of_the_runtime_waits_beside_tasks<S: Tested>() {
    let store = S::make();
    runtime().block_on(async {
        let guard = mutex(&store, "a", EXCLUSIVE).lock_owned_async().await.unwrap();
        let (above, below) = (mutex(&store, "/", EXCLUSIVE), mutex(&store, "a/b", EXCLUSIVE));
        let thread = tokio::task::spawn_blocking(move || drop(above.lock().unwrap()));
        let task = tokio::spawn(async move { drop(below.lock_async().await.unwrap()) });
        tokio::task::yield_now().await;
        drop(guard);
        thread.await.unwrap();
        task.await.unwrap();
    });
    store.assert_as_new();
}

/// A free lock is there at the first poll, however often: nothing yields in between.
pub(crate) fn a_free_lock_is_ready_at_once<S: Tested>() {
    let store = S::make();
    let one = mutex(&store, "a", EXCLUSIVE);
    for _ in 0..1000 {
        let wait = std::pin::pin!(one.lock_async());
        let polled = wait.poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
        assert!(polled.is_ready());
    }
}

/// What the documentation advises: a loop over free locks lets its neighbours run.
pub(crate) fn a_loop_takes_part_in_the_budget<S: Tested>() {
    let store = S::make();
    let one = mutex(&store, "a", EXCLUSIVE);
    let runs = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    runtime().block_on(async {
        let neighbour = runs.clone();
        let neighbour = tokio::spawn(async move { neighbour.store(true, std::sync::atomic::Ordering::SeqCst) });
        while !runs.load(std::sync::atomic::Ordering::SeqCst) {
            drop(tokio::task::coop::cooperative(one.lock_async()).await.unwrap());
        }
        neighbour.await.unwrap();
    });
}
