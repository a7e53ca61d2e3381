//! [`World`]: one history. One thread, one queue of events, and true time, which jumps from one
//! event to the next.
//!
//! * here: the queue, processes that come and go, the two phases of a history
//! * `network.rs`: requests and answers on their way, and what befalls them
//! * `callers.rs`, `holders.rs`: what the callers of a process do: take locks, and have them
//! * `keeper.rs`: what the agenda says is due; the listener
//! * `faults.rs`: what goes wrong at some time
//! * `verdict.rs`: what is asserted, at each step and at the end
//!
//! A history has two phases. In the first, callers take locks and faults come. In the second no
//! fault comes, what was broken is mended, and nobody begins anything: everyone who waits must be
//! served within a time that follows from the leases, and the tree must come free.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use mutextree_judge::Judge;

use super::chance::Chance;
use super::claim::{Claim, Place};
use super::cover::Cover;
use super::emulation::Interpreter;
use super::network::{Connection, InFlight};
use super::plan::{Fault, MILLI, Part, Plan, SECOND};
use super::process::{Process, State};
use super::server::Server;
use super::trace::{Row, Trace};
use crate::redis::protocol::exchange::Exchange;
use crate::redis::protocol::keys::{Keys, Target};
use crate::redis::protocol::timing::NEVER;

/// What happens at some time.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// A request gets to the server.
    Arrives(u64),
    /// Its answer gets to the process.
    Answers(u64),
    /// Nobody waits for the answer any longer.
    TimeUp(u64),
    /// A caller of a process goes on, unless it has done so since.
    Wake {
        process: usize,
        incarnation: u64,
        caller: usize,
        ticket: u64,
    },
    /// The keeper looks at the agenda.
    Look {
        process: usize,
        incarnation: u64,
    },
    /// The listener of a process connects; its command gets to the server; messages get to it.
    Idles {
        process: usize,
        incarnation: u64,
    },
    /// An exchange is sent again.
    Exchanges {
        process: usize,
        incarnation: u64,
        exchange: Exchange,
    },
    Listens {
        process: usize,
        serial: u64,
    },
    Parks {
        process: usize,
        serial: u64,
    },
    Mail {
        process: usize,
        serial: u64,
        messages: Vec<Vec<u8>>,
    },
    /// A fault comes.
    Strikes(Fault),
    /// A process is started again; a server, too.
    Starts {
        process: usize,
    },
    Recovers {
        server: usize,
    },
    /// A server that a replica has replaced goes away.
    Retires {
        server: usize,
    },
    /// The server takes down its state.
    Remembers,
    /// The second phase begins; its time is over.
    Calms,
    Ends,
}

/// An event in the queue: in order of time, and then as it was put in.
#[derive(Debug)]
struct Entry {
    at: u64,
    number: u64,
    event: Event,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

/// What one history came to.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) acquisitions: u64,
    pub(super) faults: u64,
    pub(super) losses: u64,
    /// Simulated microseconds.
    pub(super) time: u64,
    pub(super) violation: Option<String>,
    pub(super) cover: Cover,
    pub(super) rows: Vec<Row>,
    /// What could be left out: faults, and operations.
    pub(super) struck: Vec<(Fault, u64)>,
    pub(super) begun: BTreeMap<(u64, usize, u32), u64>,
}

pub(super) struct World<'a> {
    pub(super) plan: Plan,
    pub(super) now: u64,
    /// What happens when, and the number of the entry.
    queue: BinaryHeap<Reverse<Entry>>,
    entries: u64,
    pub(super) processes: Vec<Process>,
    incarnations: u64,
    pub(super) servers: Vec<Server>,
    /// Which of them is the master.
    pub(super) master: usize,
    pub(super) connections: BTreeMap<u64, Connection>,
    pub(super) requests: BTreeMap<u64, InFlight>,
    pub(super) last_request: u64,
    pub(super) interpreter: &'a mut Interpreter,
    pub(super) keys: Keys,
    pub(super) targets: BTreeMap<Place, Target>,
    /// When a delay was last drawn, and how many at that time.
    delays: (u64, u64),
    /// A stream for each kind of fault that comes at some time.
    strikes: Vec<Chance>,
    pub(super) judge: Judge<Claim>,
    /// Locks whose loss was told.
    pub(super) losses_told: BTreeSet<u64>,
    /// Faults that came, and which of their kind.
    pub(super) struck: Vec<(Fault, u64)>,
    pub(super) begun: BTreeMap<(u64, usize, u32), u64>,
    /// Locks that outlive their guards: any caller may take one up.
    pub(super) detached: Vec<(String, Place)>,
    /// Whether the first phase is over.
    pub(super) is_calm: bool,
    pub(super) faults: u64,
    pub(super) cover: Cover,
    pub(super) trace: Trace,
    pub(super) violation: Option<String>,
}

