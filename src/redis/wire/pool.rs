//! [`Pool`]: the connections that callers share.
//!
//! A caller does its own I/O on a connection that is idle. If there is none, and no further one may
//! be opened, its command queues. The thread that gets a connection next is a *leader*: it sends
//! all that has queued up as one pipeline. So the busier the pool, the fewer system calls a command
//! costs. The other callers in the pipeline are *followers*: they sleep until their answers are
//! there.
//!
//! # A connection
//!
//! | state | who may touch it |
//! |---|---|
//! | idle, in the pool | nobody |
//! | owned | one thread: it writes, or reads answers in the order of the commands |
//! | handed over, in a command's [`Turn`] | the thread of that command, which is woken for it |
//! | given up | nobody: it is closed |
//!
//! A connection knows which answers are *outstanding*, in order: for which caller each is, and
//! since when. If the caller has left, the owner of the connection reads the answer and throws it
//! away. So an idle connection may have answers outstanding, and the next command is sent behind
//! them.
//!
//! # A command
//!
//! | state | means | at its deadline |
//! |---|---|---|
//! | `Queued` | not sent | `Down` |
//! | `Lead` | its thread was given a connection, or a permit to open one | passes it on: `Down` |
//! | `Sent` | another thread sends it, or has sent it, and reads | `Unsure` |
//! | `Read` | sent, and its thread was given the connection, to read on | hands it on: `Unsure` |
//! | `Done` | here is its answer | the answer |
//! | `Gone` | its thread has left | |
//!
//! A command that finds a connection at once needs no state: its thread leads, and reads until the
//! answer is there.
//!
//! # Invariants
//!
//! * **W1, bounded.** There are at most [`MOST`] connections: the idle ones, and one for each
//!   *permit*. A thread has a permit while it owns a connection, opens one or closes one. It passes
//!   the permit on, or gives it back, on every path.
//! * **W2, nobody queues in vain.** While a command is `Queued` all permits are out: it was queued
//!   under the lock under which that was seen, and a permit that comes back goes to the first in
//!   the queue before it goes to the pool.
//! * **W3, whose answer.** Commands are entered as outstanding in the order in which they are
//!   written, and before; the first answer is for the first entry. An entry goes with its answer,
//!   or with its connection. A caller that leaves removes nothing. What was written in part is
//!   finished before anything else is written or read.
//! * **W4, deadlines.** No thread waits past its own deadline. A leader or reader that leaves hands
//!   the connection on, so nobody waits for it, either.
//! * **W5, the reader.** While somebody waits for an answer on a connection, it is owned or handed
//!   over, never idle: its owner hands it to the first follower that is still there. Only if there
//!   is none is it idle.
//! * **W6, age.** A connection whose oldest outstanding answer is overdue by the store's timeout is
//!   given up, and all that is outstanding is `Unsure`.
//! * **W7, wrong server.** A connection that breaks, or whose server is not the master, takes all
//!   idle ones with it at once, and those that are owned once their answers are there: each
//!   connection is of a generation, and those of earlier ones are not used again. So the next call
//!   opens one, and looks for the master anew.
//! * **W8, bounded debts.** Nothing is sent over a connection with more than 64 outstanding
//!   answers: its owner reads first. So impatient callers cannot heap up work at the server that
//!   patient ones would have to wait for, and no more than 128 answers are ever outstanding.
//! * **W9, for whom.** A command says for which run of a server it is. It goes over no connection
//!   to another one, whether its thread leads or follows. The caller looked before a connection was
//!   had, and the one that is opened for it may lead to a server that took over since.
//!
//! # Why no wake-up is lost
//!
//! A command's state changes under the lock of its [`Turn`] alone, and its thread decides at its
//! deadline under the same lock. So of a gift (a connection, or the answer) and the deadline one
//! comes first.
//!
//! * *The gift comes first*: the thread finds it when it looks, at its deadline at the latest, and
//!   passes the connection on, or takes the answer.
//! * *The deadline comes first*: the state is `Gone`. The giver sees that, and gives to the next.
//!
//! Locks: the pool's comes before a turn's. No I/O is done, and nobody woken, under either.

mod leader;
mod reader;
mod request;
mod shared;

use std::collections::VecDeque;

use super::super::error::{Failure, RedisStoreError};
use super::super::primitives::{Arc, Mutex};
use super::super::value::Value;
use super::NO_ANSWER;
use super::transport::{Connect, Transport};
use request::{Request, Turn};
use shared::{Shared, Waiting};

