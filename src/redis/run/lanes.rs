//! [`Lanes`]: some threads that do one kind of work for the keeper, each with a connection of its
//! own. A thread is started when there is a job and no idle one, up to a limit. So a connection
//! that is silent holds up its own lane and nothing else, and a healthy server is served by one.
//!
//! What makes one connection silent may have made all of them so that were open then. So a lane
//! uses a connection only if that has answered since the last sign of trouble began. Trouble is a
//! job that failed, and one that another lane is still at.

use std::collections::VecDeque;
use std::thread;

use super::client::Client;
use crate::redis::clock::clock;
use crate::redis::primitives::{Arc, Condvar, Mutex};
use crate::redis::protocol::agenda::Agenda;
use crate::redis::wire::Connection;

pub(super) struct Lanes<J> {
    name: &'static str,
    most: usize,
    work: fn(&Client, &mut Option<Connection>, J),
    /// Whether the keeper is told that there is room again.
    for_keeper: bool,
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
    pub(super) fn new(name: &'static str, most: usize, work: fn(&Client, &mut Option<Connection>, J)) -> Arc<Self> {
        let state = State { jobs: VecDeque::new(), threads: 0, idle: 0, busy: Vec::new(), trouble: 0, stopped: false };
        Arc::new(Self { name, most, work, for_keeper: true, state: Mutex::new(state), changed: Condvar::new() })
    }

    /// The same for somebody else than the keeper.
    pub(super) fn apart(name: &'static str, most: usize, work: fn(&Client, &mut Option<Connection>, J)) -> Arc<Self> {
        let lanes = Arc::into_inner(Self::new(name, most, work)).expect("nobody else has it yet");
        Arc::new(Self { for_keeper: false, ..lanes })
    }

    /// Whether a job would be done at once.
    pub(super) fn has_room(&self) -> bool {
        let state = self.state.lock();
        state.jobs.len() < state.idle + self.most - state.threads
    }

    /// Has a job done. Given back if no thread can be had for it.
    pub(super) fn give(self: &Arc<Self>, client: &Arc<Client>, job: J) -> Result<(), J> {
        let mut state = self.state.lock();
        if state.jobs.len() >= state.idle && state.threads < self.most {
            let (lanes, client) = (self.clone(), client.clone());
            let thread = thread::Builder::new().name(self.name.into());
            match thread.spawn(move || lanes.run(&client)) {
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

    fn run(&self, client: &Client) {
        let (mut connection, mut answered) = (None, 0);
        while let Some((job, begun, trouble)) = self.next() {
            if answered < trouble {
                connection = None;
            }
            (self.work)(client, &mut connection, job);
            let good = connection.as_ref().is_some_and(Connection::is_good);
            if good {
                answered = clock();
            }
            self.done(begun, good);
            if self.for_keeper {
                client.agenda(Agenda::look_now); // there is room again
            }
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
