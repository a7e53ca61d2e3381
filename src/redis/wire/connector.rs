//! [`Connector`]: opens connections, and ends each with an answer from the server.
//!
//! A server that has no room for another client takes the connection, says so, and closes it. So
//! a connection is not open when it is connected, but when the server has answered: logging in,
//! choosing the database and giving the name go out with a `PING` behind them, as one pipeline.

use std::io::ErrorKind;

use redis::{ConnectionInfo, RedisConnectionInfo};

use super::super::command::command;
use super::super::error::{Failure, RedisStoreError};
use super::super::primitives::{Arc, Mutex};
use super::super::server::Server;
use super::super::value::Value;
use super::NO_ANSWER;
use super::master::Master;
use super::refusal::Refusal;
use super::resp::RespStream;
use super::stream::Stream;
use super::tls::Trust;
use super::transport::{Connect, Halt, Transport};
use crate::observe::link::Link;

/// One server, and how to log in there.
pub(super) struct Connector {
    master: Master,
    address: Arc<str>,
    trust: Trust,
    login: RedisConnectionInfo,
    /// What the server's `CLIENT LIST` is to call the connection.
    name: Option<String>,
    link: Link,
    /// Whether servers are asked who they are.
    asks: bool,
    /// The server that the last connection was opened to.
    server: Mutex<Option<Server>>,
}

impl Connect for Connector {
    type Transport = RespStream;

    fn connect(&self, deadline: u64) -> Result<RespStream, Failure> {
        let opened = self.log_in(deadline);
        match &opened {
            Ok(stream) => self.link.opened(&self.address, || stream.peer()),
            Err(_) => self.link.broke(),
        }
        opened
    }

    fn address(&self) -> &Arc<str> {
        &self.address
    }

    fn broke(&self) {
        self.link.broke();
    }
}

/// A command of the login.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Authenticate,
    Select,
    Name,
    Info,
    Ping,
}

impl Connector {
    pub(super) fn new(info: &ConnectionInfo, name: Option<String>, asks: bool) -> Result<Self, RedisStoreError> {
        let master = Master::new(info)?;
        let address = master.address().into();
        let login = info.redis_settings().clone();
        Ok(Self {
            master,
            address,
            trust: Trust::new(),
            login,
            name,
            link: Link::default(),
            asks,
            server: Mutex::new(None),
        })
    }

    pub(super) fn link(&self) -> &Link {
        &self.link
    }

    /// The server that the last connection was opened to, if servers are asked who they are.
    pub(super) fn server(&self) -> Option<Server> {
        self.server.lock().clone()
    }

    /// Opens a connection by `deadline`.
    fn log_in(&self, deadline: u64) -> Result<RespStream, Failure> {
        let endpoint = self.master.find(deadline)?;
        let stream = Stream::open(&endpoint, &self.trust, deadline).map_err(|error| match error.kind() {
            ErrorKind::TimedOut => self.down(NO_ANSWER.into()),
            _ => self.down(error.to_string()),
        })?;
        let mut stream = RespStream::new(stream);
        let (steps, commands) = self.commands();
        // A server that is full may have closed the connection, and said why before.
        let written = stream.write(&commands, deadline);
        for step in steps {
            match stream.receive(deadline) {
                Ok(Ok(Value::Bytes(info))) if step == Step::Info => self.identify(&info, &mut stream, deadline)?,
                Ok(Ok(_)) => {}
                Ok(Err(error)) => self.check(step, &error)?,
                Err(halt) => return Err(self.hung_up(written.err().map_or(halt, |partly| partly.halt))),
            }
        }
        Ok(stream)
    }

    fn commands(&self) -> (Vec<Step>, Vec<u8>) {
        let (mut steps, mut commands) = (Vec::new(), Vec::new());
        let mut add = |step, words: &[&[u8]]| {
            steps.push(step);
            commands.extend_from_slice(&command(words));
        };
        if let Some(password) = self.login.password() {
            match self.login.username() {
                Some(user) => add(Step::Authenticate, &[b"AUTH", user.as_bytes(), password.as_bytes()]),
                None => add(Step::Authenticate, &[b"AUTH", password.as_bytes()]),
            }
        }
        if self.login.db() != 0 {
            add(Step::Select, &[b"SELECT", self.login.db().to_string().as_bytes()]);
        }
        if let Some(name) = &self.name {
            add(Step::Name, &[b"CLIENT", b"SETNAME", name.as_bytes()]);
        }
        add(Step::Ping, &[b"PING"]);
        if self.asks {
            add(Step::Info, &[b"INFO", b"server", b"replication", b"cluster"]);
        }
        (steps, commands)
    }

    /// Takes down which server it is, as it says itself.
    fn identify(&self, info: &[u8], stream: &mut RespStream, deadline: u64) -> Result<(), Failure> {
        let info = String::from_utf8_lossy(info);
        let mut node = String::new();
        if Server::is_in_cluster(&info) {
            let asked = stream.write(&command(&[b"CLUSTER", b"MYID"]), deadline).map_err(|partly| partly.halt);
            let answer = asked.and_then(|()| stream.receive(deadline)).map_err(|halt| self.hung_up(halt))?;
            match answer {
                Ok(Value::Bytes(name)) => node = String::from_utf8_lossy(&name).into_owned(),
                Ok(_) => {}
                Err(error) => return Err(Refusal::new(&error, &self.address).failure),
            }
        }
        let server = Server::of_info(&info, &node);
        let nameless = || Failure::Refused(RedisStoreError::Protocol("INFO does not say which server it is".into()));
        *self.server.lock() = Some(server.ok_or_else(nameless)?);
        Ok(())
    }

    /// Whether an error that the server answered to a step is a reason to fail.
    fn check(&self, step: Step, message: &str) -> Result<(), Failure> {
        let failure = Refusal::new(message, &self.address).failure;
        match (step, &failure) {
            (_, Failure::Later(_)) => Err(failure),
            // What it says may repeat what it was sent, which was a password.
            (Step::Authenticate, _) => {
                Err(Failure::Refused(RedisStoreError::Authentication { address: self.address[..].into() }))
            }
            // A server that will not have the name, or is not to be pinged, is a server.
            (Step::Name, _) | (Step::Ping, Failure::Refused(RedisStoreError::Permission { .. })) => Ok(()),
            (Step::Select | Step::Ping | Step::Info, _) => Err(failure),
        }
    }

    /// The connection broke while the server was to answer.
    fn hung_up(&self, halt: Halt) -> Failure {
        match halt {
            Halt::Reset(reason) => Failure::Later(RedisStoreError::Busy {
                reason: format!(
                    "{} closed the connection before it answered, as a server does that has no room for another client ({reason})",
                    self.address
                ),
            }),
            halt => self.down(halt.reason()),
        }
    }

    fn down(&self, reason: String) -> Failure {
        Failure::Down(RedisStoreError::Unreachable { address: self.address[..].into(), reason })
    }
}
