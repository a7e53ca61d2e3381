//! Random programs of single commands, with all options and with odd arguments: each answers as on
//! a real server, to the byte, and all keys are alike in the end.

use fastrand::Rng;

use crate::drawing::{one_of, shown};
use crate::programs;

/// What `redis.call` raises is the script's error; what `redis.pcall` gives is a table.
const CALL: &str = "return redis.call(unpack(ARGV))";
const PCALL: &str = "local reply = redis.pcall(unpack(ARGV))
    if type(reply) == 'table' and reply.err then return { 'refused', reply.err } end
    return reply";

/// So few that types clash now and then.
const KEYS: [&[u8]; 5] = [b"hash", b"sorted", b"lex", b"list", b""];

const TEXTS: [&[u8]; 18] = [
    b"",
    b"a",
    b"b",
    b"ab",
    b"a.b",
    b"\x01a.b",
    b"a\0b",
    b"\0",
    b"\xff",
    b"\xfe\xff",
    b"10",
    b"-7",
    b"007",
    b"1.5",
    b"tick",
    b"A",
    b"a b",
    b"9223372036854775807",
];

const SCORES: [&[u8]; 40] = [
    b"0",
    b"0",
    b"0",
    b"0",
    b"-0",
    b"1",
    b"2",
    b"-1",
    b"1.5",
    b"0.1",
    b"-0.25",
    b"3.14159265358979",
    b"1e5",
    b"1E+5",
    b"1e-5",
    b"0.0001",
    b"0.00001234",
    b"1e16",
    b"1e17",
    b"123456789012345678",
    b"9007199254740993",
    b"1700000000123456",
    b"1.7e308",
    b"5e-324",
    b"inf",
    b"-inf",
    b"+inf",
    b"Infinity",
    b".5",
    b"5.",
    b"+3",
    b"0x10",
    b"0x1.8p1",
    b"1e300",
    b"12345.678901234567",
    b"-1e-7",
    b"1e22",
    b"99999999999999999",
    b"100000000000000000",
    b"-2.5e-10",
];

const NO_SCORES: [&[u8]; 20] = [
    b"", b"nan", b"NaN", b"-nan", b"abc", b"1x", b" 1", b"1 ", b"1\0", b"1e400", b"-1e400", b"1e-400", b"0x", b"e5",
    b".", b"+", b"--1", b"1e", b"infx", b"\0",
];

const INTEGERS: [&[u8]; 18] = [
    b"0",
    b"1",
    b"2",
    b"3",
    b"-1",
    b"-5",
    b"64",
    b"1000",
    b"-0",
    b"+1",
    b"01",
    b"",
    b" 1",
    b"1.0",
    b"abc",
    b"9223372036854775807",
    b"9223372036854775808",
    b"-9223372036854775808",
];

const LEX: [&[u8]; 20] = [
    b"-",
    b"+",
    b"-",
    b"+",
    b"[",
    b"(",
    b"[a",
    b"(a",
    b"[b",
    b"(b",
    b"[ab",
    b"(\xff",
    b"[\0",
    b"",
    b"a",
    b"+x",
    b"-x",
    b"-\0x",
    b"[\xff\xff",
    b"(10",
];

struct Drawing<'a> {
    rng: &'a mut Rng,
    words: Vec<Vec<u8>>,
    /// Times to live are all different: which is the later one does not hang on the clock.
    spans: Vec<i64>,
}

