//! What a pool wants of connections, as traits: so it can be tried with what is no socket.

use super::super::error::Failure;
use super::super::primitives::Arc;
use super::NO_ANSWER;
use super::answer::Answer;

/// What opens connections.
pub(super) trait Connect {
    type Transport: Transport;

    /// Opens one by `deadline`, and has heard from the server.
    fn connect(&self, deadline: u64) -> Result<Self::Transport, Failure>;

    /// The server, for messages.
    fn address(&self) -> Arc<str>;

    /// A connection has been given up.
    fn broke(&self) {}

    /// A server has said, by this error, that it is not the master. Whether that goes for all that
    /// connections to it are used for.
    fn misled(&self, _error: &str) -> bool {
        true
    }
}

/// What a connection can do.
pub(super) trait Transport {
    /// Whether it was cut, as it leads to a server that is not the master any more.
    fn is_cut(&self) -> bool {
        false
    }

    /// Whether it leads to another server than the one of this run. Nobody is another one than
    /// `""`.
    fn is_to_another(&self, _run: &str) -> bool {
        false
    }

    /// Writes what was left before. Nothing else may be written until that is done.
    fn flush(&mut self, deadline: u64) -> Result<(), Halt>;

    /// Writes commands. The rest of one that has begun has to be [left](Transport::leave).
    fn write(&mut self, bytes: &[u8], deadline: u64) -> Result<(), Partly>;

    /// Leaves the rest of what was to be written, for [`Transport::flush`] to write.
    fn leave(&mut self, rest: &[u8]);

    /// An answer that has come already.
    fn received(&mut self) -> Result<Option<Answer>, Halt>;

    /// Waits for the next answer.
    fn receive(&mut self, deadline: u64) -> Result<Answer, Halt>;

    /// Whether bytes have come that no answer has taken.
    fn has_more(&self) -> bool;
}

/// Why something could not be sent or received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Halt {
    /// The deadline came.
    TimedOut,
    /// The connection is broken, and this is the reason.
    Broken(String),
    /// The other side broke it.
    Reset(String),
}

/// Not all was written: so many bytes were, and then this happened.
#[derive(Debug)]
pub(super) struct Partly {
    pub(super) written: usize,
    pub(super) halt: Halt,
}

impl Halt {
    pub(super) fn reason(self) -> String {
        match self {
            Self::TimedOut => NO_ANSWER.into(),
            Self::Broken(reason) | Self::Reset(reason) => reason,
        }
    }
}
