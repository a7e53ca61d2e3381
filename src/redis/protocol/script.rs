//! The scripts, and a [`Call`] of one.

use crate::redis::command;

/// A script, known to the server by the hash of its text. Those that give back, or keep what is
/// had, run on a server that is out of memory, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::redis) enum Script {
    Acquire,
    Release,
    AcquireSet,
    ReleaseSet,
    Refresh,
    Downgrade,
    Narrow,
    Widen,
    Upgrade,
    Inspect,
    HandOver,
    Tidy,
    Detached,
    List,
    Break,
    Hello,
    Probe,
    GiveBack,
    InUse,
    Exchange,
    Grow,
}

macro_rules! text {
    ($flags:literal $(, $part:literal)* $(,)?) => {
        concat!("#!lua", $flags, "\n", $(include_str!(concat!("../lua/", $part))),*)
    };
}

/// A script with all that the scripts share; a fast path comes before that.
macro_rules! whole {
    ($flags:literal, $own:literal) => {
        text!($flags, "prelude.lua", "tree.lua", "sets.lua", "turns.lua", "kept.lua", $own)
    };
    ($flags:literal, $fast:literal, $own:literal) => {
        text!($flags, "prelude.lua", $fast, "tree.lua", "sets.lua", "turns.lua", "kept.lua", $own)
    };
}

impl Script {
    pub(in crate::redis) const ALL: [Self; 21] = [
        Self::Acquire,
        Self::Release,
        Self::AcquireSet,
        Self::ReleaseSet,
        Self::Refresh,
        Self::Downgrade,
        Self::Narrow,
        Self::Widen,
        Self::Upgrade,
        Self::Inspect,
        Self::HandOver,
        Self::Tidy,
        Self::Detached,
        Self::List,
        Self::Break,
        Self::Hello,
        Self::Probe,
        Self::GiveBack,
        Self::InUse,
        Self::Exchange,
        Self::Grow,
    ];

    pub(in crate::redis) fn text(self) -> &'static str {
        match self {
            Self::Acquire => whole!("", "acquire_fast.lua", "acquire.lua"),
            Self::Release => whole!(" flags=allow-oom", "release_fast.lua", "release.lua"),
            Self::AcquireSet => whole!("", "acquire_set.lua"),
            Self::ReleaseSet => whole!(" flags=allow-oom", "release_set.lua"),
            Self::Refresh => text!(
                " flags=allow-oom",
                "prelude.lua",
                "tree.lua",
                "sets.lua",
                "turns.lua",
                "kept.lua",
                "reclaim.lua",
                "refresh.lua",
            ),
            Self::Downgrade => whole!(" flags=allow-oom", "downgrade.lua"),
            Self::Narrow => whole!(" flags=allow-oom", "narrow.lua"),
            Self::Widen => whole!("", "widen.lua"),
            Self::Upgrade => whole!("", "upgrade.lua"),
            Self::Inspect => whole!(" flags=allow-oom", "inspect.lua"),
            Self::HandOver => whole!(" flags=allow-oom", "handover.lua"),
            Self::Tidy => whole!(" flags=allow-oom", "tidy.lua"),
            Self::Detached => whole!(" flags=allow-oom", "detached.lua"),
            Self::List => whole!(" flags=allow-oom", "list.lua"),
            Self::Break => whole!(" flags=allow-oom", "break.lua"),
            Self::Hello => text!(" flags=allow-oom", "prelude.lua", "greet.lua", "tree.lua", "hello.lua"),
            Self::Probe => text!(" flags=allow-oom", "prelude.lua", "probe.lua"),
            Self::GiveBack => whole!(" flags=allow-oom", "give_back.lua"),
            Self::InUse => whole!(" flags=allow-oom", "in_use.lua"),
            Self::Exchange => whole!(" flags=allow-oom", "exchange.lua"),
            Self::Grow => whole!("", "grow.lua"),
        }
    }
}

/// A call of a script: its arguments as they go over the wire, each as `$length\r\nbytes\r\n`.
#[derive(Clone, Debug)]
pub(in crate::redis) struct Call {
    pub(in crate::redis) script: Script,
    pub(in crate::redis) count: usize,
    pub(in crate::redis) words: Vec<u8>,
}

impl Call {
    pub(super) fn new(script: Script) -> Self {
        Self { script, count: 0, words: Vec::with_capacity(512) }
    }

    /// Writes the arguments, for a server that the client believes to be this one. Without a grace
    /// period it is empty: then nothing is said of it. Else it goes in front of the claim window.
    pub(in crate::redis) fn write(&self, server: &str, bytes: &mut Vec<u8>) {
        let first = self.words.iter().position(|&byte| byte == b'\n').map(|end| end + 1);
        match first.filter(|_| !server.is_empty() && self.script != Script::Probe) {
            None => bytes.extend_from_slice(&self.words),
            Some(start) => {
                let length = self.words[start..].iter().position(|&byte| byte == b'\r').unwrap_or_default();
                let (claim, rest) = self.words[start..].split_at(length);
                command::push(bytes, &[server.as_bytes(), claim].concat());
                bytes.extend_from_slice(&rest[2..]);
            }
        }
    }

    pub(super) fn bytes(mut self, word: &[u8]) -> Self {
        self.push(word);
        self
    }

    pub(super) fn number(mut self, number: u64) -> Self {
        self.push_number(number);
        self
    }

    pub(super) fn push(&mut self, word: &[u8]) {
        self.count += 1;
        command::push(&mut self.words, word);
    }

    pub(super) fn push_number(&mut self, number: u64) {
        self.count += 1;
        command::push_number(&mut self.words, number);
    }
}

#[cfg(test)]
mod tests;
