//! Calls of the scripts themselves, as any client might make them: also one that is dead, late, or
//! does not do what the reply says is left to do.

use redis::{Connection, Script, Value};

use crate::server::shared;

pub(crate) type Bytes = Vec<u8>;

macro_rules! source {
    ($name:literal) => {
        include_str!(concat!("../../src/redis/lua/", $name, ".lua"))
    };
}

/// What one call may do: see `tree.lua`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Limits {
    AsShipped,
    /// Cut down, so that going on in another call is common.
    Small,
}

impl Limits {
    const SHIPPED: &'static str = "MAX_SCANNED = 64, 16, 64, 128, 1000";

    /// The text of a script, put together as the store does it.
    fn script(self, name: &str) -> Script {
        let (prelude, tree, sets) = (source!("prelude"), source!("tree"), source!("sets"));
        let (turns, kept) = (source!("turns"), source!("kept"));
        let (fast, own) = match name {
            "acquire" => (source!("acquire_fast"), source!("acquire")),
            "release" => (source!("release_fast"), source!("release")),
            "acquire_set" => ("", source!("acquire_set")),
            "release_set" => ("", source!("release_set")),
            "narrow" => ("", source!("narrow")),
            "exchange" => ("", source!("exchange")),
            "grow" => ("", source!("grow")),
            "widen" => ("", source!("widen")),
            "upgrade" => ("", source!("upgrade")),
            "refresh" => ("", concat!(source!("reclaim"), source!("refresh"))),
            "hello" => (source!("greet"), source!("hello")),
            "downgrade" => ("", source!("downgrade")),
            "inspect" => ("", source!("inspect")),
            "handover" => ("", source!("handover")),
            "tidy" => ("", source!("tidy")),
            "detached" => ("", source!("detached")),
            "list" => ("", source!("list")),
            "break" => ("", source!("break")),
            "in_use" => ("", source!("in_use")),
            _ => panic!("there is no script {name}"),
        };
        let text = format!("#!lua\n{prelude}{fast}{tree}{sets}{turns}{kept}{own}");
        assert!(text.contains(Self::SHIPPED), "the limits have changed: so must this test");
        Script::new(&match self {
            Self::AsShipped => text,
            Self::Small => text.replace(Self::SHIPPED, "MAX_SCANNED = 2, 1, 1, 2, 2"),
        })
    }
}

/// A tree of its own, on the shared server.
pub(crate) struct Tree {
    pub(crate) server: Connection,
    pub(crate) name: String,
    limits: Limits,
    /// The first argument of every script, in microseconds.
    pub(crate) claim: u64,
    /// The server that the client believes to talk to, if it says so: 40 characters.
    pub(crate) believes: String,
    scripts: std::collections::HashMap<String, Script>,
}

/// What a reply says is left to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum More {
    Nothing,
    Expired,
    HandOver(Vec<Bytes>),
}

/// A lock that is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) token: &'a str,
    pub(crate) kind: u8,
    pub(crate) path: &'a str,
    pub(crate) lease: u64,
    pub(crate) wait: bool,
    /// Whether what the fast path looks at is sent.
    pub(crate) fast: bool,
}

/// What the fast paths look at.
pub(crate) fn fields<'a>(token: &'a str, path: &'a str) -> Vec<&'a [u8]> {
    let mut ends: Vec<usize> = path.match_indices('\x01').map(|(at, _)| at).chain([path.len()]).collect();
    ends.dedup(); // the root
    ["tick", "offset", "waiting", token, "server"]
        .into_iter()
        .map(str::as_bytes)
        .chain(ends.into_iter().map(|end| &path.as_bytes()[..end]))
        .collect()
}

impl Tree {
    pub(crate) fn new(limits: Limits, claim: u64) -> Self {
        let name = format!("raw {:016x}", fastrand::u64(..));
        Self { server: shared().connect(), name, limits, claim, believes: String::new(), scripts: Default::default() }
    }

    pub(crate) fn key(&self, key: &str) -> String {
        format!("{{{}}}:{key}", self.name)
    }

