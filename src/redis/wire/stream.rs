//! [`Stream`]: bytes to and from the server, in the clear or over TLS.

use std::io::{self, Read, Write};

use super::super::primitives::Arc;
use super::place::Endpoint;
use super::socket::{Line, Socket};
use super::tls::{Session, Trust};

pub(super) enum Stream {
    Plain(Socket),
    Tls(Box<Session>),
}

impl Stream {
    /// Connects by `deadline`.
    pub(super) fn open(endpoint: &Endpoint, trust: &Trust, deadline: u64) -> io::Result<Self> {
        let socket = Socket::connect(endpoint, deadline)?;
        match endpoint {
            Endpoint::Tcp { tls: Some(name), .. } => Ok(Self::Tls(Box::new(Session::new(socket, name, trust)?))),
            Endpoint::Tcp { .. } | Endpoint::Unix(_) => Ok(Self::Plain(socket)),
        }
    }

    /// The address of the other side, if it has one.
    pub(super) fn peer(&self) -> Option<String> {
        self.line().peer().map(|address| address.to_string())
    }

    /// By which others can cut it.
    pub(super) fn line(&self) -> &Arc<Line> {
        match self {
            Self::Plain(socket) => socket.line(),
            Self::Tls(session) => session.line(),
        }
    }

    /// Writes some of `bytes`, which may wait until `deadline`.
    pub(super) fn write(&mut self, bytes: &[u8], deadline: u64) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => {
                socket.deadline = deadline;
                socket.write(bytes)
            }
            Self::Tls(session) => session.write(bytes, deadline),
        }
    }

    /// Reads what has come, or waits for it until `deadline`; zero is the end.
    pub(super) fn read(&mut self, buffer: &mut [u8], deadline: u64) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => {
                socket.deadline = deadline;
                socket.read(buffer)
            }
            Self::Tls(session) => session.read(buffer, deadline),
        }
    }
}
