//! Growing: a lock on a node in place of those that are kept below it. A process that takes one
//! child of a node after the other, and nobody else is anywhere near, is granted a lock on the
//! node's subtree. That one is kept, and is a host: further children cost no request (`below.rs`).
//!
//! | state of a node | next | by |
//! |---|---|---|
//! | counted | **asked for**, if enough is kept below it | who is about to ask for a lock below it |
//! | asked for | grown: its lock is kept, and those below it are none any more | the answer that grants, if no recall came |
//! | asked for | cooling; those below are kept as before, or on their way back | another answer, none, or a recall |
//! | grown | cooling; its lock goes back, or is exchanged | a recall |
//! | grown | counted | its lock goes back as it was idle, is nearly over, or was lost |
//! | cooling | counted | time |
//!
//! While a node is asked for, what is kept below it is **given**: nobody is lent it, no recall
//! takes it, and the agenda does not know it. When it is kept again the agenda knows it in the same
//! step.
//!
//! # Invariants
//!
//! * **K14, nobody else is there.** Who asks names its kept locks on the node and below it. The
//!   script leaves those out of the counts, and looks at what is left as for any lock: holders and
//!   waiters at the node, above it and below it. If anything is in the way it refuses, also if that
//!   is a lock of the same process that has a user. Then all those locks are as they were, and
//!   nothing is recalled. So nothing is taken from anybody, and I3 and I4 hold as for `acquire`.
//!   Else the named locks go and the node's comes, in one script: there is no time at which neither
//!   is there. The new one keeps others out of all that the given ones did. Nobody is served, as
//!   who would have waited for one of them would have been in the way.
//! * **K15, no recall is lost by growing.** The count of recalls is read in the part of the node.
//!   Then each lock is given, in a step of its own part. Then the request is sent. *A recall that
//!   the node's part counts after that reading* is newer than the new lock, which is not kept then
//!   (K3). *One that it counted before* was sent before the request. If that one's sender still
//!   waits, the script sees it, and refuses. A try that does not wait asks again, and finds the new
//!   lock, or the old one. A given lock counts recalls from the step in which it was given. So it
//!   is kept again only if none in conflict came since (K2). In the meantime a recall finds nothing
//!   there to give back, and says of nothing there that it is in use: the answer is a round trip
//!   away. *If there is no answer* all tokens go back, the new one's with a tombstone. The script
//!   does nothing under that (P4). What somebody breaks while it is given is not kept again.
//! * **K16, tokens rise by growing.** Before the script draws the new lock's token it raises the
//!   tick to the last one of each lock that goes, as `give_back` does (K5). As those are given,
//!   nobody in this process has a later one. All below the node come after (K8).
//! * **K17, a node does not travel.** A node that was recalled after it had grown, or that was
//!   refused, is not asked for again for a time that doubles, from a second up to a minute. It is
//!   as if it had never been once eight times that has passed. A recall of anything near a node
//!   begins its count anew. So two processes that stride through the children of one node pay for
//!   an exchange a cooling time at the most. Each keeps the children that it takes, as without
//!   this. While one of them keeps any, the other's request is refused, and takes nothing from it.
//!
//! # What does not grow
//!
//! A node below which this process uses a lock stays as it is. To move its user below the new lock
//! would meet that user's release, renewal or change under way. So a process whose threads hold
//! locks below one node nearly all the time goes on as without this.
//!
//! Where replicas have to confirm grants nothing grows. The new lock would be in nobody's hands
//! until they have, for up to the time that they are waited for. Those that it came in place of,
//! which they had confirmed, would be gone. And who asks would wait twice, for a lock that it did
//! not ask for.
//!
//! # Nobody waits in a circle
//!
//! The request waits for nobody: it is granted, refused, or lost. Who waits for a given lock waits
//! for that answer, and so for no lock. Who waits for the new one waits for a host; `below.rs` says
//! why those edges go.

use std::ops::Bound;

use super::below::ends;
use super::parts::{Keep, PARTS};
use super::{COOLS, Kept, LONGEST_COOLS, MOST_HOT, Part};
use crate::redis::error::Failure;
use crate::redis::primitives::Arc;
use crate::redis::protocol::calls::{self, Acquired};
use crate::redis::protocol::keys::{self, Target};
use crate::redis::protocol::lock::Lock;
use crate::redis::protocol::release::Release;
use crate::redis::protocol::script::Call;
use crate::redis::protocol::timing::Timing;
use crate::request::{Kind, Mode, Scope};

/// If so many locks below a node are kept, and were asked for in a row, the next request is for the
/// node. Not fewer: below one kept lock threads wait for each other, and fencing tokens are lent
/// one after the other. A process that goes round some nodes is better off with a lock on each.
pub(in crate::redis) const GROWS: usize = 128;
/// As many kept locks are named in one request at the most (I8).
const MOST_GIVEN: usize = 256;
/// What a grown lock is, and what counts for one.
const GROWN: Kind = Kind { mode: Mode::Exclusive, scope: Scope::Subtree };

