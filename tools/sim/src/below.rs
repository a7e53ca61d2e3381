//! Locks below kept ones, as `run/keeping/below.rs` takes them, gives them back and exchanges them.

use super::chance::Chance;
use super::claim::Place;
use super::plan::MILLI;
use super::process::{Held, State};
use super::sends::{Answer, Purpose};
use super::world::{Event, World};
use crate::redis::error::Failure;
use crate::redis::primitives::Arc;
use crate::redis::protocol::calls::{Released, Reply};
use crate::redis::protocol::exchange::{Exchange, Outcome};
use crate::redis::protocol::keep::{Found, Keep};
use crate::redis::protocol::lock::Lock;
use crate::request::Kind;

/// The stream of what callers take in their process' own branch.
const BRANCH: u64 = 11;
/// As many children of one node, of those that a caller takes one after the other.
const STRIDE: usize = 32;

impl World<'_> {
    /// Where processes have branches of their own: what a caller takes there, most of the time. Now
    /// and then that is the branch as a whole.
    pub(super) fn draw_below(&self, process: usize, caller: usize, kind: Kind) -> Option<(Place, Kind)> {
        let (it, all) = (&self.processes[process], &self.plan.places);
        let parts = [BRANCH, it.incarnation, caller as u64, it.callers[caller].operations.into()];
        let mut chance = Chance::about(self.plan.seed, &parts);
        if self.plan.keep == 0 || !chance.hits(self.plan.branches) {
            return None;
        }
        let tops = all.iter().filter(|place| place.parent() == Some(Place::ROOT));
        let top = *tops.clone().nth(process % tops.count().max(1))?;
        let (count, strides) = (it.callers[caller].operations, self.plan.strides);
        let whole = match count {
            _ if strides => 0.01,
            ..=2 => 0.5,
            _ => 0.03,
        };
        if chance.hits(whole) {
            return Some((top, Kind::default()));
        }
        let under = |top: Place| all.iter().copied().filter(move |place| *place == top || top.is_above(place));
        // Each caller has a part of its own, where nobody else of its process is most of the time.
        // One that strides goes on to the next after a while.
        let parts: Vec<Place> = under(top).filter(|place| place.parent() == Some(top)).collect();
        let at = caller + if strides { count as usize / STRIDE } else { 0 };
        let part = parts.get(at % parts.len().max(1)).filter(|_| strides || chance.hits(0.8));
        let part = part.copied().unwrap_or(top);
        let below: Vec<Place> = under(part).filter(|place| !strides || *place != part).collect();
        Some((chance.pick(&below), kind))
    }

    /// A lock below one that is kept, if that covers what is wanted.
    pub(super) fn take_below(&mut self, process: usize, place: Place, kind: Kind) -> Found {
        let (now, timing) = (self.clock(process), self.plan.timing);
        let it = &mut self.processes[process];
        let Some(keep) = &it.keep else { return Found::Nothing };
        let target = &self.targets[&place];
        let (numbers, name) = (&mut it.numbers, &it.name);
        let new = || {
            *numbers += 1;
            Lock::new(*numbers, name, target.path.clone(), None, timing.lease)
        };
        let mut above = None;
        let found = keep.take_below((target, kind), &timing, now, new, |_, host| above = host.cloned());
        if let Found::It(lock) = &found {
            self.cover.see("a lock is taken below a kept one");
            self.agenda(process).held(lock);
            above.iter().for_each(|host| self.lent(process, host));
            self.check_host(process, lock);
        }
        found
    }

    /// When the request was sent that a deadline rests on.
    pub(super) fn rests_on(&self, process: usize, lock: &Lock) -> u64 {
        let then = lock.latest_deadline().saturating_sub(lock.lease);
        self.when(process, then).min(self.now)
    }

    /// A caller lets go of a lock below a kept one. Whether that is all.
    pub(super) fn leave_below(&mut self, process: usize, held: &Held) -> bool {
        let (now, incarnation) = (self.clock(process), self.processes[process].incarnation);
        let Some(keep) = &self.processes[process].keep else { return false };
        let left = keep.leave(&held.lock, &self.targets[&held.place], true, now, |left| left);
        if let Some(host) = &left.host {
            let at = self.when(process, now + self.plan.keep);
            self.schedule(at, Event::Idles { process, incarnation });
            self.check_host(process, host);
        }
        if left.is_all {
            self.cover.see("a lock below a kept one is let go of");
            self.agenda(process).forget(&held.lock);
        }
        left.is_all
    }

    /// A lock below a kept one is to be more. Whether it is a lock of its own, or lost; else it is
    /// on the way there.
    pub(super) fn is_own(&mut self, process: usize, lock: &Lock) -> bool {
        let is_under_way = self.processes[process].keep.as_ref().is_some_and(|keep| keep.exchange(lock));
        self.begin_exchanges(process);
        !is_under_way
    }

    pub(super) fn begin_exchanges(&mut self, process: usize) {
        let begun = self.processes[process].keep.as_ref().map(Keep::begun).unwrap_or_default();
        for exchange in begun {
            self.cover.see("an exchange begins");
            self.agenda(process).forget(exchange.host());
            self.send_exchange(process, exchange);
        }
    }

    fn send_exchange(&mut self, process: usize, exchange: Exchange) {
        let now = self.clock(process);
        let (call, deadline) = exchange.call(&self.processes[process].name, &self.plan.timing, now);
        let line = self.processes[process].keeping();
        self.send(process, line, call, deadline, Purpose::Exchange(exchange));
    }

    pub(super) fn exchanges(&mut self, process: usize, incarnation: u64, exchange: Exchange) {
        if self.processes[process].incarnation == incarnation {
            self.send_exchange(process, exchange);
        }
    }

    pub(super) fn exchange_answered(&mut self, process: usize, mut exchange: Exchange, answer: Answer) {
        let (now, incarnation) = (self.clock(process), self.processes[process].incarnation);
        let answer: Result<Released, Failure> = Reply::from_answer(answer);
        match exchange.answered(answer.as_ref().map_err(Failure::clone), now) {
            Outcome::Done(found) => self.exchanged(process, &exchange, &found),
            Outcome::Again(at) => {
                self.cover.see("an exchange is sent again");
                let at = self.when(process, at);
                self.schedule(at, Event::Exchanges { process, incarnation, exchange });
            }
            Outcome::Over(release) => {
                self.cover.see("an exchange is given up");
                self.exchanged(process, &exchange, &[]);
                self.agenda(process).give_up(release, now);
            }
        }
        if let Ok(released) = answer {
            self.left_over(process, released.more);
        }
    }

    fn exchanged(&mut self, process: usize, exchange: &Exchange, found: &[bool]) {
        let now = self.clock(process);
        let Some(keep) = &self.processes[process].keep else { return };
        let exchanges = keep.exchanged(exchange, found, now, |exchanges| exchanges);
        for lock in exchanges.own {
            self.cover.see("a lock below a kept one becomes one of its own");
            self.agenda(process).became_own(&lock, now);
        }
        if !exchanges.back.is_empty() {
            self.cover.see("a lock is given back after its exchange");
            self.give_back_kept(process, exchanges.back);
        }
        self.agenda(process).look_now();
    }

    /// Whether a caller has this below a kept lock, or had, and has set no end for it.
    pub(super) fn lasts_below(&self, process: usize, lock: &Lock) -> bool {
        let is_it = |held: &Held| held.lock.number == lock.number && !held.may_end;
        let holds = |state: &State| matches!(state, State::Holds(held) | State::Acts { held, .. } if is_it(held));
        lock.is_guest() && self.processes[process].callers.iter().any(|caller| holds(&caller.state))
    }

    /// What callers have below kept locks lasts as long as those.
    pub(super) fn sync_below(&mut self, process: usize) {
        let below: Vec<Arc<Lock>> = self.processes[process]
            .callers
            .iter()
            .filter_map(|caller| match &caller.state {
                State::Holds(held) if held.lock.is_below() => Some(held.lock.clone()),
                _ => None,
            })
            .collect();
        for lock in below {
            let sent = self.rests_on(process, &lock);
            self.sync_lock(process, lock.number, sent);
        }
    }

    /// Where no message is lost, whoever waits has had recalled what others use below a kept lock
    /// (K11): for a moment after the recall at the most does anybody come or go there.
    fn check_host(&mut self, process: usize, lock: &Lock) {
        if self.plan.may_lose_messages() {
            return;
        }
        let it = &self.servers[self.master];
        let before = it.time(self.now).saturating_sub(100 * MILLI);
        let name = self.processes[process].name.as_bytes();
        let is_late = it.ledger.holders().any(|(token, held)| {
            let Some(claim) = held.claim else { return false };
            let is_host = claim.number == 1 && lock.path.starts_with(&self.targets[&claim.place].path);
            let waits = || it.ledger.waiting().any(|it| it.number < before && it.conflicts(claim));
            token.starts_with(name) && is_host && waits()
        });
        if is_late {
            self.violate(format!("process {process} uses {} below a lock that somebody waits for (K11)", lock.path));
        }
    }
}
