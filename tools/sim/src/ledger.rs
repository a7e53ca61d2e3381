//! [`Ledger`]: what a server's data says, and whether that is allowed. After each script it looks
//! at the records that the script touched; now and then it recounts everything (`recount.rs`). The
//! rules are in docs/redis.md, I1 to I11. It reads records in its own way, and has its own conflict
//! table.

use std::collections::{BTreeMap, BTreeSet};

use super::changes;
use super::claim::{Claim, Place};
use super::emulation::{Data, Touched};
use crate::redis::protocol::keys::Keys;

mod recount;

/// The kind of a set that waits.
const SET: u8 = 5;

/// Every so many scripts all is recounted, where many histories are run.
const RECOUNTS: u64 = 16;

/// A holder, a waiter or (without a claim) a tombstone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) claim: Option<Claim>,
    /// The members of a set that waits, with their tokens; `claim` is the first of them.
    pub(super) members: Vec<(Vec<u8>, Claim)>,
    /// A fencing token or an arrival number.
    pub(super) number: u64,
    /// How long a lock that is handed to it is kept for it.
    window: u64,
    /// All of it, as the server has it.
    text: Box<[u8]>,
}

impl Record {
    /// What it is about: the one claim, or those of all members.
    pub(super) fn claims(&self) -> impl Iterator<Item = Claim> {
        let alone = if self.members.is_empty() { self.claim } else { None };
        alone.into_iter().chain(self.members.iter().map(|(_, claim)| *claim))
    }

    pub(super) fn conflicts(&self, claim: Claim) -> bool {
        self.claims().any(|its| its.conflicts(claim))
    }
}

/// How much is looked at after a script.
#[derive(Clone, Copy, Debug)]
pub(super) struct Strict {
    /// Whether the script's reply says where another call has to go on handing over.
    pub(super) owes: bool,
    /// Whether a grace period is open: nothing is granted, but for what was forgotten.
    pub(super) grace: bool,
    /// Whether everything is recounted.
    pub(super) recounts: bool,
    /// Whether a lock may become what was held below it.
    pub(super) exchanges: bool,
}

/// A lock that a script has granted.
#[derive(Clone, Debug)]
pub(super) struct Granted {
    pub(super) token: Vec<u8>,
    /// If it waited: its claim window.
    pub(super) window: Option<u64>,
}

/// The names of a tree's keys.
struct Names<'a> {
    nodes: &'a str,
    deadlines: &'a str,
    holders: &'a str,
    waiters: &'a str,
    queues: &'a str,
    waiting: &'a str,
}

fn names(keys: &Keys) -> Names<'_> {
    let [nodes, deadlines, holders, waiters, queues, waiting, _] = keys.all() else { unreachable!("seven keys") };
    Names { nodes, deadlines, holders, waiters, queues, waiting }
}

/// What the records of one server say.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    held: BTreeMap<Vec<u8>, Record>,
    waits: BTreeMap<Vec<u8>, Record>,
    /// Every token that was told that it waits.
    pub(super) have_waited: BTreeSet<Vec<u8>>,
    /// The greatest number that was drawn.
    greatest: u64,
    scripts: u64,
    /// Whether somebody may wait whose turn has come, as a call that is still to come serves him.
    owes: bool,
}

/// `kind,number,version,lease,claim,client,length of owner,owner path`.
fn read(text: &[u8]) -> Option<Record> {
    let mut fields = text.splitn(8, |&byte| byte == b',');
    let kind: u8 = number(fields.next()?)?;
    let count: u64 = number(fields.next()?)?;
    let window: u64 = number(fields.nth(2)?)?;
    let length: usize = number(fields.nth(1)?)?;
    let rest = fields.next()?;
    let path = rest.get(length..)?;
    let members = if kind == SET { super::sets::members(path)? } else { Vec::new() };
    let claim = match kind {
        0 => None,
        SET => Some(members.first()?.1),
        _ => Some(Claim { place: Place::of_text(path)?, number: kind }),
    };
    Some(Record { claim, members, number: count, window, text: text.into() })
}

