//! [`Master`]: which server decides about the tree, now.

use std::net::SocketAddr;
use std::path::PathBuf;

use redis::{ConnectionAddr, ConnectionInfo};

use super::super::error::{Failure, RedisStoreError};
use super::resolve;

/// Knows the server that is master for the tree.
///
/// It is asked anew for each connection, and whatever is wrong with a server costs the connections
/// to it. So a tree whose master moves is found again by opening a connection. Today the answer is
/// one fixed place, whose name is looked up each time; what asks Sentinels, or any node of a
/// cluster, goes here.
pub(super) struct Master {
    place: Place,
    /// As messages show it.
    address: String,
}

/// Where a server listens, as its URL says.
#[derive(Clone)]
pub(super) enum Place {
    Host {
        host: String,
        port: u16,
        is_tls: bool,
    },
    #[cfg_attr(not(unix), allow(dead_code))]
    Socket(PathBuf),
}

/// A place after its name was looked up.
pub(super) enum Endpoint {
    Tcp {
        addresses: Vec<SocketAddr>,
        /// The name that the server's certificate must be for, if the connection is to be TLS.
        tls: Option<String>,
    },
    #[cfg_attr(not(unix), allow(dead_code))]
    Unix(PathBuf),
}

impl Master {
    pub(super) fn new(info: &ConnectionInfo) -> Result<Self, RedisStoreError> {
        let place = match info.addr() {
            ConnectionAddr::Tcp(host, port) => Place::Host { host: host.clone(), port: *port, is_tls: false },
            ConnectionAddr::TcpTls { host, port, insecure: false, .. } => {
                Place::Host { host: host.clone(), port: *port, is_tls: true }
            }
            ConnectionAddr::TcpTls { .. } => {
                return Err(RedisStoreError::Config(
                    "the URL of the Redis server asks for TLS without a check of its certificate (#insecure), which is not supported".into(),
                ));
            }
            ConnectionAddr::Unix(path) => Place::Socket(path.clone()),
            _ => {
                return Err(RedisStoreError::Config(
                    "the URL of the Redis server names no kind of address that is known".into(),
                ));
            }
        };
        Ok(Self { place, address: info.addr().to_string() })
    }

    /// For messages: host and port, or the path of the socket.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Where the master is now, which may take until `deadline` to find out.
    pub(super) fn find(&self, deadline: u64) -> Result<Endpoint, Failure> {
        match &self.place {
            Place::Host { host, port, is_tls } => {
                let unreachable =
                    |reason| Failure::Down(RedisStoreError::Unreachable { address: self.address.clone(), reason });
                let addresses = resolve::resolve(host, *port, deadline).map_err(unreachable)?;
                Ok(Endpoint::Tcp { addresses, tls: is_tls.then(|| host.clone()) })
            }
            Place::Socket(path) => Ok(Endpoint::Unix(path.clone())),
        }
    }
}
