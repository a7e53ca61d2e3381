//! When the command has to be stopped. No clock is read and nothing is sent here: the caller says
//! what time it is, and does what it is told.
//!
//! Let `d` be the time at which the lock is lost unless it is renewed, by this process's own clock.
//! * L1: SIGTERM is sent no later than `d - margin - kill_after`, SIGKILL no later than
//!   `d - margin`, if the caller looks in time. No word from the server is needed for it.
//! * L2: Once `d` has passed (the machine was suspended, or this process was stopped), SIGKILL is
//!   sent at once.
//! * L3: If the server says before `d` that the lock is lost (somebody broke it), SIGTERM is sent
//!   at once, and SIGKILL after `kill_after`.
//! * L4: A stop that has begun goes on, whatever the lease does.

use std::time::Duration;

use crate::args::Exec;
use crate::status::Failure;
use crate::text::span;

const DEFAULT_LEASE: Duration = Duration::from_secs(30);
const SHORTEST_LEASE: Duration = Duration::from_secs(1);
const LONGEST_MARGIN: Duration = Duration::from_secs(1);
const LONGEST_DEFAULT_KILL_AFTER: Duration = Duration::from_secs(5);

/// How often the time left is looked at, though nothing happened: the machine may have been
/// suspended, which a wait does not notice.
pub(super) const TICK: Duration = Duration::from_millis(500);

/// The times of one lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) lease: Duration,
    /// The time between SIGTERM and SIGKILL.
    pub(super) kill_after: Duration,
    /// The time between SIGKILL and the end of the lease.
    pub(super) margin: Duration,
}

impl Limits {
    pub(super) fn new(exec: &Exec) -> Result<Self, Failure> {
        Self::of(exec.lease.unwrap_or(DEFAULT_LEASE), exec.kill_after)
    }

    fn of(lease: Duration, kill_after: Option<Duration>) -> Result<Self, Failure> {
        if lease < SHORTEST_LEASE {
            return Err(Failure::usage(format!("a lease is at least 1 s long, so {} is too short", span(lease))));
        }
        let margin = (lease / 10).min(LONGEST_MARGIN);
        let kill_after = kill_after.unwrap_or_else(|| (lease / 6).min(LONGEST_DEFAULT_KILL_AFTER));
        // A lease is renewed when a third of it is over. One renewal may fail, and be tried again.
        if kill_after.saturating_add(margin) > lease / 3 {
            return Err(Failure::usage(format!(
                "--kill-after {} leaves too little of a lease of {}: it may take {} at the most",
                span(kill_after),
                span(lease),
                span(lease / 3 - margin),
            )));
        }
        Ok(Self { lease, kill_after, margin })
    }
}

/// What is to be sent to the command's group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Nothing,
    Terminate,
    Kill,
}

/// Decides when the command is stopped.
#[derive(Debug)]
pub(super) struct Stopper {
    limits: Limits,
    /// The end of the lock, when it was last looked at.
    deadline: Option<Duration>,
    /// When SIGKILL is due, once SIGTERM was sent.
    kill_at: Option<Duration>,
    killed: bool,
}

impl Stopper {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, deadline: None, kill_at: None, killed: false }
    }

    /// What is due at this time: the lock lasts for so much longer (`None`: it does not end), and
    /// is held or not.
    pub(super) fn look(&mut self, now: Duration, left: Option<Duration>, is_held: bool) -> Order {
        if self.killed {
            return Order::Nothing;
        }
        if let Some(kill_at) = self.kill_at {
            return if now >= kill_at { self.kill() } else { Order::Nothing };
        }
        if !is_held {
            return match self.deadline {
                Some(deadline) if deadline <= now => self.kill(),
                _ => self.terminate(now + self.limits.kill_after),
            };
        }
        let Some(left) = left else { return Order::Nothing };
        let deadline = now.saturating_add(left);
        self.deadline = Some(deadline);
        if left > self.limits.kill_after + self.limits.margin {
            return Order::Nothing;
        }
        self.terminate(deadline.saturating_sub(self.limits.margin))
    }

    fn terminate(&mut self, kill_at: Duration) -> Order {
        self.kill_at = Some(kill_at);
        Order::Terminate
    }

    fn kill(&mut self) -> Order {
        self.killed = true;
        Order::Kill
    }

    /// Whether the command is being stopped, or was.
    pub(super) fn is_stopping(&self) -> bool {
        self.killed || self.kill_at.is_some()
    }

    pub(super) fn has_killed(&self) -> bool {
        self.killed
    }

    /// The end of the lock, when it was last looked at.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.deadline
    }

    /// The time until something may be due.
    pub(super) fn pause(&self, now: Duration) -> Duration {
        let due = match (self.kill_at, self.deadline) {
            _ if self.killed => None,
            (Some(kill_at), _) => Some(kill_at),
            (None, Some(deadline)) => Some(deadline.saturating_sub(self.limits.kill_after + self.limits.margin)),
            (None, None) => None,
        };
        due.map_or(TICK, |due| due.saturating_sub(now).min(TICK))
    }
}

#[cfg(test)]
mod tests;
