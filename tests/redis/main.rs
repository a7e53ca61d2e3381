//! The distributed store, against real servers.

mod basic;
#[path = "../common/mod.rs"]
mod common;
#[path = "../common/conformance/mod.rs"]
#[macro_use]
mod conformance;
mod checker;
mod failures;
mod leases;
mod paths;
mod processes;
mod programs;
mod proxy;
mod refusals;
mod server;

conformance!(suite, server::new_tree);
