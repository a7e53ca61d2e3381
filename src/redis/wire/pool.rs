//! [`Pool`]: the connections that callers share.
//!
//! A caller does its own I/O on a connection that is idle. If none is and no further one may be
//! opened, its command queues. Who gets a connection next is a *leader*: it sends all that has
//! queued up as one pipeline, so the busier the pool, the fewer system calls a command costs. The
//! others in that pipeline are its *followers*, and sleep until their answers are there.
//!
//! # A connection
//!
//! | state | who may touch it |
//! |---|---|
//! | idle, in the pool | nobody |
//! | owned | one thread: it writes, or reads answers in the order of the commands |
//! | handed over, in a command's [`Turn`] | the thread of that command, which it wakes |
//! | given up | nobody: it is closed |
//!
//! It knows which answers are *outstanding*, in order: for whom each is, and since when. An answer
//! whose caller has left is read and thrown away, by whoever owns the connection then. So an idle
//! connection may have some outstanding, and the next command goes out behind them.
//!
//! # A command
//!
//! | state | means | at its deadline |
//! |---|---|---|
//! | `Queued` | not sent | `Down` |
//! | `Lead` | its thread was given a connection, or the right to open one, and sends | passes that on: `Down` |
//! | `Sent` | another thread sends it and reads its answer | `Unsure` |
//! | `Read` | sent, and its thread was given the connection, to read on | hands that on: `Unsure` |
//! | `Done` | here is its answer | the answer |
//! | `Gone` | its thread has left | |
//!
//! A command that finds a connection at once needs no state: its thread leads, or reads, to the
//! end.
//!
//! # Invariants
//!
//! * **P1, bounded.** There are at most [`MOST`] connections: those that are idle, and a *permit*
//!   for each that is owned, handed over or being opened. Whoever has a permit passes it on or
//!   gives it back, on every path out of [`Pool::call`].
//! * **P2, nobody queues in vain.** While a command is `Queued` all permits are out: it queues
//!   under the lock under which it saw that, and a permit that comes back goes to the first in the
//!   queue before it goes to the pool.
//! * **P3, whose answer.** Commands are entered as outstanding in the order in which they are
//!   written, before anything else is written, and the first answer goes to the first entry. An
//!   entry is removed with its answer, or with its connection; a caller that leaves removes
//!   nothing. What was written in part is finished before anything else is written.
//! * **P4, deadlines.** No thread waits past its own deadline, for whatever reason. It leaves
//!   nothing behind that others would wait for: as a leader or reader it hands the connection on.
//! * **P5, the reader.** While somebody waits for an answer on a connection, the connection is
//!   owned or handed over, never idle: its owner lets go of it by handing it to the first
//!   follower that is still there, and only if there is none is it idle.
//! * **P6, age.** A connection whose oldest outstanding answer is overdue by the store's timeout is
//!   given up, whoever waited for that answer, and all that is outstanding is `Unsure`.
//! * **P7, wrong server.** A connection that breaks, or whose server is not the master, takes all
//!   that are idle with it, and those that others own as soon as their answers are there: each
//!   connection is of a generation, and those of earlier ones are not used again. So the next call
//!   opens one, and looks for the master anew.
//!
//! # Why no wake-up is lost
//!
//! A command's state changes under the lock of its [`Turn`] alone, and its thread decides at its
//! deadline under the same lock. Someone gives it a connection, or its answer, and it leaves: one
//! comes first.
//!
//! * *The gift comes first*: the thread finds it when it looks, at its deadline at the latest, and
//!   passes the connection on, or takes the answer.
//! * *It leaves first*: the state is `Gone`, and the giver, who sees that, gives to the next.
//!
//! Locks: the pool's comes before a turn's. No system call is made under either.

mod request;
mod shared;

use std::collections::VecDeque;

use super::super::clock::clock;
use super::super::error::{Failure, RedisStoreError};
use super::super::primitives::{Arc, Mutex};
use super::super::value::Value;
use super::NO_ANSWER;
use super::answer::Answer;
use super::line::{Halt, Partly};
use super::refusal::Refusal;
use request::{Request, Turn};
use shared::{Shared, To};

/// As many connections as this: with one the server would wait while we read, and more than two
/// only cost system calls.
const MOST: usize = 2;
/// As many commands as this go with the one that leads a pipeline.
const MOST_FOLLOWERS: usize = 63;

/// What opens connections.
pub(super) trait Open {
    type Line: Lines;

    fn open(&self, deadline: u64) -> Result<Self::Line, Failure>;

    fn address(&self) -> &Arc<str>;
}

/// What a connection can do: see [`Line`](super::line::Line). A trait, so that the pool can be
/// tried with lines that are no sockets.
pub(super) trait Lines {
    fn flush(&mut self, deadline: u64) -> Result<(), Halt>;

