//! [`Way`]: which servers a URL leads to, and [`Asker`]: connections of the Redis client's own, to
//! ask them what a store of locks does not.

use std::time::Duration;

use redis::{Client, Connection, IntoConnectionInfo as _, RedisResult};

/// What a URL leads to. The store has read it before, so nothing is checked here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// One server.
    Fixed,
    /// The master that these Sentinels name.
    Sentinels { addresses: Vec<String>, service: String },
    /// The node that has the tree, of a cluster that these are nodes of.
    Cluster { addresses: Vec<String> },
}

impl Way {
    pub(super) fn of(url: &str) -> Self {
        let (scheme, _, hosts, path) = split(url);
        let addresses = |port: u16| hosts.split(',').map(|host| with_port(host, port)).collect();
        if scheme.ends_with("-sentinel") {
            let service = path.split_once('/').map_or(path, |(service, _)| service).into();
            return Self::Sentinels { addresses: addresses(26379), service };
        }
        if scheme.ends_with("-cluster") { Self::Cluster { addresses: addresses(6379) } } else { Self::Fixed }
    }

    pub(super) fn is_fixed(&self) -> bool {
        *self == Self::Fixed
    }
}

/// Scheme, `user:password@` if there is one, hosts, and what follows the slash behind them.
fn split(url: &str) -> (&str, &str, &str, &str) {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
    let at = hosts.rfind('@').map_or(0, |at| at + 1);
    (scheme, &hosts[..at], &hosts[at..], path)
}

fn with_port(host: &str, port: u16) -> String {
    let has_port = host.rsplit_once(']').map_or(host, |(_, behind)| behind).contains(':');
    if has_port { host.into() } else { format!("{host}:{port}") }
}

/// As a server names another one: an address of IPv6 has no brackets then.
pub(super) fn address(host: &str, port: impl std::fmt::Display) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Asks servers of one kind, all with the same login.
pub(super) struct Asker<'a> {
    url: &'a str,
    /// In place of that in the URL.
    login: Option<&'a (Option<String>, String)>,
    timeout: Duration,
}

impl<'a> Asker<'a> {
    pub(super) fn new(url: &'a str, timeout: Duration) -> Self {
        Self { url, login: None, timeout }
    }

    /// As Sentinels are asked: not with the login that is for the master.
    pub(super) fn of_sentinels(url: &'a str, login: Option<&'a (Option<String>, String)>, timeout: Duration) -> Self {
        Self { url, login: Some(login.unwrap_or(const { &(None, String::new()) })), timeout }
    }

    /// The one server of the URL.
    pub(super) fn connect(&self) -> RedisResult<Connection> {
        self.open(self.url)
    }

    /// The server at this address.
    pub(super) fn connect_to(&self, address: &str) -> RedisResult<Connection> {
        let (scheme, login, ..) = split(self.url);
        let scheme = scheme.split('-').next().unwrap_or(scheme);
        let login = if self.login.is_some() { "" } else { login };
        self.open(&format!("{scheme}://{login}{address}/"))
    }

    fn open(&self, url: &str) -> RedisResult<Connection> {
        let mut info = url.into_connection_info()?;
        if let Some((user, password)) = self.login.filter(|(_, password)| !password.is_empty()) {
            let settings = info.redis_settings().clone().set_password(password);
            let settings = match user {
                Some(user) => settings.set_username(user),
                None => settings,
            };
            info = info.set_redis_settings(settings);
        }
        let connection = Client::open(info)?.get_connection_with_timeout(self.timeout)?;
        connection.set_read_timeout(Some(self.timeout))?;
        connection.set_write_timeout(Some(self.timeout))?;
        Ok(connection)
    }
}

#[cfg(test)]
mod tests;
