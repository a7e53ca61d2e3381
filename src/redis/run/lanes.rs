//! [`Lanes`]: some threads that do one kind of work for a site, each with a connection of its own.
//! A thread is started when there is a job and no idle one, up to a limit. So a connection that is
//! silent holds up its own lane and nothing else, and a healthy server is served by one.
//!
//! What makes one connection silent may have made all of them so that were open then. So a lane
//! uses a connection only if that has answered since the last sign of trouble began. Trouble is a
//! job that failed, and one that another lane is still at.

use std::collections::VecDeque;
use std::thread;

use super::own::Own;
use super::workers::Starved;
use crate::redis::clock::clock;
use crate::redis::primitives::{Arc, Condvar, Mutex};
use crate::redis::wire::{Connection, Site};

pub(super) struct Lanes<J> {
    name: &'static str,
    most: usize,
    site: Arc<Site>,
    work: fn(&mut Own, J),
    /// Who is told that there is room again, where the keeper looks for that.
    starved: Option<Arc<Starved>>,
    state: Mutex<State<J>>,
    changed: Condvar,
}

struct State<J> {
    jobs: VecDeque<J>,
    threads: usize,
    idle: usize,
    /// When each job that is being done was begun.
    busy: Vec<u64>,
    /// When the last sign of trouble began.
    trouble: u64,
    stopped: bool,
}

impl<J: Send + 'static> Lanes<J> {
    /// At most so many threads of this name, which do this with each job.
    pub(super) fn new(
        name: &'static str,
        most: usize,
        site: &Arc<Site>,
        starved: Option<Arc<Starved>>,
        work: fn(&mut Own, J),
    ) -> Arc<Self> {
        let state = State { jobs: VecDeque::new(), threads: 0, idle: 0, busy: Vec::new(), trouble: 0, stopped: false };
        let site = site.clone();
        Arc::new(Self { name, most, site, work, starved, state: Mutex::new(state), changed: Condvar::new() })
    }

    /// Whether a job would be done at once.
    pub(super) fn has_room(&self) -> bool {
        let state = self.state.lock();
        state.jobs.len() < state.idle + self.most - state.threads
    }

    /// Has a job done. Given back if no thread can be had for it, or they have been stopped.
    pub(super) fn give(self: &Arc<Self>, job: J) -> Result<(), J> {
        let mut state = self.state.lock();
        if state.stopped {
            return Err(job);
        }
        if state.jobs.len() >= state.idle && state.threads < self.most {
            let lanes = self.clone();
            let thread = thread::Builder::new().name(self.name.into());
            match thread.spawn(move || lanes.run()) {
                Ok(_) => state.threads += 1,
                Err(_) if state.threads == 0 => return Err(job),
                Err(_) => {} // one of those that are there comes back to it
            }
        }
        state.jobs.push_back(job);
        self.changed.notify_one();
        Ok(())
    }

    /// The threads end when they have nothing more to do.
    pub(super) fn stop(&self) {
        self.state.lock().stopped = true;
        self.changed.notify_all();
    }

    fn run(&self) {
        let (mut own, mut answered) = (Own::new(self.site.clone()), 0);
        while let Some((job, begun, trouble)) = self.next() {
            if answered < trouble {
                own.connection = None;
            }
            (self.work)(&mut own, job);
            let good = own.connection.as_ref().is_some_and(Connection::is_good);
            if good {
                answered = clock();
            }
            self.done(begun, good);
            self.starved.iter().for_each(|starved| starved.look()); // there is room again
        }
    }

    /// A job, when it was begun, and when the last sign of trouble began.
    fn next(&self) -> Option<(J, u64, u64)> {
        let mut state = self.state.lock();
        state.idle += 1;
        loop {
            if let Some(job) = state.jobs.pop_front() {
                state.idle -= 1;
                let first = state.busy.first().copied().unwrap_or(0);
                state.trouble = state.trouble.max(first);
                let begun = clock();
                state.busy.push(begun);
                return Some((job, begun, state.trouble));
            }
            if state.stopped {
                return None;
            }
            self.changed.wait(&mut state);
        }
    }

    fn done(&self, begun: u64, good: bool) {
        let mut state = self.state.lock();
        if let Some(at) = state.busy.iter().position(|&other| other == begun) {
            state.busy.remove(at);
        }
        if !good {
            state.trouble = state.trouble.max(begun);
        }
    }
}
