//! An acquisition by a thread, which it blocks.

use super::{Acquisition, Asked, Step};
use crate::deadlock::Deadlock;
use crate::memory::node::Node;
#[cfg(all(test, mutextree_loom))]
use crate::memory::word::Kind;
#[cfg(all(test, mutextree_loom))]
use crate::request::Owner;
use crate::sync::{Deadline, PlainArc};

/// Why a lock was not acquired.
#[derive(Debug)]
pub(in crate::memory) enum Refused<At = PlainArc<Node>> {
    /// The time was up. This node was in the way.
    Blocked(At),
    /// It would have waited for ever.
    Deadlock(Deadlock),
}

/// Acquires, and blocks the calling thread until it has the lock, or until the deadline.
#[cfg(all(test, mutextree_loom))]
pub(in crate::memory) fn block_on(
    node: &PlainArc<Node>,
    kind: Kind,
    owner: Option<&Owner>,
    deadline: Option<&Deadline>,
    sleeps: impl FnMut(&PlainArc<Node>),
) -> Result<(), Refused> {
    block(Acquisition::new(node, kind, owner), deadline, sleeps)
}

/// Blocks the calling thread until it has the lock, or until the deadline. `sleeps` is called each
/// time that it is about to sleep, with the node where it does.
pub(in crate::memory) fn block<'a, A: Asked<'a>>(
    mut acquisition: Acquisition<'a, A>,
    deadline: Option<&Deadline>,
    mut sleeps: impl FnMut(&PlainArc<Node>),
) -> Result<(), Refused> {
    let mut first = true;
    while acquisition.step() == Step::Asleep {
        acquisition.sleeps_at().into_iter().for_each(&mut sleeps);
        while !acquisition.is_woken() {
            if let Some(deadlock) = acquisition.deadlock(std::mem::take(&mut first)) {
                acquisition.cancel();
                return Err(Refused::Deadlock(deadlock));
            }
            if deadline.is_some_and(Deadline::has_passed) {
                return Err(Refused::Blocked(acquisition.cancel()));
            }
            acquisition.park(deadline);
        }
    }
    Ok(())
}
