//! What each command does to the [`Data`], and what it replies: as Redis 7 does inside a script.
//!
//! * here: which command it is, hashes, lists, whole keys
//! * `sorted.rs`: sorted sets
//! * `numbers.rs`: numbers as text

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};

use super::data::{Bytes, Data, WrongType, milliseconds};

mod numbers;
mod sorted;

pub(super) use numbers::Digits;
use numbers::{integer, wide_float};

/// A reply. An error is no reply but an [`Error`].
#[derive(Clone, Debug)]
pub(super) enum Reply {
    Nil,
    Int(i64),
    Bytes(Bytes),
    Digits(Digits),
    List(Vec<Self>),
}

/// The text of an error reply.
pub(super) type Error = Cow<'static, str>;
type Result = std::result::Result<Reply, Error>;
type Hash = BTreeMap<Bytes, Bytes>;
type List = VecDeque<Bytes>;

const SYNTAX: Error = Cow::Borrowed("ERR syntax error");
const NO_INTEGER: Error = Cow::Borrowed("ERR value is not an integer or out of range");
const NO_FLOAT: Error = Cow::Borrowed("ERR value is not a valid float");
const NO_TIMEOUT: Error = Cow::Borrowed("ERR timeout is not a float or out of range");

impl From<WrongType> for Error {
    fn from(_: WrongType) -> Self {
        Cow::Borrowed("WRONGTYPE Operation against a key holding the wrong kind of value")
    }
}

/// A server while a script runs: time stands still.
#[derive(Debug, Default)]
pub(super) struct Server {
    pub(super) data: Data,
    /// Microseconds since 1970.
    pub(super) time: u64,
    /// The keys in which tokens are watched: of the script's keys the first, the second and the
    /// fourth.
    pub(super) watched: [Vec<u8>; 3],
    pub(super) touched: Touched,
}

/// What a script has done to the data, as far as the judge goes by it.
#[derive(Debug, Default)]
pub(in crate::redis::simulator) struct Touched {
    /// Tokens whose record was set or deleted, in that order: in the first key, that of holders,
    /// and in the fourth, that of waiters. One may be there twice.
    pub(in crate::redis::simulator) holders: Vec<Bytes>,
    /// The same of the second key: whose end was set or taken away.
    pub(in crate::redis::simulator) ends: Vec<Bytes>,
    pub(in crate::redis::simulator) waiters: Vec<Bytes>,
    /// Whether something was put into a list.
    pub(in crate::redis::simulator) has_mail: bool,
}

impl Touched {
    pub(super) fn clear(&mut self) {
        self.holders.clear();
        self.ends.clear();
        self.waiters.clear();
        self.has_mail = false;
    }
}

fn wrong_count(name: &str) -> Error {
    format!("ERR wrong number of arguments for '{name}' command").into()
}

/// How many words a command takes, its name among them; with a minus: at least.
fn arity(name: &[u8]) -> Option<i32> {
    Some(match name {
        b"time" => 1,
        b"hset" | b"zadd" | b"zrangebyscore" | b"zrangebylex" => -4,
        b"hget" | b"hexists" | b"zscore" => 3,
        b"hmget" | b"hdel" | b"zrem" | b"rpush" | b"pexpire" => -3,
        b"blmpop" => -5,
        b"del" => -2,
        _ => return None,
    })
}

impl Server {
    /// Runs a command: its name, in any case, and its arguments.
    pub(super) fn call<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Result {
        let name = words[0].as_ref();
        let mut lower = [0; 16];
        let lower = lower.get_mut(..name.len()).unwrap_or_default();
        lower.copy_from_slice(&name[..lower.len()]);
        lower.make_ascii_lowercase();
        let Some(arity) = arity(lower) else { return Err("ERR Unknown Redis command called from script".into()) };
        let given = i32::try_from(words.len()).unwrap_or(i32::MAX);
        if given != arity && (arity > 0 || given < -arity) {
            return Err("ERR Wrong number of args calling Redis command from script".into());
        }
        let words = &words[1..];
        match &*lower {
            b"time" => Ok(self.time()),
            b"hset" => self.hset(words),
            b"hget" => self.hget(words),
            b"hmget" => self.hmget(words),
            b"hexists" => self.hexists(words),
            b"hdel" => self.hdel(words),
            b"zadd" => self.zadd(words),
            b"zscore" => self.zscore(words),
            b"zrangebyscore" => self.zrangebyscore(words),
            b"zrangebylex" => self.zrangebylex(words),
            b"zrem" => self.zrem(words),
            b"rpush" => self.rpush(words),
            b"pexpire" => self.pexpire(words),
            b"blmpop" => self.blmpop(words),
            _ => Ok(self.del(words)),
        }
    }

