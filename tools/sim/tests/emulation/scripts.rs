//! Random programs of the scripts that ship: after each call the answer and all that is held are as
//! on a real server.
//!
//! Both must see the same time. The emulated server is told it. On the real one the scripts ask the
//! keys behind their own for it, by a change of their text.

use fastrand::Rng;
use mutextree_sim::simulator::emulation::testing::{Contents, Emulated, Key, scripts};
use redis::Value;

use crate::drawing::{one_of, shown};
use crate::programs;
use crate::server::Server;

const ASKED: &str = "call('TIME')";
const TOLD: &str = "{ KEYS[8], KEYS[9] }";

const PATHS: [&str; 9] = [
    "",
    "\x01a",
    "\x01a\x01b",
    "\x01a\x01b\x01c",
    "\x01a\x01b\x01d",
    "\x01a\x01e",
    "\x01f",
    "\x01a-b",
    "\x01a\x02\x31.x",
];
const CLIENTS: [&str; 2] = ["one", "two"];
/// A token that mostly is none.
const NOBODY: &str = "nobody.0";

type Words = Vec<Vec<u8>>;

/// A lock that was once asked for.
struct Lock {
    token: String,
    kind: u8,
    path: &'static str,
}

struct Run<'a> {
    rng: Rng,
    limits: [u32; 5],
    texts: &'a [(String, String)],
    server: &'a mut Server,
    emulated: &'a mut Emulated,
    time: u64,
    locks: Vec<Lock>,
    /// Where the last answer said that there is more to hand over.
    more: Option<Words>,
    told: String,
    /// What was held after the last call.
    contents: Vec<Key>,
}

fn keys() -> Vec<String> {
    ["n", "e", "l", "w", "wl", "wn", "mb:"].iter().map(|key| format!("{{tree}}:{key}")).collect()
}

fn number(number: impl ToString) -> Vec<u8> {
    number.to_string().into_bytes()
}

/// What the fast paths look at.
fn fields(token: &str, path: &str) -> Words {
    let mut ends: Vec<usize> = path.match_indices('\x01').map(|(at, _)| at).chain([path.len()]).collect();
    ends.dedup();
    let names = ["tick", "offset", "waiting", token].map(|name| name.as_bytes().to_vec());
    names.into_iter().chain(ends.into_iter().map(|end| path.as_bytes()[..end].to_vec())).collect()
}

