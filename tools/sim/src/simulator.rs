//! The simulator of the store over Redis.
//!
//! * `emulation.rs`: the server: its data, the few commands that the scripts use, and the scripts

pub mod emulation;
