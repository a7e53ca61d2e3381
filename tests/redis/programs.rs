//! Random programs of requests, right on the scripts, beside a list that does the same in the
//! plainest way. After each step both must hold and queue the same, and all keys must agree with
//! each other.

use proptest::prelude::*;
use redis::{Connection, Value};

use crate::checker::{self, check};
use crate::server::shared;

/// What one call may do is cut down, so that going on in another one is common.
fn script(parts: &[&str]) -> String {
    let text = format!("#!lua\n{}", parts.concat());
    text.replace("= 64, 64, 128, 1000", "= 2, 1, 2, 2")
}

macro_rules! source {
    ($name:literal) => {
        include_str!(concat!("../../src/redis/", $name, ".lua"))
    };
}

#[derive(Clone, Debug)]
enum Step {
    Acquire {
        path: usize,
        kind: u8,
        wait: bool,
    },
    /// Of the tokens so far.
    Again {
        which: usize,
        wait: bool,
    },
    Release {
        which: usize,
        tombstone: bool,
    },
    Downgrade {
        which: usize,
    },
    Expire {
        which: usize,
    },
    Refresh {
        which: usize,
    },
    Inspect {
        path: usize,
        kind: u8,
    },
}

const PATHS: [&str; 9] =
    ["", "\x01a", "\x01a\x01b", "\x01a\x01b\x01c", "\x01a\x01d", "\x01a-b", "\x01e", "\x01e\x01f", "\x01ab"];

fn any_step() -> impl Strategy<Value = Step> {
    let (path, kind, which) = (0..PATHS.len(), 1..=4u8, 0..1000usize);
    prop_oneof![
        8 => (path.clone(), kind.clone(), any::<bool>()).prop_map(|(path, kind, wait)| Step::Acquire { path, kind, wait: wait || kind == 3 }),
        3 => (which.clone(), any::<bool>()).prop_map(|(which, wait)| Step::Again { which, wait }),
        5 => (which.clone(), any::<bool>()).prop_map(|(which, tombstone)| Step::Release { which, tombstone }),
        2 => which.clone().prop_map(|which| Step::Downgrade { which }),
        2 => which.clone().prop_map(|which| Step::Expire { which }),
        1 => which.prop_map(|which| Step::Refresh { which }),
        2 => (path, kind).prop_map(|(path, kind)| Step::Inspect { path, kind }),
    ]
}

/// The list: every request that is held or waits, in order of arrival.
#[derive(Clone, Debug)]
struct Lock {
    token: String,
    path: &'static str,
    kind: u8,
    held: bool,
}

/// What the fast paths look at. A path of three components counts as one that is too long for that.
fn fields<'a>(token: &'a str, path: &'a str) -> Vec<&'a [u8]> {
    let mut ends: Vec<usize> = path.match_indices('\x01').map(|(at, _)| at).chain([path.len()]).collect();
    ends.dedup(); // the root
    if ends.len() > 3 {
        return Vec::new();
    }
    ["tick", "waiting", token]
        .into_iter()
        .map(str::as_bytes)
        .chain(ends.into_iter().map(|end| &path.as_bytes()[..end]))
        .collect()
}

fn below(path: &str, ancestor: &str) -> bool {
    path.strip_prefix(ancestor).is_some_and(|rest| rest.is_empty() || rest.starts_with('\x01'))
}

fn conflict(path: &str, kind: u8, other: &Lock) -> bool {
    let subtree = |kind| kind % 2 == 1;
    let reach = path == other.path
        || subtree(kind) && below(other.path, path)
        || subtree(other.kind) && below(path, other.path);
    (kind <= 2 || other.kind <= 2) && reach
}

fn settle(locks: &mut [Lock]) {
    for at in 0..locks.len() {
        let (path, kind) = (locks[at].path, locks[at].kind);
        let blocked =
            locks.iter().enumerate().any(|(i, other)| i != at && (other.held || i < at) && conflict(path, kind, other));
        locks[at].held |= !blocked;
    }
}

