//! [`Link`]: the connections of one store to its server: which server they lead to, and whether one
//! broke since the last was opened.

use super::{meters, spans};
use crate::sync::{AtomicBool, Mutex, Ordering, PlainArc, contain};

/// Shared by all that open connections for one store, and by the connections.
#[derive(Clone, Debug, Default)]
pub(crate) struct Link(PlainArc<State>);

#[derive(Debug, Default)]
struct State {
    broken: AtomicBool,
    /// Where the last connection leads.
    peer: Mutex<Option<String>>,
}

impl Link {
    /// A connection broke, or none could be opened. That is said once one is open again.
    pub(crate) fn broke(&self) {
        self.0.broken.store(true, Ordering::Relaxed);
    }

    /// A connection to `server`, as the URL names it, is open, and leads to what `peer` says.
    pub(crate) fn opened(&self, server: &str, peer: impl FnOnce() -> Option<String>) {
        // Relaxed: of several that are opened at a time one says it.
        if self.0.broken.swap(false, Ordering::Relaxed) {
            meters::reconnected();
            contain(|| spans::reconnected(server));
        }
        let Some(peer) = peer() else { return };
        let mut last = self.0.peer.lock();
        if last.as_ref() == Some(&peer) {
            return;
        }
        let old = last.replace(peer.clone());
        drop(last);
        if let Some(old) = old {
            contain(|| spans::moved(server, &old, &peer));
        }
    }
}

#[cfg(all(test, feature = "tracing", not(any(mutextree_loom, mutextree_shuttle))))]
mod tests;