/// How a node stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Growing {
    /// How many locks below it were asked for in a row.
    asked: usize,
    /// Whether it is asked for, or was granted, and was not recalled since.
    is_grown: bool,
    /// Until when it is not asked for, and how long that is.
    until: u64,
    cools: u64,
}

impl Growing {
    fn is_cooling(&self, now: u64) -> bool {
        self.until > now
    }

    fn is_remembered(&self, now: u64) -> bool {
        self.cools > 0 && self.until.saturating_add(8 * self.cools) > now
    }

    fn cool(&mut self, now: u64) {
        (self.asked, self.is_grown) = (0, false);
        if self.is_cooling(now) {
            return;
        }
        self.cools = if self.is_remembered(now) { (2 * self.cools).min(LONGEST_COOLS) } else { COOLS };
        self.until = now.saturating_add(self.cools);
    }
}

/// A lock on a node that is asked for in place of those that are kept below it.
#[derive(Debug)]
pub(in crate::redis) struct Growth {
    host: Arc<Lock>,
    target: Target,
    given: Vec<Kept>,
    /// The rest of the record that the scripts keep.
    about: Vec<u8>,
    outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Granted,
    /// The server has changed nothing.
    Refused,
    /// There is no answer: all of it is on its way back.
    Over,
}

impl Growth {
    /// What is kept no more until there is an answer.
    pub(in crate::redis::protocol) fn given(&self) -> impl Iterator<Item = &Lock> + Clone {
        self.given.iter().map(|it| &*it.lock)
    }

    pub(in crate::redis::protocol) fn call(&self, timing: &Timing) -> Call {
        calls::grow(&self.host, &self.target, &self.about, self.given(), timing)
    }

    /// What has come of the request that was sent at that time. Returns what is to be given back
    /// since nobody knows what the server has.
    pub(in crate::redis::protocol) fn answered(
        &mut self,
        answer: &Result<Acquired, Failure>,
        sent: u64,
    ) -> Option<Release> {
        match answer {
            Ok(Acquired::Granted { fencing_token, .. }) => {
                self.host.granted(*fencing_token, sent.saturating_add(self.host.lease).max(1), true);
                self.outcome = Outcome::Granted;
            }
            Err(Failure::Unsure(_)) => {
                self.host.doubt();
                self.outcome = Outcome::Over;
                let given = self.given.iter().map(|it| it.lock.clone());
                return Release::of_many(std::iter::once(self.host.clone()).chain(given).collect(), false);
            }
            _ => self.outcome = Outcome::Refused,
        }
        None
    }
}

#[cfg(all(test, mutextree_shuttle))]
impl Growth {
    /// The answer of a server that grants, or refuses.
    pub(super) fn answer(&mut self, grants: bool, now: u64) {
        let more = calls::More::None;
        let refused = || Failure::Down(crate::redis::error::RedisStoreError::Protocol("refused".into()));
        let granted = Acquired::Granted { fencing_token: 100, more };
        assert!(self.answered(&if grants { Ok(granted) } else { Err(refused()) }, now).is_none());
    }
}

/// What growing has come to.
#[derive(Debug, Default)]
pub(in crate::redis) struct Grown {
    /// Whether the node's lock is kept from now on.
    pub(in crate::redis) is_kept: bool,
    /// To be given back.
    pub(in crate::redis) back: Vec<Arc<Lock>>,
}

/// Where what is on a node and below it lies.
fn at_and_below(node: &[u8]) -> (Bound<&[u8]>, Vec<u8>) {
    (Bound::Included(node), [node, &[2]].concat())
}

/// Whether one of these is the other, or above it.
fn is_near(one: &[u8], other: &[u8]) -> bool {
    let (above, below) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    below.starts_with(above) && below.get(above.len()).is_none_or(|&byte| byte == 1)
}

impl Part {
    /// One more lock below this node is about to be asked for. Whether it is time to ask for the
    /// node, as far as this part knows; then nobody else is told so before it is answered.
    fn is_ripe(&mut self, node: &[u8], grows: usize, now: u64) -> bool {
        if !self.growing.contains_key(node) {
            if self.growing.len() >= MOST_HOT / PARTS {
                let kept = &self.kept;
                self.growing.retain(|node, it| it.is_remembered(now) || it.is_grown && kept.contains_key(node));
            }
            if self.growing.len() >= MOST_HOT / PARTS {
                return false;
            }
            self.growing.insert(node.into(), Growing::default());
        }
        let Some(it) = self.growing.get_mut(node) else { return false };
        it.asked += 1;
        if it.asked <= grows || it.is_cooling(now) || self.hot.get(node).is_some_and(|&(until, _)| until > now) {
            return false;
        }
        it.asked = 0;
        true
    }

