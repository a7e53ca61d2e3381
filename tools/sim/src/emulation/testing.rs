//! What the tests use: a server that runs any script, and shows all that it holds.

use redis::Value as Answer;

use super::data::Data;
use super::lua::Engine;
use super::{Interpreter, Limits, parts};
use crate::redis::command;
use crate::redis::protocol::script::{Call, Script};
use crate::redis::value::Value;

/// An emulated server.
#[derive(Debug)]
pub struct Emulated {
    engine: Engine,
    interpreter: Interpreter,
    data: Data,
}

/// A key, what it holds, and whether it has a time to live.
pub type Key = (Vec<u8>, Contents, bool);

/// What a key holds, in the words of the commands that show it.
#[derive(Clone, Debug, PartialEq)]
pub enum Contents {
    /// Fields and values, sorted.
    Hash(Vec<(Vec<u8>, Vec<u8>)>),
    /// Members and scores, in order.
    Sorted(Vec<(Vec<u8>, f64)>),
    /// Elements, from the left.
    List(Vec<Vec<u8>>),
}

impl Default for Emulated {
    fn default() -> Self {
        Self { engine: Engine::new(), interpreter: Interpreter::new(|_, text| text.to_owned()), data: Data::default() }
    }
}

/// The names of the scripts, and their texts with these limits.
pub fn scripts(limits: [u32; 5]) -> Vec<(String, String)> {
    let text = |script: Script| Limits(limits).put_into(script, script.text());
    Script::ALL.into_iter().map(|script| (format!("{script:?}"), text(script))).collect()
}

impl Emulated {
    /// Runs any script; the error is the text of an error reply.
    pub fn eval(&mut self, text: &str, keys: &[String], arguments: &[&[u8]], time: u64) -> Result<Answer, String> {
        let script = self.engine.load(text)?;
        let mut words = Vec::new();
        arguments.iter().for_each(|argument| command::push(&mut words, argument));
        self.engine.run(&script, keys, &words, &mut self.data, time).map(answer)
    }

    /// Runs the script of this name as the simulator does.
    pub fn run(
        &mut self,
        name: &str,
        limits: [u32; 5],
        keys: &[String],
        arguments: &[&[u8]],
        time: u64,
    ) -> Result<Answer, String> {
        let script =
            Script::ALL.into_iter().find(|script| format!("{script:?}") == name).expect("there is such a script");
        let mut words = Vec::new();
        arguments.iter().for_each(|argument| command::push(&mut words, argument));
        let call = Call { script, count: arguments.len(), words };
        self.interpreter.run(&call, "", keys, Limits(limits), &mut self.data, time).map(answer)
    }

    /// The tokens that the last script that was run set or deleted: among holders, and waiters.
    pub fn touched(&self) -> [Vec<Vec<u8>>; 2] {
        let touched = self.interpreter.touched();
        [&touched.holders, &touched.waiters].map(|tokens| tokens.iter().map(|token| token.to_vec()).collect())
    }

    /// Whether the last script that was run left a message for anybody.
    pub fn has_mail(&self) -> bool {
        self.interpreter.touched().has_mail
    }

    /// Whether a script's functions are made once, and not in each call.
    pub fn makes_functions_once(&self, text: &str) -> bool {
        parts::split(text).is_some_and(|text| self.engine.load_made(&text).is_ok())
    }

    /// What the listener would be given.
    pub fn pop_messages(&mut self, key: &str, count: usize, time: u64) -> Vec<Vec<u8>> {
        self.data.pop_messages(key, count, time)
    }

    /// Every key, sorted, and what it holds.
    pub fn contents(&self) -> Vec<Key> {
        let owned = |(first, second): (&[u8], &[u8])| (first.to_vec(), second.to_vec());
        let all = self.data.keys().map(|name| {
            let hash: Vec<_> = self.data.hash(name).map(owned).collect();
            let sorted: Vec<_> = self.data.sorted(name).map(|(member, score)| (member.to_vec(), score)).collect();
            let list: Vec<_> = self.data.list(name).map(<[u8]>::to_vec).collect();
            let contents = match () {
                () if !hash.is_empty() => Contents::Hash(hash),
                () if !sorted.is_empty() => Contents::Sorted(sorted),
                () => Contents::List(list),
            };
            (name.to_vec(), contents, self.data.has_end(name))
        });
        all.collect()
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.data = Data::default();
    }
}

fn answer(value: Value) -> Answer {
    match value {
        Value::Nil => Answer::Nil,
        Value::Int(number) => Answer::Int(number),
        Value::Bytes(bytes) => Answer::BulkString(bytes),
        Value::List(elements) => Answer::Array(elements.into_iter().map(answer).collect()),
        Value::Text(text) => Answer::SimpleString(text),
    }
}
