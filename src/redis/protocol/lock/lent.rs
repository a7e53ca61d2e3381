//! What a [`Lock`] knows of being kept: whether it may be, and which fencing token its next user
//! has. `protocol/keep.rs` has the argument (K1 to K6).

use super::Lock;
use crate::redis::primitives::Ordering;

/// What decides whether a lock may be kept.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Keeping {
    /// Whether it has become something else than what the server granted at once.
    never: bool,
    /// The fencing token that it was granted with: its first user's.
    pub(super) first: u64,
    /// When it was let go of for the first time; 0 before that.
    let_go_at: u64,
    /// How many recalls there had been when it was asked for, or lent last: later ones count.
    since: u64,
    /// Whether it was let go of, and has not been lent since.
    pub(super) is_unused: bool,
    /// Whether others are below it.
    pub(super) is_host: bool,
}

impl Keeping {
    pub(super) fn forbid(&mut self) {
        self.never = true;
    }

    /// Whether there is a fencing token after this one (K5): at most one for each microsecond that
    /// the server's clock has gone on since it was let go of, and at most `most`.
    pub(super) fn next(&self, last: u64, most: u64, now: u64) -> (Lend, u64) {
        let next = last + 1;
        let spent = next.saturating_sub(self.first);
        let passed = now.saturating_sub(self.let_go_at);
        // The server's clock may be a little slower than this one.
        let lend = match spent > passed - passed / 1000 {
            _ if spent > most => Lend::Never,
            true => Lend::Soon,
            false => Lend::Yes,
        };
        (lend, next)
    }
}

/// Whether there is a fencing token for one more user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::redis::protocol) enum Lend {
    Yes,
    /// In a microsecond.
    Soon,
    /// Those that are surely its own are used up.
    Never,
}

impl Lock {
    /// It was not asked for by itself, or has become another lock.
    pub(in crate::redis) fn never_keep(&self) {
        self.state.lock().keeping.forbid();
    }

    /// So many recalls had come before it is asked for.
    pub(in crate::redis) fn with_recalls(self, recalls: u64) -> Self {
        self.state.lock().keeping.since = recalls;
        self
    }

    /// Recalls up to here have been looked at.
    pub(in crate::redis::protocol) fn count_from(&self, recalls: u64) {
        self.state.lock().keeping.since = recalls;
    }

    pub(in crate::redis::protocol) fn counted_from(&self) -> u64 {
        self.state.lock().keeping.since
    }

    /// Whether what the server has is surely this lock, as this kind, and nobody waited in conflict
    /// when it was granted (K2): it did not wait itself, no request is in doubt, and none has set
    /// its end.
    pub(in crate::redis::protocol) fn may_be_kept(&self, kind: u8) -> bool {
        let state = self.state.lock();
        let is_plain = !state.keeping.never && state.upgrades == 0 && self.others.is_empty() && !self.is_detached();
        is_plain
            && state.kind == kind
            && state.renews
            && state.version == 0
            && !state.unsure
            && state.arrival == 0
            && self.deadline() > 0
    }

    /// Its user lets go, and nobody has it until it is lent. `false`, and nothing has changed, if
    /// it was lost.
    pub(in crate::redis::protocol) fn let_go(&self, now: u64) -> bool {
        let mut state = self.state.lock();
        if self.deadline() == 0 {
            return false;
        }
        let keeping = &mut state.keeping;
        if keeping.let_go_at == 0 {
            keeping.let_go_at = now;
        }
        keeping.is_unused = true;
        true
    }

    /// Its renewal is due: whether that is left until it has a user, as neither it nor anything
    /// below it has one. Its next user finds [that](Self::was_left), and tells the agenda.
    pub(in crate::redis::protocol) fn leave(&self) -> bool {
        let state = self.state.lock();
        let is_left = state.keeping.is_unused && !state.keeping.is_host;
        if is_left {
            self.is_left.store(true, Ordering::Relaxed);
        }
        is_left
    }

    /// Asked by its new user: whether the agenda is to be told of that, since its renewal was due
    /// before.
    pub(in crate::redis) fn was_left(&self) -> bool {
        // Relaxed: the steps of `leave` and of `lend` are under one mutex.
        self.is_left.load(Ordering::Relaxed) && self.is_left.swap(false, Ordering::Relaxed)
    }

    /// Has a new user. An exclusive one gets the next fencing token (K5). Users of a shared lock
    /// are in conflict with none of each other.
    pub(in crate::redis::protocol) fn lend(&self, is_exclusive: bool, recalls: u64, most: u64, now: u64) -> Lend {
        let mut state = self.state.lock();
        if is_exclusive {
            let (lend, next) = state.keeping.next(self.fencing_token(), most, now);
            if lend != Lend::Yes {
                return lend;
            }
            self.fencing_token.store(next, Ordering::Relaxed);
        }
        state.keeping.is_unused = false;
        state.keeping.since = recalls;
        Lend::Yes
    }

    /// Whether its fencing token is one that the server does not know.
    pub(in crate::redis) fn was_lent(&self) -> bool {
        self.was_lent_before() && self.fencing_token() > self.state.lock().keeping.first
    }

    /// Whether it had another user before.
    pub(in crate::redis) fn was_lent_before(&self) -> bool {
        self.state.lock().keeping.let_go_at > 0
    }

    /// Whether this was its fencing token at any time since it was granted.
    pub(in crate::redis::protocol) fn has_had(&self, fencing_token: u64) -> bool {
        let first = self.state.lock().keeping.first;
        (first..=self.fencing_token()).contains(&fencing_token)
    }
}
