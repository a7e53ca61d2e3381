//! Requests and answers on their way. On one connection they come in order, and between two in any.
//!
//! A request that gets no answer in time is given up: its caller is told that it may have been
//! carried out, and the next request opens a new connection. What is on its way stays on its way.

use std::rc::Rc;

use super::plan::{Fault, MILLI};
use super::process::Clock;
use super::sends::Purpose;
use super::world::{Event, World};
use crate::redis::error::{Failure, RedisStoreError};
use crate::redis::protocol::calls;
use crate::redis::protocol::script::{Call, Script};
use crate::redis::value::Value;

#[derive(Debug)]
pub(super) struct Connection {
    server: usize,
    /// Which start of the server it is to.
    start: u64,
    pub(super) process: usize,
    /// Nothing gets through any more, and nobody is told.
    pub(super) is_silent: bool,
    last_arrival: u64,
    last_answer: u64,
}

/// A request, from when it is sent until nothing of it is on its way.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) process: usize,
    pub(super) incarnation: u64,
    line: usize,
    connection: Option<u64>,
    call: Rc<Call>,
    /// What befalls it.
    fate: Option<Fault>,
    /// Who gets the answer, until it has it.
    pub(super) purpose: Option<Purpose>,
    answer: Option<Result<Value, Failure>>,
    is_on_its_way: bool,
    /// True time.
    pub(super) sent: u64,
}

/// Faults that befall single requests, in the order in which they are drawn.
const OF_REQUESTS: [Fault; 8] = [
    Fault::RequestLost,
    Fault::AnswerLost,
    Fault::RequestLate,
    Fault::AnswerLate,
    Fault::CutBefore,
    Fault::CutAfter,
    Fault::Refused,
    Fault::NoScript,
];

/// A request that is rare is hit so much more often than others.
const OF_THE_RARE: f64 = 40.0;

fn unreachable() -> RedisStoreError {
    RedisStoreError::Unreachable { address: "server".into(), reason: "simulated".into() }
}

fn unsure() -> Failure {
    Failure::Unsure(unreachable())
}

fn down() -> Failure {
    Failure::Down(unreachable())
}

