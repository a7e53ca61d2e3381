//! [`Release`]: a token on its way back. Every release of the store is one of these, whether a
//! thread sends it, the driver (for tasks), or a lane of the keeper's, for what could not be given
//! back at once. The scripts are `lua/release.lua` and `lua/release_fast.lua`; for several tokens
//! in one call `lua/release_set.lua`.
//!
//! A request without an answer may have been carried out. So the next one that finds nothing has
//! found what the first one did, unless the server says that it lost its data since.

use super::calls::{self, Released};
use super::keys::Target;
use super::lock::Lock;
use super::script::Call;
use super::timing::Timing;
use crate::redis::error::Failure;
use crate::redis::primitives::Arc;
use crate::request::Kind;

/// As many tries as this before the caller is told of a failure, and the agenda goes on (P4).
const TRIES: u32 = 2;

/// A token to give back: of a lock that was held, or of one that is not wanted any more.
#[derive(Debug)]
pub(in crate::redis) struct Release {
    pub(in crate::redis) lock: Arc<Lock>,
    /// Others that go back with it, in the same call.
    others: Vec<Arc<Lock>>,
    /// Where and how it is held, if it may be: the fast paths want it.
    held: Option<(Target, Kind)>,
    /// Whether its holder believed to hold it.
    pub(in crate::redis) was_held: bool,
    tries: u32,
    /// Whether an earlier try may have done it.
    may_be_done: bool,
}

/// What came of a try.
#[derive(Debug)]
pub(in crate::redis) enum Outcome {
    /// The server has it back. Whether it was held until then.
    Done { was_held: bool },
    /// To be sent again, at once.
    Again,
    /// It could not be given back: the agenda goes on with it.
    Failed(Failure),
}

impl Release {
    /// Gives back a lock that is held, or was a moment ago.
    pub(in crate::redis) fn of_held(lock: Arc<Lock>, target: Target, kind: Kind, was_held: bool) -> Self {
        lock.set_kind(0);
        Self { lock, others: Vec::new(), held: Some((target, kind)), was_held, tries: 0, may_be_done: false }
    }

    /// Takes back what a request may have done that nobody wants any more.
    pub(in crate::redis) fn of_unwanted(lock: Arc<Lock>) -> Self {
        lock.set_kind(0);
        Self { lock, others: Vec::new(), held: None, was_held: false, tries: 0, may_be_done: false }
    }

    /// The same for a set that was asked for as one, by its first lock.
    pub(in crate::redis) fn of_unwanted_set(first: &Arc<Lock>) -> Self {
        Self::with_others(first.clone(), first.all().skip(1).cloned().collect())
    }

    /// Gives back locks that are held, or were a moment ago, in one call. `None` if there are none.
    pub(in crate::redis) fn of_many(mut locks: Vec<Arc<Lock>>, was_held: bool) -> Option<Self> {
        let others = if locks.is_empty() { Vec::new() } else { locks.split_off(1) };
        let first = locks.pop()?;
        Some(Self { was_held, ..Self::with_others(first, others) })
    }

    fn with_others(first: Arc<Lock>, others: Vec<Arc<Lock>>) -> Self {
        others.iter().for_each(|lock| lock.set_kind(0));
        Self { others, ..Self::of_unwanted(first) }
    }

    /// What goes back.
    pub(in crate::redis) fn locks(&self) -> impl Iterator<Item = &Arc<Lock>> + Clone {
        std::iter::once(&self.lock).chain(&self.others)
    }

    pub(in crate::redis) fn call(&self, timing: &Timing) -> Call {
        if self.locks().any(|lock| lock.was_lent()) {
            return calls::give_back(self.locks().map(|lock| &**lock), timing);
        }
        // What was raised goes the way that says to what: a server with older data has it as less.
        if !self.others.is_empty() || self.lock.raised_to().is_some() {
            return calls::release_set(self.locks(), timing);
        }
        calls::release(&self.lock, self.held.as_ref().map(|(target, kind)| (target, *kind)), timing)
    }

    /// Which of the locks the server did not have any more.
    pub(in crate::redis) fn missed(&self, released: &Released) -> Vec<Arc<Lock>> {
        let remembers = |lock: &Lock| released.born.is_some_and(|born| born <= lock.fencing_token());
        let found = |at: usize| released.each.get(at).copied().unwrap_or(released.found);
        let missed = |(at, lock): &(usize, &Arc<Lock>)| !(found(*at) || self.may_be_done && remembers(lock));
        self.locks().enumerate().filter(missed).map(|(_, lock)| lock.clone()).collect()
    }

    /// `hopeless`: there is no time for another try.
    pub(in crate::redis) fn answered(&mut self, answer: Result<&Released, Failure>, hopeless: bool) -> Outcome {
        self.tries += 1;
        match answer {
            Ok(released) => Outcome::Done { was_held: self.missed(released).is_empty() },
            Err(failure) => {
                self.may_be_done |= matches!(failure, Failure::Unsure(_));
                if failure.is_final() || hopeless || self.tries >= TRIES {
                    Outcome::Failed(failure)
                } else {
                    Outcome::Again
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