struct Run {
    server: Connection,
    tree: String,
    locks: Vec<Lock>,
    /// All tokens ever, with what was asked for, and whether a tombstone was left.
    tokens: Vec<(String, &'static str, u8, bool)>,
}

impl Run {
    fn call(&mut self, name: &str, args: &[&[u8]]) -> Vec<Value> {
        let (fast, common) = (source!("fast"), source!("common"));
        let text = match name {
            "acquire" => script(&[fast, source!("acquire_fast"), common, source!("acquire")]),
            "release" => script(&[fast, source!("release_fast"), common, source!("release")]),
            "refresh" => script(&[fast, common, source!("refresh")]),
            "downgrade" => script(&[fast, common, source!("downgrade")]),
            "inspect" => script(&[fast, common, source!("inspect")]),
            _ => script(&[fast, common, source!("handover")]),
        };
        let mut command = redis::cmd("EVAL");
        command.arg(text).arg(7);
        for key in ["n", "e", "l", "w", "wl", "wn", "mb:"] {
            command.arg(format!("{{{}}}:{key}", self.tree));
        }
        command.arg(3_600_000_000u64);
        for arg in args {
            command.arg(arg);
        }
        let reply: Vec<Value> = command.query(&mut self.server).unwrap_or_else(|error| panic!("{name}: {error}"));
        let more = match name {
            "refresh" => &reply[0],
            "release" => &reply[1],
            "acquire" if reply[0] == Value::Int(2) => &reply[4],
            _ => reply.last().unwrap(),
        };
        if let Value::Array(more) = more.clone() {
            let bytes = |value: &Value| match value {
                Value::BulkString(bytes) => bytes.clone(),
                Value::Int(number) => number.to_string().into_bytes(),
                other => panic!("{other:?}"),
            };
            let args: Vec<Vec<u8>> = more.iter().map(bytes).collect();
            let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
            self.call("handover", &args);
        }
        if name != "refresh" && reply[0] == Value::Int(3) {
            return self.call(name, args); // too much to clean up at once
        }
        reply
    }

    /// Returns the code of the reply.
    fn acquire(&mut self, token: &str, path: &str, kind: u8, wait: bool) -> i64 {
        let about = format!("3600000000,3600000000,client,2,me{path}");
        let (kind, wait) = (kind.to_string(), u8::from(wait).to_string());
        let mut args =
            vec![token.as_bytes(), kind.as_bytes(), path.as_bytes(), b"3600000000", about.as_bytes(), wait.as_bytes()];
        args.extend(fields(token, path));
        let reply = self.call("acquire", &args);
        let Value::Int(code) = reply[0] else { panic!("{reply:?}") };
        if let (0 | 2, Value::BulkString(named)) = (code, reply.get(1).unwrap_or(&Value::Nil)) {
            // What is named is in the way. Where it cannot be told, which these small limits make
            // common, it is the node itself.
            let named = std::str::from_utf8(named).unwrap();
            let kind = kind.parse().unwrap();
            let sound = named == path || self.locks.iter().any(|lock| lock.path == named && conflict(path, kind, lock));
            assert!(sound, "{named:?} is not in the way of {path:?}");
        }
        code
    }

