//! [`Shared`]: a connection of the pool, and the answers that are outstanding on it.

use std::collections::VecDeque;

use super::super::super::clock::clock;
use super::super::super::primitives::Arc;
use super::request::Request;

/// A command that waits for one of these connections.
pub(super) type Waiting<T> = Request<Box<Shared<T>>>;

pub(super) struct Shared<T> {
    pub(super) transport: T,
    pub(super) generation: u64,
    outstanding: VecDeque<Outstanding<T>>,
}

/// An answer that is to come.
struct Outstanding<T> {
    to: To<T>,
    sent_at: u64,
}

/// Whom an answer is for.
pub(super) enum To<T> {
    /// The thread that owns the connection.
    Owner,
    /// One that sleeps until its answer is there.
    Follower(Arc<Waiting<T>>),
    /// One that has left.
    Nobody,
}

impl<T> Shared<T> {
    pub(super) fn new(transport: T, generation: u64) -> Self {
        Self { transport, generation, outstanding: VecDeque::new() }
    }

    /// Another command is about to be written.
    pub(super) fn expect(&mut self, to: To<T>, sent_at: u64) {
        self.outstanding.push_back(Outstanding { to, sent_at });
    }

    /// The last one has not been written after all.
    pub(super) fn forget_last(&mut self) {
        self.outstanding.pop_back();
    }

    /// Whom the next answer is for.
    pub(super) fn take_first(&mut self) -> Option<To<T>> {
        self.outstanding.pop_front().map(|first| first.to)
    }

    /// How many answers are to come.
    pub(super) fn outstanding(&self) -> usize {
        self.outstanding.len()
    }

    pub(super) fn is_owed(&self) -> bool {
        !self.outstanding.is_empty()
    }

    /// When the oldest answer is overdue.
    pub(super) fn overdue_at(&self, timeout: u64) -> u64 {
        self.outstanding.front().map_or(u64::MAX, |oldest| oldest.sent_at.saturating_add(timeout))
    }

    pub(super) fn is_overdue(&self, timeout: u64) -> bool {
        clock() >= self.overdue_at(timeout)
    }

    /// The owner leaves: its answer is for nobody.
    pub(super) fn disown(&mut self) {
        self.change(|to| matches!(to, To::Owner), To::Nobody);
    }

    /// A follower has become the owner.
    pub(super) fn adopt(&mut self, request: &Arc<Waiting<T>>) {
        self.change(|to| matches!(to, To::Follower(follower) if Arc::ptr_eq(follower, request)), To::Owner);
    }

    /// A follower has left: its answer is for nobody.
    pub(super) fn leave_out(&mut self, request: &Arc<Waiting<T>>) {
        self.change(|to| matches!(to, To::Follower(follower) if Arc::ptr_eq(follower, request)), To::Nobody);
    }

    fn change(&mut self, which: impl Fn(&To<T>) -> bool, to: To<T>) {
        if let Some(found) = self.outstanding.iter_mut().find(|one| which(&one.to)) {
            found.to = to;
        }
    }

    /// The follower whose answer comes next.
    pub(super) fn first_follower(&self) -> Option<Arc<Waiting<T>>> {
        self.outstanding.iter().find_map(|one| match &one.to {
            To::Follower(request) => Some(request.clone()),
            _ => None,
        })
    }

    pub(super) fn into_followers(self) -> impl Iterator<Item = Arc<Waiting<T>>> {
        self.outstanding.into_iter().filter_map(|one| match one.to {
            To::Follower(request) => Some(request),
            _ => None,
        })
    }
}
