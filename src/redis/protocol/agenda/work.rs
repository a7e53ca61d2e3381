//! What the agenda hands out: [`Work`].

use super::super::calls::{self, Extent, Found, More};
use super::super::lock::Lock;
use super::super::release::Release;
use super::super::script::Call;
use super::super::timing::Timing;
use crate::redis::primitives::Arc;

/// A token that the server may know, though nobody wants it any more.
#[derive(Debug)]
pub(in crate::redis) struct GivenUp {
    pub(in crate::redis) release: Release,
    pub(super) until: u64,
    pub(super) due: u64,
    pub(super) pause: u64,
}

/// Which kinds of work somebody is free to do now.
#[derive(Clone, Copy, Debug)]
pub(in crate::redis) struct Room {
    pub(in crate::redis) renewals: bool,
    pub(in crate::redis) heartbeats: bool,
    pub(in crate::redis) releases: bool,
}

/// What is to be done now.
#[derive(Debug)]
pub(in crate::redis) struct Work<W> {
    /// Renewals, a call each; the lease that ends first comes first.
    pub(in crate::redis) renewals: Vec<Vec<Renewal>>,
    /// Heartbeats, a call each.
    pub(in crate::redis) heartbeats: Vec<Vec<Arc<Lock>>>,
    pub(in crate::redis) releases: Vec<GivenUp>,
    /// What a call has left to do.
    pub(in crate::redis) more: Option<More>,
    /// Lost: to be told.
    pub(in crate::redis) lost: Vec<Arc<Lock>>,
    /// Waiters whose server has been silent for a lease.
    pub(in crate::redis) silent: Vec<W>,
}

/// A lock to renew, and its epoch at that time.
#[derive(Clone, Debug)]
pub(in crate::redis) struct Renewal {
    pub(in crate::redis) lock: Arc<Lock>,
    pub(super) epoch: u64,
}

impl<W> Work<W> {
    pub(in crate::redis) fn is_empty(&self) -> bool {
        self.renewals.is_empty()
            && self.heartbeats.is_empty()
            && self.releases.is_empty()
            && self.more.is_none()
            && self.lost.is_empty()
            && self.silent.is_empty()
    }
}

/// The call for a batch of renewals.
pub(in crate::redis) fn renewal_call(batch: &[Renewal], timing: &Timing) -> Call {
    calls::refresh(batch.iter().map(|it| (&*it.lock, Extent::AtLeast(it.lock.lease))), timing)
}

/// The call for a batch of heartbeats. Of a set all tokens are sent: it may have been granted.
pub(in crate::redis) fn heartbeat_call(batch: &[Arc<Lock>], timing: &Timing) -> Call {
    let of_waiter = |first| {
        let many = Lock::all(first).count();
        let its = if many > 1 { Extent::SetHeartbeat(many) } else { Extent::Heartbeat };
        first.all().map(move |lock| (&**lock, its))
    };
    calls::refresh(batch.iter().flat_map(of_waiter), timing)
}

/// Waiters that go into one call each: as many as have so many tokens, or a single one.
pub(super) fn batches(waiters: Vec<Arc<Lock>>, most: usize) -> Vec<Vec<Arc<Lock>>> {
    let (mut batches, mut tokens) = (Vec::<Vec<_>>::new(), most);
    for lock in waiters {
        let its = lock.all().count();
        match batches.last_mut() {
            Some(batch) if tokens + its <= most => batch.push(lock),
            _ => {
                tokens = 0;
                batches.push(vec![lock]);
            }
        }
        tokens += its;
    }
    batches
}

/// Takes what an answer says of a waiter from the front of what it says of all. Of a set it is what
/// is said of the first member. If that has been granted and another one is gone, the set is.
pub(super) fn take_found(waiter: &Arc<Lock>, all: &mut &[Found]) -> Option<Found> {
    let (its, rest) = all.split_at_checked(waiter.all().count())?;
    *all = rest;
    let first = *its.first()?;
    let is_whole = !matches!(first, Found::Granted(_)) || its.iter().all(|found| *found == first);
    Some(if is_whole { first } else { Found::Lost })
}

/// When a held lock is due next: for its renewal (P6), or for its end. If the answer that granted
/// it was late the first has passed already, and it is renewed at once.
pub(super) fn due(lock: &Lock) -> u64 {
    let deadline = lock.deadline();
    if lock.renews() { deadline.saturating_sub(lock.lease - lock.lease / 3) } else { deadline }
}
