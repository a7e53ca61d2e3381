//! Random programs of requests, right on the scripts, beside a list that does the same in the
//! plainest way. After each step both must hold and queue the same, and all keys must agree with
//! each other.
//!
//! What has expired goes away at times that the list does not know: some of it at each call. So
//! the list takes it away when the server has. What must hold at all times is that it stands in
//! nobody's way, and that taking it away serves the waiters that it kept out.

mod model;

use std::collections::BTreeMap;

use proptest::prelude::*;
use redis::Value;

use crate::calls::{Ask, Limits, Tree, int, more};
use crate::checker::{Contents, Record, check};

use model::{HOUR, LEASE, Lock, PATHS, Step, Token, any_step, below, conflict, fast, settle};

struct Run {
    tree: Tree,
    locks: Vec<Lock>,
    /// All tokens ever.
    tokens: Vec<Token>,
    /// What the server had after the step before.
    before: Contents,
}

impl Run {
    fn new() -> Self {
        let tree = Tree::new(Limits::Small, LEASE);
        Self { tree, locks: Vec::new(), tokens: Vec::new(), before: Contents::default() }
    }

    fn pick(&self, which: usize) -> Option<Token> {
        (!self.tokens.is_empty()).then(|| self.tokens[which % self.tokens.len()].clone())
    }

    fn position(&self, token: &str) -> Option<usize> {
        self.locks.iter().position(|lock| lock.token == token)
    }

    /// What lives and is in the way of a newcomer. What is dead is in nobody's way.
    fn blocked(&self, path: &str, kind: u8) -> bool {
        self.locks.iter().any(|other| !other.dead && conflict(path, kind, other))
    }

    fn finish(&mut self, name: &str, reply: &[Value]) {
        let _ = self.tree.finish(more(name, reply));
    }

    /// Asks until the answer is final.
    fn acquire(&mut self, asked: &Token, wait: bool) -> Vec<Value> {
        let Token { token, path, kind, .. } = asked;
        loop {
            let ask = Ask { token, kind: *kind, path, lease: LEASE, wait, fast: fast(path) };
            let reply = self.tree.acquire(&ask);
            self.finish("acquire", &reply);
            if int(&reply[0]) == 4 {
                return reply;
            }
            if let (0 | 2 | 3, Value::BulkString(named)) = (int(&reply[0]), &reply[1]) {
                // What is named is in the way. Where it cannot be told, which these small limits
                // make common, it is a node on the way.
                let named = std::str::from_utf8(named).unwrap();
                let untold = reply[2] == Value::BulkString(Vec::new()) && below(path, named);
                let sound = untold || self.locks.iter().any(|lock| lock.path == named && conflict(path, *kind, lock));
                assert!(sound, "{named:?} is not in the way of {path:?}");
            }
            if int(&reply[0]) != 3 {
                return reply;
            }
        }
    }