/// As many connections as this: with one the server would wait while we read, and more than two
/// only cost system calls.
const MOST: usize = 2;
/// With less time than this, in microseconds, no server would ever answer.
const SHORTEST: u64 = 1000;

pub(super) struct Pool<C: Connect> {
    connector: C,
    timeout: u64,
    state: Mutex<State<C::Transport>>,
}

struct State<T> {
    idle: Vec<Box<Shared<T>>>,
    /// Permits that are out.
    busy: usize,
    queue: VecDeque<Arc<Waiting<T>>>,
    /// Of connections that are opened from now on.
    generation: u64,
}

impl<C: Connect> Pool<C> {
    pub(super) fn new(connector: C, timeout: u64) -> Self {
        let state = State { idle: Vec::new(), busy: 0, queue: VecDeque::new(), generation: 0 };
        Self { connector, timeout: timeout.max(SHORTEST), state: Mutex::new(state) }
    }

    pub(super) fn connector(&self) -> &C {
        &self.connector
    }

    /// How many commands wait for a connection.
    #[cfg(all(test, not(mutextree_shuttle)))]
    pub(super) fn queued(&self) -> usize {
        self.state.lock().queue.len()
    }

    /// Sends a command that is for this run of a server (empty: for any), and fails with
    /// [`Failure::Stranger`] if another one is there (W9).
    pub(super) fn call_to(&self, run: &str, command: &[u8], deadline: u64) -> Result<Value, Failure> {
        let request = {
            let mut state = self.state.lock();
            if let Some(connection) = state.take_idle() {
                state.busy += 1;
                drop(state);
                return self.lead(Some(connection), (command, run), deadline);
            }
            if state.busy < MOST {
                state.busy += 1;
                drop(state);
                return self.lead(None, (command, run), deadline);
            }
            // The copy is made under the lock, as most calls need none.
            let request = Arc::new(Request::new(command.to_vec(), run));
            state.queue.push_back(request.clone());
            request
        };
        match request.wait(deadline) {
            Turn::Done(answer) => answer,
            Turn::Lead(connection) => self.lead(connection, (&request.command, &request.run), deadline),
            Turn::Read(mut connection) => {
                connection.adopt(&request);
                self.read(connection, deadline)
            }
            Turn::Sent => Err(self.unsure(NO_ANSWER.into())),
            Turn::Queued | Turn::Gone => {
                self.state.lock().queue.retain(|queued| !Arc::ptr_eq(queued, &request));
                Err(self.down(NO_ANSWER.into()))
            }
        }
    }

    /// No connection of today is used again (W7).
    pub(super) fn give_up(&self) {
        self.connector.broke();
        let idle = {
            let mut state = self.state.lock();
            state.generation += 1;
            state.busy += state.idle.len(); // a permit each, until they are closed
            std::mem::take(&mut state.idle)
        };
        for connection in idle {
            drop(connection);
            self.pass_on(None);
        }
    }

    /// Gives a permit, and the connection if there is one, to the first in the queue; if nobody
    /// queues both go to the pool (W2).
    fn pass_on(&self, mut connection: Option<Box<Shared<C::Transport>>>) {
        loop {
            let mut state = self.state.lock();
            if connection.as_ref().is_some_and(|connection| connection.generation != state.generation) {
                drop(state);
                connection = None; // closes it, outside the lock and before anybody opens another
                continue;
            }
            let Some(request) = state.queue.pop_front() else {
                state.busy -= 1;
                state.idle.extend(connection);
                return;
            };
            drop(state);
            match request.give(Turn::Lead(connection), |turn| matches!(turn, Turn::Queued)) {
                Ok(()) => return,
                Err(Turn::Lead(back)) => connection = back, // it has left: the next one
                Err(_) => unreachable!("a gift that is not taken comes back as it was"),
            }
        }
    }

    fn unreachable(&self, reason: String) -> RedisStoreError {
        RedisStoreError::Unreachable { address: self.connector.address().to_string(), reason }
    }

    fn down(&self, reason: String) -> Failure {
        Failure::Down(self.unreachable(reason))
    }

    fn unsure(&self, reason: String) -> Failure {
        Failure::Unsure(self.unreachable(reason))
    }
}

impl<T: Transport> State<T> {
    /// One that owes no answers, if there is one.
    fn take_idle(&mut self) -> Option<Box<Shared<T>>> {
        let best = self.idle.iter().rposition(|connection| !connection.is_owed());
        best.map(|at| self.idle.swap_remove(at)).or_else(|| self.idle.pop())
    }
}

#[cfg(test)]
mod tests;