impl Run<'_> {
    /// Short, long, or not at all.
    fn length(&mut self) -> u64 {
        match self.rng.u8(..5) {
            0 => self.rng.u64(1..100),
            1..4 => self.rng.u64(100..5_000),
            _ => 3_600_000_000,
        }
    }

    fn kind(&mut self) -> u8 {
        self.rng.u8(1..=4)
    }

    fn path(&mut self) -> &'static str {
        one_of(&mut self.rng, &PATHS)
    }

    fn lock(&mut self) -> (String, u8, &'static str) {
        if self.locks.is_empty() || self.rng.u8(..30) == 0 {
            return (NOBODY.into(), 1, PATHS[2]);
        }
        let at = self.rng.usize(..self.locks.len());
        let Lock { token, kind, path } = &self.locks[at];
        (token.clone(), *kind, path)
    }

    fn acquire(&mut self) -> Words {
        let (token, kind, path) = if self.rng.u8(..3) > 0 {
            let token = format!("{}.{:x}", one_of(&mut self.rng, &CLIENTS), self.locks.len());
            let (kind, path) = (self.kind(), self.path());
            self.locks.push(Lock { token: token.clone(), kind, path });
            (token, kind, path)
        } else {
            self.lock()
        };
        let (lease, claim) = (self.length(), self.length());
        let client = one_of(&mut self.rng, &CLIENTS);
        let owner = one_of(&mut self.rng, &["", "me", "a,b", "\u{e9}"]);
        let about = format!("{lease},{claim},{client},{},{owner}{path}", owner.len());
        let wait = self.rng.u8(..3).min(1);
        let mut words =
            vec![token.clone().into(), number(kind), path.into(), number(lease), about.into(), number(wait)];
        if self.rng.bool() {
            words.extend(fields(&token, path));
        }
        words
    }

    fn release(&mut self) -> Words {
        let (token, kind, path) = self.lock();
        // Whoever waits, or does not know, names no kind.
        let known = self.rng.u8(..4) > 0;
        let tombstone = if self.rng.u8(..4) == 0 { self.length() } else { 0 };
        let mut words = vec![token.clone().into(), number(tombstone), number(if known { kind } else { 0 })];
        words.push(if known { path.into() } else { Vec::new() });
        if known && self.rng.bool() {
            words.extend(fields(&token, path));
        }
        words
    }

    fn refresh(&mut self) -> Words {
        let mut words = Vec::new();
        for _ in 0..self.rng.usize(1..4) {
            let token = self.lock().0;
            let (length, version) = match self.rng.u8(..4) {
                0 => (0, 0),
                1 => (self.length(), 0),
                2 => (self.length(), self.rng.i32(1..5)),
                _ => (self.length(), -1),
            };
            words.extend([token.into(), number(length), number(version)]);
        }
        words
    }

    fn detached(&mut self) -> Words {
        let (token, _, path) = self.lock();
        let length = if self.rng.bool() { self.length() } else { 0 };
        vec![token.into(), path.into(), number(self.rng.u8(..2)), number(length), number(self.rng.u8(..4))]
    }

    fn hand_over(&mut self) -> Words {
        if let Some(more) = self.more.take().filter(|_| self.rng.u8(..4) > 0) {
            return more;
        }
        let (path, cursor) = (self.path(), self.path());
        let below = self.rng.bool();
        let cursor = if below && cursor.starts_with(&format!("{path}\x01")) { cursor } else { "" };
        vec![path.into(), number(u8::from(below)), cursor.into()]
    }

    fn step(&mut self) {
        match self.rng.u8(..10) {
            0..5 => self.time += self.rng.u64(1..40),
            5 | 6 => self.time += self.rng.u64(100..3_000),
            7 => self.time -= self.rng.u64(1..5_000),
            _ => {}
        }
        let (name, words) = match self.rng.u8(..40) {
            0..16 => ("Acquire", self.acquire()),
            16..25 => ("Release", self.release()),
            25..28 => ("Refresh", self.refresh()),
            28 | 29 => ("Downgrade", vec![self.lock().0.into()]),
            30 => ("Inspect", vec![number(self.kind()), self.path().into()]),
            31 | 32 => ("HandOver", self.hand_over()),
            33 => ("Tidy", vec![]),
            34 | 35 => ("Detached", self.detached()),
            36 => {
                let from = self.path();
                ("List", vec![if self.rng.bool() { from.into() } else { Vec::new() }])
            }
            37 => ("Probe", vec![]),
            _ => return self.listen(),
        };
        let first = if name == "Probe" { b"one".to_vec() } else { number(self.length().min(9_999)) };
        let words: Words = std::iter::once(first).chain(words).collect();
        self.told += &format!("  {:>18} {name} {}\n", self.time, shown(&words));
        self.call(name, &words);
    }

    fn call(&mut self, name: &str, words: &Words) {
        let before = std::mem::take(&mut self.contents);
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let ours = self.emulated.run(name, self.limits, &keys(), &words, self.time);
        let (_, text) = self.texts.iter().find(|(its, _)| its == name).expect("there is such a script");
        let mut told = keys();
        told.extend([(self.time / 1_000_000).to_string(), (self.time % 1_000_000).to_string()]);
        let real = self.server.eval(text, &told, &words);
        assert_eq!(ours, real, "after\n{}", self.told);
        let contents = self.emulated.contents();
        assert_eq!(contents, self.server.contents(), "after\n{}", self.told);
        if let Ok(Value::Array(parts)) = ours {
            let more = parts.iter().find_map(|part| match part {
                Value::Array(at) => Some(at.iter().map(bytes).collect()),
                _ => None,
            });
            self.more = more.or(self.more.take());
        }
        self.touched(&before, &contents);
        self.contents = contents;
    }

    /// Each token whose record is another one than before is among those that were touched.
    fn touched(&self, before: &[Key], after: &[Key]) {
        let changed = |(token, text): &&(Vec<u8>, Vec<u8>), there: &[(Vec<u8>, Vec<u8>)]| {
            !there.iter().any(|(its, record)| its == token && record == text)
        };
        for (key, touched) in ["{tree}:n", "{tree}:w"].into_iter().zip(self.emulated.touched()) {
            let (before, after) = (records(before, key), records(after, key));
            let set = after.iter().filter(|entry| changed(entry, &before));
            let gone = before.iter().filter(|entry| changed(entry, &after));
            for (token, _) in set.chain(gone) {
                assert!(touched.contains(token), "{} was not told after\n{}", token.escape_ascii(), self.told);
            }
            for token in touched {
                let known = self.locks.iter().any(|lock| lock.token.as_bytes() == token) || token == NOBODY.as_bytes();
                assert!(known, "{} is no token after\n{}", token.escape_ascii(), self.told);
            }
        }
        let messages = |contents: &[Key]| -> usize {
            let count = |(_, held, _): &Key| if let Contents::List(list) = held { list.len() } else { 0 };
            contents.iter().map(count).sum()
        };
        if messages(after) > messages(before) {
            assert!(self.emulated.has_mail(), "a message was not told after\n{}", self.told);
        }
    }

    fn listen(&mut self) {
        let key = format!("{{tree}}:mb:{}", one_of(&mut self.rng, &CLIENTS));
        let count = self.rng.usize(1..4);
        self.told += &format!("  {:>18} listen {key} {count}\n", self.time);
        let ours = self.emulated.pop_messages(&key, count, self.time);
        let most = count.to_string();
        let words: [&[u8]; 7] = [b"BLMPOP", b"0.001", b"1", key.as_bytes(), b"LEFT", b"COUNT", most.as_bytes()];
        let real = if self.server.command(&[b"EXISTS", key.as_bytes()]) == Ok(Value::Int(0)) {
            Vec::new() // it would wait
        } else {
            let Ok(Value::Array(reply)) = self.server.command(&words) else { panic!("there are messages") };
            let Value::Array(messages) = &reply[1] else { panic!("{reply:?}") };
            messages.iter().map(bytes).collect()
        };
        assert_eq!(ours, real, "after\n{}", self.told);
        assert_eq!(self.emulated.contents(), self.server.contents(), "after\n{}", self.told);
    }
}

