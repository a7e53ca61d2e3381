//! What a [`Lock`] knows of being below a kept one, or of being the one above: `keep/below.rs` has
//! the argument (K7 to K12).

use super::{Lend, Lock, State};
use crate::redis::primitives::{Arc, Ordering};

impl State {
    /// Until when the lock above is held; 0 if there is none that is.
    pub(super) fn deadline_of_host(&self, now: u64) -> u64 {
        self.host.as_ref().filter(|host| host.is_held(now)).map_or(0, |host| host.deadline())
    }
}

impl Lock {
    /// A new lock below a kept one, as this kind, with the fencing token that was drawn last there.
    pub(in crate::redis::protocol) fn below(mut self, host: &Arc<Self>, kind: u8) -> Self {
        self.host_depth = Some(host.path.depth());
        self.set_kind(kind);
        self.granted(host.fencing_token(), host.deadline(), false);
        let mut state = self.state.lock();
        state.host = Some(host.clone());
        state.keeping.forbid();
        drop(state);
        self
    }

    /// Whether it was taken below a kept lock.
    pub(in crate::redis) fn is_guest(&self) -> bool {
        self.host_depth.is_some()
    }

    /// Whether it is not the server's to know: it is below a kept lock.
    pub(in crate::redis) fn is_below(&self) -> bool {
        self.is_guest() && self.state.lock().host.is_some()
    }

    /// How many components the path of the lock has that it was taken below, if it was.
    pub(in crate::redis::protocol) fn host_depth(&self) -> Option<usize> {
        self.host_depth
    }

    /// Until when it is held, as far as is known; its own deadline may be an earlier one of the
    /// lock above (K9).
    pub(in crate::redis) fn latest_deadline(&self) -> u64 {
        if !self.is_guest() {
            return self.deadline();
        }
        let state = self.state.lock();
        match (self.deadline(), &state.host) {
            (0, _) => 0,
            (own, None) => own,
            (own, Some(host)) => own.max(host.deadline()),
        }
    }

    /// The exchange begins: from now on its deadline is its own (K10).
    pub(in crate::redis::protocol) fn leave_host(&self) {
        let mut state = self.state.lock();
        let Some(host) = state.host.take() else { return };
        if self.deadline() > 0 {
            let its = host.deadline();
            self.set(if its == 0 { 0 } else { its.max(self.deadline()) });
        }
    }

    /// The server has it: it is a lock like any other, and renews itself.
    pub(in crate::redis::protocol) fn became_own(&self) {
        self.state.lock().renews = true;
    }

    /// Draws a fencing token for a guest, within the same bounds as for a user (K8).
    pub(in crate::redis::protocol) fn draw(&self, most: u64, now: u64) -> Lend {
        let mut state = self.state.lock();
        let (lend, next) = state.keeping.next(self.fencing_token(), most, now);
        if lend == Lend::Yes {
            self.fencing_token.store(next, Ordering::Relaxed);
            state.keeping.is_host = true;
        }
        lend
    }

    /// The last lock below it is gone.
    pub(in crate::redis::protocol) fn was_host(&self) {
        self.state.lock().keeping.is_host = false;
    }

    /// Whether nobody has it as a lock of his own: it is kept, or a host.
    pub(in crate::redis) fn is_unused(&self) -> bool {
        self.state.lock().keeping.is_unused
    }
}
