//! [`Link`]: connections to the server, and how a command is sent and fails.
//!
//! A calling thread does its own I/O, on a connection that nobody uses right now or on a new one. After any error of a
//! connection it is dropped, and so is every idle one: a late reply can never be taken for another command's, and a server that
//! came back is not met by a dozen stale connections.

use std::time::Duration;

use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{Client, Cmd, Connection, ConnectionLike, IntoConnectionInfo, RedisError, Value};

use super::error::{Failure, RedisStoreError};
use super::sync::{Mutex, until};

/// As many connections as this are kept when nobody uses them.
const MOST_IDLE: usize = 64;

pub(crate) struct Link {
    client: Client,
    address: String,
    client_name: Option<String>,
    timeout: Duration,
    idle: Mutex<Vec<Line>>,
}

/// One connection. Whoever owns it has it for itself.
pub(crate) struct Line {
    connection: Connection,
    timeout: Duration,
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
        Ok(Self { client, address, client_name, timeout, idle: Mutex::new(Vec::new()) })
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
            let timeout = timeout.max(Duration::from_millis(1));
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

    /// Sends a command and waits for its answer, until `deadline` on the [`clock`](super::sync::clock) at the most.
    pub(crate) fn call(&self, command: &Cmd, deadline: u64) -> Result<Value, Failure> {
        let timeout = until(deadline).min(self.timeout);
        let idle = self.idle.lock().pop();
        let mut line = match idle {
            Some(line) => line,
            None => self.open(timeout)?,
        };
        let answer = self.on(&mut line, command, timeout);
        match &answer {
            Err(Failure::Down(_) | Failure::Unsure(_)) => self.idle.lock().clear(),
            _ => {
                let mut idle = self.idle.lock();
                if idle.len() < MOST_IDLE {
                    idle.push(line);
                }
            }
        }
        answer
    }

    /// Sends a command on a line of one's own. After an error of the connection the line is of no more use.
    pub(crate) fn on(&self, line: &mut Line, command: &Cmd, timeout: Duration) -> Result<Value, Failure> {
        let answer =
            line.set_timeout(timeout.max(Duration::from_millis(1))).and_then(|()| line.connection.req_command(command));
        match answer {
            Ok(Value::ServerError(error)) => Err(Failure::of(&error.into(), &self.address, true)),
            Ok(value) => Ok(value),
            Err(error) => Err(Failure::of(&error, &self.address, true)),
        }
    }
}

impl Line {
    fn set_timeout(&mut self, timeout: Duration) -> Result<(), RedisError> {
        if timeout != self.timeout {
            self.connection.set_read_timeout(Some(timeout))?;
            self.connection.set_write_timeout(Some(timeout))?;
            self.timeout = timeout;
        }
        Ok(())
    }
}
