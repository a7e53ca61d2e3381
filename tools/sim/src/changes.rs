//! Locks that become others: narrower, wider, exclusive. What holders do; and what the server may.

use std::collections::BTreeMap;

use super::claim::{Claim, Place};
use super::ledger::{Record, text};
use super::process::{Act, Held, State, Waiter};
use super::sends::{Answer, Purpose};
use super::world::World;
use crate::redis::error::Failure;
use crate::redis::primitives::Arc;
use crate::redis::protocol::calls::{Answered, Reply};
use crate::redis::protocol::change::{Got, Narrow, Next, Upgrade, Widen};
use crate::redis::protocol::held::Outcome;
use crate::redis::protocol::lock::Lock;
use crate::redis::protocol::message::News;
use crate::redis::protocol::script::Call;
use crate::redis::protocol::timing::{NEVER, Timing};
use crate::request::{Kind, Mode, Scope};

/// What a holder makes of its lock.
#[derive(Debug)]
pub(super) enum Change {
    Narrow(Narrow, Vec<Place>),
    Widen(Widen, Place),
    Upgrade(Upgrade),
}

impl Change {
    pub(super) fn narrows(&self) -> bool {
        matches!(self, Self::Narrow(..))
    }

    /// Of the two that wait for nothing.
    pub(super) fn call(&self, timing: &Timing) -> Call {
        match self {
            Self::Narrow(narrow, _) => narrow.call(timing),
            Self::Widen(widen, _) => widen.call(timing),
            Self::Upgrade(_) => unreachable!("an upgrade is asked for in its own way"),
        }
    }
}

// -------------------------------------------------------------------------------- what is allowed

type Records = BTreeMap<Vec<u8>, Record>;

/// The token of the held lock that this waiter is to make exclusive.
pub(super) fn lock_of(token: &[u8]) -> Option<&[u8]> {
    token.strip_suffix(b"^")
}

/// Who has the smaller one comes first.
pub(super) fn order(token: &[u8], record: &Record) -> u64 {
    if lock_of(token).is_some() { 0 } else { record.number }
}

/// Whether a new lock is a part of one that is gone since this script: with its token, and not
/// more.
pub(super) fn is_part(record: &Record, gone: &[Record]) -> bool {
    gone.iter().any(|old| match (old.claim, record.claim) {
        (Some(old_claim), Some(part)) => {
            let same = old_claim.place == part.place;
            let inside = same || old_claim.covers_subtree() && old_claim.place.is_above(&part.place);
            old.number == record.number && old_claim.number == part.number && inside
        }
        _ => false,
    })
}

/// Whether a new lock was held below one that is gone since this script, with a token that was
/// given out there (K8).
pub(super) fn is_below(record: &Record, gone: &[Record]) -> bool {
    gone.iter().any(|old| match (old.claim, record.claim) {
        (Some(host), Some(part)) => {
            let inside = host.place == part.place || host.place.is_above(&part.place);
            host.number == 1 && inside && old.number < record.number
        }
        _ => false,
    })
}

/// Of two upgrades that conflict each would wait for the other's lock (I4).
pub(super) fn nobody_waits_for_another(waits: &Records) -> Result<(), String> {
    let upgrades: Vec<_> = waits.iter().filter(|(token, _)| lock_of(token).is_some()).collect();
    for (at, (one, record)) in upgrades.iter().enumerate() {
        let conflicts = |it: &&(&Vec<u8>, &Record)| record.claims().any(|claim| it.1.conflicts(claim));
        if let Some((other, _)) = upgrades[at + 1..].iter().find(conflicts) {
            return Err(format!("{} and {} wait for each other's lock (I4)", text(one), text(other)));
        }
    }
    Ok(())
}

