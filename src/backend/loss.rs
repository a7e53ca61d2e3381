//! [`Losses`]: a store tells its listeners of locks that were lost. [`LostLocks`]: one listener.
//!
//! A store watches leases for its listeners only while there are any, so a listener that is dropped
//! takes itself off the list at once. The channel alone would not do that: its sending end learns
//! that nobody listens only when it sends.

use std::fmt;
use std::ops::Deref;

use crossbeam_channel::{Receiver, Sender, never, unbounded};

use super::held::LostLock;
use crate::sync::{AtomicBool, Mutex, Ordering, PlainArc, PlainWeak, Tally};

/// The listeners of all stores of this process: to learn that there is none takes one look.
static ANYWHERE: Tally = Tally::new();

/// The listeners of one store.
#[derive(Debug)]
pub(crate) struct Losses(PlainArc<Listeners>);

#[derive(Debug)]
struct Listeners {
    listening: Mutex<Listening>,
    /// Whether the list has any listener. Changed under its lock.
    any: AtomicBool,
}

#[derive(Debug, Default)]
struct Listening {
    senders: Vec<(u64, Sender<LostLock>)>,
    last_id: u64,
}

impl Losses {
    pub(crate) fn new() -> Self {
        let listening = Mutex::new(Listening::default());
        Self(PlainArc::new(Listeners { listening, any: AtomicBool::new(false) }))
    }

    /// Whether anybody listens. A listener that [`watch`](Self::watch) has returned is seen.
    #[inline]
    pub(crate) fn any(&self) -> bool {
        self.0.any.load(Ordering::Acquire)
    }

    /// Whether anybody listens to any store. Then [`any`](Self::any) knows about this one.
    #[inline]
    pub(crate) fn anywhere() -> bool {
        ANYWHERE.any()
    }

    /// A new listener, who hears of every loss that is told from now on.
    pub(crate) fn watch(&self) -> LostLocks {
        let (sender, receiver) = unbounded();
        let mut listening = self.0.listening.lock();
        listening.last_id += 1;
        let id = listening.last_id;
        listening.senders.push((id, sender));
        ANYWHERE.add();
        self.0.any.store(true, Ordering::Release);
        drop(listening);
        LostLocks { receiver, place: Some((id, PlainArc::downgrade(&self.0))) }
    }

    /// Tells every listener. Never blocks on one: what it has not taken yet is kept for it.
    pub(crate) fn tell(&self, lost: &LostLock) {
        if self.any() {
            for (_, sender) in &self.0.listening.lock().senders {
                // It fails if the listener is about to take itself off the list.
                let _ = sender.send(lost.clone());
            }
        }
    }
}

impl Listeners {
    fn forget(&self, id: u64) {
        let mut listening = self.listening.lock();
        listening.senders.retain(|(theirs, _)| *theirs != id);
        self.any.store(!listening.senders.is_empty(), Ordering::Release);
    }
}

/// Hears of every lock that is lost, from the call of
/// [`lost_locks`](crate::LockStore::lost_locks) on until it is dropped.
///
/// It is a channel: it dereferences to a [`crossbeam_channel::Receiver`], with `recv`, `try_recv`,
/// `recv_timeout`, `iter` and its `select!`. Losses that nobody has taken yet are kept. `recv`
/// fails once the store is gone.
///
/// ```
/// use mutextree::{LockStore, MemoryStore};
/// use std::time::Duration;
///
/// let store = MemoryStore::new();
/// let lost = store.lost_locks();
/// let guard = store.mutex("org/team")?.lease(Duration::from_millis(10)).owner("me").lock_owned()?;
/// let loss = lost.recv_timeout(Duration::from_secs(5)).unwrap(); // it was not refreshed
/// assert_eq!(loss.path, *guard.path());
/// assert_eq!(loss.fencing_token, guard.fencing_token());
/// assert!(!guard.is_held());
/// # Ok::<(), mutextree::LockError>(())
/// ```
#[must_use = "losses are told only while it lives"]
pub struct LostLocks {
    receiver: Receiver<LostLock>,
    /// Where it is on the list; `None` if it is on none.
    place: Option<(u64, PlainWeak<Listeners>)>,
}

impl LostLocks {
    /// One that never hears anything. For implementors of [`Backend`](crate::Backend) whose locks
    /// are never lost.
    pub fn never() -> Self {
        never().into()
    }
}

/// One that hears what comes by a channel. For implementors of [`Backend`](crate::Backend) who tell
/// of losses in their own way.
impl From<Receiver<LostLock>> for LostLocks {
    fn from(receiver: Receiver<LostLock>) -> Self {
        Self { receiver, place: None }
    }
}

impl Deref for LostLocks {
    type Target = Receiver<LostLock>;

    fn deref(&self) -> &Receiver<LostLock> {
        &self.receiver
    }
}

impl Drop for LostLocks {
    fn drop(&mut self) {
        let Some((id, listeners)) = &self.place else { return };
        if let Some(listeners) = listeners.upgrade() {
            listeners.forget(*id);
        }
        ANYWHERE.remove();
    }
}

impl fmt::Debug for LostLocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LostLocks").field("untaken", &self.receiver.len()).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(any(mutextree_loom, mutextree_shuttle))))]
mod tests;
