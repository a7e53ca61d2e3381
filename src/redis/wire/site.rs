//! [`Site`]: a master, and the connections to it, for all trees that are there.

use super::super::error::{Failure, RedisStoreError};
use super::super::primitives::Arc;
use super::super::server::Server;
use super::super::value::Value;
use super::NO_ANSWER;
use super::bell::Bell;
use super::connection::Connection;
use super::connector::Connector;
use super::feed::Feed;
use super::place::Place;
use super::pool::Pool;
use super::transport::Connect;

/// The server that is master for some trees, and the connections to it.
pub(in crate::redis) struct Site {
    pool: Pool<Arc<Connector>>,
    timeout: u64,
}

impl Site {
    pub(super) fn new(connector: Connector, timeout: u64) -> Self {
        Self { pool: Pool::new(Arc::new(connector), timeout), timeout }
    }

    pub(super) fn connector(&self) -> &Arc<Connector> {
        self.pool.connector()
    }

    /// Where guides say that it is; `None` if nobody was asked yet, or if it is at a fixed place.
    pub(super) fn master(&self) -> Option<Place> {
        self.connector().master()
    }

    /// How long it may take for one command, in microseconds.
    pub(in crate::redis) fn timeout(&self) -> u64 {
        self.timeout
    }

    /// Host and port, the path of the socket, or the URL without user and password: for messages.
    pub(in crate::redis) fn address(&self) -> &str {
        self.connector().shown()
    }

    /// The server that the last connection was opened to; `None` if servers are not asked.
    pub(in crate::redis) fn server(&self) -> Option<Server> {
        self.connector().server()
    }

    /// Sends one command over a connection that callers share.
    pub(super) fn call_to(&self, run: &str, command: &[u8], deadline: u64) -> Result<Value, Failure> {
        self.pool.call_to(run, command, deadline)
    }

    /// The error of a command that has had no answer in time.
    pub(in crate::redis) fn too_late(&self) -> RedisStoreError {
        RedisStoreError::Unreachable { address: self.address().into(), reason: NO_ANSWER.into() }
    }

    /// Opens a connection of one's own by `deadline`.
    pub(in crate::redis) fn open(&self, deadline: u64) -> Result<Connection, Failure> {
        Ok(Connection::new(self.connector().connect(deadline)?, self.connector().clone()))
    }

    /// Opens one over which messages come, by `deadline`. The bell ends a wait for them.
    pub(in crate::redis) fn open_feed(&self, bell: Arc<Bell>, deadline: u64) -> Result<Feed, Failure> {
        Ok(Feed::new(self.connector().connect(deadline)?, self.connector().clone(), bell))
    }

    /// Whether another server may be master at another time, so that somebody has to
    /// [look](Self::look) now and then.
    pub(in crate::redis) fn is_guided(&self) -> bool {
        self.connector().is_guided()
    }

    /// Looks by `deadline` whether another server is master now. If so all connections to the one
    /// before are cut.
    pub(in crate::redis) fn look(&self, deadline: u64) {
        self.connector().look(deadline);
    }

    /// The next connection that callers share is a new one, and servers say their node there.
    pub(super) fn ask_node(&self) {
        self.connector().ask_node();
        self.pool.give_up();
    }

    /// How many commands wait for a connection.
    #[cfg(all(test, not(mutextree_shuttle)))]
    pub(super) fn queued(&self) -> usize {
        self.pool.queued()
    }
}
