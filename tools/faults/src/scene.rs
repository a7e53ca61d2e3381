//! [`Scene`]: the server and the workers of one round; what is done to them, and how it is undone.

use std::time::Duration;

use redis::{Connection, RedisResult};
use rustix::process::{Pid, Signal, kill_process};

use crate::clock::{MILLI, now};
use crate::crew::{KillAt, Log};
use crate::flusher::Flusher;
use crate::incidents::{Incidents, Loss};
use crate::kinds::{Kind, Persistence};
use crate::post::{BLINK, Post};
use crate::proxy::Proxy;
use crate::server::Server;
use crate::watch::Watch;
use crate::worker::Setup;

/// The server is not away for longer than this at a time, in microseconds: nothing happens then.
const LONGEST_OUTAGE: u64 = 1500 * MILLI;

/// What is undone later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Undo {
    GoOn(usize),
    Respawn(usize),
    Mend(usize),
    StartServer,
    ServerGoesOn,
    Memory,
    FlushScripts,
}

pub(crate) struct Scene {
    pub(crate) server: Server,
    persistence: Persistence,
    pub(crate) posts: Vec<Post>,
    pub(crate) log: Log,
    pub(crate) incidents: Incidents,
    undo: Vec<(u64, Undo)>,
    /// That of the workers' stores.
    lease: u64,
    next_number: u64,
    server_killed: Option<u64>,
    server_stopped: bool,
    flusher: Option<Flusher>,
    connection: Option<Connection>,
    watch: Watch,
}

impl Scene {
    pub(crate) fn new(persistence: Persistence, lease: u64, first_number: u64) -> Self {
        let (server, mut watch) = (Server::with(persistence.options()), Watch::start());
        watch.over(server.pid());
        Self {
            server,
            persistence,
            posts: Vec::new(),
            log: Log::default(),
            incidents: Incidents::default(),
            undo: Vec::new(),
            lease,
            next_number: first_number,
            server_killed: None,
            server_stopped: false,
            flusher: None,
            connection: None,
            watch,
        }
    }

    pub(crate) fn add(&mut self, setup: Setup, is_proxied: bool) {
        let proxy = Proxy::start(self.server.port());
        let url = if is_proxied { proxy.url() } else { format!("unix://{}", self.server.socket().display()) };
        let setup = Setup { number: self.next_number, url, ..setup };
        self.next_number += 1;
        self.posts.push(Post::start(setup, proxy, is_proxied, &self.log));
    }

    /// The ways on which workers go to the server, once each; its own, if there are no workers.
    pub(crate) fn ways(&self) -> Vec<String> {
        let mut ways: Vec<String> = self.posts.iter().map(|post| post.url().to_owned()).collect();
        ways.sort();
        ways.dedup();
        if ways.is_empty() {
            ways.push(self.server.url());
        }
        ways
    }

    pub(crate) fn server_is_well(&self) -> bool {
        self.server_killed.is_none() && !self.server_stopped
    }

