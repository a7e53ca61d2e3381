//! The distributed store, against real servers.

mod basic;
mod breaking;
mod calls;
mod changes;
#[macro_use]
#[path = "../common/mod.rs"]
mod common;
mod checker;
mod clients;
mod deadlocks;
mod failures;
mod faults;
mod grace;
mod keeping;
mod leases;
mod many;
mod paths;
mod processes;
mod programs;
mod proxy;
mod proxy_tests;
mod refusals;
mod scripts;
mod server;
mod sets;
mod tasks;
mod times;

use common::{conformance, hand};

conformance!(suite, server::new_tree);
conformance!(changing changing_suite, server::new_tree);
conformance!(keeping_suite, keeping::new_tree);
conformance!(many_suite, many::new_tree);
conformance!(changing many_changing_suite, many::new_tree);
