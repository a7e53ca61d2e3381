//! [`Entry`]: one acquisition, from the first request to the release; [`Waker`]: how its thread, or
//! its task, hears of news.

use std::time::Instant;

use super::sync::{AtomicBool, AtomicU64, Condvar, Mutex, Ordering, Weak, clock};
use super::task::Task;
use crate::path::TreePath;
use crate::request::Owner;

/// A request that is later than this is nobody's fear: then its lease has to do.
pub(crate) const LONGEST_TOMBSTONE: u64 = 60_000_000;

/// Whether it looks like a token: then no script takes it for a path or for a name of its own.
pub(crate) fn is_token(text: &str) -> bool {
    let is_hex = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    text.split_once('.').is_some_and(|(client, number)| is_hex(client) && is_hex(number))
}

/// One acquisition. Its token is the same from the first request to the release, so that any
/// request can be sent again.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Unique in this process; with the client's name in front of it unique in the tree.
    pub(crate) number: u64,
    pub(crate) token: String,
    pub(crate) path: TreePath,
    pub(crate) owner: Option<Owner>,
    /// The full length, in microseconds.
    pub(crate) lease: u64,
    /// Until when the lock is held, on [`clock`]; 0 before it is, and for good after it was lost.
    deadline: AtomicU64,
    pub(crate) fence: AtomicU64,
    /// Whether the lease renews itself: not after `refresh_for`.
    pub(crate) renews: AtomicBool,
    /// Whether a request may still be under way, or have done what nobody told us: then the release
    /// leaves a tombstone.
    pub(crate) unsure: AtomicBool,
    /// When the last request was sent whose answer said that it waits: it was not granted before.
    pub(crate) waited_at: AtomicU64,
    /// Its place in the queue: a grant with a smaller token was an earlier one, and has expired.
    pub(crate) arrival: AtomicU64,
    pub(crate) waker: Waker,
}

impl Entry {
    pub(crate) fn new(number: u64, client: &str, path: TreePath, owner: Option<Owner>, lease: u64) -> Self {
        Self {
            number,
            token: format!("{client}.{number:x}"),
            path,
            owner,
            lease,
            deadline: AtomicU64::new(0),
            fence: AtomicU64::new(0),
            renews: AtomicBool::new(true),
            unsure: AtomicBool::new(false),
            waited_at: AtomicU64::new(0),
            arrival: AtomicU64::new(0),
            waker: Waker::default(),
        }
    }

    /// The acquisition of a task.
    pub(crate) fn of_task(self, task: Weak<Task>) -> Self {
        Self { waker: Waker { news: Mutex::default(), bed: Bed::Task(task) }, ..self }
    }

    /// One that somebody has detached, maybe elsewhere: its first request may be under way for all
    /// we know.
    pub(crate) fn detached(token: &str, path: TreePath, lease: u64) -> Self {
        let entry = Self { token: token.into(), ..Self::new(0, "", path, None, lease) };
        entry.renews.store(false, Ordering::Relaxed);
        entry.unsure.store(true, Ordering::Relaxed);
        entry
    }

    /// For how long a tombstone has to keep a late request from being granted, if one may be under
    /// way; else 0.
    pub(crate) fn tombstone(&self) -> u64 {
        if self.unsure.load(Ordering::Relaxed) { self.lease.min(LONGEST_TOMBSTONE) } else { 0 }
    }

    /// The first deadline.
    pub(crate) fn granted(&self, fence: u64, deadline: u64) {
        self.fence.store(fence, Ordering::Relaxed);
        self.deadline.store(deadline, Ordering::Release); // Release: synchronizes with the loads of the keeper
    }

    pub(crate) fn deadline(&self) -> u64 {
        self.deadline.load(Ordering::Acquire)
    }

    /// Whether the lock is held right now. Once it is not, no late answer of the server can bring
    /// it back: the first to see that the time is up makes it so.
    pub(crate) fn is_held(&self) -> bool {
        let deadline = self.deadline();
        deadline > clock() || (deadline != 0 && !self.expire(deadline))
    }

    /// A new deadline, unless the old one has passed.
    pub(crate) fn extend(&self, deadline: u64) -> bool {
        let mut old = self.deadline();
        loop {
            if old <= clock() {
                self.lose();
                return false;
            }
            match self.deadline.compare_exchange(old, deadline, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return true,
                Err(now) => old = now,
            }
        }
    }

    /// A new deadline, whatever the old one was.
    pub(crate) fn set(&self, deadline: u64) {
        self.deadline.store(deadline, Ordering::Release);
    }

    /// It is not held any more.
    pub(crate) fn lose(&self) {
        self.deadline.store(0, Ordering::Release);
    }

    fn expire(&self, seen: u64) -> bool {
        match self.deadline.compare_exchange(seen, 0, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => true,
            Err(now) => now <= clock(),
        }
    }
}

/// How whoever waits is told that there is news. News that comes before anybody waits for it is
/// kept.
#[derive(Debug, Default)]
pub(crate) struct Waker {
    news: Mutex<News>,
    bed: Bed,
}

#[derive(Debug)]
enum Bed {
    Thread(Condvar),
    /// What becomes of its news is in `task.rs`.
    Task(Weak<Task>),
}

impl Default for Bed {
    fn default() -> Self {
        Self::Thread(Condvar::new())
    }
}

/// What there is to know.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum News {
    #[default]
    Nothing,
    /// Something may have changed: ask the server.
    Ask,
    /// It has been granted, with this fencing token.
    Granted(u64),
}

impl Waker {
    pub(crate) fn is_task(&self) -> bool {
        matches!(self.bed, Bed::Task(_))
    }

    /// There is news: ask the server. A task is woken by nobody's code but ours.
    pub(crate) fn wake(&self) {
        let mut news = self.news.lock();
        if let News::Nothing = *news {
            *news = News::Ask;
        }
        match &self.bed {
            Bed::Thread(changed) => _ = changed.notify_one(),
            Bed::Task(task) => {
                drop(news);
                if let Some(task) = task.upgrade() {
                    task.asks_again();
                }
            }
        }
    }

    /// It has been granted. To be called under no lock: a task's own waker may be called.
    pub(crate) fn grant(&self, fence: u64) {
        *self.news.lock() = News::Granted(fence);
        match &self.bed {
            Bed::Thread(changed) => _ = changed.notify_one(),
            Bed::Task(task) => {
                if let Some(task) = task.upgrade() {
                    task.is_granted();
                }
            }
        }
    }

    /// Takes what news there is.
    pub(crate) fn take(&self) -> News {
        std::mem::take(&mut *self.news.lock())
    }

    /// A thread waits for news, until `deadline` at the most. News that came before counts.
    pub(crate) fn sleep(&self, deadline: Option<Instant>) -> News {
        let Bed::Thread(changed) = &self.bed else { return self.take() };
        let mut news = self.news.lock();
        while let News::Nothing = *news {
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