    /// Does the step. Returns the token whose end it may have set.
    fn step(&mut self, step: &Step) -> Option<String> {
        match *step {
            Step::Acquire { path, kind, wait } => {
                let token = format!("token.{:x}", self.tokens.len());
                let asked = Token { token: token.clone(), path: PATHS[path], kind, buried: false, crumbles: false };
                self.tokens.push(asked.clone());
                self.arrives(&asked, wait);
                Some(token)
            }
            Step::Again { which, wait } => {
                let asked = self.pick(which)?;
                match self.position(&asked.token) {
                    Some(at) => self.asks_again(at, &asked, wait),
                    None if asked.buried => {
                        let reply = self.acquire(&asked, wait);
                        assert_eq!(int(&reply[0]), 4, "a late request finds a tombstone");
                    }
                    None => self.arrives(&asked, wait),
                }
                Some(asked.token)
            }
            Step::Release { which, tombstone } => {
                let mut asked = self.pick(which)?;
                let at = self.position(&asked.token);
                asked.kind = at.map_or(1, |at| self.locks[at].kind);
                let ask = Ask {
                    token: &asked.token,
                    kind: asked.kind,
                    path: asked.path,
                    lease: LEASE,
                    wait: false,
                    fast: fast(asked.path),
                };
                let reply = self.tree.release(&ask, if tombstone { LEASE } else { 0 });
                self.finish("release", &reply);
                let lives = at.is_some_and(|at| !self.locks[at].dead);
                // The fast path does not look at the time.
                if lives || tombstone || !fast(asked.path) {
                    assert_eq!(reply[0], Value::Int(lives.into()), "{step:?}");
                }
                if let Some(at) = at {
                    self.locks.remove(at);
                }
                // A second release takes the tombstone of the first one away.
                let which = which % self.tokens.len();
                (self.tokens[which].buried, self.tokens[which].crumbles) = (tombstone, false);
                None
            }
            Step::Downgrade { which } => {
                let Token { token, .. } = self.pick(which)?;
                let at = self.position(&token).filter(|&at| self.locks[at].held);
                if let Some(at) = at
                    && self.locks[at].kind <= 2
                {
                    self.locks[at].kind += 2;
                    let which = which % self.tokens.len();
                    self.tokens[which].kind += 2;
                }
                let number = self.record(&token).map_or(0, |record| record.number).to_string();
                let reply = self.tree.call("downgrade", &[token.as_bytes(), number.as_bytes()]);
                self.finish("downgrade", &reply);
                assert_eq!(reply[0], Value::Int(at.is_some().into()), "{step:?}");
                None
            }
            Step::Expire { which } => {
                let Token { token, .. } = self.pick(which)?;
                self.tree.expire(&token);
                let which = which % self.tokens.len();
                self.tokens[which].crumbles |= std::mem::take(&mut self.tokens[which].buried);
                Some(token)
            }
            Step::Refresh { which, length, version } => {
                let Token { token, .. } = self.pick(which)?;
                self.refreshes(&token, length, version);
                Some(token)
            }
            Step::Detach { which, detach, length, version } => {
                let asked = self.pick(which)?;
                self.detaches(&asked, detach, length, version);
                Some(asked.token)
            }
            Step::Inspect { path, kind } => {
                let blocked = self.blocked(PATHS[path], kind);
                let code = loop {
                    let reply = self.tree.call("inspect", &[kind.to_string().as_bytes(), PATHS[path].as_bytes()]);
                    self.finish("inspect", &reply);
                    if int(&reply[0]) != 3 {
                        break int(&reply[0]);
                    }
                };
                assert_eq!(code, blocked.into(), "{step:?}");
                None
            }
            Step::Break { which } => {
                let Token { token, path, .. } = self.pick(which)?;
                let (broken, more) = self.tree.break_lock(&token, path, 0);
                self.tree.finish(more);
                let at = self.position(&token).filter(|&at| self.locks[at].held);
                assert_eq!(broken, at.is_some_and(|at| !self.locks[at].dead), "{step:?}");
                if let Some(at) = at {
                    self.locks.remove(at);
                    let which = which % self.tokens.len();
                    (self.tokens[which].buried, self.tokens[which].crumbles) = (true, false);
                }
                None
            }
            Step::List { path } => {
                self.is_listed(PATHS[path]);
                None
            }
            Step::Tidy => {
                self.tree.tidy();
                let now = self.tree.time();
                let ends: BTreeMap<String, u64> = check(&mut self.tree.server, &self.tree.name).ends;
                assert!(ends.values().all(|&end| end > now), "{ends:?}");
                None
            }
            Step::ClockBack => {
                self.tree.clock_was_ahead(HOUR);
                self.before.tick += if self.before.tick > 0 { HOUR } else { 0 };
                None
            }
        }
    }

    /// All that lives and matters to the path is listed, each once; and what is held by itself.
    fn is_listed(&mut self, path: &str) {
        let matters = |lock: &&Lock| !lock.dead && (below(lock.path, path) || below(path, lock.path));
        let line = |lock: &Lock| (lock.token.clone().into_bytes(), lock.held, i64::from(lock.kind));
        let mut expected: Vec<_> = self.locks.iter().filter(matters).map(line).collect();
        expected.sort();
        for waiters in [true, false] {
            let lines = self.tree.list(path, waiters);
            let mut listed: Vec<_> = lines.into_iter().map(|line| (line.token, line.held, line.kind)).collect();
            listed.sort();
            expected.retain(|(_, held, _)| waiters || *held);
            assert_eq!(listed, expected, "for {path:?}");
        }
    }

    /// A token that the server does not know asks for a lock.
    fn arrives(&mut self, asked: &Token, wait: bool) {
        let blocked = self.blocked(asked.path, asked.kind);
        let code = int(&self.acquire(asked, wait)[0]);
        if code == 4 && asked.crumbles {
            return; // nobody has taken the tombstone away yet
        }
        assert_eq!(code, if !blocked { 1 } else { i64::from(wait) * 2 }, "{asked:?}");
        if code > 0 {
            self.push(asked, !blocked);
        }
    }

    fn push(&mut self, asked: &Token, held: bool) {
        let Token { token, path, kind, .. } = asked.clone();
        self.locks.push(Lock { token, path, kind, held, dead: false });
    }