    /// For commands to the server that are not sent through a proxy.
    pub(crate) fn ask<T: redis::FromRedisValue>(&mut self, words: &[&str]) -> RedisResult<T> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            None => {
                let client = redis::Client::open(self.server.url())?;
                let connection = client.get_connection_with_timeout(Duration::from_secs(2))?;
                connection.set_read_timeout(Some(Duration::from_secs(5)))?;
                self.connection.insert(connection)
            }
        };
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        let answer = command.query(connection);
        if answer.is_err() {
            self.connection = None;
        }
        answer
    }

    /// Does one fault of this kind, if that is possible now. Whether it did.
    pub(crate) fn strike(&mut self, kind: Kind, random: &mut fastrand::Rng) -> bool {
        let at = random.usize(..self.posts.len());
        let done = match kind {
            Kind::KillHolder => self.kill_worker(at, KillAt::Seen, random),
            Kind::KillWaiter => self.kill_worker(at, KillAt::Asks, random),
            Kind::KillGranted => self.kill_worker(at, KillAt::Granted, random),
            Kind::StopWorker => self.stop_worker(at, random),
            _ if kind.is_of_network() => self.disturb(kind, at, random),
            _ if !self.server_is_well() => false,
            Kind::KillServer => {
                let from = now();
                self.incidents.note(None, "kill -9 of the server");
                self.server.kill();
                (self.server_killed, self.connection) = (Some(from), None);
                self.later(random.u64(..700 * MILLI), Undo::StartServer);
                true
            }
            Kind::StopServer => {
                self.incidents.note(None, "the server is stopped");
                signal(self.server.pid(), Signal::STOP);
                self.server_stopped = true;
                self.later(random.u64(10 * MILLI..self.lease.min(LONGEST_OUTAGE)), Undo::ServerGoesOn);
                true
            }
            Kind::FlushScripts => {
                self.incidents.note(None, "SCRIPT FLUSH, again and again");
                self.flusher = Some(Flusher::start(&self.server.url()));
                self.later(random.u64(100 * MILLI..2000 * MILLI), Undo::FlushScripts);
                true
            }
            _ => self.command(kind, random).is_ok(),
        };
        if done {
            *self.incidents.faults.entry(kind).or_default() += 1;
        }
        done
    }

    fn later(&mut self, micros: u64, undo: Undo) {
        self.undo.retain(|(_, other)| *other != undo);
        self.undo.push((now() + micros, undo));
    }

    fn kill_worker(&mut self, at: usize, event: KillAt, random: &mut fastrand::Rng) -> bool {
        let post = &self.posts[at];
        let dies = self.undo.iter().any(|(_, undo)| *undo == Undo::Respawn(at));
        if dies || !post.runs() {
            return false;
        }
        post.worker.kill_at(event);
        let number = post.worker.number;
        self.incidents.note(Some(number), format!("kill -9 at the next event: {event:?}"));
        self.later(random.u64(50 * MILLI..self.lease), Undo::Respawn(at));
        true
    }

    fn stop_worker(&mut self, at: usize, random: &mut fastrand::Rng) -> bool {
        let (lease, post) = (self.lease, &mut self.posts[at]);
        if !post.runs() {
            return false;
        }
        post.stop(&mut self.incidents);
        // Shorter than its leases, and longer.
        let time = if random.u8(..3) == 0 { random.u64(MILLI..lease) } else { lease + random.u64(..lease / 2) };
        self.later(time, Undo::GoOn(at));
        true
    }

    fn disturb(&mut self, kind: Kind, at: usize, random: &mut fastrand::Rng) -> bool {
        let Some(lasts) = self.posts[at].disturb(kind, self.lease, random, &mut self.incidents) else { return false };
        if let Some(lasts) = lasts {
            self.later(lasts, Undo::Mend(at));
        }
        true
    }

    fn command(&mut self, kind: Kind, random: &mut fastrand::Rng) -> RedisResult<()> {
        let from = now();
        match kind {
            Kind::KillClients => {
                self.incidents.note(None, "CLIENT KILL");
                self.ask::<u64>(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"])?;
                self.incidents.disturbed(None, from, now() + BLINK);
            }
            Kind::PauseClients => {
                let time = random.u64(10..self.lease.min(LONGEST_OUTAGE) / MILLI).to_string();
                let what = if random.bool() { "ALL" } else { "WRITE" };
                self.incidents.note(None, format!("CLIENT PAUSE {time} {what}"));
                self.ask::<()>(&["CLIENT", "PAUSE", &time, what])?;
                let time: u64 = time.parse().unwrap_or(0);
                self.incidents.disturbed(None, from, now() + time * MILLI);
            }
            Kind::FlushAll => {
                self.incidents.note(None, "FLUSHALL");
                let done = self.ask::<()>(&["FLUSHALL"]);
                // Without an answer it may have been done, or may yet be, if the server was paused.
                let until = now() + if done.is_ok() { 0 } else { 10 * self.lease };
                self.incidents.losses.push(Loss { from, until, by: "FLUSHALL" });
                done?;
            }
            _ => {
                self.incidents.note(None, "maxmemory reached");
                self.ask::<()>(&["CONFIG", "SET", "maxmemory", "1"])?;
                self.later(random.u64(50 * MILLI..self.lease), Undo::Memory);
            }
        }
        Ok(())
    }

    /// Undoes what is due by then.
    pub(crate) fn undo_until(&mut self, time: u64) {
        let due: Vec<Undo> = self.undo.iter().filter(|(due, _)| *due <= time).map(|(_, undo)| *undo).collect();
        self.undo.retain(|(due, _)| *due > time);
        due.into_iter().for_each(|undo| self.undo_one(undo));
    }

    fn undo_one(&mut self, undo: Undo) {
        match undo {
            Undo::GoOn(at) => self.posts[at].go_on(&mut self.incidents),
            Undo::Respawn(at) => {
                self.undo.retain(|(_, undo)| *undo != Undo::GoOn(at));
                // If the event at which it was to be killed never came it is killed now.
                self.posts[at].respawn(self.next_number, &self.log, &mut self.incidents);
                self.next_number += 1;
            }
            Undo::Mend(at) => self.posts[at].mend(&mut self.incidents),
            Undo::StartServer => {
                self.server.restart();
                self.watch.over(self.server.pid());
                let until = now();
                if let (Some(from), Some(by)) = (self.server_killed.take(), self.persistence.loses()) {
                    self.incidents.losses.push(Loss { from, until, by });
                }
                self.incidents.note(None, "the server is back");
            }
            Undo::ServerGoesOn => {
                signal(self.server.pid(), Signal::CONT);
                self.server_stopped = false;
                self.incidents.note(None, "the server goes on");
            }
            Undo::Memory => {
                if !self.server_is_well() || self.ask::<()>(&["CONFIG", "SET", "maxmemory", "0"]).is_err() {
                    // A server that was killed has forgotten it. One that is stopped comes back.
                    self.later(50 * MILLI, Undo::Memory);
                }
                self.incidents.note(None, "no maxmemory any more");
            }
            Undo::FlushScripts => self.flusher = None,
        }
    }

    /// All is well again from now on.
    pub(crate) fn undo_all(&mut self) {
        for at in 0..self.posts.len() {
            self.posts[at].lose_no_more();
            self.later(0, Undo::Mend(at));
        }
        self.flusher = None;
        while !self.undo.is_empty() {
            // The server first: others need it.
            let server = |undo: &Undo| matches!(undo, Undo::StartServer | Undo::ServerGoesOn);
            self.undo.sort_by_key(|(due, undo)| (!server(undo), *due));
            let (_, undo) = self.undo.remove(0);
            self.undo_one(undo);
        }
        let _ = self.ask::<()>(&["CLIENT", "UNPAUSE"]);
    }
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid as i32) {
        let _ = kill_process(pid, signal);
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        signal(self.server.pid(), Signal::CONT);
    }
}
