//! [`Post`]: one worker, its proxy, and what is the matter with them.

use std::time::Duration;

use crate::clock::{MILLI, now};
use crate::crew::{Log, Worker};
use crate::incidents::{Incidents, Stop};
use crate::kinds::Kind;
use crate::proxy::Proxy;
use crate::worker::Setup;

/// After a fault that a request sent again makes good, for so long one may be missing.
pub(crate) const BLINK: u64 = 60 * MILLI;

pub(crate) struct Post {
    setup: Setup,
    pub(crate) worker: Worker,
    proxy: Proxy,
    /// Whether it goes to the server through the proxy.
    is_proxied: bool,
    /// Since when it is stopped.
    stopped: Option<u64>,
    /// Since when its network is not well.
    sick: Option<u64>,
}

impl Post {
    pub(crate) fn start(setup: Setup, proxy: Proxy, is_proxied: bool, log: &Log) -> Self {
        let worker = Worker::start(&setup, log);
        Self { setup, worker, proxy, is_proxied, stopped: None, sick: None }
    }

    /// Whether it runs: it can be killed, or stopped.
    pub(crate) fn runs(&self) -> bool {
        self.stopped.is_none() && !self.worker.has_ended()
    }

    /// How its worker goes to the server.
    pub(crate) fn url(&self) -> &str {
        &self.setup.url
    }

    pub(crate) fn stop(&mut self, incidents: &mut Incidents) {
        self.worker.stop();
        self.stopped = Some(now());
        incidents.note(Some(self.worker.number), "SIGSTOP");
    }

    pub(crate) fn go_on(&mut self, incidents: &mut Incidents) {
        let (worker, until) = (self.worker.number, now());
        if let Some(from) = self.stopped.take() {
            incidents.stops.push(Stop { from, until, worker });
            incidents.disturbed(Some(worker), from, until + BLINK);
        }
        incidents.note(Some(worker), "SIGCONT");
        self.worker.go_on();
    }

    /// Another process in its place, if it still lives: it is killed.
    pub(crate) fn respawn(&mut self, number: u64, log: &Log, incidents: &mut Incidents) {
        let old = self.worker.number;
        self.worker.kill();
        self.stopped = None;
        if let Some(sick) = self.sick {
            incidents.disturbed(Some(old), sick, now()); // and of the new one, when it is well
        }
        self.setup = Setup { number, seed: self.setup.seed.wrapping_add(7919), ..self.setup.clone() };
        self.worker = Worker::start(&self.setup, log);
        incidents.note(Some(number), format!("a new process, after {old}"));
    }

    /// Does something to its network. Returns for how long, if it has to be undone; nothing, if it
    /// has no proxy.
    pub(crate) fn disturb(
        &mut self,
        kind: Kind,
        lease: u64,
        random: &mut fastrand::Rng,
        incidents: &mut Incidents,
    ) -> Option<Option<u64>> {
        if !self.is_proxied {
            return None;
        }
        let proxy = &self.proxy;
        let lasts = Some(random.u64(50 * MILLI..lease + lease / 2));
        let (text, lasts) = match kind {
            Kind::Delay => {
                let delay = Duration::from_micros(random.u64(MILLI..lease / 2));
                if random.bool() {
                    proxy.delay_requests(delay);
                    (format!("requests delayed by {delay:?}"), lasts)
                } else {
                    proxy.delay_answers(delay);
                    (format!("answers delayed by {delay:?}"), lasts)
                }
            }
            Kind::Freeze if random.bool() => {
                proxy.freeze_existing();
                ("connections frozen".into(), lasts)
            }
            Kind::Freeze => {
                proxy.freeze_all();
                ("network frozen".into(), lasts)
            }
            Kind::Cut if random.bool() => {
                proxy.cut_existing();
                ("connections cut".into(), None)
            }
            Kind::Cut => {
                proxy.cut();
                ("network cut".into(), lasts)
            }
            Kind::LoseRequests => {
                proxy.lose_requests(random.u64(1..6));
                ("requests lost".into(), None)
            }
            Kind::LoseMessages => {
                proxy.lose_messages(random.u64(1..4));
                ("messages lost".into(), None)
            }
            _ => {
                proxy.lose_answers(random.u64(1..6));
                ("carried out, and answers lost".into(), None)
            }
        };
        let (number, from) = (self.worker.number, now());
        match lasts {
            Some(_) => _ = self.sick.get_or_insert(from),
            None => incidents.disturbed(Some(number), from, from + BLINK),
        }
        incidents.note(Some(number), text);
        Some(lasts)
    }

    pub(crate) fn mend(&mut self, incidents: &mut Incidents) {
        let proxy = &self.proxy;
        proxy.mend();
        proxy.thaw();
        proxy.delay_requests(Duration::ZERO);
        proxy.delay_answers(Duration::ZERO);
        let number = Some(self.worker.number);
        if let Some(from) = self.sick.take() {
            incidents.disturbed(number, from, now() + BLINK);
        }
        incidents.note(number, "its network is well again");
    }

    /// What was to be lost, and has not been, is not.
    pub(crate) fn lose_no_more(&self) {
        self.proxy.lose_answers(0);
        self.proxy.lose_requests(0);
        self.proxy.lose_messages(0);
    }
}
