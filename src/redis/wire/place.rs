//! [`Place`]: where a server listens.

use std::fmt;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use redis::{ConnectionAddr, ConnectionInfo};

use super::super::error::RedisStoreError;
use super::resolve;

/// Where a server listens, as a URL or another server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Host {
        host: String,
        port: u16,
        is_tls: bool,
    },
    #[cfg_attr(not(unix), allow(dead_code, reason = "only Unix has such sockets"))]
    Socket(PathBuf),
}

/// A place after its name was looked up.
pub(super) enum Endpoint {
    Tcp {
        addresses: Vec<SocketAddr>,
        /// The name that the server's certificate must be for, if the connection is to be TLS.
        tls: Option<String>,
    },
    #[cfg_attr(not(unix), allow(dead_code, reason = "only Unix has such sockets"))]
    Unix(PathBuf),
}

impl Place {
    pub(super) fn of(info: &ConnectionInfo) -> Result<Self, RedisStoreError> {
        let config = |what: &str| Err(RedisStoreError::Config(format!("the URL of the Redis server {what}")));
        match info.addr() {
            ConnectionAddr::Tcp(host, port) => Ok(Self::Host { host: host.clone(), port: *port, is_tls: false }),
            ConnectionAddr::TcpTls { host, port, insecure: false, .. } => {
                Ok(Self::Host { host: host.clone(), port: *port, is_tls: true })
            }
            ConnectionAddr::TcpTls { .. } => {
                config("asks for TLS without a check of its certificate (#insecure), which is not supported")
            }
            ConnectionAddr::Unix(path) => Ok(Self::Socket(path.clone())),
            _ => config("names no kind of address that is known"),
        }
    }

    /// Looks its name up, which may take until `deadline`; or the reason why it has no address.
    pub(super) fn endpoint(&self, deadline: u64) -> Result<Endpoint, String> {
        match self {
            Self::Host { host, port, is_tls } => {
                let addresses = resolve::resolve(host, *port, deadline)?;
                Ok(Endpoint::Tcp { addresses, tls: is_tls.then(|| host.clone()) })
            }
            Self::Socket(path) => Ok(Endpoint::Unix(path.clone())),
        }
    }
}

/// For messages: host and port, or the path of the socket.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host { host, port, .. } if host.parse::<Ipv6Addr>().is_ok() => write!(f, "[{host}]:{port}"),
            Self::Host { host, port, .. } => write!(f, "{host}:{port}"),
            Self::Socket(path) => path.display().fmt(f),
        }
    }
}
