//! [`Connection`]: a connection of one's own.

use super::super::error::{Failure, RedisStoreError};
use super::super::primitives::Arc;
use super::super::value::Value;
use super::connector::Connector;
use super::refusal::Refusal;
use super::resp::RespStream;
use super::transport::{Halt, Transport};

/// A connection that one thread has for itself.
///
/// It has one command, or one pipeline, under way at a time. After any error that leaves an answer
/// outstanding it is of no more use, so no late answer is ever taken for another command's; the
/// same goes for an answer of a server that is not the master. Dropping it sends nothing.
pub(in crate::redis) struct Connection {
    stream: RespStream,
    connector: Arc<Connector>,
    is_good: bool,
}

impl Connection {
    pub(super) fn new(stream: RespStream, connector: Arc<Connector>) -> Self {
        Self { stream, connector, is_good: true }
    }

    /// Whether it is of any more use. If it is not, every further call fails with
    /// [`Failure::Down`].
    pub(in crate::redis) fn is_good(&self) -> bool {
        self.is_good && !self.stream.is_cut()
    }

    /// Whether it leads to another server than the one of this run.
    pub(in crate::redis) fn is_to_another(&self, run: &str) -> bool {
        self.stream.is_to_another(run)
    }

    /// Sends one command, and waits for its answer until `deadline`.
    pub(in crate::redis) fn call(&mut self, command: &[u8], deadline: u64) -> Result<Value, Failure> {
        let mut answer = None;
        self.exchange(command, 1, deadline, |_, each| answer = Some(each));
        answer.unwrap_or_else(|| Err(self.down("the connection was given up".into())))
    }

    /// Sends so many commands as one pipeline, and gives out their answers in order, by `deadline`.
    /// Each has one, which may be a failure. Returns whether the connection is still good.
    pub(in crate::redis) fn exchange(
        &mut self,
        commands: &[u8],
        count: usize,
        deadline: u64,
        mut deliver: impl FnMut(usize, Result<Value, Failure>),
    ) -> bool {
        let mut lost = None;
        if !self.is_good() {
            lost = Some(self.down("the connection was given up".into()));
        } else if let Err(partly) = self.stream.write(commands, deadline) {
            let none = partly.written == 0;
            let reason = partly.halt.reason();
            lost = Some(if none { self.down(reason) } else { self.unsure(reason) });
            self.is_good = false;
        }
        for at in 0..count {
            let answer = match &lost {
                Some(failure) => Err(failure.clone()), // behind a lost answer all are lost
                None => self.receive(deadline).unwrap_or_else(|halt| {
                    self.is_good = false;
                    let failure = self.unsure(halt.reason());
                    lost = Some(failure.clone());
                    Err(failure)
                }),
            };
            deliver(at, answer);
        }
        // What nobody asked for would be taken for an answer of the next command.
        self.is_good &= !self.stream.has_more();
        if !self.is_good {
            self.connector.link().broke();
        }
        self.is_good
    }

    fn receive(&mut self, deadline: u64) -> Result<Result<Value, Failure>, Halt> {
        Ok(self.stream.receive(deadline)?.map_err(|error| {
            let refusal = Refusal::new(&error, self.stream.address());
            if refusal.wrong_server && self.connector.misled_by(self.stream.address(), &error) {
                self.is_good = false;
            }
            refusal.failure
        }))
    }

    fn unreachable(&self, reason: String) -> RedisStoreError {
        RedisStoreError::Unreachable { address: self.stream.address().to_string(), reason }
    }

    fn down(&self, reason: String) -> Failure {
        Failure::Down(self.unreachable(reason))
    }

    fn unsure(&self, reason: String) -> Failure {
        Failure::Unsure(self.unreachable(reason))
    }
}
