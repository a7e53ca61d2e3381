//! [`Scene`]: the server, the workers and their proxies, of one round; what is done to them, and
//! how it is undone.

use std::time::Duration;

use redis::{Connection, RedisResult};

use crate::clock::{MILLI, now};
use crate::crew::{KillAt, Log, Worker};
use crate::incidents::{Incidents, Loss, Stop};
use crate::kinds::{Kind, Persistence};
use crate::proxy::Proxy;
use crate::server::Server;
use crate::worker::Setup;

/// After a fault that a request sent again makes good, for so long one may be missing.
const BLINK: u64 = 60 * MILLI;

/// One worker, its proxy, and what is the matter with them.
pub(crate) struct Post {
    pub(crate) setup: Setup,
    pub(crate) worker: Worker,
    pub(crate) proxy: Proxy,
    /// Whether it goes to the server through the proxy.
    is_proxied: bool,
    /// Since when it is stopped.
    stopped: Option<u64>,
    /// Since when its network is not well.
    sick: Option<u64>,
}

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
    pub(crate) persistence: Persistence,
    pub(crate) posts: Vec<Post>,
    pub(crate) log: Log,
    pub(crate) incidents: Incidents,
    pub(crate) undo: Vec<(u64, Undo)>,
    /// The longest lease.
    pub(crate) lease: u64,
    pub(crate) next_number: u64,
    server_killed: Option<u64>,
    server_stopped: bool,
    flusher: Option<crate::flusher::Flusher>,
    connection: Option<Connection>,
}

impl Scene {
    pub(crate) fn new(persistence: Persistence, lease: u64, first_number: u64) -> Self {
        Self {
            server: Server::with(persistence.options()),
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
        }
    }

