//! The simulator of the store over Redis: histories of processes, a network and a server, drawn by
//! a seed, in which the protocol and the scripts run as they ship.
//!
//! * `plan.rs`, `chance.rs`: what a history is made of, drawn from its seed
//! * `world.rs`: one history: its queue of events; the list there goes on with its parts
//! * `emulation.rs`: the server: its data, the few commands that the scripts use, and the scripts
//! * `sets.rs`: several locks as one: drawn, held, and judged
//! * `changes.rs`: locks that are narrowed, widened and upgraded, and whether that is allowed
//! * `kept.rs`: locks that nobody uses, kept until somebody else wants them
//! * `below.rs`: locks below those
//! * `growing.rs`: locks in place of those that are kept below their nodes
//! * `ledger.rs`, `turns.rs`, `claim.rs`: what the server's data says, and whether that is allowed
//! * `runner.rs`, `shrink.rs`: many histories; one that fails, made shorter
//! * `planted.rs`: faults that are put in on purpose
//! * `cover.rs`, `trace.rs`: what was seen to happen, counted, and written down
//!
//! One seed makes one history, always the same: there is one thread, one source of chance, and
//! nothing that depends on an address or on the order of a hash.

mod below;
mod callers;
mod chance;
mod changes;
mod claim;
mod cover;
pub mod emulation;
mod faults;
mod growing;
mod holders;
mod keeper;
mod kept;
mod ledger;
mod network;
mod plan;
mod planted;
mod process;
mod runner;
mod sends;
mod server;
mod sets;
mod shrink;
mod trace;
mod turns;
mod verdict;
mod world;

pub use planted::Planted;
pub use runner::{Extent, Story, Summary, run, tell};
