//! [`Schedule`]: which trees of a client are to be looked at when. The [keeper](super::keeper)
//! sleeps until the first of them.
//!
//! An entry of a tree is made and changed under the lock of its agenda alone, so it says what the
//! agenda says. **No tree is overslept**: whoever has something become due earlier makes the entry
//! earlier, and wakes the keeper if it sleeps for longer than that. That, the keeper's look at the
//! first entry, and its falling asleep are each one step under one lock.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use super::client::Client;
use crate::redis::clock::{clock, until};
use crate::redis::primitives::{Arc, Condvar, Mutex, Weak};
use crate::redis::protocol::timing::NEVER;

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

    /// Under the lock of the tree's agenda: it was to be looked at then, and now is to be at `to`.
    pub(super) fn set(&self, number: u64, from: u64, to: u64) {
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

    /// The same: it is gone.
    pub(super) fn leave(&self, number: u64, from: u64) {
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
