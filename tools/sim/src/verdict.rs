//! What is asserted: after each script, at each step, and at the end.

use super::claim::{Claim, Place};
use super::emulation::Limits;
use super::ledger::Strict;
use super::plan::{Fault, MILLI, SECOND};
use super::process::State;
use super::turns::Ran;
use super::world::World;
use crate::redis::protocol::lock::Lock;
use crate::redis::protocol::script::{Call, Script};
use crate::redis::value::Value;

impl World<'_> {
    pub(super) fn violate(&mut self, what: String) {
        self.trace.note(self.now, || "violation".into(), || what.clone());
        self.violation.get_or_insert(what);
    }

    /// What the judge of beliefs says.
    pub(super) fn ask_judge(&mut self) {
        if let Some(violation) = self.judge.violations().first() {
            let text = violation.text.clone();
            self.violate(text);
        }
    }

    /// A script has run.
    pub(super) fn check_call(&mut self, call: &Call, answer: &Value, server: usize, time: u64) {
        let grace = self.has_grace(server);
        let exchanges = call.script == Script::Exchange;
        let strict = Strict { owes: owes(answer), grace, recounts: self.plan.recounts, exchanges };
        let words = words(call);
        let time = self.tree_time(server, time);
        let given_back: Vec<&[u8]> = words.iter().skip(2).step_by(2).copied().collect();
        let as_one: Vec<&[u8]> = words.iter().skip(2).map(|word| token(word)).collect();
        let (released, tokens) = match call.script {
            Script::Release => (words.get(2), &words[1..2]),
            Script::ReleaseSet => (words.get(1), &as_one[..]),
            Script::GiveBack => (words.get(1), &given_back[..]),
            Script::Exchange => (words.get(3), &words[1..2]),
            _ => (None, &[][..]),
        };
        let released = released.and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
        let it = &mut self.servers[server];
        let ran = Ran {
            words: &words,
            released,
            tokens,
            deadlines: &self.keys.all()[1],
            time: time as f64,
            now: self.now,
            is_steady: !self.plan.has(Fault::ClockAhead),
        };
        let touched = self.interpreter.touched();
        let granted = it.ledger.check(&self.keys, &it.data, &touched, strict);
        if grace && granted.as_ref().is_ok_and(|granted| !granted.is_empty()) {
            self.cover.see("a forgotten lock is put back");
        }
        let checked = granted.and_then(|granted| {
            if let (Script::Upgrade, Value::List(reply)) = (call.script, answer) {
                it.turns.check_upgrade(&ran, reply)?;
            }
            it.turns.check(&ran, &granted, &it.ledger, &it.data, &touched)
        });
        drop(touched);
        if let Err(what) = checked {
            self.violate(what);
        }
        self.cover.answer(call.script, answer);
        if self.trace.is_on() {
            let what = format!("{:?} {} -> {}", call.script, show_words(&words), show(answer));
            self.trace.note(self.now, || format!("server {server}"), || what);
        }
        if call.script == Script::Acquire && !grace {
            self.check_cause(&words, answer, server, time);
        }
        if call.script == Script::AcquireSet {
            self.check_set(&words, answer, server, time);
        }
    }

    /// Whether a grace period is open.
    pub(super) fn has_grace(&self, server: usize) -> bool {
        let known = self.servers[server].data.field(&self.keys.all()[0], b"server");
        known.is_some_and(|known| known.contains(&b','))
    }

    /// The time in the tree, when the server's clock shows this.
    fn tree_time(&self, server: usize, time: u64) -> u64 {
        let offset = self.servers[server].data.field(&self.keys.all()[0], b"offset");
        let offset = offset.and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
        time + offset.unwrap_or(0)
    }

    /// A request that is refused, or has to wait, is in conflict with something that lives.
    fn check_cause(&mut self, words: &[&[u8]], answer: &Value, server: usize, time: u64) {
        let (Value::List(answer), [_, token, kind, path, ..]) = (answer, words) else { return };
        if !matches!(answer.first(), Some(Value::Int(0 | 2))) {
            return;
        }
        let (Some(place), [digit]) = (Place::of_text(path), *kind) else { return };
        let claim = Claim { place, number: digit - b'0' };
        let have_waited = &mut self.servers[server].ledger.have_waited;
        if matches!(answer.first(), Some(Value::Int(2))) {
            have_waited.insert(token.to_vec());
        } else if !have_waited.contains(*token) {
            // A wait may be over before those who keep something have answered.
            self.check_refused(server, claim);
        }
        let it = &self.servers[server];
        if !it.ledger.has_cause(&self.keys, &it.data, token, claim, time) {
            self.violate(format!("{claim} is refused, and nothing that lives is in its way"));
        }
    }

    /// A process was told that it lost a lock (P5: once).
    pub(super) fn loss_told(&mut self, process: usize, lock: &Lock) {
        let incarnation = self.processes[process].incarnation;
        let id = incarnation << 32 | lock.number;
        self.trace.note(self.now, || format!("process {process}"), || format!("is told it lost {}", lock.path));
        self.cover.see("a loss is told");
        if !self.losses_told.insert(id) {
            self.violate(format!("the loss of {} is told twice (P5)", lock.path));
        }
        if (lock.renews() || self.lasts_below(process, lock)) && !self.plan.has_faults() {
            self.violate(format!("nothing was wrong, and {} was lost", lock.path));
        }
        self.sync_lock(process, lock.number, self.now);
    }

    /// A holder whose deadline has passed has been told, unless its process does not run. What it
    /// does with its lock may take longer than the lease; that it is over is told after that.
    pub(super) fn check_told(&mut self, process: usize) {
        let it = &self.processes[process];
        if it.put_off_until + 100 * MILLI > self.now {
            return;
        }
        let all = it.callers.iter().filter_map(|caller| match &caller.state {
            State::Holds(held) if caller.rests_since + 100 * MILLI < self.now => Some(held.all()),
            _ => None,
        });
        let untold = all.flatten().find(|held| {
            let id = it.incarnation << 32 | held.lock.number;
            let is_over = held.judged > 0 && held.judged + 100 * MILLI < self.now;
            is_over && !held.is_detached && !self.losses_told.contains(&id)
        });
        if let Some(held) = untold {
            let (what, judged) = (Claim::new(held.place, held.kind), held.judged);
            self.violate(format!("{what} ended at {judged}, and its process was not told"));
        }
    }

    /// How long it may take after the last fault until everybody is served. What dead holders have
    /// lasts for a lease, what dead waiters have for a claim window. A waiter looks again at each
    /// heartbeat, and every call has its timeout. A late request may still hand out one lease more.
    pub(super) fn bound(&self) -> u64 {
        let (timing, longest) = (self.plan.timing, self.plan.longest());
        if !self.plan.has_faults() && timing.heartbeat > 100 * SECOND {
            return 10 * longest + 10 * SECOND + self.plan.keep;
        }
        4 * longest + 4 * timing.claim_window() + 6 * timing.timeout + 20 * SECOND + self.plan.keep
    }

    /// The time of the second phase is over: everybody has been served, and the tree is free.
    pub(super) fn end(&mut self) {
        if let Some(left) = self.who_is_left() {
            return self.violate(format!("{left}, long after the last fault"));
        }
        let (master, limits) = (self.master, Limits([64, 16, 64, 128, 1000]));
        let recounted = {
            let it = &self.servers[master];
            it.ledger.recount_all(&self.keys, &it.data)
        };
        if let Err(what) = recounted {
            return self.violate(what);
        }
        // What has ended may still be there. A call that tidies takes it away. If the clock was set
        // back since the last call, the first one goes on from there, and a later one ends it.
        let timing = self.plan.timing;
        let call = crate::redis::protocol::calls::More::Tidy.call(&timing).expect("to tidy is a call");
        for round in 1..=100 {
            let it = &mut self.servers[master];
            let time = it.time(self.now + 2 * round * self.plan.longest());
            if it.ledger.is_empty() && it.data.sorted(&self.keys.all()[1]).next().is_none() {
                return;
            }
            if let Err(error) = self.interpreter.run(&call, "", self.keys.all(), limits, &mut it.data, time) {
                return self.violate(format!("Tidy failed: {error}"));
            }
            let checked = it.ledger.check(
                &self.keys,
                &it.data,
                &self.interpreter.touched(),
                Strict { owes: true, grace: false, recounts: true, exchanges: false },
            );
            if let Err(what) = checked {
                return self.violate(what);
            }
        }
        if !self.servers[master].ledger.is_empty() {
            let left: Vec<_> = self.servers[master].ledger.holders().map(|(_, it)| it.claim).collect();
            self.violate(format!("at the end something is left in the tree: {left:?}"));
        }
    }

    fn who_is_left(&self) -> Option<String> {
        for (at, process) in self.processes.iter().enumerate() {
            for (number, caller) in process.callers.iter().enumerate() {
                let what = match &caller.state {
                    State::Idle | State::Over => continue,
                    State::Waits { place, kind, .. } => format!("waits for {}", Claim::new(*place, *kind)),
                    State::Asks { place, kind, .. } => format!("asks for {}", Claim::new(*place, *kind)),
                    State::Pauses { place, kind, .. } | State::Settles { place, kind, .. } => {
                        format!("pauses before it asks for {}", Claim::new(*place, *kind))
                    }
                    State::Holds(held) | State::Acts { held, .. } | State::GivesBack { held, .. } => {
                        format!("has {}", Claim::new(held.place, held.kind))
                    }
                    State::Attaches { place, .. } => format!("takes up {place}"),
                };
                return Some(format!("process {at}, caller {number} still {what}"));
            }
        }
        None
    }

    /// Whether tokens may fall: data was lost, and with it how far the clock had been set back.
    pub(super) fn tokens_may_fall(&self) -> bool {
        let loses = [Fault::LostSome, Fault::LostAll, Fault::FailedOver];
        self.plan.has(Fault::ClockBack) && loses.iter().any(|&fault| self.plan.has(fault))
    }
}

