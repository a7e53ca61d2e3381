//! Futures polled by hand, one poll at a time, and a `block_on` made of that.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use mutextree::{LockStore, OwnedTreeMutexGuard};

use crate::common::asking::AT_MOST;
use crate::common::kinds::{Kind, mutex};

/// A future, and a new waker for each poll: one that is woken through an older waker than its
/// latest sleeps for ever.
pub(crate) struct Hand<T> {
    future: Pin<Box<dyn Future<Output = T> + Send>>,
    bell: Arc<Bell>,
}

#[derive(Default)]
struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        *self.rung.lock().unwrap() = true;
        self.changed.notify_all();
    }
}

impl<T> Hand<T> {
    pub(crate) fn new(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self { future: Box::pin(future), bell: Arc::default() }
    }

    /// Polls once.
    pub(crate) fn poll(&mut self) -> Option<T> {
        self.bell = Arc::default();
        let waker = Waker::from(self.bell.clone());
        match self.future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(answer) => Some(answer),
            Poll::Pending => None,
        }
    }

    /// Whether it was woken since it was polled last, within this time.
    pub(crate) fn is_woken_within(&self, time: Duration) -> bool {
        let (rung, start) = (self.bell.rung.lock().unwrap(), Instant::now());
        let still_sleeps = |rung: &mut bool| !*rung && start.elapsed() < time;
        *self.bell.changed.wait_timeout_while(rung, time, still_sleeps).unwrap().0
    }

    /// Polls whenever it is woken, for this time. Whether it is ready then.
    pub(crate) fn is_ready_within(&mut self, time: Duration) -> bool {
        let start = Instant::now();
        while self.is_woken_within(time.saturating_sub(start.elapsed())) {
            if self.poll().is_some() {
                return true;
            }
        }
        false
    }

    #[track_caller]
    pub(crate) fn is_woken_at_last(&self) {
        assert!(self.is_woken_within(AT_MOST), "it is never woken");
    }

    /// Polls whenever it is woken, until it is ready.
    #[track_caller]
    pub(crate) fn block_on(mut self) -> T {
        loop {
            if let Some(answer) = self.poll() {
                return answer;
            }
            self.is_woken_at_last();
        }
    }
}

/// A wait for a lock, not polled yet.
pub(crate) fn lock<S: LockStore>(store: &S, path: &str, kind: Kind) -> Hand<OwnedTreeMutexGuard<S>> {
    let mutex = mutex(store, path, kind);
    Hand::new(async move { mutex.lock_owned_async().await.expect("these stores do not fail") })
}

/// A wait for a lock that must not be free: polled once, so it is in the queue.
#[track_caller]
pub(crate) fn queued<S: LockStore>(store: &S, path: &str, kind: Kind) -> Hand<OwnedTreeMutexGuard<S>> {
    let mut wait = lock(store, path, kind);
    assert!(wait.poll().is_none(), "{kind:?} on `{path}` does not wait");
    wait
}