    fn write(&mut self, bytes: &[u8], deadline: u64) -> Result<(), Partly>;

    fn leave(&mut self, rest: &[u8]);

    fn received(&mut self) -> Result<Option<Answer>, Halt>;

    fn receive(&mut self, deadline: u64) -> Result<Answer, Halt>;

    fn has_more(&self) -> bool;
}

pub(super) struct Pool<D: Open> {
    dial: D,
    timeout: u64,
    state: Mutex<State<D::Line>>,
}

struct State<L> {
    idle: Vec<Box<Shared<L>>>,
    /// Permits that are out.
    busy: usize,
    queue: VecDeque<Arc<Request<L>>>,
    /// Of connections that are opened from now on.
    generation: u64,
}

impl<D: Open> Pool<D> {
    pub(super) fn new(dial: D, timeout: u64) -> Self {
        let state = State { idle: Vec::new(), busy: 0, queue: VecDeque::new(), generation: 0 };
        Self { dial, timeout, state: Mutex::new(state) }
    }

    pub(super) fn dial(&self) -> &D {
        &self.dial
    }

    pub(super) fn timeout(&self) -> u64 {
        self.timeout
    }

    pub(super) fn call(&self, command: &[u8], deadline: u64) -> Result<Value, Failure> {
        let request = {
            let mut state = self.state.lock();
            if let Some(connection) = state.take_idle() {
                state.busy += 1;
                drop(state);
                return self.lead(Some(connection), command, deadline);
            }
            if state.busy < MOST {
                state.busy += 1;
                drop(state);
                return self.lead(None, command, deadline);
            }
            // The copy is made under the lock, as most calls need none.
            let request = Arc::new(Request::new(command.to_vec()));
            state.queue.push_back(request.clone());
            request
        };
        match request.wait(deadline) {
            Turn::Done(answer) => answer,
            Turn::Lead(connection) => self.lead(connection, &request.command, deadline),
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

    /// Sends a command, and all that have queued up behind it, over a connection or over a new one.
    fn lead(&self, connection: Option<Box<Shared<D::Line>>>, own: &[u8], deadline: u64) -> Result<Value, Failure> {
        let now = clock();
        if now >= deadline {
            self.pass_on(connection);
            return Err(self.down(NO_ANSWER.into()));
        }
        let connection = match connection {
            Some(connection) if connection.is_overdue(now, self.timeout) => {
                self.give_up();
                drop(connection);
                None
            }
            other => other,
        };
        let mut connection = match connection {
            Some(connection) => connection,
            None => match self.open(deadline.min(now.saturating_add(self.timeout))) {
                Ok(connection) => connection,
                Err(failure) => {
                    self.pass_on(None);
                    return Err(failure);
                }
            },
        };
        if let Err(halt) = connection.line.flush(deadline) {
            if halt == Halt::TimedOut {
                self.let_go(connection);
            } else {
                self.fail(connection, &halt);
            }
            return Err(self.down(halt.reason()));
        }
        let followers = self.take_followers();
        let sent_at = clock();
        connection.expect(To::Owner, sent_at);
        let written = if followers.is_empty() {
            connection.line.write(own, deadline).map_err(|partly| (partly, None))
        } else {
            let mut commands = own.to_vec();
            for follower in &followers {
                commands.extend_from_slice(&follower.command);
            }
            for follower in followers {
                connection.expect(To::Follower(follower), sent_at);
            }
            connection.line.write(&commands, deadline).map_err(|partly| (partly, Some(commands)))
        };
        match written {
            Ok(()) => self.read(connection, deadline),
            Err((Partly { written: 0, halt: Halt::TimedOut }, None)) => {
                connection.forget_last();
                self.let_go(connection);
                Err(self.down(NO_ANSWER.into()))
            }
            Err((Partly { written, halt: Halt::TimedOut }, commands)) => {
                connection.line.leave(&commands.as_deref().unwrap_or(own)[written..]);
                connection.disown();
                self.let_go(connection);
                Err(self.unsure(NO_ANSWER.into()))
            }
            Err((Partly { halt, .. }, _)) => {
                self.fail(connection, &halt);
                Err(self.unsure(halt.reason()))
            }
        }
    }

    fn open(&self, deadline: u64) -> Result<Box<Shared<D::Line>>, Failure> {
        let generation = self.state.lock().generation;
        Ok(Box::new(Shared::new(self.dial.open(deadline)?, generation)))
    }

    /// All that have queued up, as far as they fit into one pipeline. They count as sent.
    fn take_followers(&self) -> Vec<Arc<Request<D::Line>>> {
        let mut state = self.state.lock();
        let mut followers = Vec::new();
        while followers.len() < MOST_FOLLOWERS
            && let Some(request) = state.queue.pop_front()
        {
            if request.is_sent() {
                followers.push(request);
            }
        }
        followers
    }

    /// Reads answers until one's own is there, and gives the others to whom they are for.
    fn read(&self, mut connection: Box<Shared<D::Line>>, deadline: u64) -> Result<Value, Failure> {
        loop {
            let overdue = connection.overdue_at(self.timeout);
            match connection.line.receive(deadline.min(overdue)) {
                Ok(answer) => {
                    if let Some(own) = self.deliver(&mut connection, answer) {
                        self.deliver_received(connection);
                        return own;
                    }
                }
                Err(Halt::TimedOut) if clock() < overdue => {
                    connection.disown();
                    self.let_go(connection);
                    return Err(self.unsure(NO_ANSWER.into()));
                }
                Err(halt) => {
                    self.fail(connection, &halt);
                    return Err(self.unsure(halt.reason()));
                }
            }
        }
    }

    /// Gives out the answers that have come together with one's own, and lets go.
    fn deliver_received(&self, mut connection: Box<Shared<D::Line>>) {
        while connection.is_owed() {
            match connection.line.received() {
                Ok(Some(answer)) => drop(self.deliver(&mut connection, answer)),
                Ok(None) => break,
                Err(halt) => return self.fail(connection, &halt),
            }
        }
        self.let_go(connection);
    }

    /// Gives an answer to the first that waits for one; returns it if that is the owner.
    fn deliver(&self, connection: &mut Shared<D::Line>, answer: Answer) -> Option<Result<Value, Failure>> {
        let answer = answer.map_err(|line| {
            let refusal = Refusal::new(&line, self.dial.address());
            if refusal.wrong_server {
                self.give_up(); // before anybody learns of it and calls again
            }
            refusal.failure
        });
        match connection.take_first()? {
            To::Owner => Some(answer),
            To::Follower(request) => {
                request.finish(answer);
                None
            }
            To::Nobody => None,
        }
    }

    /// Lets go of a connection, all of whose own answers are there or not waited for: somebody else
    /// reads on (P5), or it is idle.
    fn let_go(&self, mut connection: Box<Shared<D::Line>>) {
        while let Some(follower) = connection.first_follower() {
            match follower.give(Turn::Read(connection), |turn| matches!(turn, Turn::Sent)) {
                None => return,
                Some(Turn::Read(back)) => {
                    connection = back;
                    connection.leave_out(&follower);
                }
                Some(_) => unreachable!("it gives back what it was given"),
            }
        }
        if !connection.is_owed() && connection.line.has_more() {
            // What nobody asked for would be taken for the answer to the next command.
            let halt = Halt::Broken("it answered more than it was asked".into());
            return self.fail(connection, &halt);
        }
        self.pass_on(Some(connection));
    }

    /// A connection has broken: nothing that is outstanding will be answered.
    fn fail(&self, connection: Box<Shared<D::Line>>, halt: &Halt) {
        self.give_up();
        for follower in connection.into_followers() {
            follower.finish(Err(self.unsure(halt.clone().reason())));
        }
        self.pass_on(None);
    }

    /// No connection of today is used again (P7).
    fn give_up(&self) {
        let idle = {
            let mut state = self.state.lock();
            state.generation += 1;
            std::mem::take(&mut state.idle)
        };
        drop(idle); // closes them, outside the lock
    }

    /// Gives a connection, or the right to open one, to the first in the queue; if nobody queues it
    /// goes to the pool (P2).
    fn pass_on(&self, connection: Option<Box<Shared<D::Line>>>) {
        let mut old = None;
        let mut state = self.state.lock();
        let mut connection = connection.and_then(|connection| {
            if connection.generation == state.generation {
                return Some(connection);
            }
            old = Some(connection);
            None
        });
        while let Some(request) = state.queue.pop_front() {
            match request.give(Turn::Lead(connection), |turn| matches!(turn, Turn::Queued)) {
                None => return,
                Some(Turn::Lead(back)) => connection = back,
                Some(_) => unreachable!("it gives back what it was given"),
            }
        }
        state.busy -= 1;
        state.idle.extend(connection);
        drop(state);
        drop(old); // closes it, outside the lock
    }

    fn unreachable(&self, reason: String) -> RedisStoreError {
        RedisStoreError::Unreachable { address: self.dial.address()[..].into(), reason }
    }

    fn down(&self, reason: String) -> Failure {
        Failure::Down(self.unreachable(reason))
    }

    fn unsure(&self, reason: String) -> Failure {
        Failure::Unsure(self.unreachable(reason))
    }
}

impl<L: Lines> State<L> {
    /// One that owes no answers, if there is one.
    fn take_idle(&mut self) -> Option<Box<Shared<L>>> {
        let best = self.idle.iter().rposition(|connection| !connection.is_owed());
        best.map(|at| self.idle.swap_remove(at)).or_else(|| self.idle.pop())
    }
}