impl<'a> World<'a> {
    pub(super) fn new(plan: Plan, interpreter: &'a mut Interpreter, trace: Trace) -> Self {
        let targets = plan.places.iter().map(|place| (*place, place.target())).collect();
        let strikes = Fault::ALL.iter().map(|&fault| Chance::new(plan.seed, 100 + fault as u64)).collect();
        let mut world = Self {
            now: 0,
            queue: BinaryHeap::new(),
            entries: 0,
            processes: Vec::new(),
            incarnations: 0,
            servers: vec![Server::new(plan.since)],
            master: 0,
            connections: BTreeMap::new(),
            requests: BTreeMap::new(),
            last_request: 0,
            interpreter,
            keys: Keys::new("t"),
            targets,
            delays: (0, 0),
            strikes,
            judge: Judge::new(),
            losses_told: BTreeSet::new(),
            struck: Vec::new(),
            begun: BTreeMap::new(),
            detached: Vec::new(),
            is_calm: false,
            faults: 0,
            cover: Cover::default(),
            trace,
            violation: None,
            plan,
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        for at in 0..self.plan.processes {
            let process = self.new_process(at);
            self.processes.push(process);
            self.start_callers(at);
        }
        if self.tokens_may_fall() {
            self.judge.tokens_may_fall();
        }
        self.schedule(self.plan.duration, Event::Calms);
        if [Fault::LostSome, Fault::FailedOver].iter().any(|&fault| self.plan.has(fault)) {
            self.schedule(SECOND, Event::Remembers);
        }
        for fault in Fault::ALL.into_iter().filter(|fault| fault.is_timed()) {
            self.schedule_strike(fault);
        }
    }

    pub(super) fn new_process(&mut self, at: usize) -> Process {
        self.incarnations += 1;
        let mut chance = Chance::about(self.plan.seed, &[2, self.incarnations]);
        let fast = if self.plan.has(Fault::Drift) { chance.between(0, 400) as i64 - 200 } else { 0 };
        Process::new(at, self.incarnations, &self.plan, fast)
    }

    pub(super) fn start_callers(&mut self, process: usize) {
        self.start_keeping(process);
        for caller in 0..self.plan.callers {
            let is_left_out = self.plan.left_out.contains(&Part::Caller(process, caller));
            if !is_left_out {
                let time = self.processes[process].callers[caller].chance.between(0, SECOND);
                self.wake(process, caller, self.now + time);
            }
        }
    }

    /// Runs it to its end, or to the first violation.
    pub(super) fn run(mut self) -> Outcome {
        while self.violation.is_none()
            && let Some(Reverse(Entry { at, event, .. })) = self.queue.pop()
        {
            self.now = at;
            if matches!(event, Event::Ends) {
                self.end();
                break;
            }
            self.happen(event);
            self.ask_judge();
        }
        Outcome {
            acquisitions: self.judge.grants(),
            faults: self.faults,
            losses: self.judge.losses(),
            time: self.now,
            violation: self.violation,
            cover: self.cover,
            rows: self.trace.into_rows(),
            struck: self.struck,
            begun: self.begun,
        }
    }

    pub(super) fn schedule(&mut self, at: u64, event: Event) {
        self.entries += 1;
        self.queue.push(Reverse(Entry { at: at.max(self.now), number: self.entries, event }));
    }

    fn happen(&mut self, event: Event) {
        if let Some(process) = self.process_of(&event) {
            let resumes = self.processes[process].paused_until;
            if resumes > self.now {
                return self.schedule(resumes, event);
            }
        }
        match event {
            Event::Arrives(request) => self.arrives(request),
            Event::Answers(request) => self.answers(request),
            Event::TimeUp(request) => self.time_up(request),
            Event::Wake { process, incarnation, caller, ticket } => {
                let it = &self.processes[process];
                if it.incarnation == incarnation && it.callers[caller].ticket == ticket {
                    self.woken(process, caller);
                }
            }
            Event::Look { process, incarnation } => self.look(process, incarnation),
            Event::Idles { process, incarnation } => self.idles(process, incarnation),
            Event::Exchanges { process, incarnation, exchange } => self.exchanges(process, incarnation, exchange),
            Event::Listens { process, serial } => self.listens(process, serial),
            Event::Parks { process, serial } => self.parks(process, serial),
            Event::Mail { process, serial, messages } => self.mail(process, serial, &messages),
            Event::Strikes(fault) => self.strikes(fault),
            Event::Starts { process } => self.starts(process),
            Event::Recovers { server } => self.servers[server].is_up = true,
            Event::Retires { server } => self.retires(server),
            Event::Remembers => {
                let master = self.master;
                self.servers[master].remember();
                if !self.is_calm {
                    self.schedule(self.now + SECOND, Event::Remembers);
                }
            }
            Event::Calms => self.calms(),
            Event::Ends => {}
        }
    }

    /// Whose event it is: a paused process takes part in nothing.
    fn process_of(&self, event: &Event) -> Option<usize> {
        match event {
            Event::Answers(request) | Event::TimeUp(request) => {
                let request = self.requests.get(request)?;
                (self.processes[request.process].incarnation == request.incarnation).then_some(request.process)
            }
            Event::Wake { process, .. } | Event::Look { process, .. } | Event::Exchanges { process, .. } => {
                Some(*process)
            }
            Event::Idles { process, .. } | Event::Listens { process, .. } | Event::Mail { process, .. } => {
                Some(*process)
            }
            _ => None,
        }
    }

    /// The faults stop, and what they broke is mended.
    fn calms(&mut self) {
        self.is_calm = true;
        self.trace.note(self.now, || "all".into(), || "no more faults; nobody begins anything".into());
        for at in 0..self.processes.len() {
            let process = &mut self.processes[at];
            process.paused_until = process.paused_until.min(self.now);
            process.unreachable_until = 0;
            for caller in 0..self.plan.callers {
                let state = &self.processes[at].callers[caller].state;
                if matches!(state, State::Idle | State::Holds(_)) {
                    self.wake(at, caller, self.now + MILLI * caller as u64);
                }
            }
        }
        for server in &mut self.servers {
            server.stalled_until = server.stalled_until.min(self.now);
        }
        let bound = self.bound();
        self.schedule(self.now + bound, Event::Ends);
    }

    /// Has a caller go on at this time, and not before.
    pub(super) fn wake(&mut self, process: usize, caller: usize, at: u64) {
        let it = &mut self.processes[process];
        it.callers[caller].ticket += 1;
        let (incarnation, ticket) = (it.incarnation, it.callers[caller].ticket);
        if at != NEVER {
            self.schedule(at, Event::Wake { process, incarnation, caller, ticket });
        }
    }

    /// What a process' clock shows.
    pub(super) fn clock(&self, process: usize) -> u64 {
        self.processes[process].clock.at(self.now)
    }

    /// Up to when a belief counts that lasts until the process' clock shows this. Two clocks of
    /// different rates may be apart by so much at the end of a lease: that is not held against
    /// anybody.
    pub(super) fn judged(&self, process: usize, deadline: u64, rests_on: u64) -> u64 {
        let until = self.when(process, deadline);
        let apart = if self.plan.has(Fault::Drift) { until.saturating_sub(rests_on) / 2_000 } else { 0 };
        until - apart
    }

    /// When a process' clock shows this.
    pub(super) fn when(&self, process: usize, shows: u64) -> u64 {
        self.processes[process].clock.when(shows)
    }

    pub(super) fn delay(&mut self) -> u64 {
        let ((least, most), (then, drawn)) = (self.plan.latency, self.delays);
        self.delays = (self.now, if then == self.now { drawn + 1 } else { 0 });
        Chance::about(self.plan.seed, &[3, self.now, self.delays.1]).between(least, most)
    }

    /// What is drawn about a kind of fault, for all that comes at some time.
    pub(super) fn chance(&mut self, fault: Fault) -> &mut Chance {
        &mut self.strikes[fault as usize]
    }
}