impl World<'_> {
    /// Sends a call over a line of the process. The deadline is on the process' clock.
    pub(super) fn send(&mut self, process: usize, line: usize, call: Call, deadline: u64, purpose: Purpose) -> u64 {
        self.last_request += 1;
        let id = self.last_request;
        let time_up = self.when(process, deadline);
        let (connection, opens) = self.connect(process, line);
        let often = if call.script == Script::Grow { OF_THE_RARE } else { 1.0 };
        let fate = if connection.is_some() { self.fate(process, line, often) } else { None };
        let mut request = InFlight {
            process,
            incarnation: self.processes[process].incarnation,
            line,
            connection,
            call: Rc::new(call),
            fate,
            purpose: Some(purpose),
            answer: None,
            is_on_its_way: false,
            sent: self.now,
        };
        match connection {
            None if self.processes[process].unreachable_until <= self.now => {
                request.answer = Some(Err(down()));
                self.schedule(self.now + opens, Event::Answers(id));
            }
            None => {}
            Some(connection) if fate != Some(Fault::RequestLost) => {
                let late = if fate == Some(Fault::RequestLate) {
                    self.lateness(Fault::RequestLate, process, line, self.now)
                } else {
                    0
                };
                let arrival = self.now + opens + self.delay();
                let connection = self.connections.get_mut(&connection);
                let arrival = connection.map_or(arrival, |connection| {
                    connection.last_arrival = connection.last_arrival.max(arrival);
                    connection.last_arrival
                });
                request.is_on_its_way = true;
                self.schedule(arrival + late, Event::Arrives(id));
            }
            Some(_) => {}
        }
        self.schedule(time_up, Event::TimeUp(id));
        self.requests.insert(id, request);
        id
    }

    /// The connection of a line, opened if there is none; and how long that takes. None if there
    /// is no server to be had.
    fn connect(&mut self, process: usize, line: usize) -> (Option<u64>, u64) {
        if let Some(open) = self.processes[process].lines[line].connection {
            return (Some(open), 0);
        }
        let opens = 2 * self.delay();
        let server = self.master;
        if self.processes[process].unreachable_until > self.now || !self.servers[server].is_up {
            return (None, opens);
        }
        self.last_request += 1;
        let connection = Connection {
            server,
            start: self.servers[server].start,
            process,
            is_silent: false,
            last_arrival: 0,
            last_answer: 0,
        };
        self.connections.insert(self.last_request, connection);
        self.processes[process].lines[line].connection = Some(self.last_request);
        (Some(self.last_request), opens)
    }

    fn fate(&mut self, process: usize, line: usize, often: f64) -> Option<Fault> {
        if self.is_calm {
            return None;
        }
        let mut fate = None;
        for fault in OF_REQUESTS {
            let rate = (often * self.plan.rate(fault)).min(0.5);
            let hits = rate > 0.0 && fate.is_none() && self.chance_of(fault, process, line, self.now).hits(rate);
            if hits && self.count(fault) {
                fate = Some(fault);
            }
        }
        fate
    }

    /// How late something is: up to twice as long as anything lasts.
    fn lateness(&self, fault: Fault, process: usize, line: usize, sent: u64) -> u64 {
        let most = 2 * self.plan.longest().max(self.plan.timing.timeout);
        let mut chance = self.chance_of(fault, process, line, sent);
        chance.hits(0.5); // this one decided whether it is late at all
        chance.magnitude(MILLI, most)
    }

    /// A request gets to the server.
    pub(super) fn arrives(&mut self, id: u64) {
        let Some(request) = self.requests.get_mut(&id) else { return };
        let Some(connection) = request.connection.and_then(|it| self.connections.get(&it)) else { return };
        let (server, is_broken) = (connection.server, self.servers[connection.server].start != connection.start);
        let stalled = self.servers[server].stalled_until;
        if stalled > self.now {
            return self.schedule(stalled, Event::Arrives(id));
        }
        request.is_on_its_way = false;
        if connection.is_silent {
            return self.drop_if_done(id);
        }
        let (fate, process, line, sent) = (request.fate, request.process, request.line, request.sent);
        let is_out_of_memory = request.call.script == Script::Acquire;
        let answer = match fate {
            _ if is_broken || !self.servers[server].is_up => Err(unsure()),
            Some(Fault::CutBefore) => Err(unsure()),
            Some(Fault::Refused) => {
                let reason =
                    self.chance_of(Fault::Refused, line, process, sent).pick(&["LOADING", "READONLY", "BUSY", "OOM"]);
                let reason = if reason == "OOM" && !is_out_of_memory { "BUSY" } else { reason };
                Err(Failure::Later(RedisStoreError::Busy { reason: reason.into() }))
            }
            Some(Fault::NoScript) => Err(Failure::NoScript),
            _ => {
                let answer = self.execute(id, server);
                if fate == Some(Fault::CutAfter) { Err(unsure()) } else { answer }
            }
        };
        let Some(request) = self.requests.get_mut(&id) else { return };
        request.answer = Some(answer);
        if fate == Some(Fault::AnswerLost) {
            return self.drop_if_done(id);
        }
        let late =
            if fate == Some(Fault::AnswerLate) { self.lateness(Fault::AnswerLate, process, line, sent) } else { 0 };
        let at = self.now + self.delay();
        let connection = self.requests[&id].connection.and_then(|it| self.connections.get_mut(&it));
        let at = connection.map_or(at, |connection| {
            connection.last_answer = connection.last_answer.max(at);
            connection.last_answer
        });
        self.schedule(at + late, Event::Answers(id));
    }

    /// The server runs the script of a request.
    fn execute(&mut self, id: u64, server: usize) -> Result<Value, Failure> {
        let time = self.servers[server].time(self.now);
        let request = &self.requests[&id];
        let call = request.call.clone();
        let it = &mut self.servers[server];
        let name = if self.plan.timing.grace > 0 { it.name(self.now).run } else { String::new() };
        let answer = self.interpreter.run(&call, &name, self.keys.all(), self.plan.limits, &mut it.data, time);
        match answer {
            Ok(answer) => {
                self.check_call(&call, &answer, server, time);
                // Who waits for messages has an empty mailbox.
                let has_mail = self.interpreter.touched().has_mail;
                if has_mail {
                    self.sort_mail(server);
                }
                Ok(answer)
            }
            Err(error) if error.starts_with("HELLO ") => Err(Failure::Stranger),
            Err(error) => {
                self.violate(format!("the script {:?} failed: {error}", call.script));
                Err(unsure())
            }
        }
    }

    /// An answer gets to its process.
    pub(super) fn answers(&mut self, id: u64) {
        let Some(request) = self.requests.get_mut(&id) else { return };
        let connection = request.connection.and_then(|it| self.connections.get(&it));
        if connection.is_some_and(|connection| connection.is_silent) {
            return self.drop_if_done(id); // else its time will be up
        }
        let (process, line) = (request.process, request.line);
        let is_alive = self.processes[process].incarnation == request.incarnation;
        let (sent, purpose, answer) = (request.sent, request.purpose.take(), request.answer.take());
        let connection = request.connection;
        self.requests.remove(&id);
        let (Some(purpose), Some(answer), true) = (purpose, answer, is_alive) else { return };
        let is_wrong = matches!(&answer, Err(Failure::Later(RedisStoreError::Busy { reason }))
            if reason == "READONLY" || reason == "LOADING");
        if matches!(answer, Err(Failure::Unsure(_))) || is_wrong {
            self.hang_up(process, line, connection);
        }
        if answer == Err(Failure::Stranger)
            && let Some(server) = connection.and_then(|it| self.connections.get(&it)).map(|it| it.server)
        {
            self.greet(process, line, server);
        }
        self.deliver(process, line, id, purpose, answer, sent);
    }

    /// Says hello to a server, ahead of whatever is sent again.
    fn greet(&mut self, process: usize, line: usize, server: usize) {
        let (name, timing) = (self.servers[server].name(self.now), self.plan.timing);
        let call = calls::hello(&name, self.processes[process].has_greeted, &timing);
        let deadline = timing.call_deadline(self.clock(process));
        self.send(process, line, call, deadline, Purpose::Hello);
    }

    /// Nobody waits for the answer any longer.
    pub(super) fn time_up(&mut self, id: u64) {
        let Some(request) = self.requests.get_mut(&id) else { return };
        let (process, line, connection, sent) = (request.process, request.line, request.connection, request.sent);
        let is_alive = self.processes[process].incarnation == request.incarnation;
        let purpose = request.purpose.take();
        self.drop_if_done(id);
        let (Some(purpose), true) = (purpose, is_alive) else { return };
        self.hang_up(process, line, connection);
        let failure = if connection.is_some() { unsure() } else { down() };
        self.deliver(process, line, id, purpose, Err(failure), sent);
    }

    /// The next request over this line opens a new connection.
    fn hang_up(&mut self, process: usize, line: usize, connection: Option<u64>) {
        let line = &mut self.processes[process].lines[line];
        if line.connection == connection {
            line.connection = None;
        }
    }

    fn drop_if_done(&mut self, id: u64) {
        if self.requests.get(&id).is_some_and(|it| it.purpose.is_none() && !it.is_on_its_way) {
            self.requests.remove(&id);
        }
    }

    /// All connections of a process that are open go silent.
    pub(super) fn silence(&mut self, process: usize) {
        for connection in self.connections.values_mut().filter(|it| it.process == process) {
            connection.is_silent = true;
        }
        self.processes[process].listener.is_silent = true;
    }

    /// A process is gone: half of what it sent still arrives.
    pub(super) fn forget_requests(&mut self, process: usize) {
        let incarnation = self.processes[process].incarnation;
        let of_it: Vec<u64> = self
            .requests
            .iter()
            .filter(|(_, it)| it.process == process && it.incarnation == incarnation)
            .map(|(id, _)| *id)
            .collect();
        for id in of_it {
            let arrives = self.chance(Fault::Killed).hits(0.5);
            if let Some(request) = self.requests.get_mut(&id) {
                request.purpose = None;
                if !arrives {
                    self.requests.remove(&id);
                }
            }
        }
    }

    /// The clock of the process that sent a request.
    pub(super) fn clock_of(&self, process: usize) -> Clock {
        self.processes[process].clock
    }
}
