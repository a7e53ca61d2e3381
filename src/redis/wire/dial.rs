//! [`Dialer`]: opens one connection to one place. A connection is open when the server has
//! answered.
//!
//! A server that has no room for another client takes the connection, says so, and closes it. So
//! logging in, choosing the database and giving the name go out with a `PING` behind them, as one
//! pipeline.

use std::io::ErrorKind;
use std::net::SocketAddr;

use super::super::error::{Failure, RedisStoreError};
use super::super::primitives::Arc;
use super::NO_ANSWER;
use super::login::{Identity, Login};
use super::place::{Endpoint, Place};
use super::resp::RespStream;
use super::stream::Stream;
use super::tls::Trust;

pub(super) struct Dialer {
    trust: Trust,
}

/// An open connection, and what is known of the other side.
pub(super) struct Dialed {
    pub(super) stream: RespStream,
    pub(super) identity: Identity,
    /// All that its name has.
    pub(super) addresses: Vec<SocketAddr>,
}

impl Dialer {
    pub(super) fn new() -> Self {
        Self { trust: Trust::new() }
    }

    /// Opens a connection by `deadline`.
    pub(super) fn dial(&self, place: &Place, login: &Login, deadline: u64) -> Result<Dialed, Failure> {
        let address: Arc<str> = place.to_string().into();
        let down = |reason| Failure::Down(RedisStoreError::Unreachable { address: address.to_string(), reason });
        let endpoint = place.endpoint(deadline).map_err(down)?;
        let stream = Stream::open(&endpoint, &self.trust, deadline).map_err(|error| match error.kind() {
            ErrorKind::TimedOut => down(NO_ANSWER.into()),
            _ => down(error.to_string()),
        })?;
        let mut stream = RespStream::new(stream, address.clone());
        let identity = login.perform(&mut stream, &address, deadline)?;
        let addresses = match endpoint {
            Endpoint::Tcp { addresses, .. } => addresses,
            Endpoint::Unix(_) => Vec::new(),
        };
        Ok(Dialed { stream, identity, addresses })
    }
}
