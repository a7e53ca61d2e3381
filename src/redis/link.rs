//! [`Link`]: connections to the server, and how a command is sent and fails.
//!
//! A calling thread does its own I/O on a connection that nobody uses right now. If all are in use
//! it queues, and whoever gets a connection next sends all that has queued up by then as one
//! pipeline: so the busier it is, the fewer system calls a command costs on either side. After any
//! error of a connection it is dropped, and so is every idle one: a late reply can never be taken
//! for another command's, and a server that came back is not met by stale connections.

use std::collections::VecDeque;
use std::time::Duration;

use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{Client, Cmd, Connection, ConnectionLike, IntoConnectionInfo, RedisError, Value};

use super::error::{Failure, RedisStoreError};
use super::sync::{Arc, Condvar, Mutex, until};

/// As many connections as this, those of the keeper and the listener not counted.
const MOST_LINES: usize = 2;
/// As many commands as this go with the one that leads a pipeline.
const MOST_MATES: usize = 63;
/// The operating system takes a timeout of zero for none.
const SHORTEST: Duration = Duration::from_millis(1);

pub(crate) struct Link {
    client: Client,
    address: String,
    client_name: Option<String>,
    timeout: Duration,
    lanes: Mutex<Lanes>,
}

/// One connection. Whoever owns it has it for itself.
pub(crate) struct Line {
    connection: Connection,
    timeout: Duration,
}

#[derive(Default)]
struct Lanes {
    idle: Vec<Line>,
    /// Lines in use, or about to be opened. While anybody queues there are [`MOST_LINES`] of them.
    busy: usize,
    queue: VecDeque<Arc<Seat>>,
}

/// A command that waits for a line.
struct Seat {
    command: Vec<u8>,
    turn: Mutex<Turn>,
    changed: Condvar,
}

/// How far it has come.
enum Turn {
    Queued,
    /// Its thread has got a line, or may open one, and sends it.
    Lead(Option<Line>),
    /// Another thread sends it.
    Sent,
    Done(Result<Value, Failure>),
}

impl Seat {
    fn new(command: Vec<u8>) -> Self {
        Self { command, turn: Mutex::new(Turn::Queued), changed: Condvar::new() }
    }

    /// Waits for its turn or its answer. What it returns at the deadline may be neither.
    fn wait(&self, deadline: u64) -> Turn {
        let mut turn = self.turn.lock();
        while matches!(*turn, Turn::Queued | Turn::Sent) {
            if self.changed.wait_for(&mut turn, until(deadline)).timed_out() && until(deadline).is_zero() {
                break;
            }
        }
        std::mem::replace(&mut *turn, Turn::Queued)
    }

    fn take(&self) -> Turn {
        std::mem::replace(&mut *self.turn.lock(), Turn::Queued)
    }

    fn sent(&self) {
        *self.turn.lock() = Turn::Sent;
    }

    fn lead(&self, line: Option<Line>) {
        *self.turn.lock() = Turn::Lead(line);
        self.changed.notify_one();
    }

    fn done(&self, answer: Result<Value, Failure>) {
        *self.turn.lock() = Turn::Done(answer);
        self.changed.notify_one();
    }
}

/// Whether the connection is of no more use.
fn broken(answer: &Result<Value, Failure>) -> bool {
    matches!(answer, Err(Failure::Down(_) | Failure::Unsure(_)))
}

impl Link {
    pub(crate) fn new(url: &str, client_name: Option<String>, timeout: Duration) -> Result<Self, RedisStoreError> {
        let config =
            |error: RedisError| RedisStoreError::Config(format!("the URL of the Redis server cannot be used: {error}"));
        let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(30)).with_interval(Duration::from_secs(10));
        let settings = TcpSettings::default().set_nodelay(true).set_keepalive(keepalive);
        let info = url.into_connection_info().map_err(config)?.set_tcp_settings(settings);
        let login = info.redis_settings().clone().set_skip_set_lib_name();
        let info = info.set_redis_settings(login);
        let address = info.addr().to_string();
        let client = Client::open(info).map_err(config)?;
        Ok(Self { client, address, client_name, timeout, lanes: Mutex::default() })
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// How long a command may take at the most.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// A connection of one's own.
    pub(crate) fn open(&self, timeout: Duration) -> Result<Line, Failure> {
        let connect = || -> Result<Line, RedisError> {
            let timeout = timeout.max(SHORTEST);
            let mut connection = self.client.get_connection_with_timeout(timeout)?;
            connection.set_read_timeout(Some(timeout))?;
            connection.set_write_timeout(Some(timeout))?;
            if let Some(name) = &self.client_name {
                // A name for `CLIENT LIST`: a server that will not have it is no reason to fail.
                let _ = connection.req_command(redis::cmd("CLIENT").arg("SETNAME").arg(name))?;
            }
            Ok(Line { connection, timeout })
        };
        connect().map_err(|error| Failure::of(&error, &self.address, false))
    }

    /// Sends a command and waits for its answer, until `deadline` on the
    /// [`clock`](super::sync::clock) at the most.
    pub(crate) fn call(&self, command: &Cmd, deadline: u64) -> Result<Value, Failure> {
        let line = {
            let mut lanes = self.lanes.lock();
            let line = lanes.idle.pop();
            if line.is_none() && lanes.busy == MOST_LINES {
                drop(lanes);
                return self.queue(command, deadline);
            }
            lanes.busy += 1;
            line
        };
        let timeout = until(deadline).min(self.timeout);
        let mut line = match line.map_or_else(|| self.open(timeout), Ok) {
            Ok(line) => line,
            Err(failure) => {
                self.pass_on(None);
                return Err(failure);
            }
        };
        let answer = self.on(&mut line, command, timeout);
        self.pass_on((!broken(&answer)).then_some(line));
        answer
    }