    /// A token that the server knows asks: unless its own time is up, then it may be one that has
    /// been taken away, and is new.
    fn asks_again(&mut self, at: usize, asked: &Token, wait: bool) {
        let old = self.locks[at].clone();
        let earlier = |(i, other): (usize, &Lock)| {
            i != at && !other.dead && (other.held || i < at) && conflict(old.path, old.kind, other)
        };
        let kept_out = !old.held && self.locks.iter().enumerate().any(earlier);
        let others: Vec<Lock> = self.locks.iter().filter(|lock| lock.token != old.token).cloned().collect();
        let as_new = others.iter().any(|other| !other.dead && conflict(old.path, old.kind, other));
        let from = self.tree.time();
        let reply = self.acquire(asked, wait);
        let code = int(&reply[0]);
        assert!(code == 0 || self.tree.end(&asked.token) >= Some(from + LEASE), "from now on: {code}");
        let number = match code {
            1 => int(&reply[1]),
            2 => int(&reply[5]),
            _ => 0,
        };
        let known = self.before.held.get(&old.token).or_else(|| self.before.waits.get(&old.token));
        let in_place = known.is_some_and(|record| record.number == u64::try_from(number).unwrap());
        match code {
            1 => assert!(!kept_out, "{old:?}"),
            0 => assert!(as_new && !wait && (old.dead || kept_out), "{old:?}"),
            2 => assert!(as_new && wait && (old.dead || kept_out), "{old:?}"),
            _ => panic!("{reply:?}"),
        }
        if old.held && !old.dead {
            assert!(in_place, "the same grant again");
        }
        let is_new = code == 2 && !in_place;
        assert!(old.dead || !is_new, "the same place again");
        if code == 0 || is_new {
            self.locks.remove(at);
        }
        if is_new {
            self.push(asked, false);
        } else if code > 0 {
            self.locks[at].held = code == 1;
            self.locks[at].dead = false;
        }
    }

    fn refreshes(&mut self, token: &str, length: u64, version: i64) {
        let (old, known) = (self.tree.end(token), self.record(token));
        let from = self.tree.time();
        let (state, more) = self.tree.refresh(token, length, version);
        self.tree.finish(more);
        let (to, end) = (self.tree.time(), self.tree.end(token));
        let between = |length| end.is_some_and(|end| (from + length..=to + length).contains(&end));
        let lock = self.position(token).map(|at| self.locks[at].clone());
        let Some(lock) = lock else {
            assert_eq!(state, -2, "not known");
            assert!(end.is_none() || end == old, "a tombstone is not renewed");
            return;
        };
        let detached = known.as_ref().is_some_and(|record| record.client.is_empty());
        let beats = version == 0 && length == 0;
        if lock.dead {
            assert!(beats || state == -2, "what is over is not revived");
            // It may have been taken away before.
            if state != -2 && end.is_none_or(|end| end > to) {
                let at = self.position(token).unwrap();
                self.locks[at].dead = false;
                assert!(!(detached && lock.held), "a detached lock is over when it is over");
            }
        } else if !lock.held {
            match state {
                // It has left the queue.
                -2 if !beats && self.record(token).is_none() => {
                    let at = self.position(token).unwrap();
                    self.locks.remove(at);
                }
                // It was served first; then what was sent is for a holder.
                ..=-1 => {
                    let at = self.position(token).unwrap();
                    self.locks[at].dead = state == -1 && version > 0 && length == 0;
                    assert!(state != -2 || version < 0, "it was its turn");
                }
                _ => assert!(beats && state >= 0 && between(self.tree.claim), "a heartbeat: {state}"),
            }
        } else if version < 0 && !detached {
            assert!(state == -2 && end == old, "not for it");
        } else {
            let known = known.unwrap();
            let stored = i64::try_from(known.version).unwrap();
            assert_eq!(state, if beats { -i64::try_from(known.number).unwrap() } else { -1 });
            if beats {
                assert!(end >= old, "a heartbeat never shortens");
                assert!(end == old || between(self.tree.claim));
            } else if version > 0 && version < stored {
                assert_eq!(end, old, "its end stays as it is");
            } else if version == 0 {
                assert!(end >= old && end >= Some(from + length), "a renewal never shortens");
                assert!(end == old || between(length));
            } else {
                assert!(between(length), "the end is set exactly");
                // With a length of 0 it is over.
                let at = self.position(token).unwrap();
                self.locks[at].dead = length == 0;
            }
            let stored = stored.max(version);
            let record = self.record(token);
            assert!(record.is_none_or(|record| i64::try_from(record.version) == Ok(stored)), "the version is stored");
        }
    }

