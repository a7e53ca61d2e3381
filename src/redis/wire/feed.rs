//! [`Feed`]: a connection over which messages come that nobody asks for one by one.

use super::super::error::{Failure, RedisStoreError};
use super::super::primitives::Arc;
use super::answer::Answer;
use super::bell::Bell;
use super::connector::Connector;
use super::resp::RespStream;
use super::transport::{Halt, Transport};

/// A connection that one thread has for itself: it subscribes, and reads what comes. After a
/// failure it is of no more use. Dropping it sends nothing.
pub(in crate::redis) struct Feed {
    stream: RespStream,
    connector: Arc<Connector>,
}

impl Feed {
    pub(super) fn new(stream: RespStream, connector: Arc<Connector>, bell: Arc<Bell>) -> Self {
        stream.line().hear(bell);
        Self { stream, connector }
    }

    /// Sends commands, by `deadline`.
    pub(in crate::redis) fn send(&mut self, commands: &[u8], deadline: u64) -> Result<(), Failure> {
        self.stream.write(commands, deadline).map_err(|partly| self.broke(partly.halt.reason()))
    }

    /// What comes next: a message, or the answer to a command. `None` if nothing has come by
    /// `deadline`, or if the bell was rung.
    pub(in crate::redis) fn next(&mut self, deadline: u64) -> Result<Option<Answer>, Failure> {
        if self.stream.is_cut() {
            return Err(self.broke("another server is master now".into()));
        }
        match self.stream.receive(deadline) {
            Ok(answer) => Ok(Some(answer)),
            Err(Halt::TimedOut) => Ok(None),
            Err(halt) => Err(self.broke(halt.reason())),
        }
    }

    /// A server has answered this error. What it means for the command; and `false` if the feed is
    /// of no more use.
    pub(in crate::redis) fn refused(&self, error: &str) -> (Failure, bool) {
        let refusal = super::refusal::Refusal::new(error, self.stream.address());
        let is_good = !refusal.wrong_server || !self.connector.misled_by(self.stream.address(), error);
        (refusal.failure, is_good)
    }

    fn broke(&self, reason: String) -> Failure {
        self.connector.link().broke();
        Failure::Unsure(RedisStoreError::Unreachable { address: self.stream.address().to_string(), reason })
    }
}