    fn step(&mut self, step: &Step) {
        let pick = |which: usize, tokens: &[(String, &'static str, u8, bool)]| {
            (!tokens.is_empty()).then(|| which % tokens.len())
        };
        match *step {
            Step::Acquire { path, kind, wait } => {
                let (token, path) = (format!("token.{:x}", self.tokens.len()), PATHS[path]);
                let blocked = self.locks.iter().any(|other| conflict(path, kind, other));
                let code = self.acquire(&token, path, kind, wait);
                assert_eq!(
                    code,
                    if !blocked {
                        1
                    } else if wait {
                        2
                    } else {
                        0
                    },
                    "{step:?}"
                );
                if !blocked || wait {
                    self.locks.push(Lock { token: token.clone(), path, kind, held: !blocked });
                }
                self.tokens.push((token, path, kind, false));
            }
            Step::Again { which, wait } => {
                let Some(at) = pick(which, &self.tokens) else { return };
                let (token, path, kind, buried) = self.tokens[at].clone();
                let Some(lock) = self.locks.iter().position(|lock| lock.token == token) else {
                    if buried {
                        assert_eq!(self.acquire(&token, path, kind, wait), 4, "a late request finds a tombstone");
                    }
                    return;
                };
                let held = self.locks[lock].held;
                let code = self.acquire(&token, path, kind, wait);
                assert_eq!(
                    code,
                    if held {
                        1
                    } else if wait {
                        2
                    } else {
                        0
                    },
                    "{step:?}"
                );
                if !held && !wait {
                    self.locks.remove(lock);
                }
            }
            Step::Release { which, tombstone } => {
                let Some(at) = pick(which, &self.tokens) else { return };
                let (token, path, ..) = self.tokens[at].clone();
                let lock = self.locks.iter().position(|lock| lock.token == token);
                let kind = lock.map_or(1, |lock| self.locks[lock].kind).to_string();
                let seconds: &[u8] = if tombstone { b"3600000000" } else { b"0" };
                let mut args = vec![token.as_bytes(), seconds, kind.as_bytes(), path.as_bytes()];
                args.extend(fields(&token, path));
                let reply = self.call("release", &args);
                assert_eq!(reply[0], Value::Int(lock.is_some().into()), "{step:?}");
                if let Some(lock) = lock {
                    self.locks.remove(lock);
                }
                // A second release takes the tombstone of the first one away.
                self.tokens[at].3 = tombstone;
            }
            Step::Downgrade { which } => {
                let Some(at) = pick(which, &self.tokens) else { return };
                let token = self.tokens[at].0.clone();
                let lock = self.locks.iter_mut().find(|lock| lock.held && lock.token == token);
                let held = lock.is_some();
                if let Some(lock) = lock
                    && lock.kind <= 2
                {
                    lock.kind += 2;
                    self.tokens[at].2 += 2;
                }
                let reply = self.call("downgrade", &[token.as_bytes()]);
                assert_eq!(reply[0], Value::Int(held.into()), "{step:?}");
            }
            Step::Expire { which } => {
                let Some(at) = pick(which, &self.tokens) else { return };
                let token = self.tokens[at].0.clone();
                if self.locks.iter().any(|lock| lock.held && lock.token == token) {
                    self.call("refresh", &[token.as_bytes(), b"0"]);
                    self.call("inspect", &[b"1", b""]); // which takes away what has expired
                    self.locks.retain(|lock| lock.token != token);
                }
            }
            Step::Refresh { which } => {
                let Some(at) = pick(which, &self.tokens) else { return };
                let token = self.tokens[at].0.clone();
                let reply = self.call("refresh", &[token.as_bytes(), b"3600000000"]);
                let Value::Int(state) = reply[1] else { panic!("{reply:?}") };
                let expected = self.locks.iter().find(|lock| lock.token == token).map(|lock| lock.held);
                assert_eq!(expected, if state == -2 { None } else { Some(state == -1) }, "{step:?}: {state}");
            }
            Step::Inspect { path, kind } => {
                let blocked = self.locks.iter().any(|other| conflict(PATHS[path], kind, other));
                let reply = self.call("inspect", &[kind.to_string().as_bytes(), PATHS[path].as_bytes()]);
                assert_eq!(reply[0], Value::Int(blocked.into()), "{step:?}");
            }
        }
        settle(&mut self.locks);
    }

    fn compare(&mut self, step: &Step) {
        let checker::Contents { held, waits } = check(&mut self.server, &self.tree);
        let tokens =
            |held| self.locks.iter().filter(move |lock| lock.held == held).map(|lock| (lock.token.clone(), lock.kind));
        let mut should_hold: Vec<(String, u8)> = tokens(true).collect();
        let mut should_wait: Vec<(String, u8)> = tokens(false).collect();
        should_hold.sort();
        should_wait.sort();
        let holds: Vec<(String, u8)> = held.iter().map(|(token, record)| (token.clone(), record.kind)).collect();
        let queues: Vec<(String, u8)> = waits.iter().map(|(token, record)| (token.clone(), record.kind)).collect();
        assert_eq!(holds, should_hold, "held after {step:?}");
        assert_eq!(queues, should_wait, "queued after {step:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_scripts_do_as_the_list(steps in prop::collection::vec(any_step(), 1..60)) {
        let server = shared().connect();
        let tree = format!("program {:016x}", fastrand::u64(..));
        let mut run = Run { server, tree, locks: Vec::new(), tokens: Vec::new() };
        for step in &steps {
            run.step(step);
            run.compare(step);
        }
        // Whatever the program did, it can be undone.
        for at in 0..run.tokens.len() {
            let step = Step::Release { which: at, tombstone: false };
            run.step(&step);
            run.compare(&step);
        }
        prop_assert!(run.locks.is_empty());
        let left: Vec<String> = redis::cmd("KEYS").arg(format!("{{{}}}:[^m]*", run.tree)).query(&mut run.server).unwrap();
        prop_assert!(left.iter().all(|key| key.ends_with(":n")), "{left:?}");
    }
}
