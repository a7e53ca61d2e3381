//! [`Place`]: the server or the directory that has the locks.

use std::time::Duration;

use mutextree::{LockError, LockStore as _, RedisStore, Snapshot};

use crate::args::Keeper;
use crate::dir::Directory;
use crate::redact::redacted;
use crate::status::Failure;

/// The variable that names the server.
const VARIABLE: &str = "MUTEXTREE_REDIS";
/// The variable that has user and password for Sentinels, if they want any.
const SENTINEL_VARIABLE: &str = "MUTEXTREE_SENTINEL_LOGIN";
const DEFAULT_TREE: &str = "mutextree";

#[derive(Clone, Debug)]
pub(crate) enum Place {
    Server(Server),
    Directory(Directory),
}

#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) store: RedisStore,
    /// As people are told.
    name: String,
}

impl Place {
    /// Connects, or makes the directory.
    pub(crate) fn open(keeper: &Keeper, lease: Option<Duration>) -> Result<Self, Failure> {
        if let Some(dir) = &keeper.dir {
            return Directory::open(dir).map(Self::Directory);
        }
        let url = url(keeper)?;
        let name = format!("tree `{}` on {}", tree(keeper), redacted(&url));
        Ok(Self::Server(Server { store: connect(keeper, &url, lease)?, name }))
    }

    /// What is held and waited for, now.
    pub(crate) fn snapshot(&self) -> Result<Snapshot, Failure> {
        match self {
            Self::Server(server) => Ok(server.store.snapshot()?),
            Self::Directory(dir) => dir.snapshot(),
        }
    }

    /// As people are told.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Server(server) => server.name.clone(),
            Self::Directory(dir) => format!("directory {}", dir.path().display()),
        }
    }
}

/// The store on the server at that URL.
pub(crate) fn connect(keeper: &Keeper, url: &str, lease: Option<Duration>) -> Result<RedisStore, LockError> {
    let builder = RedisStore::builder(url).tree(tree(keeper)).timeout(keeper.timeout).client_name("mutextree-command");
    let builder = match sentinel_login() {
        Some((user, password)) => builder.sentinel_login(user.as_deref(), &password),
        None => builder,
    };
    match lease {
        Some(lease) => builder.lease(lease).connect(),
        None => builder.connect(),
    }
}

/// The server's URL, from the command line or the environment.
pub(crate) fn url(keeper: &Keeper) -> Result<String, Failure> {
    let from_environment = || std::env::var(VARIABLE).ok().filter(|url| !url.is_empty());
    keeper.redis.clone().or_else(from_environment).ok_or_else(|| {
        Failure::usage(format!(
            "say who keeps the locks: --redis URL, or the variable {VARIABLE}, or --dir DIR for this machine alone"
        ))
    })
}

/// User and password for Sentinels: `user:password`, or `:password`. The URL has those for the
/// master.
pub(crate) fn sentinel_login() -> Option<(Option<String>, String)> {
    let text = std::env::var(SENTINEL_VARIABLE).ok().filter(|text| !text.is_empty())?;
    let (user, password) = text.split_once(':').unwrap_or(("", &text));
    Some((Some(user.to_owned()).filter(|user| !user.is_empty()), password.to_owned()))
}

pub(crate) fn tree(keeper: &Keeper) -> &str {
    keeper.tree.as_deref().unwrap_or(DEFAULT_TREE)
}