    pub(crate) fn add(&mut self, setup: Setup, is_proxied: bool) {
        let proxy = Proxy::start(self.server.port());
        let url = if is_proxied { proxy.url() } else { self.server.url() };
        let setup = Setup { number: self.next_number, url, ..setup };
        self.next_number += 1;
        let worker = Worker::start(&setup, &self.log);
        self.posts.push(Post { setup, worker, proxy, is_proxied, stopped: None, sick: None });
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
                signal(self.server.pid(), rustix::process::Signal::STOP);
                self.server_stopped = true;
                self.later(random.u64(10 * MILLI..self.lease), Undo::ServerGoesOn);
                true
            }
            Kind::FlushScripts => {
                self.incidents.note(None, "SCRIPT FLUSH, again and again");
                self.flusher = Some(crate::flusher::Flusher::start(&self.server.url()));
                self.later(random.u64(100 * MILLI..2000 * MILLI), Undo::FlushScripts);
                true
            }
            _ => self.command(kind, random).is_ok(),
        };
        self.incidents.faults += u64::from(done);
        done
    }

    fn later(&mut self, micros: u64, undo: Undo) {
        self.undo.retain(|(_, other)| *other != undo);
        self.undo.push((now() + micros, undo));
    }

    fn kill_worker(&mut self, at: usize, event: KillAt, random: &mut fastrand::Rng) -> bool {
        let post = &self.posts[at];
        let dies = self.undo.iter().any(|(_, undo)| *undo == Undo::Respawn(at));
        if dies || post.stopped.is_some() || post.worker.has_ended() {
            return false;
        }
        post.worker.kill_at(event);
        let number = post.worker.number;
        self.incidents.note(Some(number), format!("kill -9 at the next event: {event:?}"));
        self.later(random.u64(50 * MILLI..self.lease), Undo::Respawn(at));
        true
    }

    fn stop_worker(&mut self, at: usize, random: &mut fastrand::Rng) -> bool {
        let lease = self.lease;
        let post = &mut self.posts[at];
        if post.stopped.is_some() || post.worker.has_ended() {
            return false;
        }
        post.worker.stop();
        post.stopped = Some(now());
        self.incidents.note(Some(post.worker.number), "SIGSTOP");
        // Shorter than its leases, and longer.
        let time = if random.u8(..3) == 0 { random.u64(MILLI..lease) } else { lease + random.u64(..lease / 2) };
        self.later(time, Undo::GoOn(at));
        true
    }

    fn disturb(&mut self, kind: Kind, at: usize, random: &mut fastrand::Rng) -> bool {
        let lease = self.lease;
        let post = &mut self.posts[at];
        if !post.is_proxied {
            return false;
        }
        let number = post.setup.number;
        let lasts = random.u64(50 * MILLI..lease + lease / 2);
        let (text, lasts) = match kind {
            Kind::Delay => {
                let delay = Duration::from_micros(random.u64(MILLI..lease / 2));
                if random.bool() {
                    post.proxy.delay_requests(delay);
                    (format!("requests delayed by {delay:?}"), lasts)
                } else {
                    post.proxy.delay_answers(delay);
                    (format!("answers delayed by {delay:?}"), lasts)
                }
            }
            Kind::Freeze if random.bool() => {
                post.proxy.freeze_existing();
                ("connections frozen".into(), lasts)
            }
            Kind::Freeze => {
                post.proxy.freeze_all();
                ("network frozen".into(), lasts)
            }
            Kind::Cut if random.bool() => {
                post.proxy.cut_existing();
                ("connections cut".into(), BLINK)
            }
            Kind::Cut => {
                post.proxy.cut();
                ("network cut".into(), lasts)
            }
            Kind::LoseRequests => {
                post.proxy.lose_requests(random.u64(1..6));
                ("requests lost".into(), BLINK)
            }
            Kind::LoseMessages => {
                post.proxy.lose_messages(random.u64(1..4));
                ("messages lost".into(), BLINK)
            }
            _ => {
                post.proxy.lose_answers(random.u64(1..6));
                ("carried out, and answers lost".into(), BLINK)
            }
        };
        let from = now();
        if lasts == BLINK {
            self.incidents.disturbed(Some(number), from, from + BLINK);
        } else {
            post.sick.get_or_insert(from);
            self.later(lasts, Undo::Mend(at));
        }
        self.incidents.note(Some(number), text);
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
                let time = random.u64(10..self.lease / MILLI).to_string();
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
            Undo::GoOn(at) => {
                let post = &mut self.posts[at];
                let (number, until) = (post.worker.number, now());
                if let Some(from) = post.stopped.take() {
                    self.incidents.stops.push(Stop { from, until, worker: number });
                    self.incidents.disturbed(Some(number), from, until + BLINK);
                }
                self.incidents.note(Some(number), "SIGCONT");
                self.posts[at].worker.go_on();
            }
            Undo::Respawn(at) => {
                // If the event never came it is killed without one.
                let number = self.next_number;
                self.next_number += 1;
                let (log, post) = (self.log.clone(), &mut self.posts[at]);
                post.worker.kill();
                let old = post.worker.number;
                if let Some(from) = post.stopped.take() {
                    self.incidents.stops.push(Stop { from, until: now(), worker: old });
                }
                self.undo.retain(|(_, undo)| *undo != Undo::GoOn(at));
                post.setup = Setup { number, seed: post.setup.seed.wrapping_add(7919), ..post.setup.clone() };
                post.worker = Worker::start(&post.setup, &log);
                if let Some(sick) = post.sick {
                    self.incidents.disturbed(Some(old), sick, now()); // and of the new one, when it is well
                }
                self.incidents.note(Some(number), "a new process");
            }
            Undo::Mend(at) => {
                let post = &mut self.posts[at];
                post.proxy.mend();
                post.proxy.thaw();
                post.proxy.delay_requests(Duration::ZERO);
                post.proxy.delay_answers(Duration::ZERO);
                let number = post.setup.number;
                if let Some(from) = post.sick.take() {
                    self.incidents.disturbed(Some(number), from, now() + BLINK);
                }
                self.incidents.note(Some(number), "its network is well again");
            }
            Undo::StartServer => {
                self.server.restart();
                let until = now();
                if let (Some(from), Some(by)) = (self.server_killed.take(), self.persistence.loses()) {
                    self.incidents.losses.push(Loss { from, until, by });
                }
                self.incidents.note(None, "the server is back");
            }
            Undo::ServerGoesOn => {
                signal(self.server.pid(), rustix::process::Signal::CONT);
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
        // What is lost is lost by what comes next: no longer.
        for at in 0..self.posts.len() {
            let proxy = &self.posts[at].proxy;
            proxy.lose_answers(0);
            proxy.lose_requests(0);
            proxy.lose_messages(0);
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

fn signal(pid: u32, signal: rustix::process::Signal) {
    if let Some(pid) = rustix::process::Pid::from_raw(pid as i32) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        signal(self.server.pid(), rustix::process::Signal::CONT);
    }
}