/// The records in a hash.
fn records(contents: &[Key], key: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let nodes = contents.iter().find(|(its, ..)| its == key.as_bytes());
    let Some((_, Contents::Hash(fields), _)) = nodes else { return Vec::new() };
    fields.iter().filter(|(field, _)| field.contains(&b'.') && !field.starts_with(b"\x01")).cloned().collect()
}

fn bytes(value: &Value) -> Vec<u8> {
    match value {
        Value::BulkString(bytes) => bytes.clone(),
        Value::Int(its) => number(its),
        other => panic!("{other:?} is no text"),
    }
}

/// The limits as shipped, and small ones.
fn limits(rng: &mut Rng) -> [u32; 5] {
    if rng.bool() { [64, 16, 64, 128, 1000] } else { std::array::from_fn(|_| rng.u32(1..=3)) }
}

/// So few that a real server loads each script once for each.
fn all_limits() -> Vec<[u32; 5]> {
    let mut rng = Rng::with_seed(7);
    std::iter::once([64, 16, 64, 128, 1000]).chain((0..5).map(|_| limits(&mut rng))).collect()
}

#[test]
fn the_functions_of_each_script_are_made_once() {
    let emulated = Emulated::default();
    for (name, text) in scripts([64, 16, 64, 128, 1000]) {
        assert!(emulated.makes_functions_once(&text), "{name} is not cut in parts: its lines are in another form");
    }
}

#[test]
fn scripts_do_as_on_a_real_server() {
    let told = |limits: &[u32; 5]| -> Vec<(String, String)> {
        let replaced = |(name, text): (String, String)| (name, text.replace(ASKED, TOLD));
        scripts(*limits).into_iter().map(replaced).collect()
    };
    let all = all_limits();
    let texts: Vec<_> = all.iter().map(told).collect();
    assert!(texts.iter().flatten().any(|(_, text)| text.contains(TOLD)), "the scripts ask for the time in another way");
    programs(400, |seed, server, emulated| {
        let mut rng = Rng::with_seed(seed);
        let which = rng.usize(..all.len());
        let (limits, texts) = (all[which], &*texts[which]);
        let told = format!("  seed {seed}, limits {limits:?}\n");
        let time = 1_700_000_000_000_000 + rng.u64(..10_000_000);
        let steps = rng.usize(1..80);
        let mut run = Run {
            rng,
            limits,
            texts,
            server,
            emulated,
            time,
            locks: Vec::new(),
            more: None,
            told,
            contents: Vec::new(),
        };
        (0..steps).for_each(|_| run.step());
    });
}
