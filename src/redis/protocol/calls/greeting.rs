//! [`hello`]: what is said to a server that the tree does not know yet. The script is
//! `lua/hello.lua`.

use super::super::script::{Call, Script};
use super::super::timing::Timing;
use super::{Elements, Reply, new};
use crate::redis::server::Server;

/// Says that this is the server now. If it may have forgotten what is held, that opens a grace
/// period for all clients. `knew`: whether this client has held something in the tree.
pub(in crate::redis) fn hello(server: &Server, knew: bool, timing: &Timing) -> Call {
    new(Script::Hello, timing)
        .bytes(server.history.as_bytes())
        .bytes(server.earlier.as_bytes())
        .bytes(server.node.as_bytes())
        .number(server.up)
        .number(timing.grace)
        .number(knew.into())
}

/// For how long nothing new is granted; 0 if that is not so.
#[derive(Debug)]
pub(in crate::redis) struct Greeted(pub(in crate::redis) u64);

impl Reply for Greeted {
    fn read(reply: &mut Elements) -> Option<Self> {
        reply.number().map(Self)
    }
}
