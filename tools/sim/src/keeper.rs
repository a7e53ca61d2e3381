//! What a process does without its callers: the keeper does what the agenda says is due, as
//! `run/keeper.rs` does, and the listener empties the mailbox, as `run/listener.rs` does.

use super::plan::{MILLI, SECOND};
use super::sends::{Answer, Purpose};
use super::world::{Event, World};
use crate::redis::error::Failure;
use crate::redis::primitives::Arc;
use crate::redis::protocol::agenda::{self, GivenUp, Renewal, Room};
use crate::redis::protocol::calls::{More, Refreshed, Released, Reply};
use crate::redis::protocol::lock::Lock;
use crate::redis::protocol::message::{self, Message, News};
use crate::redis::protocol::release::{Outcome, Release};
use crate::redis::protocol::script::Call;
use crate::redis::protocol::timing::NEVER;

/// How long the keeper's thread takes to wake.
const WAKES: u64 = 20;
/// For how long the server keeps the listener's command without an answer.
const KEEPS: u64 = 5 * SECOND;
const RETRY: u64 = 50 * MILLI;

impl World<'_> {
    /// Has the keeper look when something is due next.
    pub(super) fn arrange(&mut self, process: usize) {
        let it = &self.processes[process];
        let Some(agenda) = &it.agenda else { return };
        let next = it.clock.when(agenda.next());
        if next == NEVER {
            return;
        }
        let (at, incarnation) = (next.max(self.now) + WAKES, it.incarnation);
        if at < it.look_at {
            self.processes[process].look_at = at;
            self.schedule(at, Event::Look { process, incarnation });
        }
    }

    pub(super) fn look(&mut self, process: usize, incarnation: u64) {
        let it = &mut self.processes[process];
        if it.incarnation != incarnation || it.look_at > self.now {
            return; // there is a later look, or it is another process by now
        }
        it.look_at = NEVER;
        let now = it.clock.at(self.now);
        let room = Room {
            renewals: it.free_lane(it.renewing()).is_some(),
            heartbeats: it.free_lane(it.beating()).is_some(),
            releases: it.free_lane(it.cleaning()).is_some(),
        };
        let agenda = self.agenda(process);
        if agenda.next() > now {
            return self.arrange(process);
        }
        let work = agenda.take(now, room);
        self.check_told(process);
        for lock in work.lost {
            lock.lose();
            if lock.is_unused() {
                self.cover.see("a kept lock is lost");
                self.processes[process].keep.iter().for_each(|keep| keep.lost(&lock));
                self.agenda(process).look_now();
            } else {
                self.loss_told(process, &lock);
            }
            if lock.is_guest() {
                lock.doubt();
            }
            self.agenda(process).give_up(Release::of_unwanted(lock), now);
        }
        for waiter in work.silent {
            self.news(process, waiter, News::Silent);
        }
        if !work.renewals.is_empty() {
            self.renew(process, work.renewals);
        }
        if !work.heartbeats.is_empty() {
            self.beat(process, work.heartbeats);
        }
        if !work.releases.is_empty() || work.more.is_some() {
            self.clean(process, work.releases, work.more);
        }
        self.arrange(process);
    }

    /// A lane for a job. If another lane of its kind is still at something, a connection that was
    /// open before may be as silent as that one's.
    fn lane(&mut self, process: usize, lanes: std::ops::Range<usize>) -> Option<usize> {
        let it = &mut self.processes[process];
        let lane = it.free_lane(lanes.clone())?;
        if lanes.into_iter().any(|line| it.lines[line].busy > 0) {
            it.lines[lane].connection = None;
        }
        Some(lane)
    }

    pub(super) fn lane_done(&mut self, process: usize, line: usize) {
        let it = &mut self.processes[process].lines[line];
        it.busy = it.busy.saturating_sub(1);
        self.agenda(process).look_now(); // there is room again
    }

    fn send_over(&mut self, process: usize, line: usize, call: Call, deadline: u64, purpose: Purpose) {
        self.processes[process].lines[line].busy += 1;
        self.send(process, line, call, deadline, purpose);
    }

    fn renew(&mut self, process: usize, batches: Vec<Vec<Renewal>>) {
        let lanes = self.processes[process].renewing();
        if let Some(lane) = self.lane(process, lanes) {
            self.renew_next(process, lane, batches);
        }
    }

    fn renew_next(&mut self, process: usize, lane: usize, mut batches: Vec<Vec<Renewal>>) {
        if batches.is_empty() {
            return;
        }
        let (batch, timing, now) = (batches.remove(0), self.plan.timing, self.clock(process));
        let first = batch.iter().map(|renewal| renewal.lock.deadline()).min().unwrap_or(0);
        let deadline = now + timing.renewal_limit(first.saturating_sub(now));
        let call = agenda::renewal_call(&batch, &timing);
        self.send_over(process, lane, call, deadline, Purpose::Renewals { batch, rest: batches });
    }

    pub(super) fn renewed(
        &mut self,
        process: usize,
        line: usize,
        (batch, rest): (Vec<Renewal>, Vec<Vec<Renewal>>),
        answer: Answer,
        sent: u64,
    ) {
        let (now, then) = (self.clock(process), self.clock_of(process).at(sent));
        let answer: Result<Refreshed, Failure> = Reply::from_answer(answer);
        self.agenda(process).renewed(&batch, &answer, then, now);
        if answer.is_ok() {
            self.cover.see("a lease is renewed");
            batch.iter().for_each(|renewal| self.sync_lock(process, renewal.lock.number, sent));
            self.sync_below(process);
        }
        match answer {
            Ok(refreshed) => {
                self.left_over(process, refreshed.more);
                self.renew_next(process, line, rest);
            }
            Err(failure) => {
                for batch in rest {
                    self.agenda(process).renewed(&batch, &Err(failure.clone()), now, now);
                }
            }
        }
        self.lane_done(process, line);
    }

    fn beat(&mut self, process: usize, batches: Vec<Vec<Arc<Lock>>>) {
        let lanes = self.processes[process].beating();
        if let Some(lane) = self.lane(process, lanes) {
            self.beat_next(process, lane, batches);
        }
    }

    fn beat_next(&mut self, process: usize, lane: usize, mut batches: Vec<Vec<Arc<Lock>>>) {
        if batches.is_empty() {
            return;
        }
        let (batch, timing) = (batches.remove(0), self.plan.timing);
        let deadline = self.clock(process) + timing.heartbeat_limit();
        let call = agenda::heartbeat_call(&batch, &timing);
        self.send_over(process, lane, call, deadline, Purpose::Heartbeats { batch, rest: batches });
    }

    pub(super) fn beaten(
        &mut self,
        process: usize,
        line: usize,
        (batch, rest): (Vec<Arc<Lock>>, Vec<Vec<Arc<Lock>>>),
        answer: Answer,
        sent: u64,
    ) {
        let (now, then) = (self.clock(process), self.clock_of(process).at(sent));
        let answer: Result<Refreshed, Failure> = Reply::from_answer(answer);
        let mut told = self.agenda(process).beaten(&batch, &answer, then, now);
        match answer {
            Ok(refreshed) => {
                self.cover.see("a heartbeat is answered");
                self.left_over(process, refreshed.more);
                self.beat_next(process, line, rest);
            }
            Err(failure) => {
                for batch in rest {
                    told.extend(self.agenda(process).beaten(&batch, &Err(failure.clone()), now, now));
                }
            }
        }
        told.into_iter().for_each(|(waiter, news)| self.news(process, waiter, news));
        self.lane_done(process, line);
    }

    fn clean(&mut self, process: usize, releases: Vec<GivenUp>, more: Option<More>) {
        let (timing, now) = (self.plan.timing, self.clock(process));
        let deadline = now + timing.release_limit();
        let lanes = self.processes[process].cleaning();
        let Some(lane) = self.lane(process, lanes) else {
            return releases.into_iter().for_each(|given_up| self.agenda(process).not_given_back(given_up, now));
        };
        if let Some(call) = more.and_then(|more| more.call(&timing)) {
            self.send_over(process, lane, call, deadline, Purpose::More);
        }
        for given_up in releases {
            let call = given_up.release.call(&timing);
            self.send_over(process, lane, call, deadline, Purpose::Clean(given_up));
        }
    }

    pub(super) fn cleaned(&mut self, process: usize, line: usize, mut given_up: GivenUp, answer: Answer) {
        let now = self.clock(process);
        let answer: Result<Released, Failure> = Reply::from_answer(answer);
        match given_up.release.answered(answer.as_ref().map_err(Failure::clone), true) {
            Outcome::Done { .. } => self.cover.see("the agenda gives something back"),
            Outcome::Again | Outcome::Failed(_) => self.agenda(process).not_given_back(given_up, now),
        }
        if let Ok(released) = answer {
            self.left_over(process, released.more);
        }
        self.lane_done(process, line);
    }

    pub(super) fn left_over(&mut self, process: usize, more: More) {
        if more != More::None {
            self.agenda(process).left_over(more);
        }
    }

    // The listener.

    pub(super) fn start_listener(&mut self, process: usize) {
        if !std::mem::replace(&mut self.processes[process].listener.runs, true) {
            self.relisten(process, 0);
        }
    }

    /// The listener opens a connection after a while: the one that it had is of no use.
    pub(super) fn relisten(&mut self, process: usize, after: u64) {
        let listener = &mut self.processes[process].listener;
        listener.serial += 1;
        (listener.server, listener.is_parked, listener.is_silent) = (None, false, false);
        let serial = listener.serial;
        let opens = 2 * self.delay();
        self.schedule(self.now + after + opens, Event::Listens { process, serial });
    }

    pub(super) fn listens(&mut self, process: usize, serial: u64) {
        if self.processes[process].listener.serial != serial || self.processes[process].agenda.is_none() {
            return;
        }
        let (master, now) = (self.master, self.clock(process));
        if !self.servers[master].is_up || self.processes[process].unreachable_until > self.now {
            return self.relisten(process, RETRY);
        }
        self.processes[process].listener.server = Some((master, self.servers[master].start));
        // What came while nobody listened is found by heartbeats, now.
        self.agenda(process).beat_soon(now);
        if std::mem::replace(&mut self.processes[process].listener.has_listened, true) {
            self.recall_all(process);
        }
        self.arrange(process);
        let at = self.now + self.delay();
        self.schedule(at, Event::Parks { process, serial });
    }

    /// The listener's command gets to the server.
    pub(super) fn parks(&mut self, process: usize, serial: u64) {
        let listener = &mut self.processes[process].listener;
        if listener.serial != serial {
            return;
        }
        let Some((server, start)) = listener.server else { return };
        if listener.is_silent {
            // It finds out when its command should have been answered.
            return self.relisten(process, KEEPS + self.plan.timing.timeout);
        }
        if self.servers[server].start != start || !self.servers[server].is_up {
            return self.relisten(process, RETRY);
        }
        listener.is_parked = true;
        self.sort_mail(server);
    }

    /// Hands what is in the mailboxes of a server to the listeners that wait there.
    pub(super) fn sort_mail(&mut self, server: usize) {
        for process in 0..self.processes.len() {
            let it = &self.processes[process];
            if !it.listener.is_parked || it.listener.server.map(|(at, _)| at) != Some(server) {
                continue;
            }
            let mailbox = self.keys.mailbox(&it.name);
            let it = &mut self.servers[server];
            let messages = it.data.pop_messages(&mailbox, 64, it.time(self.now));
            if messages.is_empty() {
                continue;
            }
            let listener = &mut self.processes[process].listener;
            listener.is_parked = false;
            let serial = listener.serial;
            if listener.is_silent {
                self.cover.see("messages are lost");
                self.relisten(process, KEEPS + self.plan.timing.timeout);
                continue;
            }
            let at = self.now + self.delay();
            self.schedule(at, Event::Mail { process, serial, messages });
        }
    }

    pub(super) fn mail(&mut self, process: usize, serial: u64, messages: &[Vec<u8>]) {
        if self.processes[process].listener.serial != serial {
            return; // the connection is gone, and what it brought
        }
        for text in messages {
            match message::parse(text) {
                Some((number, Message::Granted(fencing_token))) => {
                    if let Some(waiter) = self.agenda(process).waiter(number) {
                        self.news(process, waiter, News::Granted(fencing_token));
                    }
                }
                Some((number, Message::Broken(fencing_token))) => self.agenda(process).broken(number, fencing_token),
                None => match message::parse_recall(text) {
                    Some((path, kind)) => self.recalled(process, &path, kind),
                    None => return self.violate("a message that nobody can read".into()),
                },
            }
        }
        self.arrange(process);
        let at = self.now + self.delay();
        self.schedule(at, Event::Parks { process, serial });
    }
}
