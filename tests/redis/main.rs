//! The distributed store, against real servers.

mod basic;
#[macro_use]
#[path = "../common/mod.rs"]
mod common;
mod checker;
mod failures;
mod leases;
mod paths;
mod processes;
mod programs;
mod proxy;
mod refusals;
mod server;
mod tasks;

use common::{conformance, hand};

conformance!(suite, server::new_tree);
