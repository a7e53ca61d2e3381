//! A Redis server in memory, as far as the scripts and the listener use one: its data, a dozen
//! commands, and the scripts that ship, run by Lua 5.1.
//!
//! * `data.rs`: the keys and what they hold
//! * `commands.rs`: what each command does, and its reply
//! * `lua.rs`: the interpreter: how a script calls commands, and how its reply is read
//! * `parts.rs`: a script's functions are made once, and not in each call
//! * `testing.rs`: what the tests use, which hold all of it against a real server

use mlua::Function;

use crate::redis::protocol::script::{Call, Script};
use crate::redis::value::Value;

mod commands;
mod data;
mod lua;
mod parts;
#[doc(hidden)]
pub mod testing;

pub(super) use commands::Touched;
pub(super) use data::Data;
use lua::{Engine, LIMITS};

/// The limits of `lua/tree.lua`, in its order: MAX_REAPED, MAX_ASIDE, MAX_GRANTED, MAX_VISITED and
/// MAX_SCANNED.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Limits(pub(super) [u32; 5]);

impl Limits {
    /// How the line that sets them begins.
    const LINE: &str = "local MAX_REAPED, MAX_ASIDE, MAX_GRANTED, MAX_VISITED, MAX_SCANNED = ";

    /// The text of a script with these limits.
    fn put_into(self, script: Script, text: &str) -> String {
        let [reaped, aside, granted, visited, scanned] = self.0;
        Self::set_to(script, text, &format!("{reaped}, {aside}, {granted}, {visited}, {scanned}"))
    }

    /// The text of a script with its limits set to this. All but the probe have a line of them.
    fn set_to(script: Script, text: &str, values: &str) -> String {
        let parts: Vec<&str> = text.split(Self::LINE).collect();
        match &*parts {
            [_] if script == Script::Probe => text.to_owned(),
            [before, after] => {
                let (_, rest) = after.split_once('\n').expect("the line of limits ends");
                format!("{before}{}{values}\n{rest}", Self::LINE)
            }
            _ => panic!("in {script:?} there is not one line `{}...`", Self::LINE),
        }
    }
}

/// The scripts. Made once a thread, and used for many histories.
///
/// A script is loaded once, and takes its limits from a table, [`LIMITS`]. With a copy for
/// each of some hundred limits the interpreter would have as many times the memory to go through.
#[derive(Debug)]
pub(super) struct Interpreter {
    engine: Engine,
    texts: [String; Script::ALL.len()],
    loaded: [Option<Function>; Script::ALL.len()],
}

impl Interpreter {
    /// `rewrite` may change a script's text before it is loaded: planted faults do.
    pub(super) fn new(rewrite: impl Fn(Script, &str) -> String) -> Self {
        let texts = Script::ALL.map(|script| rewrite(script, script.text()));
        Self { engine: Engine::new(), texts, loaded: Default::default() }
    }

    /// Runs a script as the server would at that time (microseconds since 1970, which stands still
    /// while it runs). `server` is which one the client believes it to be, if it says so. The error
    /// is the text of an error reply: the only one that our scripts give is `HELLO`.
    ///
    /// # Panics
    /// If the text of the script has no line of limits, or is no Lua.
    pub(super) fn run(
        &mut self,
        call: &Call,
        server: &str,
        keys: &[String],
        limits: Limits,
        data: &mut Data,
        time: u64,
    ) -> Result<Value, String> {
        self.engine.set_limits(limits.0);
        let script = self.script(call.script);
        if server.is_empty() {
            return self.engine.run(&script, keys, &call.words, data, time);
        }
        let mut words = Vec::with_capacity(call.words.len() + 64);
        call.write(server, &mut words);
        self.engine.run(&script, keys, &words, data, time)
    }

    /// What the last script has done to the data.
    pub(super) fn touched(&self) -> std::cell::Ref<'_, Touched> {
        self.engine.touched()
    }

    fn script(&mut self, script: Script) -> Function {
        let place = script as usize;
        if let Some(function) = &self.loaded[place] {
            return function.clone();
        }
        let text = Limits::set_to(script, &self.texts[place], &format!("unpack({LIMITS})"));
        let in_parts = parts::split(&text).and_then(|text| self.engine.load_made(&text).ok());
        let as_it_is = || self.engine.load(&text).unwrap_or_else(|error| panic!("{script:?} is no Lua: {error}"));
        let function = in_parts.unwrap_or_else(as_it_is);
        self.loaded[place].insert(function).clone()
    }
}