    fn detaches(&mut self, asked: &Token, detach: bool, length: u64, version: i64) {
        let (old, known) = (self.tree.end(&asked.token), self.record(&asked.token));
        let from = self.tree.time();
        let flag = if detach { "1" } else { "0" };
        let (length_text, version_text) = (length.to_string(), version.to_string());
        let args = [&asked.token, asked.path, flag, &length_text, &version_text].map(str::as_bytes);
        let reply = self.tree.call("detached", &args);
        let (to, end) = (self.tree.time(), self.tree.end(&asked.token));
        let lock = self.position(&asked.token).map(|at| &self.locks[at]);
        let was = known.as_ref().is_some_and(|record| record.client.is_empty());
        let held = lock.is_some_and(|lock| lock.held && !lock.dead);
        assert_eq!(int(&reply[0]), (held && (was || detach)).into());
        if int(&reply[0]) == 0 {
            assert_eq!(end, old);
            return;
        }
        let (known, now) = (known.unwrap(), self.record(&asked.token).unwrap());
        assert!(now.client.is_empty() && now.number == known.number && now.version >= known.version);
        assert_eq!([int(&reply[1]), int(&reply[2])], [now.kind.into(), now.number as i64]);
        let late = was || length == 0 || version > 0 && version < i64::try_from(known.version).unwrap();
        if late {
            assert_eq!(end, old, "its end stays as it is");
        } else if version == 0 {
            assert!(end >= old);
        } else {
            assert!(end.is_some_and(|end| (from + length..=to + length).contains(&end)));
        }
    }

    fn record(&mut self, token: &str) -> Option<Record> {
        let Contents { held, waits, .. } = check(&mut self.tree.server, &self.tree.name);
        held.get(token).or_else(|| waits.get(token)).cloned()
    }

    /// Both must have the same. `of`: the token whose end the step may have set.
    fn compare(&mut self, step: &Step, of: Option<String>) {
        let now = self.tree.time();
        let messages = self.tree.messages();
        let contents = check(&mut self.tree.server, &self.tree.name);
        let set = |token: &str| of.as_deref() == Some(token);

        // What has expired may have been taken away.
        self.locks.retain(|lock| !lock.dead || contents.ends.contains_key(&lock.token));
        if let (Step::Expire { .. }, Some(token)) = (step, &of)
            && let Some(at) = self.position(token)
        {
            self.locks[at].dead = true;
        }
        let waited: Vec<String> = self.locks.iter().filter(|lock| !lock.held).map(|lock| lock.token.clone()).collect();
        settle(&mut self.locks);

        let tokens =
            |held| self.locks.iter().filter(move |lock| lock.held == held).map(|lock| (lock.token.clone(), lock.kind));
        let mut should_hold: Vec<(String, u8)> = tokens(true).collect();
        let mut should_wait: Vec<(String, u8)> = tokens(false).collect();
        should_hold.sort();
        should_wait.sort();
        let kinds = |records: &BTreeMap<String, Record>| -> Vec<(String, u8)> {
            records.iter().map(|(token, record)| (token.clone(), record.kind)).collect()
        };
        assert_eq!(kinds(&contents.held), should_hold, "held after {step:?}");
        assert_eq!(kinds(&contents.waits), should_wait, "queued after {step:?}");

        for lock in &self.locks {
            assert_eq!(contents.ends[&lock.token] <= now, lock.dead, "{lock:?} after {step:?}");
            // A waiter that lives and has been handed its lock has a message.
            if waited.contains(&lock.token) && lock.held && !lock.dead && !set(&lock.token) {
                let message = format!("{},{}", lock.token, contents.held[&lock.token].number);
                assert!(messages.contains(&message), "no {message} after {step:?}");
            }
        }

        // Numbers only rise (I1).
        let old = std::mem::replace(&mut self.before, contents);
        let new = &self.before;
        assert!(new.tick >= old.tick && new.offset >= old.offset);
        let known = |token, number| {
            [&old.held, &old.waits].iter().any(|all| all.get(token).is_some_and(|old: &Record| old.number == number))
        };
        for (token, record) in new.held.iter().chain(&new.waits) {
            let version = old.held.get(token).filter(|old| old.number == record.number).map(|old| old.version);
            assert!(version <= Some(record.version), "the version of {token} after {step:?}");
            assert!(known(token, record.number) || record.number > old.tick, "{token} after {step:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_scripts_do_as_the_list(steps in prop::collection::vec(any_step(), 1..60)) {
        let mut run = Run::new();
        for step in &steps {
            let of = run.step(step);
            run.compare(step, of);
        }
        // Whatever the program did, it can be undone.
        for at in 0..run.tokens.len() {
            let step = Step::Release { which: at, tombstone: false };
            let of = run.step(&step);
            run.compare(&step, of);
        }
        prop_assert!(run.locks.is_empty());
        let left: Vec<String> =
            redis::cmd("KEYS").arg(format!("{{{}}}:[^m]*", run.tree.name)).query(&mut run.tree.server).unwrap();
        prop_assert!(left.iter().all(|key| key.ends_with(":n")), "{left:?}");
        let fields: Vec<String> = redis::cmd("HKEYS").arg(run.tree.key("n")).query(&mut run.tree.server).unwrap();
        prop_assert!(fields.iter().all(|field| ["tick", "born", "offset"].contains(&&**field)), "{fields:?}");
    }
}
