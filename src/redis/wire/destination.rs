//! [`Destination`]: what a URL asks for.

use redis::{ConnectionInfo, IntoConnectionInfo};

use super::super::error::RedisStoreError;
use super::login::Login;
use super::place::Place;

/// Which server a store is for, as its builder was told.
#[derive(Clone, Debug, Default)]
pub(in crate::redis) struct Destination {
    pub(in crate::redis) url: String,
    /// The tree's name, which decides about its slot in a cluster.
    pub(in crate::redis) tree: String,
    /// User and password for the Sentinels.
    pub(in crate::redis) sentinel_login: Option<(Option<String>, String)>,
    /// Whether all has to be known of a server that tells what it may have forgotten.
    pub(in crate::redis) names: bool,
}

impl Destination {
    /// Whether the URL can be used.
    pub(in crate::redis) fn check(&self) -> Result<(), RedisStoreError> {
        parse(&self.url).map(drop)
    }

    /// Whether each tree may have a master of its own.
    pub(super) fn is_cluster(&self) -> bool {
        matches!(self.url.split_once("://"), Some(("redis-cluster" | "rediss-cluster", _)))
    }
}

/// A URL that was read.
pub(super) struct Parsed {
    pub(super) way: Way,
    /// For the server that is master.
    pub(super) login: Login,
    /// For messages: the URL without user and password, or the place if it is one.
    pub(super) shown: String,
}

/// How the master is found.
pub(super) enum Way {
    /// It is there.
    Fixed(Place),
    /// One of these Sentinels knows the master of the service.
    Sentinels { places: Vec<Place>, service: String },
    /// One of these nodes of a cluster knows who has the slot.
    Nodes(Vec<Place>),
}

fn config(what: impl std::fmt::Display) -> RedisStoreError {
    RedisStoreError::Config(format!("the URL of the Redis server cannot be used: {what}"))
}

pub(super) fn parse(url: &str) -> Result<Parsed, RedisStoreError> {
    match url.split_once("://") {
        Some(("redis-sentinel", rest)) => sentinels(rest, "redis"),
        Some(("rediss-sentinel", rest)) => sentinels(rest, "rediss"),
        Some(("redis-cluster", rest)) => nodes(rest, "redis"),
        Some(("rediss-cluster", rest)) => nodes(rest, "rediss"),
        _ => {
            let info = url.into_connection_info().map_err(config)?;
            let place = Place::of(&info)?;
            Ok(Parsed { shown: place.to_string(), way: Way::Fixed(place), login: Login::of(&info) })
        }
    }
}

fn sentinels(rest: &str, scheme: &str) -> Result<Parsed, RedisStoreError> {
    if cfg!(not(feature = "redis-sentinel")) {
        return Err(config("it is for Sentinels, and the feature `redis-sentinel` of mutextree is off"));
    }
    let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (service, database) = path.split_once('/').unwrap_or((path, ""));
    // What Sentinel itself lets a service be called.
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    if service.is_empty() || !service.bytes().all(is_name) {
        return Err(config(
            "behind the Sentinels and a slash comes the name of the service, of letters, digits, dots, hyphens and underscores",
        ));
    }
    let (places, info) = places(hosts, scheme, 26379, database)?;
    let shown = shown(scheme, "sentinel", &places) + "/" + service;
    Ok(Parsed { way: Way::Sentinels { places, service: service.into() }, login: Login::of(&info), shown })
}

fn nodes(rest: &str, scheme: &str) -> Result<Parsed, RedisStoreError> {
    if cfg!(not(feature = "redis-cluster")) {
        return Err(config("it is for a cluster, and the feature `redis-cluster` of mutextree is off"));
    }
    let (hosts, database) = rest.split_once('/').unwrap_or((rest, ""));
    if !["", "0"].contains(&database) {
        return Err(config("a cluster has the database 0 only"));
    }
    let (places, info) = places(hosts, scheme, 6379, "")?;
    let shown = shown(scheme, "cluster", &places);
    Ok(Parsed { way: Way::Nodes(places), login: Login::of(&info), shown })
}

fn shown(scheme: &str, kind: &str, places: &[Place]) -> String {
    let places: Vec<String> = places.iter().map(Place::to_string).collect();
    format!("{scheme}-{kind}://{}", places.join(","))
}

/// Several hosts behind one user and password. Each is read as a URL of its own would be.
fn places(
    hosts: &str,
    scheme: &str,
    default_port: u16,
    database: &str,
) -> Result<(Vec<Place>, ConnectionInfo), RedisStoreError> {
    if hosts.contains(['?', '#']) {
        return Err(config("it has an option, behind ? or #, and there are none for several servers"));
    }
    let (user, hosts) = hosts.rsplit_once('@').map_or(("", hosts), |(user, hosts)| (user, hosts));
    let at = if user.is_empty() { "" } else { "@" };
    let mut read = Vec::new();
    for host in hosts.split(',') {
        if host.is_empty() {
            return Err(config("between two commas, or before the first or behind the last, there is no host"));
        }
        let has_port = host.rsplit_once(']').map_or(host, |(_, behind)| behind).contains(':');
        let port = if has_port { String::new() } else { format!(":{default_port}") };
        let url = format!("{scheme}://{user}{at}{host}{port}/{database}");
        let info = url.into_connection_info().map_err(config)?;
        read.push((Place::of(&info)?, info));
    }
    let info = read[0].1.clone();
    Ok((read.into_iter().map(|(place, _)| place).collect(), info))
}

#[cfg(test)]
mod tests;