    /// One call, and nothing after it.
    pub(crate) fn call(&mut self, name: &str, args: &[&[u8]]) -> Vec<Value> {
        self.try_call(name, args).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The same, of a script that may refuse to run.
    pub(crate) fn try_call(&mut self, name: &str, args: &[&[u8]]) -> redis::RedisResult<Vec<Value>> {
        let limits = self.limits;
        let keys = ["n", "e", "l", "w", "wl", "wn", "mb:"].map(|key| self.key(key));
        let script = self.scripts.entry(name.to_owned()).or_insert_with(|| limits.script(name));
        let mut call = script.prepare_invoke();
        keys.iter().for_each(|key| _ = call.key(key));
        call.arg(format!("{}{}", self.believes, self.claim));
        args.iter().for_each(|arg| _ = call.arg(*arg));
        call.invoke(&mut self.server)
    }

    /// Goes on handing over until there is no more of that. Whether there is more that has expired.
    pub(crate) fn finish(&mut self, mut more: More) -> bool {
        while let More::HandOver(at) = more {
            let at: Vec<&[u8]> = at.iter().map(Vec::as_slice).collect();
            more = More::read(&self.call("handover", &at)[0]);
        }
        more == More::Expired
    }

    pub(crate) fn acquire(&mut self, ask: &Ask<'_>) -> Vec<Value> {
        let about = format!("{},{},client,2,me{}", ask.lease, self.claim, ask.path);
        let (kind, lease, wait) = (ask.kind.to_string(), ask.lease.to_string(), u8::from(ask.wait).to_string());
        let text = [ask.token, &kind, ask.path, &lease, &about, &wait];
        let mut args: Vec<&[u8]> = text.iter().map(|text| text.as_bytes()).collect();
        if ask.fast {
            args.extend(fields(ask.token, ask.path));
        }
        self.call("acquire", &args)
    }

    pub(crate) fn release(&mut self, ask: &Ask<'_>, tombstone: u64) -> Vec<Value> {
        let (tombstone, kind) = (tombstone.to_string(), ask.kind.to_string());
        let mut args: Vec<&[u8]> =
            vec![ask.token.as_bytes(), tombstone.as_bytes(), kind.as_bytes(), ask.path.as_bytes()];
        if ask.fast {
            args.extend(fields(ask.token, ask.path));
        }
        self.call("release", &args)
    }

    /// A refresh of one token. The state that is answered, and what is left to do.
    pub(crate) fn refresh(&mut self, token: &str, length: u64, version: i64) -> (i64, More) {
        let (length, version) = (length.to_string(), version.to_string());
        let reply = self.call("refresh", &[token.as_bytes(), length.as_bytes(), version.as_bytes()]);
        (int(&reply[1]), More::read(&reply[0]))
    }

    /// All that is listed for a path, whatever number of calls that takes; with those who wait, or
    /// without.
    pub(crate) fn list(&mut self, path: &str, waiters: bool) -> Vec<Line> {
        let (mut lines, mut range, mut entry) = (Vec::new(), b"1".to_vec(), Vec::new());
        loop {
            let waiters: &[u8] = if waiters { b"1" } else { b"0" };
            let reply = self.call("list", &[waiters, path.as_bytes(), &range, &entry]);
            lines.extend(reply[1..].chunks(10).map(Line::read));
            let Value::Array(at) = &reply[0] else { return lines };
            (range, entry) = (bytes(&at[0]), bytes(&at[1]));
        }
    }

    /// Breaks a lock. Whether it was held, and what is left to do.
    pub(crate) fn break_lock(&mut self, token: &str, path: &str, fence: u64) -> (bool, More) {
        let reply = self.call("break", &[token.as_bytes(), path.as_bytes(), fence.to_string().as_bytes()]);
        (int(&reply[0]) == 1, more("break", &reply))
    }

    /// Calls `tidy` until nothing is left to do. How often that was.
    pub(crate) fn tidy(&mut self) -> usize {
        for calls in 1.. {
            let more = More::read(&self.call("tidy", &[])[0]);
            if more == More::Nothing {
                return calls;
            }
            let _ = self.finish(more);
        }
        unreachable!()
    }

    /// The time in the tree.
    pub(crate) fn time(&mut self) -> u64 {
        let (clock, (tick, offset)): ((u64, u64), (Option<u64>, Option<u64>)) = redis::pipe()
            .cmd("TIME")
            .cmd("HMGET")
            .arg(self.key("n"))
            .arg("tick")
            .arg("offset")
            .query(&mut self.server)
            .unwrap();
        (clock.0 * 1_000_000 + clock.1 + offset.unwrap_or(0)).max(tick.unwrap_or(0))
    }

    /// When a token's time is up.
    pub(crate) fn end(&mut self, token: &str) -> Option<u64> {
        redis::cmd("ZSCORE")
            .arg(self.key("e"))
            .arg(token)
            .query::<Option<f64>>(&mut self.server)
            .unwrap()
            .map(|end| end as u64)
    }

    /// The token's time is up, as its client is dead. Whether it has one.
    pub(crate) fn expire(&mut self, token: &str) -> bool {
        let mut command = redis::cmd("ZADD");
        command.arg(self.key("e")).arg("XX").arg("CH").arg(1).arg(token);
        command.query::<u64>(&mut self.server).unwrap() == 1
    }

    /// So are all who have anything in the tree now.
    pub(crate) fn expire_all(&mut self) -> usize {
        let text = "local all = redis.call('ZRANGE', KEYS[1], 0, -1)
            for _, token in ipairs(all) do redis.call('ZADD', KEYS[1], 1, token) end
            return #all";
        Script::new(text).key(self.key("e")).invoke(&mut self.server).unwrap()
    }

    /// As if the server's clock had been ahead by that much so far, and had been set back now.
    pub(crate) fn clock_was_ahead(&mut self, by: u64) {
        let text = "if redis.call('HEXISTS', KEYS[1], 'tick') == 1 then
              redis.call('HINCRBY', KEYS[1], 'tick', ARGV[1])
            end
            for _, token in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
              redis.call('ZINCRBY', KEYS[2], ARGV[1], token)
            end
            local server, grace = string.match(redis.call('HGET', KEYS[1], 'server') or '', '(.*),(.*)')
            if grace then
              redis.call('HSET', KEYS[1], 'server', string.format('%s,%.0f', server, grace + ARGV[1]))
            end";
        let script = Script::new(text);
        () = script.key(self.key("n")).key(self.key("e")).arg(by).invoke(&mut self.server).unwrap();
    }

    /// The messages in the mailbox of `client`, which are taken out.
    pub(crate) fn messages(&mut self) -> Vec<String> {
        let key = self.key("mb:client");
        let (all, _): (Vec<String>, u64) =
            redis::pipe().atomic().lrange(&key, 0, -1).del(&key).query(&mut self.server).unwrap();
        all
    }
}

/// One lock of a listing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Line {
    pub(crate) held: bool,
    pub(crate) path: Bytes,
    pub(crate) kind: i64,
    pub(crate) owner: Bytes,
    pub(crate) client: Bytes,
    pub(crate) token: Bytes,
    pub(crate) number: i64,
    pub(crate) age: i64,
    pub(crate) left: i64,
    pub(crate) may_be_kept: bool,
}

