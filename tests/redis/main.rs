//! The distributed store, against real servers.

mod basic;
mod server;
