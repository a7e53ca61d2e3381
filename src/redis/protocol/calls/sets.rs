//! Several locks as one: taken in one call, and given back in one.

use super::new;
use crate::redis::primitives::Arc;
use crate::redis::protocol::keys;
use crate::redis::protocol::lock::Lock;
use crate::redis::protocol::script::{Call, Script};
use crate::redis::protocol::timing::Timing;
use crate::request::Kind;

/// Takes all of them, or queues as one if it may. Sent again it claims, polls, and shows that it
/// lives. Of each member: the lock, how, and the part of its record that its client writes.
pub(in crate::redis::protocol) fn acquire_set<'a>(
    members: impl Iterator<Item = (&'a Arc<Lock>, Kind, &'a [u8])>,
    queue: bool,
    timing: &Timing,
) -> Call {
    let mut call = new(Script::AcquireSet, timing).number(queue.into());
    for (lock, kind, about) in members {
        call.push(lock.token.as_bytes());
        call.push_number(keys::number(kind).into());
        call.push(about);
    }
    call
}

/// Gives many tokens back, whatever they are.
pub(in crate::redis::protocol) fn release_set<'a>(
    locks: impl Iterator<Item = &'a Arc<Lock>> + Clone,
    timing: &Timing,
) -> Call {
    let tombstones = locks.clone().filter(|lock| lock.is_unsure()).map(|lock| timing.tombstone(lock.lease));
    let mut call = new(Script::ReleaseSet, timing).number(tombstones.max().unwrap_or(0));
    locks.for_each(|lock| match lock.raised_to() {
        None => call.push(lock.token.as_bytes()),
        Some(fencing_token) => call.push(format!("{},{fencing_token}", lock.token).as_bytes()),
    });
    call
}
