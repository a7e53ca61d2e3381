//! [`Engine`]: Lua 5.1 as a Redis server has it. How a script calls commands, what it finds there,
//! and how its reply is read.
//!
//! What differs from the server: a command's error is no table while it is on its way up, only once
//! `pcall` or the reply shows it.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use mlua::{Function, Lua, LuaOptions, StdLib, Table, Value as LuaValue};
use mutextree_lua::{Item, Word};

use super::commands::{Digits, Reply, Server, Touched};
use super::data::Data;
use crate::redis::value::Value;

mod packing;

/// The table of limits, that no server has.
pub(super) const LIMITS: &str = "THE_LIMITS_OF_A_HISTORY";

/// What is there under these names, and nothing else; `KEYS` and `ARGV` come with a call.
const GLOBALS: [&str; 28] = [
    "KEYS",
    "ARGV",
    LIMITS,
    "redis",
    "struct",
    "string",
    "math",
    "table",
    "xpcall",
    "tostring",
    "setmetatable",
    "next",
    "assert",
    "tonumber",
    "rawequal",
    "getmetatable",
    "rawset",
    "pcall",
    "type",
    "select",
    "unpack",
    "pairs",
    "rawget",
    "ipairs",
    "error",
    "_VERSION",
    "coroutine",
    "loadstring",
];

/// A command's error on its way through Lua.
#[derive(Debug)]
struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

/// An interpreter, and the server that its scripts run on.
pub(super) struct Engine {
    lua: Lua,
    server: Rc<RefCell<Server>>,
    /// What scripts see as globals. It is empty: so that none can be changed, all are looked up.
    environment: Table,
    keys: Table,
    arguments: Table,
    limits: Table,
    last_limits: [u32; 5],
    /// How many of each the call before had.
    counts: (usize, usize),
    last_keys: Vec<String>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

/// One of the interpreter's own errors is a mistake in here, or the machine has no memory.
const SOUND: &str = "the interpreter can be set up";

impl Engine {
    pub(super) fn new() -> Self {
        let libraries = StdLib::STRING | StdLib::TABLE | StdLib::MATH;
        let lua = Lua::new_with(libraries, LuaOptions::default()).expect(SOUND);
        // What scripts leave behind is collected once all is three times as much as what stays.
        lua.gc_set_pause(300);
        let server = Rc::new(RefCell::new(Server::default()));
        let [keys, arguments, limits] = [(); 3].map(|()| lua.create_table().expect(SOUND));
        let environment = environment(&lua, &server, [&keys, &arguments, &limits]).expect(SOUND);
        let (last_limits, last_keys) = ([0; 5], Vec::new());
        Self { lua, server, environment, keys, arguments, limits, last_limits, counts: (0, 0), last_keys }
    }

    /// What the scripts find as their limits from now on.
    pub(super) fn set_limits(&mut self, limits: [u32; 5]) {
        if self.last_limits != limits {
            self.last_limits = limits;
            let mut all = (1..).zip(limits);
            all.try_for_each(|(at, limit)| self.limits.raw_seti(at, limit)).expect(SOUND);
        }
    }

    /// A script, ready to run. The error is what its text is to the interpreter.
    pub(super) fn load(&self, text: &str) -> Result<Function, String> {
        // The first line says what the server should know of the script.
        let code = if text.starts_with("#!") { text.replacen("#!", "--", 1) } else { text.to_owned() };
        let chunk = self.lua.load(code).set_name("@user_script").set_mode(mlua::ChunkMode::Text);
        chunk.set_environment(self.environment.clone()).into_function().map_err(|error| error_text(&error))
    }

    /// A script that a chunk makes: see `parts.rs`.
    pub(super) fn load_made(&self, text: &str) -> Result<Function, String> {
        self.load(text)?.call(()).map_err(|error| error_text(&error))
    }

    /// Runs a script. `arguments` are RESP bulk strings, one behind the other.
    pub(super) fn run(
        &mut self,
        script: &Function,
        keys: &[String],
        arguments: &[u8],
        data: &mut Data,
        time: u64,
    ) -> Result<Value, String> {
        self.hand_in(keys, arguments).map_err(|error| error_text(&error))?;
        {
            let server = &mut *self.server.borrow_mut();
            std::mem::swap(&mut server.data, data);
            server.data.purge(time);
            server.time = time;
            server.touched.clear();
        }
        let result = script.call::<LuaValue>(());
        std::mem::swap(&mut self.server.borrow_mut().data, data);
        match result {
            Ok(value) => reply(&value),
            Err(error) => Err(error_text(&error)),
        }
    }

