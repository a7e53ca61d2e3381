//! A Redis server in memory, as far as the scripts and the listener use one: its data, a dozen
//! commands, and the scripts that ship, run by Lua 5.1.
//!
//! * `data.rs`: the keys and what they hold
//! * `commands.rs`: what each command does, and its reply
//! * `lua.rs`: the interpreter: how a script calls commands, and how its reply is read

use crate::redis::protocol::script::{Call, Script};
use crate::redis::value::Value;

/// Everything that a server holds. Cheap to clone: that is how a snapshot, a replica, or the state
/// before a crash is made.
#[derive(Clone, Debug, Default)]
pub(super) struct Data {}

/// The limits of `lua/tree.lua`, in its order: MAX_REAPED, MAX_ASIDE, MAX_GRANTED, MAX_VISITED and
/// MAX_SCANNED.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Limits(pub(super) [u32; 5]);

/// Scripts, loaded with some limits. Made once a thread, and used for many histories.
#[derive(Debug)]
pub(super) struct Interpreter {}

impl Interpreter {
    /// `rewrite` may change a script's text before it is loaded: planted faults do.
    pub(super) fn new(_rewrite: impl Fn(Script, &str) -> String) -> Self {
        todo!()
    }

    /// Runs a script as the server would at that time (microseconds since 1970, which stands still
    /// while it runs). The error is the text of an error reply: none of our scripts gives one.
    pub(super) fn run(
        &mut self,
        _call: &Call,
        _keys: &[String],
        _limits: Limits,
        _data: &mut Data,
        _time: u64,
    ) -> Result<Value, String> {
        todo!()
    }
}
