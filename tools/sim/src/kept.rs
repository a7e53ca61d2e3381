//! What a process keeps that none of its callers uses, as `run/keeping.rs` does it: for half of all
//! histories.

use super::claim::{Claim, Place};
use super::plan::MILLI;
use super::process::Held;
use super::sends::{Answer, Purpose};
use super::world::{Event, World};
use crate::path::TreePath;
use crate::redis::error::Failure;
use crate::redis::primitives::Arc;
use crate::redis::protocol::calls::{self, Answered, Released, Reply};
use crate::redis::protocol::keep::{Found, Keep};
use crate::redis::protocol::lock::Lock;
use crate::redis::protocol::release::{Outcome, Release};
use crate::request::{Kind, Request};

impl World<'_> {
    /// Recalls come from the first lock on.
    pub(super) fn start_keeping(&mut self, process: usize) {
        if self.plan.keep > 0 {
            self.start_listener(process);
        }
    }

    /// A caller has what is kept, if there is the very lock that it wants, or one above it.
    pub(super) fn take_kept(
        &mut self,
        process: usize,
        caller: usize,
        (place, kind): (Place, Kind),
        request: &Request,
    ) -> bool {
        let (now, timing) = (self.clock(process), self.plan.timing);
        let it = &mut self.processes[process];
        if request.lease.is_some() || !it.callers[caller].also.is_empty() {
            return false;
        }
        let Some(keep) = &it.keep else { return false };
        let found = match keep.take(&self.targets[&place], kind, None, &timing, now) {
            Found::Nothing => self.take_below(process, place, kind),
            found => found,
        };
        match found {
            Found::It(lock) => {
                if !lock.is_guest() {
                    self.cover.see("a kept lock is lent");
                }
                self.lent(process, &lock);
                let sent = self.rests_on(process, &lock);
                self.granted(process, caller, lock, (place, kind), sent);
                true
            }
            Found::Spent(lock) => {
                self.cover.see("a kept lock is nearly over");
                self.give_back_kept(process, vec![lock]);
                false
            }
            Found::Soon | Found::Nothing => false,
        }
    }

    /// What is kept has a user again.
    pub(super) fn lent(&mut self, process: usize, lock: &Lock) {
        if lock.was_left() {
            self.cover.see("a kept lock whose renewal was due is lent");
            self.agenda(process).lent(lock);
        }
    }

    /// As the judge knows a grant: of a lock that is lent, each has a number of its own.
    pub(super) fn id_of(&mut self, process: usize, lock: &Lock) -> u64 {
        let it = &mut self.processes[process];
        let number = if lock.was_lent_before() {
            it.numbers += 1;
            it.numbers
        } else {
            lock.number
        };
        it.incarnation << 32 | number
    }

    /// Whether a lock that a caller lets go of is kept.
    pub(super) fn keep_held(&mut self, process: usize, held: &Held) -> bool {
        let (now, incarnation) = (self.clock(process), self.processes[process].incarnation);
        let it = &mut self.processes[process];
        let Some(keep) = &it.keep else { return false };
        let target = &self.targets[&held.place];
        if held.is_detached || held.may_end || !keep.keep(&held.lock, target, held.kind, now) {
            return false;
        }
        self.cover.see("a lock is kept");
        let at = self.when(process, now + self.plan.keep);
        self.schedule(at, Event::Idles { process, incarnation });
        true
    }

    /// What nobody has used for long goes back.
    pub(super) fn idles(&mut self, process: usize, incarnation: u64) {
        let now = self.clock(process);
        let it = &mut self.processes[process];
        if it.incarnation != incarnation {
            return;
        }
        let back = it.keep.as_ref().map(|keep| keep.idle(now)).unwrap_or_default();
        if !back.is_empty() {
            self.check_recalled(process, &back);
            self.cover.see("a kept lock was idle for long");
            self.give_back_kept(process, back);
        }
    }

    /// Where no message is lost, whoever waits has had recalled what nobody uses in his way (K3).
    fn check_recalled(&mut self, process: usize, back: &[Arc<Lock>]) {
        let it = &self.servers[self.master];
        if self.plan.may_lose_messages() {
            return;
        }
        let before = it.time(self.now).saturating_sub(100 * MILLI);
        let forgets = back.iter().find_map(|lock| {
            let (_, held) = it.ledger.holders().find(|(token, _)| token[..] == *lock.token.as_bytes())?;
            let claim = held.claim?;
            let waits = it.ledger.waiting().any(|waiter| waiter.number < before && waiter.conflicts(claim));
            waits.then(|| lock.path.clone())
        });
        if let Some(path) = forgets {
            self.violate(format!("process {process} keeps {path}, somebody waits, and it was not recalled (K3)"));
        }
    }

    /// A message says that somebody wants this.
    pub(super) fn recalled(&mut self, process: usize, path: &TreePath, kind: Kind) {
        let now = self.clock(process);
        let it = &mut self.processes[process];
        let (Some(keep), Some(agenda)) = (&it.keep, &it.agenda) else {
            return self.violate("a recall for one that keeps nothing".into());
        };
        let mut back = keep.recall(path, kind, now).back;
        let in_use = keep.in_use(agenda.in_the_way(path, kind), &mut back);
        self.begin_exchanges(process);
        if !back.is_empty() {
            self.cover.see("a kept lock is recalled");
            self.give_back_kept(process, back);
        }
        if !in_use.is_empty() {
            self.cover.see("a lock in use is recalled");
            let call = calls::in_use(in_use.iter().map(|lock| &**lock), &self.plan.timing);
            self.send_kept(process, call, Purpose::InUse);
        }
    }

    /// Recalls may have been lost.
    pub(super) fn recall_all(&mut self, process: usize) {
        let back = self.processes[process].keep.as_ref().map(Keep::recall_all).unwrap_or_default();
        self.begin_exchanges(process);
        self.give_back_kept(process, back);
    }

    pub(super) fn give_back_kept(&mut self, process: usize, locks: Vec<Arc<Lock>>) {
        let agenda = self.agenda(process);
        locks.iter().for_each(|lock| _ = agenda.forget(lock));
        let Some(release) = Release::of_many(locks, false) else { return };
        let call = release.call(&self.plan.timing);
        self.send_kept(process, call, Purpose::Kept(release));
    }

    fn send_kept(&mut self, process: usize, call: crate::redis::protocol::script::Call, purpose: Purpose) {
        let deadline = self.clock(process) + self.plan.timing.release_limit();
        let line = self.processes[process].keeping();
        self.send(process, line, call, deadline, purpose);
    }

    pub(super) fn kept_answered(&mut self, process: usize, mut release: Release, answer: Answer) {
        let now = self.clock(process);
        let answer: Result<Released, Failure> = Reply::from_answer(answer);
        match release.answered(answer.as_ref().map_err(Failure::clone), true) {
            Outcome::Done { .. } => {}
            Outcome::Again | Outcome::Failed(_) => {
                self.cover.see("what was kept is left to the agenda");
                self.agenda(process).give_up(release, now);
            }
        }
        if let Ok(released) = answer {
            self.left_over(process, released.more);
        }
    }

    pub(super) fn in_use_answered(&mut self, process: usize, answer: Answer) {
        let answer: Result<Answered, Failure> = Reply::from_answer(answer);
        if let Ok(answered) = answer {
            self.left_over(process, answered.more);
        }
    }

    /// Whether nobody uses a lock that the server has: its process keeps it, and runs.
    fn is_idle(&self, token: &[u8], place: Place) -> bool {
        let Ok(token) = std::str::from_utf8(token) else { return false };
        let path = &self.targets[&place].path;
        self.processes.iter().any(|it| it.keep.as_ref().is_some_and(|keep| keep.has(token, path)))
    }

    /// A try is not refused by nothing but locks that nobody uses (K6).
    pub(super) fn check_refused(&mut self, server: usize, claim: Claim) {
        let it = &self.servers[server];
        let holders = it.ledger.holders().filter(|(_, it)| it.conflicts(claim));
        let holders: Vec<_> = holders.filter_map(|(token, it)| Some((token, it.claim?.place))).collect();
        let is_refused_by_nobody = !holders.is_empty()
            && holders.iter().all(|&(token, place)| self.is_idle(token, place))
            && !it.ledger.waiting().any(|it| it.conflicts(claim));
        if is_refused_by_nobody {
            self.violate(format!("{claim} is refused, and nobody uses what is in its way (K6)"));
        }
    }
}