/// What is held with a token has changed. If it is more than before it was granted anew: with a new
/// number, and nobody else in the way (I1, I3). Whoever waits may be overtaken by an upgrade alone.
/// `before`: the greatest number that was drawn before this call, unless a grace period is open:
/// then it becomes what it was before older data came (I11).
pub(super) fn check(
    token: &[u8],
    old: &Record,
    new: &Record,
    (held, waits): (&Records, &Records),
    before: Option<u64>,
) -> Result<(), String> {
    let (Some(was), Some(claim)) = (old.claim, new.claim) else { return Ok(()) };
    if was == claim || was.place == claim.place && was.is_exclusive() && claim.number == was.number + 2 {
        return Ok(()); // as it was, or downgraded
    }
    let name = text(token);
    if let Some(before) = before
        && new.number <= before
    {
        return Err(format!("{name} becomes {claim} with token {}, and {before} was drawn before (I1)", new.number));
    }
    if let Some((other, _)) = held.iter().find(|(other, it)| other[..] != *token && it.conflicts(claim)) {
        return Err(format!("{name} becomes {claim}, and {} is in the way (I3)", text(other)));
    }
    if before.is_none() {
        return Ok(());
    }
    let upgrade = was.place == claim.place && claim.number + 2 == was.number;
    let is_other = |other: &[u8]| lock_of(other) != Some(token);
    let overtaken = waits.iter().find(|(other, it)| is_other(other) && it.conflicts(claim));
    match overtaken {
        Some((other, _)) if !upgrade || lock_of(other).is_some() => {
            Err(format!("{name} becomes {claim}, though {} waits (I4)", text(other)))
        }
        _ => Ok(()),
    }
}

// ------------------------------------------------------------------------------- what holders do