impl Drawing<'_> {
    fn word(&mut self, word: &[u8]) {
        self.words.push(word.to_vec());
    }

    /// In any case.
    fn name(&mut self, name: &str) {
        let name = match self.rng.u8(..6) {
            0 => name.to_lowercase(),
            1 => name.chars().map(|c| if self.rng.bool() { c.to_ascii_lowercase() } else { c }).collect(),
            _ => name.to_owned(),
        };
        self.word(name.as_bytes());
    }

    fn key(&mut self, usual: &[u8]) {
        let key = if self.rng.u8(..12) == 0 { one_of(self.rng, &KEYS) } else { usual };
        self.word(key);
    }

    fn text(&mut self) {
        if self.rng.u8(..40) == 0 {
            let long = vec![self.rng.u8(..); self.rng.usize(..60)];
            return self.words.push(long);
        }
        let text = one_of(self.rng, &TEXTS);
        self.word(text);
    }

    /// Mostly of the sizes and signs that work.
    fn from(&mut self, good: &[&[u8]], bad: &[&[u8]]) {
        let word = if self.rng.u8(..15) == 0 { one_of(self.rng, bad) } else { one_of(self.rng, good) };
        self.word(word);
    }

    fn many(&mut self, most: usize, mut each: impl FnMut(&mut Self)) {
        (0..self.rng.usize(1..=most)).for_each(|_| each(self));
    }

    fn maybe(&mut self, one_in: u8, each: impl FnOnce(&mut Self)) {
        if self.rng.u8(..one_in) == 0 {
            each(self);
        }
    }

    fn bound(&mut self) {
        let infinite = one_of::<[u8]>(self.rng, &[b"-inf", b"+inf", b"0", b"1"]);
        match self.rng.u8(..4) {
            0 => self.word(infinite),
            1 => {
                self.from(&SCORES, &NO_SCORES);
                let word = self.words.last_mut().expect("there is one");
                word.insert(0, b'(');
            }
            _ => self.from(&SCORES, &NO_SCORES),
        }
    }

    fn limit(&mut self) {
        self.maybe(2, |its| {
            its.name("LIMIT");
            its.from(&[b"0", b"0", b"1", b"2", b"-1"], &INTEGERS);
            its.from(&[b"0", b"1", b"2", b"3", b"64", b"-1", b"-2"], &INTEGERS);
        });
        self.maybe(30, |its| its.name("LIMIT"));
        self.maybe(12, |its| its.name("WITHSCORES"));
    }

    fn flags(&mut self, flags: &[&str]) {
        self.maybe(3, |its| {
            its.many(2, |its| {
                let flag = one_of(its.rng, flags);
                its.name(flag);
            });
        });
    }

    /// A command, and the times to live that are left.
    fn command(mut self) -> (Vec<Vec<u8>>, Vec<i64>) {
        match self.rng.u8(..31) {
            0..4 => {
                self.name("HSET");
                self.key(b"hash");
                self.many(3, |its| (its.text(), its.text()).0);
                self.maybe(20, Self::text);
            }
            4 | 5 => {
                let name = one_of(self.rng, &["HGET", "HEXISTS"]);
                self.name(name);
                self.key(b"hash");
                self.text();
            }
            6 | 7 => {
                let name = one_of(self.rng, &["HMGET", "HDEL"]);
                self.name(name);
                self.key(b"hash");
                self.many(5, Self::text);
            }
            8..12 => {
                self.name("ZADD");
                self.key(b"sorted");
                self.flags(&["GT", "NX", "XX", "LT", "CH", "INCR", "GT", "INCR"]);
                self.many(3, |its| (its.from(&SCORES, &NO_SCORES), its.text()).0);
                self.maybe(20, Self::text);
            }
            12..15 => {
                // What the commands by lex order are made for.
                self.name("ZADD");
                self.key(b"lex");
                self.many(4, |its| (its.word(b"0"), its.text()).0);
            }
            15 => {
                self.name("ZSCORE");
                self.key(b"sorted");
                self.text();
            }
            16..19 => {
                self.name("ZRANGEBYSCORE");
                self.key(b"sorted");
                self.bound();
                self.bound();
                self.limit();
            }
            19..22 => {
                self.name("ZRANGEBYLEX");
                let key = one_of::<[u8]>(self.rng, &[b"lex", b"lex", b"sorted"]);
                self.key(key);
                let bound = |its: &mut Self| {
                    let word = one_of(its.rng, &LEX);
                    its.word(word);
                };
                bound(&mut self);
                bound(&mut self);
                self.limit();
            }
            22 | 23 => {
                self.name("ZREM");
                let key = one_of::<[u8]>(self.rng, &[b"lex", b"sorted"]);
                self.key(key);
                self.many(4, Self::text);
            }
            24 | 25 => {
                self.name("RPUSH");
                self.key(b"list");
                self.many(4, Self::text);
            }
            26 | 27 => {
                self.name("BLMPOP");
                self.from(
                    &[b"0", b"0", b"1", b"0.5"],
                    &[b"-1", b"abc", b"", b"inf", b"nan", b"1e400", b"1e17", b"-0", b"1e16"],
                );
                let count = self.rng.usize(1..3);
                let told = count.to_string();
                self.from(&[told.as_bytes()], &INTEGERS);
                (0..count).for_each(|_| self.key(b"list"));
                let side = one_of(self.rng, &["LEFT", "RIGHT", "LEFT", "MIDDLE"]);
                self.name(side);
                self.maybe(2, |its| {
                    its.name("COUNT");
                    its.from(&[b"1", b"2", b"100"], &INTEGERS);
                });
                self.maybe(20, |its| its.name("COUNT"));
            }
            28 => {
                self.name("PEXPIRE");
                let key = one_of(self.rng, &KEYS);
                self.key(key);
                let span = self.spans.swap_remove(self.rng.usize(..self.spans.len())).to_string();
                self.from(
                    &[span.as_bytes()],
                    &[b"0", b"-1", b"abc", b"", b"9223372036854775807", b"-9223372036854775808"],
                );
                self.flags(&["NX", "XX", "GT", "LT", "GT", "LT", "KEEP"]);
            }
            29 => {
                self.name("DEL");
                self.many(2, |its| {
                    let key = one_of(its.rng, &KEYS);
                    its.key(key);
                });
            }
            _ => {
                let all =
                    ["TIME", "HSET", "HGET", "HDEL", "ZADD", "ZREM", "RPUSH", "BLMPOP", "DEL", "PEXPIRE", "NONE", ""];
                let name = one_of(self.rng, &all);
                self.name(name);
                (0..self.rng.usize(..3)).for_each(|_| self.text());
                if name == "TIME" {
                    self.text();
                }
            }
        }
        // Sometimes there is one too few.
        if self.rng.u8(..60) == 0 && self.words.len() > 1 && !self.words[0].eq_ignore_ascii_case(b"TIME") {
            self.words.pop();
        }
        (self.words, self.spans)
    }
}

#[test]
fn commands_do_as_on_a_real_server() {
    programs(2000, |seed, server, emulated| {
        let mut rng = Rng::with_seed(seed);
        let mut program = Vec::new();
        let mut spans: Vec<i64> = (1..200).map(|n| n * 1_000_000).collect();
        for _ in 0..rng.usize(1..60) {
            let drawing = Drawing { rng: &mut rng, words: Vec::new(), spans };
            let words;
            (words, spans) = drawing.command();
            let text = if rng.bool() { CALL } else { PCALL };
            let arguments: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
            let real = server.eval(text, &[], &arguments);
            let ours = emulated.eval(text, &[], &arguments, 1_700_000_000_123_456);
            program.push(words);
            assert_eq!(ours, real, "seed {seed}, after\n{}", listing(&program));
        }
        assert_eq!(emulated.contents(), server.contents(), "seed {seed}, after\n{}", listing(&program));
    });
}

fn listing(program: &[Vec<Vec<u8>>]) -> String {
    program.iter().map(|words| format!("  {}\n", shown(words))).collect()
}
