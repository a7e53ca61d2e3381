//! `mutextree exec` over Redis.

mod loss;
mod several;
mod signals;
mod statuses;
mod waiting;

use std::process::Command;

use mutextree::{LockStore as _, RedisStore, Snapshot};

use crate::running::mutextree;
use crate::server::Server;

/// `mutextree exec` at this server.
fn exec(server: &Server) -> Command {
    let mut command = mutextree();
    command.env("MUTEXTREE_REDIS", server.url()).arg("exec");
    command
}

/// The tree that it locks by default.
fn tree(server: &Server) -> RedisStore {
    RedisStore::connect(&server.url()).unwrap()
}

fn snapshot(server: &Server) -> Snapshot {
    tree(server).snapshot().unwrap()
}
