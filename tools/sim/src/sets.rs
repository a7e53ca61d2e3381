//! Several locks as one: what callers draw, and do with a set that they hold; and whether the
//! server grants one only whole.

use std::collections::BTreeMap;

use super::claim::{Claim, Place};
use super::ledger::{Granted, Record, number, text};
use super::process::{Act, Held};
use super::world::World;
use crate::redis::primitives::Arc;
use crate::redis::protocol::held::{Refresh, RefreshAll};
use crate::redis::protocol::keys::Target;
use crate::redis::protocol::lock::Lock;
use crate::redis::protocol::release::Release;
use crate::redis::value::Value;
use crate::request::{Kind, Mode, Request, Scope};

/// The members of a set that waits, as its record has them: `kind,token,length of about,about` of
/// each, where `about` is `lease,claim,client,length of owner,owner path`.
pub(super) fn members(mut record: &[u8]) -> Option<Vec<(Vec<u8>, Claim)>> {
    let mut members = Vec::new();
    while !record.is_empty() {
        let mut fields = record.splitn(4, |&byte| byte == b',');
        let (kind, token) = (number(fields.next()?)?, fields.next()?.to_vec());
        let length: usize = number(fields.next()?)?;
        let rest = fields.next()?;
        members.push((token, Claim { place: place(rest.get(..length)?)?, number: kind }));
        record = &rest[length..];
    }
    Some(members)
}

fn place(about: &[u8]) -> Option<Place> {
    let mut fields = about.splitn(5, |&byte| byte == b',').skip(3);
    let owner: usize = number(fields.next()?)?;
    Place::of_text(fields.next()?.get(owner..)?)
}

/// A set that does not wait any more has been granted whole, with one token, or not at all. One
/// that was dead when its turn came has ended already, and some of it may be gone: its end is no
/// later than the token that was drawn for it.
pub(super) fn is_whole(
    set: &Record,
    new: &[Granted],
    held: &BTreeMap<Vec<u8>, Record>,
    end: impl Fn(&[u8]) -> f64,
) -> Result<(), String> {
    let lives = |token: &Vec<u8>| held.get(token).is_some_and(|it| end(token) > it.number as f64);
    let is_new = |token: &Vec<u8>| new.iter().any(|it| it.token == *token) && lives(token);
    let granted: Vec<_> = set.members.iter().filter(|(token, _)| is_new(token)).collect();
    let Some((first, _)) = granted.first() else { return Ok(()) };
    let fence = |token: &Vec<u8>| held.get(token).map(|it| it.number);
    if granted.len() < set.members.len() || granted.iter().any(|(token, _)| fence(token) != fence(first)) {
        let (many, all) = (granted.len(), set.members.len());
        return Err(format!("of the set of {}, {many} of {all} are granted as one (I3)", text(first)));
    }
    Ok(())
}

impl Held {
    /// This lock, and the others of its set.
    pub(super) fn all(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(&self.others)
    }

    /// Which of them has this number.
    pub(super) fn find_mut(&mut self, number: u64) -> Option<&mut Self> {
        if self.lock.number == number {
            return Some(self);
        }
        self.others.iter_mut().find(|it| it.lock.number == number)
    }
}