    fn time(&self) -> Reply {
        // Both are below 2^53.
        let part = |number: u64| Reply::Digits(Digits::new(number as f64));
        Reply::List(vec![part(self.time / 1_000_000), part(self.time % 1_000_000)])
    }

    // --------------------------------------------------------------------------------- hashes

    fn watch(&mut self, key: &[u8], field: &[u8]) {
        // A path may have a dot, too, but begins with a one.
        let is_token = || field.contains(&b'.') && field[0] != 1;
        if key == self.watched[0] && is_token() {
            self.touched.holders.push(field.into());
        } else if key == self.watched[2] && is_token() {
            self.touched.waiters.push(field.into());
        }
    }

    /// An end was set, or taken away.
    fn watch_ends<'a>(&mut self, key: &[u8], tokens: impl Iterator<Item = &'a [u8]>) {
        if key == self.watched[1] {
            self.touched.ends.extend(tokens.map(Bytes::from));
        }
    }

    fn hset<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Result {
        let (key, pairs) = (words[0].as_ref(), &words[1..]);
        if !pairs.len().is_multiple_of(2) {
            return Err(wrong_count("hset"));
        }
        let hash: &mut Hash = self.data.get_or_make(key)?;
        let mut new = 0;
        for pair in pairs.chunks_exact(2) {
            let (field, value) = (pair[0].as_ref(), pair[1].as_ref());
            match hash.get_mut(field) {
                Some(old) => *old = value.into(),
                None => {
                    hash.insert(field.into(), value.into());
                    new += 1;
                }
            }
        }
        pairs.chunks_exact(2).for_each(|pair| self.watch(key, pair[0].as_ref()));
        Ok(Reply::Int(new))
    }

    fn hget<W: AsRef<[u8]>>(&self, words: &[W]) -> Result {
        let hash: Option<&Hash> = self.data.get(words[0].as_ref())?;
        Ok(value(hash, words[1].as_ref()))
    }

    fn hmget<W: AsRef<[u8]>>(&self, words: &[W]) -> Result {
        let hash: Option<&Hash> = self.data.get(words[0].as_ref())?;
        Ok(Reply::List(words[1..].iter().map(|field| value(hash, field.as_ref())).collect()))
    }

    fn hexists<W: AsRef<[u8]>>(&self, words: &[W]) -> Result {
        let hash: Option<&Hash> = self.data.get(words[0].as_ref())?;
        Ok(Reply::Int(hash.is_some_and(|hash| hash.contains_key(words[1].as_ref())).into()))
    }

    fn hdel<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Result {
        let key = words[0].as_ref();
        let Some(hash): Option<&mut Hash> = self.data.get_mut(key)? else { return Ok(Reply::Int(0)) };
        let mut gone = 0;
        let mut touched = Vec::new();
        for field in &words[1..] {
            if let Some((field, _)) = hash.remove_entry(field.as_ref()) {
                gone += 1;
                touched.push(field);
            }
        }
        touched.iter().for_each(|field| self.watch(key, field));
        self.data.drop_if_empty(key);
        Ok(Reply::Int(gone))
    }

    // ---------------------------------------------------------------------------------- lists

    fn rpush<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Result {
        let list: &mut List = self.data.get_or_make(words[0].as_ref())?;
        list.extend(words[1..].iter().map(|element| Bytes::from(element.as_ref())));
        let length = length(list.len());
        self.touched.has_mail = true;
        Ok(Reply::Int(length))
    }

    /// In a script it waits for nothing.
    fn blmpop<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Result {
        let numkeys = integer(words[1].as_ref()).filter(|&count| count >= 1);
        let numkeys = numkeys.ok_or("ERR numkeys should be greater than 0")?;
        let at = usize::try_from(numkeys).unwrap_or(usize::MAX).saturating_add(2);
        let left = match words.get(at).ok_or(SYNTAX)?.as_ref() {
            side if side.eq_ignore_ascii_case(b"left") => true,
            side if side.eq_ignore_ascii_case(b"right") => false,
            _ => return Err(SYNTAX),
        };
        let mut count = None;
        for option in words[at + 1..].chunks(2) {
            let [name, number] = option else { return Err(SYNTAX) };
            if count.is_some() || !name.as_ref().eq_ignore_ascii_case(b"count") {
                return Err(SYNTAX);
            }
            let number = integer(number.as_ref()).filter(|&count| count >= 1);
            count = Some(number.ok_or("ERR count should be greater than 0")?);
        }
        let count = usize::try_from(count.unwrap_or(1)).unwrap_or(usize::MAX);
        // In milliseconds it has to be a number of 64 bits. The server takes what is not for one
        // below zero.
        let timeout = wide_float(words[0].as_ref()).ok_or(NO_TIMEOUT)? * 1000.0;
        if !(0.0..9_223_372_036_854_775_808.0).contains(&timeout.ceil()) {
            return Err("ERR timeout is negative".into());
        }
        for key in &words[2..at] {
            let key = key.as_ref();
            let Some(list): Option<&mut List> = self.data.get_mut(key)? else { continue };
            let count = count.min(list.len());
            let taken = if left {
                list.drain(..count).map(Reply::Bytes).collect()
            } else {
                list.drain(list.len() - count..).rev().map(Reply::Bytes).collect()
            };
            self.data.drop_if_empty(key);
            return Ok(Reply::List(vec![Reply::Bytes(key.into()), Reply::List(taken)]));
        }
        Ok(Reply::Nil)
    }

    // ----------------------------------------------------------------------------- whole keys

    fn del<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Reply {
        Reply::Int(length(words.iter().filter(|key| self.data.remove(key.as_ref())).count()))
    }

    fn pexpire<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Result {
        let key = words[0].as_ref();
        let (mut nx, mut xx, mut gt, mut lt) = (false, false, false, false);
        for option in &words[2..] {
            let option = option.as_ref();
            let is = |name: &[u8]| option.eq_ignore_ascii_case(name);
            let flag = match () {
                () if is(b"nx") => &mut nx,
                () if is(b"xx") => &mut xx,
                () if is(b"gt") => &mut gt,
                () if is(b"lt") => &mut lt,
                () => return Err(format!("ERR Unsupported option {}", String::from_utf8_lossy(option)).into()),
            };
            *flag = true;
        }
        if nx && (xx || gt || lt) {
            return Err("ERR NX and XX, GT or LT options at the same time are not compatible".into());
        }
        if gt && lt {
            return Err("ERR GT and LT options at the same time are not compatible".into());
        }
        let span = integer(words[1].as_ref()).ok_or(NO_INTEGER)?;
        let now = milliseconds(self.time);
        let ends = now.checked_add(span).ok_or("ERR invalid expire time in 'pexpire' command")?;
        if !self.data.contains(key) {
            return Ok(Reply::Int(0));
        }
        // A key without an end lasts longer than any other.
        let current = self.data.end(key);
        let refused = nx && current.is_some()
            || xx && current.is_none()
            || gt && current.is_none_or(|current| ends <= current)
            || lt && current.is_some_and(|current| ends >= current);
        if refused {
            return Ok(Reply::Int(0));
        }
        if ends <= now {
            self.data.remove(key);
        } else {
            self.data.set_end(key, ends);
        }
        Ok(Reply::Int(1))
    }
}

fn value(hash: Option<&Hash>, field: &[u8]) -> Reply {
    hash.and_then(|hash| hash.get(field)).map_or(Reply::Nil, |value| Reply::Bytes(value.clone()))
}

fn length(count: usize) -> i64 {
    i64::try_from(count).expect("nothing in memory is longer")
}
