//! Telling listeners of lost locks. While there are none, no lease is watched for their sake.
//!
//! A channel whose receiver was dropped is noticed, and forgotten, when the next loss is told.

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::tree::Tree;
use crate::store::LostLock;
use crate::sync::{AtomicBool, Mutex, Ordering};

/// The listeners.
#[derive(Debug)]
pub(super) struct Watchers {
    senders: Mutex<Vec<Sender<LostLock>>>,
    /// Whether there are any.
    any: AtomicBool,
}

impl Watchers {
    pub(super) fn new() -> Self {
        Self { senders: Mutex::new(Vec::new()), any: AtomicBool::new(false) }
    }

    pub(super) fn any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    pub(super) fn tell(&self, lost: &LostLock) {
        if self.any() {
            let mut senders = self.senders.lock();
            senders.retain(|sender| sender.send(lost.clone()).is_ok());
            self.any.store(!senders.is_empty(), Ordering::Release);
        }
    }
}

impl Tree {
    /// A channel that hears of every loss from now on.
    pub(super) fn lost_locks(&self) -> Receiver<LostLock> {
        let (sender, receiver) = unbounded();
        let watchers = &self.shared.watchers;
        let mut senders = watchers.senders.lock();
        senders.push(sender);
        watchers.any.store(true, Ordering::Release);
        drop(senders);
        // For the leases that run already. Later ones look for listeners when they begin.
        let mut nodes = vec![self.root.clone()];
        self.index.for_each(|entry| nodes.push(entry.0.clone()));
        for node in nodes.iter().filter(|node| node.cold_if_any().is_some()) {
            node.stir();
        }
        receiver
    }
}
