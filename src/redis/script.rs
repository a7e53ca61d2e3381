//! The scripts, and how a call of one is written and read.

use redis::{Cmd, Value};

use super::error::{Failure, RedisStoreError};
use super::key::Keys;

/// A Lua script, known to the server by the hash of its text.
pub(crate) struct Script {
    text: &'static str,
    hash: String,
}

macro_rules! script {
    ($flags:literal $(, $part:literal)* $(,)?) => {
        Script::new(concat!("#!lua", $flags, "\n", include_str!("lua/prelude.lua"), $(include_str!(concat!("lua/", $part))),*))
    };
}

/// All the scripts. Those that give back, or keep what is had, run on a server that is out of
/// memory, too.
pub(crate) struct Scripts {
    pub(crate) acquire: Script,
    pub(crate) release: Script,
    pub(crate) refresh: Script,
    pub(crate) downgrade: Script,
    pub(crate) inspect: Script,
    pub(crate) handover: Script,
    pub(crate) tidy: Script,
    pub(crate) detached: Script,
    pub(crate) list: Script,
    pub(crate) probe: Script,
}

impl Scripts {
    pub(crate) fn new() -> Self {
        Self {
            acquire: script!("", "acquire_fast.lua", "tree.lua", "turns.lua", "acquire.lua"),
            release: script!(" flags=allow-oom", "release_fast.lua", "tree.lua", "turns.lua", "release.lua"),
            refresh: script!(" flags=allow-oom", "tree.lua", "turns.lua", "refresh.lua"),
            downgrade: script!(" flags=allow-oom", "tree.lua", "turns.lua", "downgrade.lua"),
            inspect: script!(" flags=allow-oom", "tree.lua", "turns.lua", "inspect.lua"),
            handover: script!(" flags=allow-oom", "tree.lua", "turns.lua", "handover.lua"),
            tidy: script!(" flags=allow-oom", "tree.lua", "turns.lua", "tidy.lua"),
            detached: script!(" flags=allow-oom", "tree.lua", "turns.lua", "detached.lua"),
            list: script!(" flags=allow-oom", "tree.lua", "turns.lua", "list.lua"),
            probe: script!(" flags=allow-oom", "probe.lua"),
        }
    }
}

impl Script {
    fn new(text: &'static str) -> Self {
        Self { text, hash: redis::Script::new(text).get_hash().to_owned() }
    }

    /// The call by hash, and the same by text for a server that does not know the hash.
    pub(crate) fn call(&self, keys: &Keys, by_text: bool) -> Cmd {
        let mut command = Cmd::with_capacity(32, 1024);
        if by_text {
            command.arg("EVAL").arg(self.text);
        } else {
            command.arg("EVALSHA").arg(&self.hash);
        }
        command.arg(keys.all.len());
        for key in &keys.all {
            command.arg(key);
        }
        command
    }
}

/// The elements of a reply, taken from the front.
pub(crate) struct Reply(std::vec::IntoIter<Value>);

impl Reply {
    fn new(value: Value) -> Option<Self> {
        match value {
            Value::Array(all) => Some(Self(all.into_iter())),
            _ => None,
        }
    }

    /// What a call of a script answered.
    pub(crate) fn of(answer: Result<Value, Failure>) -> Result<Self, Failure> {
        let no_list = || RedisStoreError::Protocol("a script's answer is no list".into());
        Self::new(answer?).ok_or_else(|| Failure::Refused(no_list()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.as_slice().is_empty()
    }

    pub(crate) fn int(&mut self) -> Option<i64> {
        match self.0.next()? {
            Value::Int(number) => Some(number),
            _ => None,
        }
    }

    pub(crate) fn bytes(&mut self) -> Option<Vec<u8>> {
        match self.0.next()? {
            Value::BulkString(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Where to go on handing over, if there is more.
    pub(crate) fn more(&mut self) -> Option<More> {
        let mut more = Self::new(self.0.next()?)?;
        Some(More { path: more.bytes()?, below: more.int()?, cursor: more.bytes()? })
    }
}

/// Where another call has to go on handing over.
#[derive(Debug)]
pub(crate) struct More {
    pub(crate) path: Vec<u8>,
    pub(crate) below: i64,
    pub(crate) cursor: Vec<u8>,
}

impl More {
    pub(crate) fn fill(&self, command: &mut Cmd) {
        command.arg(&self.path).arg(self.below).arg(&self.cursor);
    }
}
