//! [`Turn`]: what has become of a waiter's turn while it slept.

use crate::memory::node::Node;
use crate::memory::sleeper::Sleeper;
use crate::memory::waiter::Waiter;
use crate::sync::PlainArc;

/// Whether a waiter still has its turn when it stops sleeping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::memory) enum Turn {
    Kept,
    /// It is a task that lapsed. It is in no queue and has no claim any more.
    Lapsed,
    /// The lock was handed over to it.
    Granted,
}

/// What is known of a waiter that gave up.
#[derive(Debug)]
pub(in crate::memory) struct Left {
    /// The node that blocked it.
    pub(in crate::memory) in_the_way: PlainArc<Node>,
    /// Whether it had its turn until then.
    pub(in crate::memory) turn: Turn,
}

/// What has become of the turn of one that leaves the queue, or that lapsed.
pub(super) fn turn_of(waiter: Option<&Waiter>, sleeper: &Sleeper) -> Turn {
    match waiter {
        Some(waiter) if waiter.has_lock => Turn::Granted,
        _ => sleeper.take_turn(),
    }
}