impl World<'_> {
    fn id(&self, process: usize, lock: &Lock) -> u64 {
        self.processes[process].incarnation << 32 | lock.number
    }

    /// A holder makes another lock of its own.
    pub(super) fn change(&mut self, process: usize, caller: usize, held: Held) {
        let (now, timing) = (self.clock(process), self.plan.timing);
        let chance = &mut self.processes[process].callers[caller].chance;
        let (what, many, wait) = (chance.between(0, 2), chance.between(1, 3), chance.magnitude(1, self.plan.wait.1));
        let (waits, pick) = (chance.hits(0.7), chance.between(0, 1000) as usize);
        match what {
            0 => self.narrow(process, caller, held, (many, pick)),
            1 => {
                let Some(to) = held.place.parent() else { return self.give_back(process, caller, held) };
                let it = &self.processes[process];
                let kind = Kind::new(held.kind.mode, Scope::Subtree);
                let widen = Widen::new(&held.lock, &self.targets[&to], kind, &it.name, &timing);
                let change = Act::Change(Box::new(Change::Widen(widen, to)));
                self.send_act(process, caller, held, change, timing.call_deadline(now));
            }
            _ if held.kind.mode == Mode::Exclusive => self.give_back(process, caller, held),
            _ => {
                let deadline = if waits { now + wait } else { 0 };
                let upgrade = Upgrade::new(&held.lock, &self.targets[&held.place], deadline, now);
                let it = &mut self.processes[process].callers[caller];
                it.news = News::Nothing;
                let waiter = Waiter { caller, epoch: it.epoch };
                self.agenda(process).upgrades(&held.lock, Some(waiter));
                self.ask_change(process, caller, held, Box::new(Change::Upgrade(upgrade)));
            }
        }
    }

    fn narrow(&mut self, process: usize, caller: usize, mut held: Held, (many, pick): (u64, usize)) {
        let (now, timing) = (self.clock(process), self.plan.timing);
        let covers = |place: &&Place| match held.kind.scope {
            Scope::Subtree => **place == held.place || held.place.is_above(place),
            Scope::Node => **place == held.place,
        };
        let below: Vec<Place> = self.plan.places.iter().filter(covers).copied().collect();
        let mut kept: Vec<Place> = Vec::new();
        for step in 0..many as usize {
            let place = below[(pick + step * 7) % below.len()];
            let meets = |it: &Place| *it == place || it.is_above(&place) || place.is_above(it);
            if !kept.iter().any(meets) {
                kept.push(place);
            }
        }
        let it = &mut self.processes[process];
        let locks = kept.iter().map(|place| {
            it.numbers += 1;
            let target = self.targets[place].clone();
            let lock = Lock::new(it.numbers, &it.name, target.path.clone(), None, held.lock.lease);
            lock.never_keep();
            (Arc::new(lock), target)
        });
        let locks = locks.collect();
        let narrow = Narrow::new(&held.lock, locks, &self.processes[process].name.clone(), &timing, now);
        let is_kept = self.agenda(process).forget(&held.lock);
        let (Some(narrow), true) = (narrow, is_kept) else {
            if is_kept {
                self.loss_told(process, &held.lock);
            }
            return self.give_back(process, caller, held);
        };
        // From now on its holder must be content with what it keeps: the first is the belief.
        self.sync(process, &mut held, None);
        self.judge.changed(held.id, self.now, Claim::new(kept[0], held.kind));
        let change = Act::Change(Box::new(Change::Narrow(narrow, kept)));
        self.send_act(process, caller, held, change, timing.call_deadline(now));
    }

    /// Sends the next request of an upgrade.
    pub(super) fn ask_change(&mut self, process: usize, caller: usize, held: Held, mut change: Box<Change>) {
        let (now, timing) = (self.clock(process), self.plan.timing);
        self.processes[process].callers[caller].news = News::Nothing;
        let Change::Upgrade(upgrade) = &mut *change else { return self.give_back(process, caller, held) };
        let (call, deadline) = upgrade.call(&timing, now);
        let request = self.send(process, caller, call, deadline, Purpose::Caller(caller));
        self.set_state(process, caller, State::Acts { held, act: Act::Change(change), request, deadline });
    }

    /// There is news for one that waits to become exclusive.
    pub(super) fn change_told(&mut self, process: usize, caller: usize, held: Held, change: Box<Change>) {
        let now = self.clock(process);
        let news = std::mem::take(&mut self.processes[process].callers[caller].news);
        match (&*change, news) {
            (Change::Upgrade(upgrade), News::Granted(token)) if upgrade.told(token, now) => {
                self.cover.see("a lock is upgraded by message");
                self.upgraded(process, caller, held, None);
            }
            _ => self.ask_change(process, caller, held, change),
        }
    }

    fn upgraded(&mut self, process: usize, caller: usize, mut held: Held, sent: Option<u64>) {
        self.cover.see("a lock is upgraded");
        let lock = held.lock.clone();
        self.agenda(process).upgrades(&lock, None);
        held.kind = Kind { mode: Mode::Exclusive, ..held.kind };
        let (claim, token) = (Claim::new(held.place, held.kind), held.lock.fencing_token());
        self.note_caller(process, caller, || format!("has {claim}, token {token}"));
        self.judge.raised(held.id, self.now, claim, token, sent.unwrap_or(held.rests_on));
        self.sync(process, &mut held, None); // the request has not set its end
        self.hold(process, caller, held);
    }

    /// The answer to a request that makes another lock of one.
    pub(super) fn changed(
        &mut self,
        process: usize,
        caller: usize,
        (held, mut change, deadline): (Held, Box<Change>, u64),
        answer: Answer,
        sent: u64,
    ) {
        let (now, then, timing) = (self.clock(process), self.clock_of(process).at(sent), self.plan.timing);
        let hopeless = now >= deadline;
        match &mut *change {
            Change::Narrow(narrow, _) => {
                let answer: Result<Answered, Failure> = Reply::from_answer(answer);
                let outcome = narrow.answered(answer.as_ref().map_err(Failure::clone), hopeless);
                if let Ok(answered) = answer {
                    self.left_over(process, answered.more);
                }
                match outcome {
                    Outcome::Again => self.send_act(process, caller, held, Act::Change(change), deadline),
                    outcome => self.narrowed(process, caller, held, *change, outcome),
                }
            }
            Change::Widen(widen, to) => {
                let (got, more) = widen.answered(Reply::from_answer(answer), now, hopeless);
                let to = *to;
                self.left_over(process, more);
                match got {
                    None => self.send_act(process, caller, held, Act::Change(change), deadline),
                    Some(got) => self.widened(process, caller, (held, to), got, sent),
                }
            }
            Change::Upgrade(upgrade) => {
                let (next, more) = upgrade.answered(Reply::from_answer(answer), then, now, &timing);
                self.left_over(process, more);
                self.upgrade_goes_on(process, caller, (held, change), next, sent);
            }
        }
    }

    fn upgrade_goes_on(
        &mut self,
        process: usize,
        caller: usize,
        (held, change): (Held, Box<Change>),
        next: Next,
        sent: u64,
    ) {
        let got = match next {
            Next::Ask => return self.ask_change(process, caller, held, change),
            Next::Wait(until) => {
                self.cover.see("an upgrade waits");
                self.start_listener(process);
                let at = if until == NEVER { NEVER } else { self.when(process, until) };
                let act = Act::Change(change);
                self.set_state(process, caller, State::Acts { held, act, request: 0, deadline: until });
                let has_news = self.processes[process].callers[caller].news != News::Nothing;
                return self.wake(process, caller, if has_news { self.now } else { at });
            }
            Next::Over(got) => got,
        };
        let lock = held.lock.clone();
        self.agenda(process).upgrades(&lock, None);
        match got {
            Got::It(()) => return self.upgraded(process, caller, held, Some(sent)),
            Got::NotHeld => {
                held.lock.lose();
                self.agenda(process).look_now();
            }
            Got::Kept(_) => {}
            Got::Upgrading(_) => self.cover.see("a second upgrade is refused"),
            Got::Blocked(_) | Got::Failed(_) => self.cover.see("an upgrade is given up"),
        }
        self.back_to_hold(process, caller, held);
    }

    fn back_to_hold(&mut self, process: usize, caller: usize, mut held: Held) {
        self.sync(process, &mut held, None);
        self.hold(process, caller, held);
    }

    fn widened(
        &mut self,
        process: usize,
        caller: usize,
        (mut held, to): (Held, Place),
        got: Got<Arc<Lock>>,
        sent: u64,
    ) {
        match got {
            Got::It(moved) if self.agenda(process).moved(&moved) => {
                self.cover.see("a lock is widened");
                (held.place, held.kind, held.lock) = (to, Kind { scope: Scope::Subtree, ..held.kind }, moved);
                let (claim, token) = (Claim::new(to, held.kind), held.lock.fencing_token());
                self.note_caller(process, caller, || format!("has {claim}, token {token}"));
                self.judge.raised(held.id, self.now, claim, token, sent); // its end is what it was
            }
            Got::It(_) | Got::NotHeld => {
                held.lock.lose();
                self.agenda(process).look_now();
            }
            Got::Blocked(_) | Got::Kept(_) | Got::Upgrading(_) | Got::Failed(_) => {
                self.cover.see("a lock is not widened")
            }
        }
        self.back_to_hold(process, caller, held);
    }

    fn narrowed(
        &mut self,
        process: usize,
        caller: usize,
        mut held: Held,
        change: Change,
        outcome: Outcome<Vec<Arc<Lock>>>,
    ) {
        let Change::Narrow(narrow, places) = change else { return };
        let now = self.clock(process);
        match outcome {
            Outcome::Done(locks) => {
                self.cover.see("a lock is narrowed");
                let mut all = Vec::new();
                for (at, (lock, place)) in locks.into_iter().zip(places).enumerate() {
                    self.agenda(process).held(&lock);
                    let id = if at == 0 { held.id } else { self.id(process, &lock) };
                    let claim = Claim::new(place, held.kind);
                    self.note_caller(process, caller, || format!("keeps {claim}"));
                    if at > 0 {
                        self.judge.joined(held.id, id, self.now, claim);
                    }
                    let judged = if held.judged > self.now { held.judged } else { 0 };
                    let (kind, rests_on, until) = (held.kind, held.rests_on, held.until);
                    let (is_detached, may_end, others) = (false, held.may_end, Vec::new());
                    all.push(Held { lock, place, kind, id, rests_on, judged, until, is_detached, may_end, others });
                }
                for it in &mut all {
                    self.sync(process, it, None);
                }
                let mut first = all.remove(0);
                first.others = all;
                return self.hold(process, caller, first);
            }
            Outcome::Failed(_) => match narrow.left() {
                None => {
                    // It was not done: the whole of it is held as before.
                    self.judge.changed(held.id, self.now, Claim::new(held.place, held.kind));
                    let lock = held.lock.clone();
                    self.agenda(process).held(&lock);
                    return self.back_to_hold(process, caller, held);
                }
                Some(release) => self.agenda(process).give_up(release, now),
            },
            Outcome::NotHeld | Outcome::Again => {}
        }
        self.cover.see("a narrowed lock is lost");
        held.lock.lose();
        self.loss_told(process, &held.lock);
        self.sync(process, &mut held, None);
        self.judge.ended(held.id, self.now);
        held.judged = 0;
        self.rest(process, caller);
    }
}
