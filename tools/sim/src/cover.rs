//! [`Cover`]: what was seen to happen, and how often. What never happens proves nothing.

use std::collections::BTreeMap;

use super::plan::Fault;
use crate::redis::error::Failure;
use crate::redis::protocol::acquisition::Step;
use crate::redis::protocol::message::News;
use crate::redis::protocol::script::Script;
use crate::redis::value::Value;

/// What happens once in thousands of histories: for an exchange to be given up the server has to be
/// silent up to the end of a lease.
const RARE: [&str; 1] = ["an exchange is given up"];

/// What has to happen in some thousand histories, beside every kind of fault: each answer of a
/// script, and each way on in the protocol.
const ALL: [&str; 91] = [
    "a forgotten lock is put back",
    "a grant is over before its answer comes",
    "a grace period is open",
    "a kept lock is lent",
    "a kept lock whose renewal was due is lent",
    "a kept lock is nearly over",
    "a kept lock is recalled",
    "a kept lock was idle for long",
    "a lock below a kept one becomes one of its own",
    "a lock below a kept one is let go of",
    "a lock in use is recalled",
    "a lock is given back after its exchange",
    "a lock is taken below a kept one",
    "a kept lock is lost",
    "a lock comes in place of those that are kept below it",
    "a node is asked for in place of what is kept below it",
    "an acquisition has asked for the node above",
    "grow: finds a tombstone",
    "grow: granted",
    "grow: refused",
    "what was given for another lock goes back, or that one does",
    "an exchange begins",
    "an exchange is given up",
    "an exchange is sent again",
    "a lock is kept",
    "acquire: what is in the way may be kept, ask again",
    "what was kept is left to the agenda",
    "a heartbeat has a waiter ask",
    "a heartbeat is answered",
    "a lease is renewed",
    "a lease is set",
    "a lock is downgraded",
    "a lock outlives its guard",
    "a lock that outlived its guard is taken up",
    "a loss is told",
    "a message grants",
    "a message has a waiter ask",
    "a refresh fails",
    "a refresh finds it lost",
    "a release is left to the agenda",
    "a request fails: down",
    "a request fails: later",
    "a request fails: no script",
    "a request fails: the server has not been greeted",
    "a request fails: unsure",
    "a task is dropped while it asks",
    "a task is dropped while it waits",
    "a try is refused",
    "a waiter is told of a silent server",
    "a waiter's time is up",
    "a set is refreshed",
    "a set is taken",
    "acquire: finds a tombstone",
    "acquire: granted",
    "acquire: refused",
    "acquire: waits",
    "acquire: what is in the way has expired, ask again",
    "an acquisition asks again",
    "an acquisition fails",
    "an acquisition is over",
    "an acquisition pauses",
    "an acquisition times out",
    "an acquisition waits",
    "an acquisition waits for what tasks gave back",
    "a lock is narrowed",
    "a lock is upgraded",
    "a lock is upgraded by message",
    "a lock is widened",
    "a second upgrade is refused",
    "an upgrade waits",
    "acquire_set: granted",
    "acquire_set: refused",
    "acquire_set: waits",
    "detached: finds nothing",
    "detached: found it",
    "downgrade: done",
    "downgrade: finds nothing",
    "handover",
    "hello",
    "messages are lost",
    "more is left to hand over",
    "no grace period is opened",
    "refresh",
    "refresh: granted",
    "refresh: held",
    "refresh: lost",
    "refresh: waits",
    "release: finds nothing",
    "release: found it",
    "the agenda gives something back",
    "tidy",
];

#[derive(Clone, Debug, Default)]
pub(super) struct Cover {
    seen: BTreeMap<&'static str, u64>,
}

impl Cover {
    pub(super) fn see(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (what, count) in &other.seen {
            *self.seen.entry(what).or_default() += count;
        }
    }

    /// What has to happen and was not seen.
    pub(super) fn missing(&self, rare: bool) -> Vec<&'static str> {
        let faults = Fault::ALL.into_iter().filter(|&fault| fault != Fault::Drift).map(Fault::name);
        ALL.into_iter()
            .chain(faults)
            .filter(|what| !self.seen.contains_key(what) && (rare || !RARE.contains(what)))
            .collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.seen.iter().map(|(what, count)| (*what, *count))
    }

    /// What a script answered, by the table of states in docs/redis.md.
    pub(super) fn answer(&mut self, script: Script, answer: &Value) {
        let Value::List(list) = answer else { return };
        let first = match list.first() {
            Some(Value::Int(first)) => *first,
            _ => 0,
        };
        self.see(match (script, first) {
            (Script::Acquire, 0) => "acquire: refused",
            (Script::Acquire, 1) => "acquire: granted",
            (Script::Acquire, 2) => "acquire: waits",
            (Script::Acquire, 3) => "acquire: what is in the way has expired, ask again",
            (Script::Acquire, 4) => "acquire: finds a tombstone",
            (Script::Acquire, 5) => "acquire: what is in the way may be kept, ask again",
            (Script::AcquireSet, 0) => "acquire_set: refused",
            (Script::AcquireSet, 1) => "acquire_set: granted",
            (Script::AcquireSet, 2) => "acquire_set: waits",
            (Script::Release, 0) => "release: finds nothing",
            (Script::Release, 1) => "release: found it",
            (Script::Downgrade, 0) => "downgrade: finds nothing",
            (Script::Downgrade, 1) => "downgrade: done",
            (Script::Detached, 0) => "detached: finds nothing",
            (Script::Detached, 1) => "detached: found it",
            (Script::Grow, 0) => "grow: refused",
            (Script::Grow, 1) => "grow: granted",
            (Script::Grow, 4) => "grow: finds a tombstone",
            (Script::HandOver, _) => "handover",
            (Script::Tidy, _) => "tidy",
            (Script::Hello, _) => "hello",
            (Script::Refresh, _) => "refresh",
            _ => "another answer",
        });
        if script == Script::Refresh {
            for found in &list[1..] {
                self.see(match found {
                    Value::Int(-1) => "refresh: held",
                    Value::Int(-2) => "refresh: lost",
                    Value::Int(..-2) => "refresh: granted",
                    _ => "refresh: waits",
                });
            }
        }
        if list.iter().any(|it| matches!(it, Value::List(_))) {
            self.see("more is left to hand over");
        }
    }

    pub(super) fn failure(&mut self, failure: &Failure) {
        self.see(match failure {
            Failure::Down(_) => "a request fails: down",
            Failure::Later(_) => "a request fails: later",
            Failure::Unsure(_) => "a request fails: unsure",
            Failure::Refused(_) => "a request fails: refused",
            Failure::NoScript => "a request fails: no script",
            Failure::Stranger => "a request fails: the server has not been greeted",
        });
    }

    pub(super) fn step(&mut self, step: &Step) {
        self.see(match step {
            Step::Ask => "an acquisition asks again",
            Step::Pause(_) => "an acquisition pauses",
            Step::Settle => "an acquisition waits for what tasks gave back",
            Step::Wait => "an acquisition waits",
            Step::Grown(_) => "an acquisition has asked for the node above",
            Step::Over(_) => "an acquisition is over",
        });
    }

    pub(super) fn news(&mut self, news: News) {
        self.see(match news {
            News::Nothing => "a waiter's time is up",
            News::Ask => "a heartbeat has a waiter ask",
            News::Granted(_) => "a message has a waiter ask",
            News::Silent => "a waiter is told of a silent server",
        });
    }
}
