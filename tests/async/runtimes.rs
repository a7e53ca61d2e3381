//! Where tasks run: tokio with one thread and with several, smol, and one thread a task with a
//! `block_on` of our own.

use std::future::Future;
use std::pin::Pin;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use crate::common::asking::Asking;
use crate::common::hand::Hand;

pub(crate) type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

pub(crate) trait Runtime: Send + Sync + 'static {
    fn start() -> Self;

    /// Lets a task go, from any thread.
    fn spawn(&self, task: Boxed<()>);

    /// The runtime's own way to give up: `None` if the time was over first.
    fn timeout<T: Send + 'static>(time: Duration, future: Boxed<T>) -> Boxed<Option<T>>;

    /// Starts a task, and is told how it ends.
    fn task<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> Asking<T> {
        let (answers, answer) = channel();
        self.spawn(Box::pin(async move {
            let _ = answers.send(task.await);
        }));
        Asking::new(answer)
    }
}

/// Several threads that steal tasks from each other.
pub(crate) struct TokioThreads(tokio::runtime::Runtime);

impl Runtime for TokioThreads {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(3).enable_time().build();
        Self(runtime.unwrap())
    }

    fn spawn(&self, task: Boxed<()>) {
        self.0.spawn(task);
    }

    fn timeout<T: Send + 'static>(time: Duration, future: Boxed<T>) -> Boxed<Option<T>> {
        Box::pin(async move { tokio::time::timeout(time, future).await.ok() })
    }
}

/// One thread, which ends with this.
pub(crate) struct TokioOneThread {
    handle: tokio::runtime::Handle,
    _end: tokio::sync::oneshot::Sender<()>,
}

impl Runtime for TokioOneThread {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let (end, ended) = tokio::sync::oneshot::channel();
        let handle = runtime.handle().clone();
        thread::spawn(move || runtime.block_on(ended));
        Self { handle, _end: end }
    }

    fn spawn(&self, task: Boxed<()>) {
        self.handle.spawn(task);
    }

    fn timeout<T: Send + 'static>(time: Duration, future: Boxed<T>) -> Boxed<Option<T>> {
        TokioThreads::timeout(time, future)
    }
}

pub(crate) struct Smol;

impl Runtime for Smol {
    fn start() -> Self {
        Self
    }

    fn spawn(&self, task: Boxed<()>) {
        smol::spawn(task).detach();
    }

    fn timeout<T: Send + 'static>(time: Duration, future: Boxed<T>) -> Boxed<Option<T>> {
        let over = async move {
            smol::Timer::after(time).await;
            None
        };
        Box::pin(smol::future::or(async move { Some(future.await) }, over))
    }
}

/// A thread a task, and a `block_on` that polls with another waker each time.
pub(crate) struct ByHand;

impl Runtime for ByHand {
    fn start() -> Self {
        Self
    }

    fn spawn(&self, task: Boxed<()>) {
        thread::spawn(move || Hand::new(task).block_on());
    }

    fn timeout<T: Send + 'static>(time: Duration, future: Boxed<T>) -> Boxed<Option<T>> {
        Smol::timeout(time, future)
    }
}
