//! A held lock becomes another one: narrower, wider, or exclusive.

use super::{Elements, InTheWay, More, Reply, new};
use crate::redis::protocol::keys;
use crate::redis::protocol::lock::Lock;
use crate::redis::protocol::script::{Call, Script};
use crate::redis::protocol::timing::Timing;
use crate::request::Kind;

/// Keeps some nodes of a lock, as locks of their own. Of each: the lock, and the part of its record
/// that its client writes.
pub(in crate::redis::protocol) fn narrow<'a>(
    lock: &Lock,
    kept: impl Iterator<Item = (&'a Lock, &'a [u8])>,
    timing: &Timing,
) -> Call {
    let tombstone = if lock.is_unsure() { timing.tombstone(lock.lease) } else { 0 };
    let mut call = new(Script::Narrow, timing).bytes(lock.token.as_bytes()).number(tombstone).number(lock.drawn());
    for (lock, about) in kept {
        call.push(lock.token.as_bytes());
        call.push(about);
    }
    call
}

/// Makes a lock one of this kind; `about` has the new path.
pub(in crate::redis::protocol) fn widen(lock: &Lock, kind: Kind, about: &[u8], timing: &Timing) -> Call {
    let call = new(Script::Widen, timing).bytes(lock.token.as_bytes()).number(lock.drawn());
    call.number(keys::number(kind).into()).bytes(about)
}

/// One request of an upgrade.
#[derive(Clone, Copy, Debug)]
pub(in crate::redis::protocol) struct Attempt {
    /// Rises with each upgrade of a lock.
    pub(in crate::redis::protocol) number: u64,
    /// Whether it may queue, or stay in the queue.
    pub(in crate::redis::protocol) queue: bool,
    /// Whether a request of it may still be under way.
    pub(in crate::redis::protocol) is_unsure: bool,
}

/// Makes a shared lock exclusive, or queues for that if it may. Sent again it polls, and shows that
/// it lives.
pub(in crate::redis::protocol) fn upgrade(lock: &Lock, attempt: Attempt, timing: &Timing) -> Call {
    let tombstone = if attempt.is_unsure { timing.tombstone(lock.lease) } else { 0 };
    let call = new(Script::Upgrade, timing).bytes(lock.token.as_bytes()).number(lock.drawn());
    call.number(attempt.number).number(attempt.queue.into()).number(tombstone)
}

/// What has come of a lock that was to become more.
#[derive(Debug)]
pub(in crate::redis) enum Changed {
    /// It is what was asked for.
    Granted {
        fencing_token: u64,
        more: More,
    },
    Blocked(InTheWay),
    Queued(InTheWay),
    /// What is in the way has expired, and is more than one call takes away: ask again.
    Clearing(InTheWay),
    /// What is in the way may be kept by clients that do not use it, and was recalled: ask again.
    Kept(InTheWay),
    NotHeld(More),
    /// What is in the way waits for just this: each would wait for the other.
    Upgrading(InTheWay),
    /// A request without an answer has raised it to this: to be asked again with it.
    Raised {
        fencing_token: u64,
        more: More,
    },
}

impl Reply for Changed {
    fn read(reply: &mut Elements) -> Option<Self> {
        Some(match reply.int()? {
            0 => Self::Blocked(reply.in_the_way()?),
            1 => Self::Granted { fencing_token: reply.number()?, more: reply.more()? },
            2 => Self::Queued(reply.in_the_way()?),
            3 => Self::Clearing(reply.in_the_way()?),
            4 => Self::NotHeld(reply.more()?),
            5 => Self::Upgrading(reply.in_the_way()?),
            6 => Self::Kept(reply.in_the_way()?),
            7 => Self::Raised { fencing_token: reply.number()?, more: reply.more()? },
            _ => return None,
        })
    }
}
