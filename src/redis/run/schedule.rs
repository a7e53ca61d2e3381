//! [`Schedule`]: which trees of a client are to be looked at when. The [keeper](super::keeper)
//! sleeps until the first of them.
//!
//! An [`Entry`] of a tree is changed under the lock of its agenda alone, so it says what the agenda
//! says. What the tree keeps has a second one, under a lock of its own. **No tree is overslept**:
//! whoever has something become due earlier makes the entry earlier, and wakes the keeper if it
//! sleeps for longer than that. That, the keeper's look at the first entry, and its falling asleep
//! are each one step under one lock.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use super::client::Client;
use crate::redis::clock::{clock, until};
use crate::redis::primitives::{Arc, Condvar, Mutex, Weak};
use crate::redis::protocol::timing::NEVER;

/// When a tree is to be looked at, for something of it that has a lock of its own.
pub(super) struct Entry {
    number: u64,
    /// `None` once the tree is gone: then it is not looked at any more.
    at: Option<u64>,
}

impl Entry {
    /// Nothing is due.
    pub(super) fn new(number: u64) -> Self {
        Self { number, at: Some(NEVER) }
    }

    /// Whether it is to be looked at by now.
    pub(super) fn is_due(&self, now: u64) -> bool {
        self.at.is_some_and(|at| at <= now)
    }

    /// It is to be looked at then.
    pub(super) fn set(&mut self, schedule: &Schedule, at: u64) {
        if let Some(before) = &mut self.at {
            schedule.set(self.number, std::mem::replace(before, at), at);
        }
    }

    /// The same, if that is earlier.
    pub(super) fn bring_forward(&mut self, schedule: &Schedule, at: u64) {
        if self.at.is_some_and(|before| at < before) {
            self.set(schedule, at);
        }
    }

    /// The tree is gone.
    pub(super) fn leave(&mut self, schedule: &Schedule) {
        if let Some(at) = self.at.take() {
            schedule.leave(self.number, at);
        }
    }
}

#[derive(Default)]
pub(super) struct Schedule {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// When, and the number of the tree.
    due: BTreeSet<(u64, u64)>,
    trees: HashMap<u64, Weak<Client>>,
    last: u64,
    /// Until when the keeper sleeps; 0 if it does not.
    sleeps: u64,
    stopped: bool,
}

impl Schedule {
    /// A tree's number, and nothing of it is due. What is found by it comes with [`Self::enter`].
    pub(super) fn number(&self) -> u64 {
        let mut state = self.state.lock();
        state.last += 1;
        state.last
    }

    pub(super) fn enter(&self, number: u64, client: &Arc<Client>) {
        let mut state = self.state.lock();
        state.trees.insert(number, Arc::downgrade(client));
        state.sleeps = 0; // something of it may be due already
        self.changed.notify_one();
    }

    /// It was to be looked at then, and now is to be at `to`.
    fn set(&self, number: u64, from: u64, to: u64) {
        let mut state = self.state.lock();
        state.due.remove(&(from, number));
        if to != NEVER {
            state.due.insert((to, number));
        }
        if to < state.sleeps {
            state.sleeps = 0;
            self.changed.notify_one();
        }
    }

    /// It is gone.
    fn leave(&self, number: u64, from: u64) {
        let mut state = self.state.lock();
        state.due.remove(&(from, number));
        state.trees.remove(&number);
    }

    /// The keeper ends.
    pub(super) fn stop(&self) {
        self.state.lock().stopped = true;
        self.changed.notify_one();
    }

    /// Sleeps until trees are due, and says which; each has to be looked at. `None` once it is
    /// stopped.
    pub(super) fn next(&self) -> Option<Vec<Arc<Client>>> {
        let mut state = self.state.lock();
        loop {
            if state.stopped {
                return None;
            }
            let (now, mut due) = (clock(), Vec::new());
            for &(when, number) in &state.due {
                if when > now {
                    break;
                }
                due.push(number);
            }
            if !due.is_empty() {
                // One that is being made or dropped is looked at when it is there, or not any more.
                let due: Vec<_> =
                    due.iter().filter_map(|number| state.trees.get(number).and_then(Weak::upgrade)).collect();
                if !due.is_empty() {
                    return Some(due);
                }
            }
            let next = state.due.iter().find(|(when, _)| *when > now).map_or(NEVER, |&(when, _)| when);
            state.sleeps = next;
            if next == NEVER {
                self.changed.wait(&mut state);
            } else {
                self.changed.wait_for(&mut state, until(next).min(Duration::from_secs(3600)));
            }
            state.sleeps = 0;
        }
    }
}