/// Whether a reply has the place where another call goes on: a list in the list.
fn owes(answer: &Value) -> bool {
    matches!(answer, Value::List(list) if list.iter().any(|it| matches!(it, Value::List(_))))
}

/// The token in an argument of `release_set`, which may have a fencing token behind it.
fn token(word: &[u8]) -> &[u8] {
    word.split(|&byte| byte == b',').next().unwrap_or(word)
}

/// The arguments of a call.
fn words(call: &Call) -> Vec<&[u8]> {
    let (mut rest, mut words) = (&call.words[..], Vec::with_capacity(call.count));
    while let Some(end) = rest.iter().position(|&byte| byte == b'\r') {
        let length = std::str::from_utf8(&rest[1..end]).ok().and_then(|text| text.parse::<usize>().ok()).unwrap_or(0);
        words.push(&rest[end + 2..end + 2 + length]);
        rest = &rest[end + 2 + length + 2..];
    }
    words
}

/// As a person reads it: paths with slashes.
fn show_bytes(bytes: &[u8]) -> String {
    match Place::of_text(bytes) {
        Some(place) => place.to_string(),
        None => bytes.escape_ascii().to_string(),
    }
}

fn show_words(words: &[&[u8]]) -> String {
    let most = 6;
    let mut shown: Vec<String> = words.iter().skip(1).take(most).map(|word| show_bytes(word)).collect();
    if words.len() > most + 1 {
        shown.push("...".into());
    }
    shown.join(" ")
}

fn show(value: &Value) -> String {
    match value {
        Value::Nil => "-".into(),
        Value::Int(number) => number.to_string(),
        Value::Bytes(bytes) => show_bytes(bytes),
        Value::Text(text) => text.clone(),
        Value::List(list) => format!("[{}]", list.iter().map(show).collect::<Vec<_>>().join(" ")),
    }
}
