//! How bytes reach the server that is master for the tree. No type of the redis crate, and no
//! socket, leaves this layer; it knows nothing of locks.
//!
//! * `wire/answer.rs`: answers out of bytes
//! * `wire/refusal.rs`: what an error of the server means
//! * `wire/master.rs`: which server is master, now
//! * `wire/resolve.rs`: the addresses of a name
//! * `wire/socket.rs`: system calls that end at a deadline and are repeated after a signal
//! * `wire/tls.rs`, `wire/stream.rs`: the socket, in the clear or over TLS
//! * `wire/transport.rs`: what a pool wants of connections
//! * `wire/resp.rs`: commands and answers over one stream, and what of them is under way
//! * `wire/connector.rs`: opening one: logging in
//! * `wire/connection.rs`: a connection of one's own
//! * `wire/pool.rs`: the connections that callers share

use redis::IntoConnectionInfo;

use super::error::{Failure, RedisStoreError};
use super::server::Server;
use super::value::Value;

mod answer;
mod connection;
mod connector;
mod master;
mod pool;
mod refusal;
mod resolve;
mod resp;
mod socket;
mod stream;
#[cfg_attr(not(feature = "redis-tls"), path = "wire/no_tls.rs")]
mod tls;
mod transport;

pub(in crate::redis) use connection::Connection;

#[cfg(all(test, not(mutextree_shuttle)))]
mod tests;

use connector::Connector;
use pool::Pool;
use transport::Connect;

/// The reason of a failure that is a time-out.
const NO_ANSWER: &str = "no answer in time";

/// One server, and the connections to it.
///
/// Nothing of it may be used in a child of the process that made it, whose sockets these are.
/// Dropping it sends nothing.
pub(in crate::redis) struct Wire {
    pool: Pool<Connector>,
}

impl Wire {
    /// Of the URL of a server. `timeout`, in microseconds, is how long it may take for one command;
    /// `u64::MAX` is for ever. `asks`: whether each server is asked
    /// [who it is](Self::server). Nothing is opened yet.
    pub(in crate::redis) fn new(
        url: &str,
        client_name: Option<String>,
        timeout: u64,
        asks: bool,
    ) -> Result<Self, RedisStoreError> {
        let config = |error| RedisStoreError::Config(format!("the URL of the Redis server cannot be used: {error}"));
        let info = url.into_connection_info().map_err(config)?;
        Ok(Self { pool: Pool::new(Connector::new(&info, client_name, asks)?, timeout) })
    }

    /// Host and port, or the path of the socket, for messages.
    pub(in crate::redis) fn address(&self) -> &str {
        self.pool.connector().address()
    }

    /// The server that the last connection was opened to; `None` if servers are not asked.
    pub(in crate::redis) fn server(&self) -> Option<Server> {
        self.pool.connector().server()
    }

    /// Sends one command over a connection that callers share, and waits for its answer until
    /// `deadline` on the [`clock`](super::clock::clock), but no longer than the timeout after it
    /// was sent.
    ///
    /// At the deadline a command that was sent is [`Failure::Unsure`], and one that was not is
    /// [`Failure::Down`].
    pub(in crate::redis) fn call(&self, command: &[u8], deadline: u64) -> Result<Value, Failure> {
        self.pool.call(command, deadline)
    }

    /// The error of a command that has had no answer in time.
    pub(in crate::redis) fn too_late(&self) -> RedisStoreError {
        RedisStoreError::Unreachable { address: self.address().into(), reason: NO_ANSWER.into() }
    }

    /// Opens a connection of one's own by `deadline`.
    pub(in crate::redis) fn open(&self, deadline: u64) -> Result<Connection, Failure> {
        let connector = self.pool.connector();
        let stream = connector.connect(deadline)?;
        Ok(Connection::new(stream, connector.address().clone(), connector.link().clone()))
    }
}

/// The name by which a server that has run a script knows it.
pub(in crate::redis) fn script_hash(text: &str) -> String {
    redis::Script::new(text).get_hash().to_owned()
}