impl Line {
    fn read(line: &[Value]) -> Self {
        Self {
            held: int(&line[0]) == 1,
            path: bytes(&line[1]),
            kind: int(&line[2]),
            owner: bytes(&line[3]),
            client: bytes(&line[4]),
            token: bytes(&line[5]),
            number: int(&line[6]),
            age: int(&line[7]),
            left: int(&line[8]),
            may_be_kept: int(&line[9]) == 1,
        }
    }
}

impl More {
    pub(crate) fn read(value: &Value) -> Self {
        match value {
            Value::Nil => Self::Nothing,
            Value::Int(1) => Self::Expired,
            Value::Array(at) => Self::HandOver(at.iter().map(bytes).collect()),
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) fn int(value: &Value) -> i64 {
    let Value::Int(number) = value else { panic!("{value:?} is no number") };
    *number
}

pub(crate) fn bytes(value: &Value) -> Bytes {
    match value {
        Value::BulkString(bytes) => bytes.clone(),
        Value::Int(number) => number.to_string().into_bytes(),
        other => panic!("{other:?}"),
    }
}

/// Where `more` is in the reply of a script.
pub(crate) fn more(name: &str, reply: &[Value]) -> More {
    let at = match (name, int_or_nothing(reply.first())) {
        ("refresh" | "handover" | "tidy", _) => 0,
        ("release" | "downgrade" | "inspect" | "break", _) => 1,
        ("release_set" | "narrow" | "exchange", _) => 1,
        ("widen" | "upgrade", Some(1)) => 2,
        ("widen" | "upgrade", Some(4)) => 1,
        ("widen" | "upgrade", _) => 4,
        ("acquire" | "acquire_set", Some(1)) => 2,
        ("acquire", Some(4)) => return More::Nothing,
        ("acquire_set", Some(4)) => 1,
        ("acquire" | "acquire_set", _) => 4,
        _ => return More::Nothing,
    };
    More::read(&reply[at])
}

fn int_or_nothing(value: Option<&Value>) -> Option<i64> {
    match value {
        Some(Value::Int(number)) => Some(*number),
        _ => None,
    }
}
