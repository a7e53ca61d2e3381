//! [`Login`]: the first commands over a connection.

use redis::ConnectionInfo;

use super::super::command::command;
use super::super::error::{Failure, RedisStoreError};
use super::super::server::Server;
use super::super::value::Value;
use super::refusal::Refusal;
use super::resp::RespStream;
use super::transport::{Halt, Transport};

/// Who we are to a server.
#[derive(Clone, Default)]
pub(super) struct Login {
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) database: i64,
    /// What the server's `CLIENT LIST` is to call the connection.
    pub(super) name: Option<String>,
    /// Whether the server is asked who it is. A Sentinel is not: its user may not ask it.
    pub(super) asks: bool,
    /// Whether it is asked for its node as well, if it is in a cluster.
    pub(super) asks_node: bool,
}

/// What a server says of itself, as far as it does.
#[derive(Debug, Default)]
pub(super) struct Identity {
    /// Another one is another process: the server was started anew, or another one is there.
    pub(super) run_id: Option<String>,
    /// All of it, if it says all of it.
    pub(super) server: Option<Server>,
    pub(super) is_replica: bool,
}

/// A command of the login.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Authenticate,
    Select,
    Name,
    Identify,
    Ping,
}

impl Login {
    pub(super) fn of(info: &ConnectionInfo) -> Self {
        let settings = info.redis_settings();
        Self {
            user: settings.username().map(Into::into),
            password: settings.password().map(Into::into),
            database: settings.db(),
            name: None,
            asks: true,
            asks_node: false,
        }
    }

    /// Logs in over a stream to a server that messages call `address`, by `deadline`.
    pub(super) fn perform(&self, stream: &mut RespStream, address: &str, deadline: u64) -> Result<Identity, Failure> {
        let (steps, commands) = self.commands();
        // A server that is full may have closed the connection, and said why before.
        let written = stream.write(&commands, deadline);
        let (mut identity, mut is_node) = (Identity::default(), false);
        for step in steps {
            match stream.receive(deadline) {
                Ok(Ok(Value::Bytes(info))) if step == Step::Identify => {
                    let info = String::from_utf8_lossy(&info);
                    identity = Identity::read(&info);
                    is_node = Server::is_in_cluster(&info);
                }
                Ok(Ok(_)) => {}
                Ok(Err(error)) => check(step, &error, address)?,
                Err(halt) => return Err(hung_up(written.err().map_or(halt, |partly| partly.halt), address)),
            }
        }
        if let (true, true, Some(server)) = (self.asks_node, is_node, &mut identity.server) {
            server.node = ask_node(stream, address, deadline)?;
        }
        Ok(identity)
    }

    fn commands(&self) -> (Vec<Step>, Vec<u8>) {
        let (mut steps, mut commands) = (Vec::new(), Vec::new());
        let mut add = |step, words: &[&[u8]]| {
            steps.push(step);
            commands.extend_from_slice(&command(words));
        };
        if let Some(password) = &self.password {
            match &self.user {
                Some(user) => add(Step::Authenticate, &[b"AUTH", user.as_bytes(), password.as_bytes()]),
                None => add(Step::Authenticate, &[b"AUTH", password.as_bytes()]),
            }
        }
        if self.database != 0 {
            add(Step::Select, &[b"SELECT", self.database.to_string().as_bytes()]);
        }
        if let Some(name) = &self.name {
            add(Step::Name, &[b"CLIENT", b"SETNAME", name.as_bytes()]);
        }
        if self.asks {
            add(Step::Identify, &[b"INFO", b"server", b"replication"]);
        }
        add(Step::Ping, &[b"PING"]);
        (steps, commands)
    }
}

impl Identity {
    fn read(info: &str) -> Self {
        let field =
            |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
        let run_id = field("run_id").map(Into::into);
        Self { run_id, server: Server::of_info(info), is_replica: field("role") == Some("slave") }
    }
}

/// The name of the server's node in its cluster.
fn ask_node(stream: &mut RespStream, address: &str, deadline: u64) -> Result<String, Failure> {
    let asked = stream.write(&command(&[b"CLUSTER", b"MYID"]), deadline).map_err(|partly| partly.halt);
    match asked.and_then(|()| stream.receive(deadline)).map_err(|halt| hung_up(halt, address))? {
        Ok(Value::Bytes(name)) => Ok(String::from_utf8_lossy(&name).into_owned()),
        Ok(_) => Ok(String::new()),
        Err(error) => Err(Refusal::new(&error, address).failure),
    }
}

/// Whether an error that the server answered to a step is a reason to fail.
fn check(step: Step, message: &str, address: &str) -> Result<(), Failure> {
    let failure = Refusal::new(message, address).failure;
    let is_login = matches!(failure, Failure::Refused(RedisStoreError::Authentication { .. }));
    match (step, &failure) {
        (_, Failure::Later(_)) => Err(failure),
        // What it says may repeat what it was sent, which was a password.
        (Step::Authenticate, _) => Err(Failure::Refused(RedisStoreError::Authentication { address: address.into() })),
        (Step::Identify, _) if is_login => Err(failure),
        // A server that will not have the name, does not say who it is, or is not to be pinged, is
        // a server.
        (Step::Name | Step::Identify, _) | (Step::Ping, Failure::Refused(RedisStoreError::Permission { .. })) => Ok(()),
        (Step::Select | Step::Ping, _) => Err(failure),
    }
}

/// The connection broke while the server was to answer.
fn hung_up(halt: Halt, address: &str) -> Failure {
    match halt {
        Halt::Reset(reason) => Failure::Later(RedisStoreError::Busy {
            reason: format!(
                "{address} closed the connection before it answered, as a server does that has no room for another client ({reason})"
            ),
        }),
        halt => Failure::Down(RedisStoreError::Unreachable { address: address.into(), reason: halt.reason() }),
    }
}