    /// Waits for a line, or for somebody who has one and sends this command with theirs.
    fn queue(&self, command: &Cmd, deadline: u64) -> Result<Value, Failure> {
        let seat = Arc::new(Seat::new(command.get_packed_command()));
        {
            let mut lanes = self.lanes.lock();
            if lanes.busy < MOST_LINES {
                drop(lanes); // one has become free in between
                return self.call(command, deadline);
            }
            lanes.queue.push_back(seat.clone());
        }
        match seat.wait(deadline) {
            Turn::Done(answer) => answer,
            Turn::Lead(line) => self.lead(&seat, line, deadline),
            Turn::Sent => Err(Failure::Unsure(self.too_late())),
            Turn::Queued => {
                self.lanes.lock().queue.retain(|queued| !Arc::ptr_eq(queued, &seat));
                match seat.take() {
                    Turn::Lead(line) => {
                        self.pass_on(line);
                        Err(Failure::Down(self.too_late()))
                    }
                    Turn::Done(answer) => answer,
                    Turn::Sent => Err(Failure::Unsure(self.too_late())),
                    Turn::Queued => Err(Failure::Down(self.too_late())),
                }
            }
        }
    }

    /// Sends what has queued up, one's own command first, as one pipeline.
    fn lead(&self, own: &Seat, line: Option<Line>, deadline: u64) -> Result<Value, Failure> {
        let timeout = until(deadline).min(self.timeout);
        let mut line = match line.map_or_else(|| self.open(timeout), Ok) {
            Ok(line) => line,
            Err(failure) => {
                self.pass_on(None);
                return Err(failure);
            }
        };
        let mates: Vec<Arc<Seat>> = {
            let mut lanes = self.lanes.lock();
            let count = lanes.queue.len().min(MOST_MATES);
            lanes.queue.drain(..count).collect()
        };
        let mut commands = own.command.clone();
        for mate in &mates {
            mate.sent();
            commands.extend_from_slice(&mate.command);
        }
        let mut answer = None;
        let good = self.exchange(&mut line, &commands, 1 + mates.len(), timeout, |at, each| match at {
            0 => answer = Some(each),
            _ => mates[at - 1].done(each),
        });
        self.pass_on(good.then_some(line));
        answer.unwrap_or_else(|| Err(Failure::Unsure(self.too_late())))
    }

    /// Sends so many commands as one pipeline, and gives out their answers in order. Whether the
    /// line is still good.
    pub(crate) fn exchange(
        &self,
        line: &mut Line,
        commands: &[u8],
        count: usize,
        timeout: Duration,
        mut deliver: impl FnMut(usize, Result<Value, Failure>),
    ) -> bool {
        let sent = line.set_timeout(timeout.max(SHORTEST)).and_then(|()| line.connection.send_packed_command(commands));
        // Behind a lost answer all are lost.
        let mut lost = sent.err().map(|error| Err(Failure::of(&error, &self.address, true)));
        for at in 0..count {
            let answer = lost.clone().unwrap_or_else(|| self.read(line.connection.recv_response()));
            if broken(&answer) {
                lost = Some(answer.clone());
            }
            deliver(at, answer);
        }
        lost.is_none()
    }

    /// Gives a line, or the right to open one, to who is first in the queue; if nobody is, it is
    /// idle.
    ///
    /// A line that broke comes back as `None`, and all idle ones go with it.
    fn pass_on(&self, line: Option<Line>) {
        let mut lanes = self.lanes.lock();
        if line.is_none() {
            lanes.idle.clear();
        }
        if let Some(seat) = lanes.queue.pop_front() {
            seat.lead(line);
        } else {
            lanes.busy -= 1;
            lanes.idle.extend(line);
        }
    }

    pub(crate) fn too_late(&self) -> RedisStoreError {
        RedisStoreError::Unreachable { address: self.address.clone(), reason: "no answer in time".into() }
    }

    fn read(&self, answer: Result<Value, RedisError>) -> Result<Value, Failure> {
        match answer {
            Ok(Value::ServerError(error)) => Err(Failure::of(&error.into(), &self.address, true)),
            Ok(value) => Ok(value),
            Err(error) => Err(Failure::of(&error, &self.address, true)),
        }
    }

    /// Sends a command on a line of one's own. After an error of the connection the line is of no
    /// more use.
    pub(crate) fn on(&self, line: &mut Line, command: &Cmd, timeout: Duration) -> Result<Value, Failure> {
        let answer = line.set_timeout(timeout.max(SHORTEST)).and_then(|()| line.connection.req_command(command));
        match answer {
            Ok(Value::ServerError(error)) => Err(Failure::of(&error.into(), &self.address, true)),
            Ok(value) => Ok(value),
            Err(error) => Err(Failure::of(&error, &self.address, true)),
        }
    }
}

impl Line {
    fn set_timeout(&mut self, timeout: Duration) -> Result<(), RedisError> {
        // One that has hardly changed is not worth the system calls.
        if timeout.abs_diff(self.timeout) > SHORTEST {
            self.connection.set_read_timeout(Some(timeout))?;
            self.connection.set_write_timeout(Some(timeout))?;
            self.timeout = timeout;
        }
        Ok(())
    }
}
