//! What goes wrong at some time: to a process, to its connections, to the server.

use super::chance::Chance;
use super::plan::{Fault, MILLI, Part, SECOND};
use super::process::State;
use super::server::Server;
use super::turns::Turns;
use super::world::{Event, World};
use crate::redis::protocol::timing::NEVER;

impl World<'_> {
    /// What is drawn about a fault that may befall the request that is sent now over this line.
    pub(super) fn chance_of(&self, fault: Fault, process: usize, line: usize, sent: u64) -> Chance {
        Chance::about(self.plan.seed, &[4, fault as u64, process as u64, line as u64, sent])
    }

    /// Counts a fault. Whether it is not left out.
    pub(super) fn count(&mut self, fault: Fault) -> bool {
        if self.plan.left_out.contains(&Part::One(fault, self.now)) {
            return false;
        }
        self.faults += 1;
        self.cover.see(fault.name());
        self.struck.push((fault, self.now));
        self.trace.note(self.now, || "fault".into(), || fault.name().into());
        true
    }

    pub(super) fn schedule_strike(&mut self, fault: Fault) {
        let rate = self.plan.rate(fault);
        if rate > 0.0 {
            let most = (2.0 * SECOND as f64 / rate) as u64;
            let after = self.chance(fault).between(1, most);
            self.schedule(self.now + after, Event::Strikes(fault));
        }
    }

    pub(super) fn strikes(&mut self, fault: Fault) {
        if self.is_calm {
            return;
        }
        self.schedule_strike(fault);
        let processes = self.processes.len() as u64;
        let longest = self.plan.longest();
        let chance = self.chance(fault);
        let (process, short, long) = (
            chance.between(0, processes - 1) as usize,
            chance.magnitude(MILLI, 2 * SECOND),
            chance.magnitude(MILLI, 2 * longest),
        );
        let jump = chance.magnitude(MILLI, 600 * SECOND) as i64;
        let which = chance.between(0, 1000) as usize;
        if self.processes[process].agenda.is_none() || !self.servers[self.master].is_up {
            return; // it does not run
        }
        if !self.count(fault) {
            return;
        }
        match fault {
            Fault::MailLost => self.processes[process].listener.is_silent = true,
            Fault::ListenerCut if self.processes[process].listener.runs => self.relisten(process, 50 * MILLI),
            Fault::Frozen => self.silence(process),
            Fault::Unreachable => {
                self.silence(process);
                let it = &mut self.processes[process];
                it.unreachable_until = it.unreachable_until.max(self.now + long);
            }
            Fault::Stalled => self.servers[self.master].stalled_until = self.now + long,
            Fault::Paused => {
                let it = &mut self.processes[process];
                it.paused_until = it.paused_until.max(self.now + long);
                it.put_off_until = it.paused_until;
                self.note_process(process, format!("stands still for {long}"));
            }
            Fault::Killed => self.kill(process, short),
            Fault::ClockAhead => {
                self.servers[self.master].ahead += jump;
                // Leases end early by that much.
                self.judge.clock_jumped(self.now);
            }
            Fault::ClockBack => self.servers[self.master].ahead -= jump,
            Fault::Restarted => self.restart(short),
            Fault::LostSome | Fault::LostAll => {
                let it = &mut self.servers[self.master];
                let earlier = which % it.earlier.len().max(1);
                it.data = match fault {
                    Fault::LostSome => it.earlier.get(earlier).cloned().unwrap_or_default(),
                    _ => Default::default(),
                };
                it.earlier.clear();
                it.ledger.reset(&self.keys, &it.data);
                it.turns = Turns::default();
                if self.plan.timing.grace == 0 {
                    self.judge.data_lost(self.now);
                    if fault == Fault::LostSome {
                        self.judge.forget_tokens();
                    }
                } else {
                    self.judge.claimed_again(self.now);
                }
                self.restart(short);
            }
            Fault::FailedOver => self.fail_over(which, short),
            _ => {}
        }
    }

    fn note_process(&mut self, process: usize, what: String) {
        self.trace.note(self.now, || format!("process {process}"), || what);
    }

    /// The server ends, and starts again a while later.
    fn restart(&mut self, after: u64) {
        let master = self.master;
        let it = &mut self.servers[master];
        (it.is_up, it.start, it.since) = (false, it.start + 1, self.now as i64);
        self.schedule(self.now + after, Event::Recovers { server: master });
        self.cut_listeners(master);
    }

    fn cut_listeners(&mut self, server: usize) {
        for process in 0..self.processes.len() {
            let listener = self.processes[process].listener;
            if listener.is_parked && !listener.is_silent && listener.server.map(|(at, _)| at) == Some(server) {
                self.relisten(process, 50 * MILLI);
            }
        }
    }

    /// A replica with an older state becomes master. For a while the old one goes on serving those
    /// that have connections to it.
    fn fail_over(&mut self, which: usize, after: u64) {
        let old = self.master;
        let it = &self.servers[old];
        let earlier = which % it.earlier.len().max(1);
        let grace = self.plan.timing.grace > 0;
        // A grace period does not help against a master that goes on. So that one stops at once, as
        // one with `min-replicas-to-write` does before another takes over.
        let after = if grace { 0 } else { after };
        let mut new = Server { data: it.earlier.get(earlier).cloned().unwrap_or_default(), ..Server::new(it.since) };
        (new.ahead, new.number, new.earlier_number) = (it.ahead, it.number + 1, it.number);
        new.ledger.reset(&self.keys, &new.data);
        self.servers.push(new);
        self.master = self.servers.len() - 1;
        // What the old one goes on granting is not known to the new one.
        if grace {
            self.judge.claimed_again(self.now);
        } else {
            self.judge.data_lost(self.now + after);
            self.judge.forget_tokens();
        }
        self.schedule(self.now + after, Event::Retires { server: old });
    }

    pub(super) fn retires(&mut self, server: usize) {
        if self.plan.timing.grace == 0 {
            self.judge.forget_tokens();
        }
        self.servers[server].is_up = false;
        self.cut_listeners(server);
    }

    /// A process dies, and another takes its place after a while.
    fn kill(&mut self, process: usize, after: u64) {
        let doomed: Vec<u64> = self.processes[process]
            .callers
            .iter()
            .filter_map(|caller| match &caller.state {
                State::Holds(held) | State::Acts { held, .. } => Some(held.all().map(|it| it.id)),
                _ => None,
            })
            .flatten()
            .collect();
        doomed.into_iter().for_each(|id| self.judge.ended(id, self.now));
        self.forget_requests(process);
        let it = &mut self.processes[process];
        (it.agenda, it.look_at, it.paused_until, it.unreachable_until) = (None, NEVER, 0, 0);
        it.put_off_until = 0;
        it.incarnation = 0;
        it.listener.serial += 1;
        it.listener.is_parked = false;
        for caller in &mut it.callers {
            (caller.state, caller.ticket) = (State::Over, caller.ticket + 1);
        }
        self.schedule(self.now + after, Event::Starts { process });
    }

    pub(super) fn starts(&mut self, process: usize) {
        let serial = self.processes[process].listener.serial;
        self.processes[process] = self.new_process(process);
        self.processes[process].listener.serial = serial + 1;
        if !self.is_calm {
            self.start_callers(process);
        }
    }
}