    /// How many locks are kept on a node and below it, and whether nobody is below one of them.
    fn kept_below(&self, node: &[u8]) -> (usize, bool) {
        let (from, to) = at_and_below(node);
        let all = self.kept.range::<[u8], _>((from, Bound::Excluded(&*to))).flat_map(|it| it.1);
        all.fold((0, true), |(count, is_free), it| (count + 1, is_free && it.guests.is_empty()))
    }

    /// What is kept there is given, as many at the most.
    fn give(&mut self, node: &[u8], most: usize) -> Vec<Kept> {
        let (from, to) = at_and_below(node);
        let nodes = self.kept.range::<[u8], _>((from, Bound::Excluded(&*to))).map(|(text, _)| text.clone());
        let nodes: Vec<_> = nodes.collect();
        let mut given = Vec::new();
        for node in nodes {
            if given.len() < most {
                given.extend(self.drain(&node, |it| it.guests.is_empty()));
            }
        }
        for it in &given {
            it.lock.count_from(self.recalled);
            self.given.push(it.lock.clone());
        }
        given
    }

    fn is_answered(&mut self, lock: &Lock) {
        self.given.retain(|it| it.number != lock.number);
    }

    /// It was not given after all, and is kept again. The error is that it is to be given back.
    fn take_back(&mut self, it: Kept, now: u64) -> Result<Arc<Lock>, Arc<Lock>> {
        self.is_answered(&it.lock);
        let lock = it.lock.clone();
        if !self.may_keep(&lock, &Target::new(lock.path.clone()), it.kind, now) {
            return Err(lock);
        }
        self.kept.entry(keys::encode(&lock.path).into()).or_default().push(Kept { since: now, ..it });
        self.count += 1;
        Ok(lock)
    }

    fn cool(&mut self, node: &[u8], now: u64) {
        self.growing.entry(node.into()).or_default().cool(now);
    }

    /// Somebody wants this: nodes near it are not alone any more (K17).
    pub(super) fn is_wanted_near(&mut self, text: &[u8], now: u64) {
        for (_, it) in self.growing.iter_mut().filter(|(node, _)| is_near(node, text)) {
            it.asked = 0;
            if it.is_grown {
                it.cool(now);
            }
        }
    }
}

impl Keep {
    /// Somebody is about to ask the server for this. If it is time to ask for the node above it, in
    /// place of what is kept below that: what is asked for then. `new` makes its lock.
    pub(in crate::redis) fn grow(
        &self,
        (target, kind): (&Target, Kind),
        (client, timing): (&str, &Timing),
        now: u64,
        new: impl FnOnce(&Target) -> Lock,
    ) -> Option<Growth> {
        if kind != GROWN || self.grows == usize::MAX {
            return None;
        }
        let text = target.text();
        let end = ends(text).filter(|&end| end < text.len()).last()?;
        let node = &text[..end];
        let recalls = {
            let mut part = self.of(node);
            if !part.is_ripe(node, self.grows, now) {
                return None;
            }
            part.recalled // before anything is given (K15)
        };
        let below = self.each().map(|part| part.kept_below(node));
        let (count, is_free) = below.fold((0, true), |all, its| (all.0 + its.0, all.1 && its.1));
        if !is_free || count < self.grows || count > MOST_GIVEN {
            return None;
        }
        let target = Target::new(target.path.parent()?);
        let host = Arc::new(new(&target).with_recalls(recalls));
        host.set_kind(keys::number(GROWN));
        let about = calls::about(&host, &target, client, timing);
        let mut given = Vec::new();
        for mut part in self.each() {
            given.extend(part.give(node, MOST_GIVEN - given.len().min(MOST_GIVEN)));
        }
        self.of(node).growing.entry(node.into()).or_default().is_grown = true;
        Some(Growth { host, target, given, about, outcome: Outcome::Refused })
    }

    /// What growing has come to. `held` has what is kept from now on, in the same step.
    pub(in crate::redis) fn grown(&self, growth: Growth, now: u64, mut held: impl FnMut(&Arc<Lock>)) -> Grown {
        let Growth { host, target, given, outcome, .. } = growth;
        let mut grown = Grown::default();
        for it in given {
            let mut part = self.of_path(&it.lock.path);
            if outcome != Outcome::Refused {
                part.is_answered(&it.lock);
                it.lock.lose(); // nobody has it any more
                continue;
            }
            match part.take_back(it, now) {
                Ok(lock) => held(&lock),
                Err(lock) => grown.back.push(lock),
            }
        }
        let mut part = self.of(target.text());
        grown.is_kept = outcome == Outcome::Granted && part.keep(&host, &target, GROWN, now);
        if grown.is_kept {
            held(&host);
        } else {
            part.cool(target.text(), now);
        }
        if outcome == Outcome::Granted && !grown.is_kept {
            grown.back.push(host);
        }
        grown
    }
}

#[cfg(test)]
mod tests;
