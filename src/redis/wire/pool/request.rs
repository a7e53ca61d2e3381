//! [`Request`]: a command that could not be sent at once, and how far it has come.

use super::super::super::clock::until;
use super::super::super::error::Failure;
use super::super::super::primitives::{Condvar, Mutex};
use super::super::super::value::Value;

/// A command that waits for a connection, a `C`, or for its answer.
pub(super) struct Request<C> {
    pub(super) command: Vec<u8>,
    /// For which run of a server it is; empty: for any.
    pub(super) run: String,
    turn: Mutex<Turn<C>>,
    changed: Condvar,
}

/// The states of a command: the table in [`pool`](super).
pub(super) enum Turn<C> {
    Queued,
    Lead(Option<C>),
    Sent,
    Read(C),
    Done(Result<Value, Failure>),
    Gone,
}

impl<C> Request<C> {
    pub(super) fn new(command: Vec<u8>, run: &str) -> Self {
        Self { command, run: run.into(), turn: Mutex::new(Turn::Queued), changed: Condvar::new() }
    }

    /// Waits until it is given something, or until the deadline, and leaves it `Gone`. What it
    /// returns is the state it was in.
    pub(super) fn wait(&self, deadline: u64) -> Turn<C> {
        let mut turn = self.turn.lock();
        while matches!(*turn, Turn::Queued | Turn::Sent) {
            let left = until(deadline);
            if left.is_zero() {
                break;
            }
            self.changed.wait_for(&mut turn, left);
        }
        std::mem::replace(&mut *turn, Turn::Gone)
    }

    /// Gives it a new state, if it is in one that expects it; otherwise returns the gift.
    pub(super) fn give(&self, gift: Turn<C>, expects: impl FnOnce(&Turn<C>) -> bool) -> Result<(), Turn<C>> {
        let mut turn = self.turn.lock();
        if !expects(&turn) {
            return Err(gift);
        }
        *turn = gift;
        drop(turn);
        self.changed.notify_one();
        Ok(())
    }

    /// Marks it as sent, if its thread is still there.
    pub(super) fn is_taken(&self) -> bool {
        let mut turn = self.turn.lock();
        let queued = matches!(*turn, Turn::Queued);
        if queued {
            *turn = Turn::Sent; // wakes nobody: its thread goes on waiting
        }
        queued
    }

    /// Its answer is there. If its thread has left, nobody wants it.
    pub(super) fn finish(&self, answer: Result<Value, Failure>) {
        let _ = self.give(Turn::Done(answer), |turn| matches!(turn, Turn::Sent));
    }
}
