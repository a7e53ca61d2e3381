//! Locks, answers and times for the tests of the protocol. Times are in milliseconds there.

use super::acquisition::{Acquisition, MayWait};
use super::agenda::{Agenda, Room};
use super::calls::{Acquired, Found, InTheWay, More, Refreshed};
use super::keys::Target;
use super::lock::Lock;
use super::timing::Timing;
use crate::path::TreePath;
use crate::redis::error::{Failure, RedisStoreError};
use crate::redis::primitives::Arc;
use crate::request::Request;
use std::time::Duration;

pub(super) const MS: u64 = 1000;

/// A lease of 900 ms, a heartbeat of 100 ms and so a claim window of 350 ms, a timeout of 5 s.
pub(super) const TIMING: Timing = Timing { lease: 900 * MS, heartbeat: 100 * MS, timeout: 5000 * MS, grace: 0 };

pub(super) const ROOM: Room = Room { renewals: true, heartbeats: true, releases: true };

/// The name of a waiter, as the tests have it.
pub(super) type Name = &'static str;

pub(super) fn path() -> TreePath {
    "a/b".parse().unwrap()
}

pub(super) fn lock(number: u64) -> Arc<Lock> {
    Arc::new(Lock::new(number, "c1", path(), None, TIMING.lease))
}

/// A lock that was granted by a request sent at that time, and renews itself.
pub(super) fn held(number: u64, sent: u64) -> Arc<Lock> {
    let lock = lock(number);
    lock.granted(100, sent + TIMING.lease, true);
    lock
}

pub(super) fn acquisition(may_wait: MayWait) -> Acquisition<Name> {
    with_lease(None, may_wait)
}

pub(super) fn with_lease(lease: Option<Duration>, may_wait: MayWait) -> Acquisition<Name> {
    let request = Request { lease, ..Request::default() };
    Acquisition::new(Target::new(path()), lock(1), &request, may_wait, "waiter", "c1", &TIMING)
}

pub(super) fn agenda() -> Agenda<Name> {
    Agenda::new(TIMING)
}

pub(super) fn in_the_way(left: Option<u64>) -> InTheWay {
    InTheWay { path: "a".parse().unwrap(), owner: None, left, more: More::None, member: 0 }
}

pub(super) fn granted(fencing_token: u64) -> Result<Acquired, Failure> {
    Ok(Acquired::Granted { fencing_token, more: More::None })
}

pub(super) fn queued(arrival: u64) -> Result<Acquired, Failure> {
    Ok(Acquired::Queued { by: in_the_way(None), arrival })
}

pub(super) fn found(found: &[Found]) -> Result<Refreshed, Failure> {
    Ok(Refreshed { more: More::None, found: found.into() })
}

fn error() -> RedisStoreError {
    RedisStoreError::Unreachable { address: "here:1".into(), reason: "no answer in time".into() }
}

pub(super) fn unsure() -> Failure {
    Failure::Unsure(error())
}

pub(super) fn down() -> Failure {
    Failure::Down(error())
}

pub(super) fn later() -> Failure {
    Failure::Later(RedisStoreError::Busy { reason: "LOADING".into() })
}
