//! [`RespStream`]: commands to the server, and answers from it, over one stream.

use std::io::{self, ErrorKind};

use super::super::primitives::Arc;
use super::answer::{Answer, Inbox};
use super::socket::Line;
use super::stream::Stream;
use super::transport::{Halt, Partly, Transport};

/// A stream, and what of it is under way: bytes that are not written yet, and bytes that are not
/// read as answers yet.
///
/// A deadline ends a wait and nothing else: the next owner goes on where it ended.
pub(super) struct RespStream {
    stream: Stream,
    /// The server, for messages.
    address: Arc<str>,
    inbox: Inbox,
    /// The rest of what was to be sent. It goes out before anything else.
    outbox: Vec<u8>,
    /// The name of the server's run, if it says one.
    run: Option<String>,
}

impl RespStream {
    pub(super) fn new(stream: Stream, address: Arc<str>) -> Self {
        Self { stream, address, inbox: Inbox::default(), outbox: Vec::new(), run: None }
    }

    /// What the server has said at the login.
    pub(super) fn identified(&mut self, run: Option<String>) {
        self.run = run;
    }

    pub(super) fn address(&self) -> &Arc<str> {
        &self.address
    }

    /// By which others can cut it.
    pub(super) fn line(&self) -> &Arc<Line> {
        self.stream.line()
    }

    /// The address of the other side, if it has one.
    pub(super) fn peer(&self) -> Option<String> {
        self.stream.peer()
    }
}

impl Transport for RespStream {
    fn is_cut(&self) -> bool {
        self.stream.line().is_cut()
    }

    fn is_to_another(&self, run: &str) -> bool {
        !run.is_empty() && self.run.as_deref() != Some(run)
    }

    fn flush(&mut self, deadline: u64) -> Result<(), Halt> {
        if self.outbox.is_empty() {
            return Ok(());
        }
        let rest = std::mem::take(&mut self.outbox);
        self.write(&rest, deadline).map_err(|partly| {
            self.leave(&rest[partly.written..]);
            partly.halt
        })
    }

    fn write(&mut self, bytes: &[u8], deadline: u64) -> Result<(), Partly> {
        let mut written = 0;
        while written < bytes.len() {
            match self.stream.write(&bytes[written..], deadline) {
                Ok(0) => {
                    let halt = Halt::Broken("nothing can be sent to it".into());
                    return Err(Partly { written, halt });
                }
                Ok(count) => written += count,
                Err(error) => return Err(Partly { written, halt: halt(&error) }),
            }
        }
        Ok(())
    }

    fn leave(&mut self, rest: &[u8]) {
        self.outbox.extend_from_slice(rest);
    }

    fn has_more(&self) -> bool {
        self.inbox.has_more()
    }

    fn received(&mut self) -> Result<Option<Answer>, Halt> {
        self.inbox.next().map_err(|malformed| Halt::Broken(format!("it sent {}", malformed.0)))
    }

    fn receive(&mut self, deadline: u64) -> Result<Answer, Halt> {
        loop {
            if let Some(answer) = self.received()? {
                return Ok(answer);
            }
            match self.stream.read(self.inbox.room(), deadline) {
                Ok(0) => return Err(Halt::Broken("it closed the connection".into())),
                Ok(count) => self.inbox.add(count),
                Err(error) => return Err(halt(&error)),
            }
        }
    }
}

fn halt(error: &io::Error) -> Halt {
    match error.kind() {
        // Only we make an error of this kind without a number of the system's.
        ErrorKind::TimedOut if error.raw_os_error().is_none() => Halt::TimedOut,
        // How TLS calls a connection that ends without a word.
        ErrorKind::UnexpectedEof => Halt::Reset("it closed the connection".into()),
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
            Halt::Reset(error.to_string())
        }
        _ => Halt::Broken(error.to_string()),
    }
}