    /// What the last script has done.
    pub(super) fn touched(&self) -> std::cell::Ref<'_, Touched> {
        std::cell::Ref::map(self.server.borrow(), |server| &server.touched)
    }

    fn hand_in(&mut self, keys: &[String], arguments: &[u8]) -> mlua::Result<()> {
        if self.last_keys != keys {
            for (at, key) in keys.iter().enumerate() {
                self.keys.raw_seti(at + 1, self.lua.create_string(key)?)?;
            }
            (keys.len()..self.counts.0).try_for_each(|at| self.keys.raw_seti(at + 1, LuaValue::Nil))?;
            self.counts.0 = keys.len();
            self.last_keys = keys.to_vec();
            let key = |at: usize| keys.get(at).map_or_else(Vec::new, |key| key.as_bytes().to_vec());
            self.server.borrow_mut().watched = [key(0), key(1), key(3)];
        }
        let mut count = 0;
        for word in Words(arguments) {
            count += 1;
            match std::str::from_utf8(word) {
                Ok(word) => self.arguments.raw_seti(count, word)?,
                Err(_) => self.arguments.raw_seti(count, self.lua.create_string(word)?)?,
            }
        }
        (count..self.counts.1).try_for_each(|at| self.arguments.raw_seti(at + 1, LuaValue::Nil))?;
        self.counts.1 = count;
        Ok(())
    }
}

/// The words of a command: `$length\r\nbytes\r\n` each.
struct Words<'a>(&'a [u8]);

impl<'a> Iterator for Words<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.0.strip_prefix(b"$")?;
        let end = rest.iter().position(|&byte| byte == b'\r').expect("a length ends with a line");
        let length = rest[..end].iter().fold(0, |length, &digit| length * 10 + usize::from(digit - b'0'));
        let (word, rest) = rest[end + 2..].split_at(length);
        self.0 = &rest[2..];
        Some(word)
    }
}

/// What scripts see as globals.
fn environment(lua: &Lua, server: &Rc<RefCell<Server>>, [keys, arguments, limits]: [&Table; 3]) -> mlua::Result<Table> {
    let names = lua.globals();
    names.raw_set("KEYS", keys)?;
    names.raw_set("ARGV", arguments)?;
    names.raw_set(LIMITS, limits)?;
    names.raw_set("redis", redis(lua, server)?)?;
    names.raw_set("struct", packing::library(lua)?)?;

    let message = lua.create_function(|lua, error: LuaValue| match &error {
        LuaValue::Error(error) => Ok(LuaValue::String(lua.create_string(error_text(error))?)),
        LuaValue::Table(table) => match table.raw_get("err")? {
            LuaValue::String(text) => Ok(LuaValue::String(text)),
            _ => Ok(error),
        },
        _ => Ok(error),
    })?;
    names.raw_set("message", message)?;
    // As the server's own: of an error it gives the text.
    let pcall = lua.load(
        "local pcall, type, message = pcall, type, message
        local function shown(ok, ...)
          if ok then return true, ... end
          return false, message(...)
        end
        return function(...) return shown(pcall(...)) end",
    );
    names.raw_set("pcall", pcall.eval::<Function>()?)?;

    let real = lua.create_table()?;
    for name in GLOBALS {
        real.raw_set(name, names.raw_get::<LuaValue>(name)?)?;
    }
    let environment = lua.create_table()?;
    real.raw_set("_G", &environment)?;
    let missing = lua.load(
        "local error, format, tostring = error, string.format, tostring
        return function(_, name)
          error(format([[Script attempted to access nonexistent global variable '%s']], tostring(name)), 2)
        end",
    );
    let missing: Function = missing.eval()?;
    let closed = lua.create_table()?;
    closed.raw_set("__index", missing)?;
    real.set_metatable(Some(closed))?;
    let outside = lua.create_table()?;
    outside.raw_set("__index", real)?;
    let readonly: Function =
        lua.load("local error = error return function() error('Attempt to modify a readonly table', 2) end").eval()?;
    outside.raw_set("__newindex", readonly)?;
    environment.set_metatable(Some(outside))?;
    Ok(environment)
}