pub(super) fn number<N: std::str::FromStr>(text: &[u8]) -> Option<N> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Ledger {
    /// The data is another one: after a restart.
    pub(super) fn reset(&mut self, keys: &Keys, data: &Data) {
        let names = names(keys);
        *self = Self::default();
        let all = |key| data.hash(key).filter(|(field, _)| field.contains(&b'.'));
        self.held = all(names.nodes).filter_map(|(token, it)| Some((token.to_vec(), read(it)?))).collect();
        self.held.retain(|_, record| record.claim.is_some());
        self.waits = all(names.waiters).filter_map(|(token, it)| Some((token.to_vec(), read(it)?))).collect();
        self.greatest = data.field(names.nodes, b"tick").and_then(number).unwrap_or(0);
        // A call may have been due when this data was written.
        self.owes = true;
    }

    pub(super) fn holders(&self) -> impl Iterator<Item = (&Vec<u8>, &Record)> {
        self.held.iter()
    }

    pub(super) fn waiters(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.waits.keys()
    }

    pub(super) fn waiting(&self) -> impl Iterator<Item = &Record> {
        self.waits.values()
    }

    pub(super) fn waits(&self, token: &[u8]) -> bool {
        self.waits.contains_key(token)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty() && self.waits.is_empty()
    }

    /// A script has run, and touched this. Returns what it granted.
    pub(super) fn check(
        &mut self,
        keys: &Keys,
        data: &Data,
        touched: &Touched,
        strict: Strict,
    ) -> Result<Vec<Granted>, String> {
        let (names, before) = (names(keys), self.greatest);
        // What may have been in somebody's way before, and is not there any more.
        let mut freed = Vec::new();
        let mut waited = self.read_waiters(&names, data, touched, &mut freed)?;
        if !touched.waiters.is_empty() {
            changes::nobody_waits_for_another(&self.waits)?;
        }
        let sets: Vec<Record> = waited.values().filter(|it| !it.members.is_empty()).cloned().collect();
        for set in &sets {
            waited.extend(set.members.iter().map(|(token, _)| (token.clone(), set.clone())));
        }
        let (mut granted, mut gone) = (Vec::new(), Vec::new());
        for token in &touched.holders {
            let now = data.field(names.nodes, token).map(|it| read(it).ok_or("a record that nobody can read"));
            match now.transpose()?.filter(|record| record.claim.is_some()) {
                None => gone.extend(self.held.remove(&token[..])),
                Some(record) => granted.push((token, record)),
            }
        }
        let mut new = Vec::new();
        let was_below = |record: &Record| strict.exchanges && changes::is_below(record, &gone);
        // A hand-over may write the new holder's record before it removes the old one's.
        for (token, record) in granted {
            if let Some(old) = self.held.get(&token[..]) {
                let before = (!strict.grace).then_some(before);
                changes::check(token, old, &record, (&self.held, &self.waits), before)?;
                if old.claim != record.claim {
                    freed.push(old.clone());
                }
                if old.number != record.number {
                    self.greatest = self.greatest.max(record.number);
                }
                self.held.insert(token.to_vec(), record);
            } else if changes::is_part(&record, &gone) || was_below(&record) && !waited.contains_key(&token[..]) {
                // A token that was given out below a host that this server has not granted, but was
                // told of (I10), leads no number on (K5).
                if was_below(&record) && gone.iter().all(|host| host.number <= self.greatest) {
                    self.greatest = self.greatest.max(record.number);
                }
                self.take_part(token, record)?;
            } else {
                let waited = waited.get(&token[..]);
                new.push(Granted { token: token.to_vec(), window: waited.map(|it| it.window) });
                self.grant(token, record, waited, (!strict.grace).then_some(before))?;
            }
        }
        let end = |token: &[u8]| data.score(names.deadlines, token).unwrap_or(0.0);
        // What was forgotten is put back lock by lock: of a set what nothing is in the way of.
        let sets = if strict.grace { &[] } else { &sets[..] };
        sets.iter().try_for_each(|set| super::sets::is_whole(set, &new, &self.held, end))?;
        self.scripts += 1;
        if strict.recounts || self.scripts.is_multiple_of(RECOUNTS) {
            self.recount(&names, data)?;
        }
        freed.append(&mut gone);
        // Else nobody was forgotten before, and nobody is now.
        if self.owes || !freed.is_empty() || !touched.waiters.is_empty() {
            // Who waited before, and has in the way what was there before, is not forgotten now.
            let knows = !self.owes;
            self.owes |= strict.owes || strict.grace;
            let is_as_before = |token: &[u8], waiter: &Record| {
                let claims = || waiter.claims().any(|claim| freed.iter().any(|it| it.conflicts(claim)));
                knows && !touched.waiters.iter().any(|it| **it == *token) && !claims()
            };
            match self.forgotten(is_as_before) {
                None => self.owes = false,
                Some(_) if self.owes => {}
                Some((token, claim)) => {
                    return Err(format!("{} waits for {claim}, and nothing is in its way (I5)", text(token)));
                }
            }
        }
        Ok(new)
    }

    /// Returns those that waited before, and do not any more.
    fn read_waiters(
        &mut self,
        names: &Names<'_>,
        data: &Data,
        touched: &Touched,
        freed: &mut Vec<Record>,
    ) -> Result<BTreeMap<Vec<u8>, Record>, String> {
        let mut gone = BTreeMap::new();
        for token in touched.waiters.iter().collect::<BTreeSet<_>>() {
            let Some(it) = data.field(names.waiters, token) else {
                if let Some((token, record)) = self.waits.remove_entry(&token[..]) {
                    freed.push(record.clone());
                    gone.insert(token, record);
                }
                continue;
            };
            // It may have been taken away and queued anew in one call.
            if self.waits.get(&token[..]).is_none_or(|known| *known.text != *it) {
                let record = read(it).ok_or_else(|| format!("a waiter's record that nobody can read: {}", text(it)))?;
                self.draw("an arrival", record.number)?;
                freed.extend(self.waits.insert(token.to_vec(), record));
            }
        }
        Ok(gone)
    }

    /// A part of a lock that is gone becomes one of its own (I3).
    fn take_part(&mut self, token: &[u8], record: Record) -> Result<(), String> {
        let claim = record.claim.expect("a holder has one");
        if let Some((other, _)) = self.held.iter().find(|(_, it)| it.conflicts(claim)) {
            return Err(format!("{} becomes {claim}, and {} is in the way (I3)", text(token), text(other)));
        }
        self.held.insert(token.to_vec(), record);
        Ok(())
    }

    fn draw(&mut self, what: &str, number: u64) -> Result<(), String> {
        if number <= self.greatest {
            return Err(format!("{what} has number {number}, and {} was drawn before (I1)", self.greatest));
        }
        self.greatest = number;
        Ok(())
    }

    /// A new holder, that waited before or did not (I3, I4). `before`: the greatest number that was
    /// drawn before this call, unless this only puts back what was forgotten (I10).
    fn grant(
        &mut self,
        token: &[u8],
        record: Record,
        waited: Option<&Record>,
        before: Option<u64>,
    ) -> Result<(), String> {
        let claim = record.claim.expect("a holder has one");
        // Several are granted in one call in any order, so each is compared with what was before.
        if let Some(before) = before
            && record.number <= before
        {
            let (token, number) = (text(token), record.number);
            return Err(format!("{token} is granted {claim} with token {number}, and {before} was drawn before (I1)"));
        }
        let held = |other: &&Record| other.conflicts(claim);
        if let Some((other, it)) = self.held.iter().find(|(_, it)| held(it)) {
            let (token, other, its) = (text(token), text(other), it.claim.expect("it conflicts"));
            return Err(format!("the server grants {claim} to {token} while {other} has {its} (I3)"));
        }
        let arrival = waited.map_or(u64::MAX, |waited| waited.number);
        // An upgrade that comes with this call may find that the time of a lock is up, and serve
        // who waits for that: it was not there yet.
        let was_there = |it: &Record| before.is_some_and(|before| it.number <= before);
        let mut waits = self.waits.iter();
        let overtaken = waits.find(|(token, it)| was_there(it) && changes::order(token, it) < arrival && held(it));
        if let Some((other, it)) = overtaken {
            let (token, other, its) = (text(token), text(other), it.claim.expect("it conflicts"));
            return Err(format!("the server grants {claim} to {token}, though {other} came earlier for {its} (I4)"));
        }
        if before.is_some() {
            self.greatest = self.greatest.max(record.number);
        }
        self.held.insert(token.to_vec(), record);
        Ok(())
    }

    /// A waiter that nothing is in the way of, but for those that this says need no look.
    fn forgotten(&self, is_as_before: impl Fn(&[u8], &Record) -> bool) -> Option<(&[u8], Claim)> {
        self.waits.iter().find_map(|(token, waiter)| {
            let claim = waiter.claim?;
            if is_as_before(token, waiter) {
                return None;
            }
            let is_in_the_way = |it: &Record| waiter.claims().any(|claim| it.conflicts(claim));
            let own = changes::lock_of(token);
            let is_held = self.held.iter().any(|(token, it)| Some(&token[..]) != own && is_in_the_way(it));
            let turn = changes::order(token, waiter);
            let is_late = || self.waits.iter().any(|(token, it)| changes::order(token, it) < turn && is_in_the_way(it));
            (!is_held && !is_late()).then_some((&token[..], claim))
        })
    }

    /// Whether a request for this, by this token, was refused with a cause: something that it
    /// conflicts with, and whose time is not up.
    pub(super) fn has_cause(&self, keys: &Keys, data: &Data, token: &[u8], claim: Claim, time: u64) -> bool {
        let names = names(keys);
        let lives = |it: &[u8]| data.score(names.deadlines, it).is_some_and(|end| end > time as f64);
        let arrival = self.waits.get(token).map_or(u64::MAX, |it| it.number);
        let conflicts = |it: &Record| it.conflicts(claim);
        self.held.iter().any(|(other, it)| other != token && conflicts(it) && lives(other))
            || self.waits.iter().any(|(other, it)| changes::order(other, it) < arrival && conflicts(it) && lives(other))
    }
}
