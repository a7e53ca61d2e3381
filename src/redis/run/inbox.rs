//! [`Inbox`]: how a waiter is told. News that comes before the waiter looks is kept for it.

use std::fmt;
use std::task::Waker;
use std::time::Instant;

use crate::redis::primitives::{Arc, Condvar, Mutex, Weak};
use crate::redis::protocol::message::News;
use crate::sync::contain;

/// A waiting task, as far as its inbox knows it.
pub(in crate::redis) trait Hears: Send + Sync {
    /// There is news in its inbox. Called under no lock.
    fn hears(self: Arc<Self>);
}

/// A user's code: its panic is not the caller's.
pub(super) fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        contain(|| waker.wake());
    }
}

/// Where the news for one waiter is left.
pub(in crate::redis) struct Inbox {
    news: Mutex<News>,
    waiter: Waiter,
}

enum Waiter {
    Thread(Condvar),
    Task(Weak<dyn Hears>),
}

impl Inbox {
    /// Of the calling thread.
    pub(super) fn of_thread() -> Self {
        Self { news: Mutex::default(), waiter: Waiter::Thread(Condvar::new()) }
    }

    pub(super) fn of_task(task: Weak<dyn Hears>) -> Self {
        Self { news: Mutex::default(), waiter: Waiter::Task(task) }
    }

    /// Leaves news. To be called under no lock: a task's own waker may be called.
    ///
    /// A grant says all there is to know, so nothing takes its place.
    pub(super) fn tell(&self, new: News) {
        {
            let mut news = self.news.lock();
            if !matches!(*news, News::Granted(_)) || matches!(new, News::Granted(_)) {
                *news = new;
            }
        }
        match &self.waiter {
            Waiter::Thread(changed) => changed.notify_one(),
            Waiter::Task(task) => {
                if let Some(task) = task.upgrade() {
                    task.hears();
                }
            }
        }
    }

    /// Takes what news there is.
    pub(super) fn take(&self) -> News {
        std::mem::take(&mut *self.news.lock())
    }

    /// A thread waits for news, until `deadline` at the most.
    pub(super) fn sleep(&self, deadline: Option<Instant>) -> News {
        let Waiter::Thread(changed) = &self.waiter else { return self.take() };
        let mut news = self.news.lock();
        while *news == News::Nothing {
            match deadline {
                None => changed.wait(&mut news),
                Some(deadline) => {
                    if changed.wait_until(&mut news, deadline).timed_out() {
                        break;
                    }
                }
            }
        }
        std::mem::take(&mut *news)
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("news", &self.news).finish_non_exhaustive()
    }
}
