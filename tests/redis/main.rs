//! The distributed store, against real servers.

mod basic;
#[path = "../common/mod.rs"]
mod common;
#[path = "../common/conformance/mod.rs"]
#[macro_use]
mod conformance;
mod checker;
mod clients;
mod failures;
mod faults;
#[path = "../async/hand.rs"]
#[allow(dead_code)] // what the other tests of tasks use
mod hand;
mod leases;
mod paths;
mod processes;
mod programs;
mod proxy;
mod refusals;
mod server;
mod tasks;
mod times;

conformance!(suite, server::new_tree);