impl World<'_> {
    /// Which other locks a caller wants with this one. None covers another.
    pub(super) fn draw_set(&mut self, process: usize, caller: usize, first: (Place, Kind)) {
        let it = &mut self.processes[process].callers[caller];
        let (plan, chance, mut also) = (&self.plan, &mut it.chance, Vec::new());
        if chance.hits(plan.sets) {
            for _ in 0..chance.between(1, 4) {
                let place = plan.places[chance.between(0, plan.places.len() as u64 - 1) as usize];
                let mode = if chance.hits(plan.shared) { Mode::Shared } else { Mode::Exclusive };
                let scope = if chance.hits(plan.node_only) { Scope::Node } else { Scope::Subtree };
                let its = (place, Kind::new(mode, scope));
                let meets = |&(place, kind): &(Place, Kind)| Claim::new(place, kind).meets(Claim::new(its.0, its.1));
                if !meets(&first) && !also.iter().any(meets) {
                    also.push(its);
                }
            }
        }
        it.also = also;
    }

    /// All that a caller wants as one, as it asks for it.
    pub(super) fn members(
        &self,
        process: usize,
        caller: usize,
        first: (Place, Kind),
        request: &Request,
    ) -> Vec<(Target, Request)> {
        let also = &self.processes[process].callers[caller].also;
        let all = std::iter::once(&first).chain(also);
        all.map(|(place, kind)| (self.targets[place].clone(), Request { kind: *kind, ..request.clone() })).collect()
    }

    /// A holder of a set refreshes it, or gives it back.
    pub(super) fn go_on_with_set(&mut self, process: usize, caller: usize, mut held: Held) {
        let (now, timing) = (self.clock(process), self.plan.timing);
        let chance = &mut self.processes[process].callers[caller].chance;
        let renews = !self.plan.ends || chance.hits(0.5);
        let length = chance.magnitude(self.plan.lease.0, self.plan.lease.1);
        let begin = |held: &Held| Refresh::new(&held.lock, if renews { held.lock.lease } else { length }, renews, now);
        let all: Vec<Refresh> = held.all().filter_map(begin).collect();
        if all.is_empty() {
            return self.give_back(process, caller, held);
        }
        self.sync_set(process, &mut held, None);
        self.reschedule_set(process, &held);
        self.send_act(process, caller, held, Act::RefreshAll(RefreshAll::new(all)), timing.call_deadline(now));
    }

    fn reschedule_set(&mut self, process: usize, held: &Held) {
        held.all().for_each(|it| self.agenda(process).reschedule(&it.lock));
    }

    fn sync_set(&mut self, process: usize, held: &mut Held, sent: Option<u64>) {
        let mut others = std::mem::take(&mut held.others);
        for it in std::iter::once(&mut *held).chain(&mut others) {
            self.sync(process, it, sent.filter(|_| it.lock.deadline() > 0));
        }
        held.others = others;
    }

    pub(super) fn set_refreshed(&mut self, process: usize, held: &mut Held, sent: Option<u64>) {
        self.cover.see(if sent.is_some() { "a set is refreshed" } else { "a refresh of a set fails" });
        self.reschedule_set(process, held);
        self.sync_set(process, held, sent);
        self.sync_set(process, held, None);
    }

    pub(super) fn give_back_set(&mut self, process: usize, caller: usize, held: Held) {
        let now = self.clock(process);
        for it in held.all() {
            let was_held = it.lock.is_held(now);
            if self.agenda(process).forget(&it.lock) && !was_held {
                self.loss_told(process, &it.lock);
            }
            self.judge.ended(it.id, self.now);
        }
        self.note_caller(process, caller, || format!("releases the set of {}", Claim::new(held.place, held.kind)));
        if self.processes[process].callers[caller].is_task {
            for it in held.all() {
                let (target, was_held) = (self.targets[&it.place].clone(), it.lock.is_held(now));
                self.drive(process, Release::of_held(it.lock.clone(), target, it.kind, was_held));
            }
            return self.rest(process, caller);
        }
        let deadline = self.plan.timing.call_deadline(now);
        let was_held = held.all().all(|it| it.lock.is_held(now));
        let locks = held.all().map(|it| it.lock.clone()).collect();
        let release = Release::of_many(locks, was_held).expect("a set has members");
        self.send_back(process, caller, release, deadline, held);
    }

    /// The server has it back, all but these.
    pub(super) fn set_given_back(&mut self, process: usize, held: &Held, missed: &[Arc<Lock>]) {
        let now = self.clock(process);
        for it in held.all() {
            let believed = it.lock.is_held(now);
            it.lock.lose();
            if believed && missed.iter().any(|lock| lock.number == it.lock.number) {
                self.loss_told(process, &it.lock);
            }
        }
    }

    /// What a request for a set came to: granted, it is held whole; else it names a member that
    /// something is in the way of.
    pub(super) fn check_set(&mut self, words: &[&[u8]], answer: &Value, server: usize, time: u64) {
        let Value::List(answer) = answer else { return };
        let members: Vec<&[&[u8]]> = words[2..].chunks(3).collect();
        let it = &self.servers[server];
        match (answer.first(), answer.last()) {
            (Some(Value::Int(1)), _) => {
                let held: BTreeMap<_, _> = it.ledger.holders().collect();
                if let Some(member) = members.iter().find(|member| !held.contains_key(&member[0].to_vec())) {
                    self.violate(format!("a set is granted without {} (I3)", text(member[0])));
                }
            }
            (Some(Value::Int(0 | 2)), Some(Value::Int(which))) => {
                let member = members[usize::try_from(*which).unwrap_or(0)];
                let Some(place) = place(member[2]) else { return };
                let claim = Claim { place, number: member[1][0] - b'0' };
                let has_cause = it.ledger.has_cause(&self.keys, &it.data, members[0][0], claim, time);
                if !has_cause && !self.has_grace(server) {
                    self.violate(format!("{claim} of a set is refused, and nothing that lives is in its way"));
                }
            }
            _ => {}
        }
    }
}
