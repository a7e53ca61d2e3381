//! [`Holder`]: what is done with a lock while it is held. It looks often whether it is, as only
//! what was seen counts.

use std::time::Duration;

use mutextree::LockError;

use crate::clock::{MILLI, now};
use crate::event::{What, tell, tell_now};
use crate::user::{Ask, Guard, text};
use crate::worker::Shared;

/// Who finds the lock lost looks this many times more: lost is lost.
const MORE_LOOKS: u32 = 3;

pub(crate) struct Holder<'a> {
    id: u64,
    guard: Option<Guard>,
    shared: &'a Shared,
    random: &'a mut fastrand::Rng,
    /// When it is released.
    until: u64,
    /// The time between two looks, in microseconds.
    pause: u64,
    /// The full length of its lease.
    lease: u64,
    may_be_weaker: bool,
    /// It does something to the lock at one look in so many.
    rarely: u32,
    /// How many looks are left, once it was lost.
    looks: Option<u32>,
}

impl<'a> Holder<'a> {
    pub(crate) fn new(ask: &Ask, guard: Guard, shared: &'a Shared, random: &'a mut fastrand::Rng) -> Self {
        // This time comes first: the lock is held at it if it is held later.
        let at = now();
        let is_held = guard.is_held();
        let (claim, token) = (ask.claim.clone(), guard.fencing_token());
        let lease = ask.lease.unwrap_or(shared.setup.lease);
        // One that was kept rests on a request of before it was asked for.
        let is_old = shared.setup.keep > 0 && ask.lease.is_none();
        let before = if is_old { ask.before.min(at.saturating_sub(lease)) } else { ask.before };
        if is_held {
            tell(at, ask.id, What::Granted { claim, token, before, lease, renews: ask.lease.is_none() });
        }
        let long = shared.setup.lease;
        let stays = match random.u8(..240) {
            _ if ask.keeps => random.u64(long..=3 * long),
            0..200 => random.u64(..3 * MILLI),
            200..235 => random.u64(..30 * MILLI),
            235..239 => random.u64(..long),
            _ => random.u64(long..=long + long / 2),
        };
        Self {
            id: ask.id,
            guard: Some(guard),
            shared,
            until: at + stays,
            pause: match stays {
                _ if ask.keeps => 2 * MILLI,
                ..30_000 => MILLI,
                _ => 8 * MILLI,
            },
            lease,
            may_be_weaker: !ask.claim.is_shared() && !ask.keeps,
            rarely: if ask.keeps { 400 } else { 100 },
            looks: (!is_held).then_some(0),
            random,
        }
    }

    /// Does what is to be done now. `None` once the lock is released; else the time until the next
    /// step.
    pub(crate) fn step(&mut self) -> Option<Duration> {
        let guard = self.guard.as_ref()?;
        let at = now();
        match guard.is_held() {
            true => tell(at, self.id, What::Seen),
            false if self.looks.is_none() => self.lost(at),
            false => {}
        }
        if self.looks == Some(0) || self.looks.is_none() && (at >= self.until || self.shared.finishes()) {
            self.release();
            return None;
        }
        match &mut self.looks {
            Some(looks) => *looks -= 1,
            None => self.do_something(),
        }
        Some(Duration::from_micros(self.random.u64(self.pause / 2..self.pause * 2)))
    }

    fn lost(&mut self, at: u64) {
        tell(at, self.id, What::Lost);
        self.looks = Some(MORE_LOOKS);
    }

    fn do_something(&mut self) {
        let (Some(guard), id) = (&mut self.guard, self.id) else { return };
        let done = match self.random.u32(..self.rarely) {
            0 => {
                tell_now(id, What::Refreshes { length: 0 });
                guard.refresh()
            }
            1 => {
                let length = self.random.u64(self.lease / 8..=self.lease);
                tell_now(id, What::Refreshes { length });
                guard.refresh_for(Duration::from_micros(length))
            }
            2..5 if self.may_be_weaker => {
                self.may_be_weaker = false;
                tell_now(id, What::Weaker);
                guard.downgrade()
            }
            _ => Ok(()),
        };
        match done {
            Ok(()) => {}
            Err(LockError::NotHeld { .. }) => self.lost(now()),
            Err(error) => tell_now(id, What::Failed { text: text(&error) }),
        }
    }

    fn release(&mut self) {
        let (Some(guard), was_lost) = (self.guard.take(), self.looks.is_some()) else { return };
        tell_now(self.id, What::Releases);
        let released = if self.random.bool() {
            drop(guard);
            Ok(())
        } else {
            guard.unlock()
        };
        match released {
            Ok(()) => {}
            Err(LockError::NotHeld { .. }) if was_lost => {}
            Err(LockError::NotHeld { .. }) => tell_now(self.id, What::Lost),
            Err(error) => tell_now(self.id, What::Failed { text: text(&error) }),
        }
        tell_now(self.id, What::Released);
    }
}