/// The table `redis`.
fn redis(lua: &Lua, server: &Rc<RefCell<Server>>) -> mlua::Result<Table> {
    let redis = lua.create_table()?;
    let raise = |_: &Lua, text: mlua::String| -> mlua::Result<()> {
        Err(mlua::Error::external(Refused(text.to_string_lossy().to_string())))
    };
    let its = server.clone();
    let call = mutextree_lua::function(lua, &lua.create_function(raise)?, move |words| command(&its, words))?;
    redis.raw_set("call", call)?;
    let told = |lua: &Lua, text: mlua::String| table_of(lua, "err", &text.to_string_lossy());
    let its = server.clone();
    let pcall = mutextree_lua::function(lua, &lua.create_function(told)?, move |words| command(&its, words))?;
    redis.raw_set("pcall", pcall)?;
    let status = |lua: &Lua, text: mlua::String| table_of(lua, "ok", &text.to_string_lossy());
    redis.raw_set("status_reply", lua.create_function(status)?)?;
    let error = |lua: &Lua, text: mlua::String| {
        let text = text.to_string_lossy();
        let text = text.strip_prefix('-').unwrap_or(&text);
        // Without a word in front of the text it has the usual one.
        let code = if text.contains(' ') { "" } else { "ERR " };
        table_of(lua, "err", &format!("{code}{text}"))
    };
    redis.raw_set("error_reply", lua.create_function(error)?)?;
    Ok(redis)
}

fn table_of(lua: &Lua, field: &str, text: &str) -> mlua::Result<LuaValue> {
    let table = lua.create_table_with_capacity(0, 1)?;
    table.raw_set(field, text)?;
    Ok(LuaValue::Table(table))
}

/// A word of a command, as the command reads it.
enum Argument<'a> {
    Text(&'a [u8]),
    Number(Digits),
}

impl AsRef<[u8]> for Argument<'_> {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Text(text) => text,
            Self::Number(digits) => digits.text(),
        }
    }
}

fn command(server: &RefCell<Server>, words: &[Word<'_>]) -> Result<Reply, String> {
    if words.is_empty() {
        return Err("ERR Please specify at least one argument for this redis lib call".into());
    }
    let mut command = Vec::with_capacity(words.len());
    for word in words {
        command.push(match word {
            Word::Text(text) => Argument::Text(text),
            Word::Number(number) => Argument::Number(Digits::new(*number)),
            Word::Other => return Err("ERR Lua redis lib command arguments must be strings or integers".into()),
        });
    }
    server.borrow_mut().call(&command).map_err(Into::into)
}

/// A reply as the script sees it.
impl mutextree_lua::Reply for Reply {
    fn item(&self) -> Item<'_> {
        match self {
            Self::Nil => Item::False,
            Self::Int(number) => Item::Number(*number as f64),
            Self::Bytes(bytes) => Item::Text(bytes),
            Self::Digits(digits) => Item::Text(digits.text()),
            Self::List(elements) => Item::List(elements.len()),
        }
    }

    fn element(&self, at: usize) -> &Self {
        match self {
            Self::List(elements) => &elements[at],
            other => other,
        }
    }
}

/// What a script returned, as its caller sees it.
fn reply(value: &LuaValue) -> Result<Value, String> {
    Ok(match value {
        LuaValue::String(text) => Value::Bytes(text.as_bytes().to_vec()),
        LuaValue::Boolean(true) => Value::Int(1),
        LuaValue::Integer(number) => Value::Int(*number),
        LuaValue::Number(number) => Value::Int(truncated(*number)),
        LuaValue::Table(table) => return reply_of(table),
        _ => Value::Nil,
    })
}

/// As C does on the machines that servers run on: what does not fit is the smallest.
fn truncated(number: f64) -> i64 {
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&number) { number as i64 } else { i64::MIN }
}

fn reply_of(table: &Table) -> Result<Value, String> {
    let get = |field: &str| table.raw_get::<LuaValue>(field).map_err(|error| error_text(&error));
    if let LuaValue::String(text) = get("err")? {
        return Err(text.to_string_lossy().to_string());
    }
    if let LuaValue::String(text) = get("ok")? {
        return Ok(Value::Text(text.to_string_lossy().replace(['\r', '\n'], " ")));
    }
    let mut elements = Vec::with_capacity(table.raw_len());
    for at in 1.. {
        match table.raw_get::<LuaValue>(at).map_err(|error| error_text(&error))? {
            LuaValue::Nil => break,
            element => elements.push(reply(&element)?),
        }
    }
    Ok(Value::List(elements))
}

/// The text of an error as the server would send it, but for the name of the script.
fn error_text(error: &mlua::Error) -> String {
    if let Some(refused) = error.downcast_ref::<Refused>() {
        return refused.0.clone();
    }
    let text = match error {
        mlua::Error::CallbackError { cause, .. } => return error_text(cause),
        mlua::Error::RuntimeError(text) => text.clone(),
        other => other.to_string(),
    };
    let text = text.split("\nstack traceback").next().unwrap_or_default();
    format!("ERR {text}")
}
