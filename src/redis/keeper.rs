//! [`Keeper`]: one thread a store that renews what is held, shows that those who wait live, and
//! gives back what nobody wants any more.
//!
//! It is never in the way of a lock that is held for a short time: that costs an insertion into a
//! map and a removal. The thread sleeps until the first thing is due, and then sends one command
//! for all that is due about then.

use std::collections::HashMap;
use std::time::Duration;

use redis::Cmd;

use super::core::{Core, Over};
use super::entry::{Entry, LONGEST_TOMBSTONE};
use super::link::Line;
use super::sync::{Arc, Condvar, Mutex, Ordering, as_micros, clock, until};
use crate::store::LostLock;

/// As many tokens as this go into one command.
const BATCH: usize = 256;
/// After an error the next try comes this much later, at the least.
const RETRY: u64 = 50_000;
const NEVER: u64 = u64::MAX;

#[derive(Default)]
pub(crate) struct Keeper {
    state: Mutex<State>,
    earlier: Condvar,
}

struct State {
    kept: HashMap<u64, Kept>,
    abandoned: Vec<Abandoned>,
    /// When the thread wakes up. Not later than the first thing that is due.
    wakes: u64,
    stopped: bool,
}

impl Default for State {
    fn default() -> Self {
        Self { kept: HashMap::new(), abandoned: Vec::new(), wakes: NEVER, stopped: false }
    }
}

struct Kept {
    entry: Arc<Entry>,
    stage: Stage,
    due: u64,
}

#[derive(Clone, Copy, PartialEq)]
enum Stage {
    /// Its first request is under way.
    Asks,
    /// The server knows that it waits.
    Waits,
    Held,
}

/// A token that may still be granted on the server, though nobody wants it any more.
struct Abandoned {
    entry: Arc<Entry>,
    until: u64,
    due: u64,
}

/// Half the time that is left, in microseconds.
fn until_half(deadline: u64) -> u64 {
    deadline.saturating_sub(clock()) / 2
}

/// When a held lock is due next: for its renewal, or for its end.
fn next(entry: &Entry) -> u64 {
    if entry.renews.load(Ordering::Relaxed) { clock() + entry.lease / 3 } else { entry.deadline() }
}

impl Keeper {
    /// A request is about to be sent: from now on a message for it finds it.
    pub(crate) fn asks(&self, entry: &Arc<Entry>) {
        let kept = Kept { entry: entry.clone(), stage: Stage::Asks, due: NEVER };
        self.state.lock().kept.insert(entry.number, kept);
    }

    /// The server has it in its queue.
    pub(crate) fn waits(&self, entry: &Arc<Entry>, due: u64) {
        self.keep(entry, Stage::Waits, due);
    }

    pub(crate) fn held(&self, entry: &Arc<Entry>) {
        self.keep(entry, Stage::Held, next(entry));
    }

    /// It is held until its first deadline, and by no more than the word of a message.
    pub(crate) fn handed(&self, entry: &Arc<Entry>) {
        self.keep(entry, Stage::Held, clock() + until_half(entry.deadline()));
    }

    /// `refresh_for` and `refresh` have set another deadline.
    pub(crate) fn reschedule(&self, entry: &Arc<Entry>) {
        let due = next(entry);
        let mut state = self.state.lock();
        if let Some(kept) = state.kept.get_mut(&entry.number) {
            kept.due = due;
            self.wake_by(&mut state, due);
        }
    }

    /// `false` if it was not kept any more.
    pub(crate) fn forget(&self, entry: &Entry) -> bool {
        self.state.lock().kept.remove(&entry.number).is_some()
    }

    /// Nobody wants this token any more, and the server may not know.
    pub(crate) fn abandon(&self, entry: &Arc<Entry>) {
        let now = clock();
        let mut state = self.state.lock();
        state.kept.remove(&entry.number);
        state.abandoned.push(Abandoned {
            entry: entry.clone(),
            until: now + entry.lease.min(LONGEST_TOMBSTONE),
            due: now,
        });
        self.wake_by(&mut state, now);
    }

    /// A message has come for this number: it has been granted.
    pub(crate) fn message(&self, number: u64, fence: u64) {
        let entry = self.state.lock().kept.get(&number).map(|kept| kept.entry.clone());
        if let Some(entry) = entry {
            entry.waker.grant(fence);
        }
    }

    /// Messages may have been lost: every waiter asks soon.
    pub(crate) fn beat_soon(&self) {
        let now = clock();
        let mut state = self.state.lock();
        for kept in state.kept.values_mut().filter(|kept| kept.stage == Stage::Waits) {
            kept.due = now;
        }
        self.wake_by(&mut state, now);
    }

    pub(crate) fn stop(&self) {
        self.state.lock().stopped = true;
        self.earlier.notify_one();
    }

    fn keep(&self, entry: &Arc<Entry>, stage: Stage, due: u64) {
        let mut state = self.state.lock();
        state.kept.insert(entry.number, Kept { entry: entry.clone(), stage, due });
        self.wake_by(&mut state, due);
    }

    fn wake_by(&self, state: &mut State, due: u64) {
        if due < state.wakes {
            state.wakes = due;
            self.earlier.notify_one();
        }
    }

    /// Sleeps until something is due, and takes it: `None` once the store is gone.
    fn work(&self, heartbeat: u64) -> Option<Work> {
        let mut state = self.state.lock();
        loop {
            if state.stopped {
                return None;
            }
            let now = clock();
            if state.wakes > now {
                if state.wakes == NEVER {
                    self.earlier.wait(&mut state);
                } else {
                    let left = until(state.wakes).min(Duration::from_secs(3600));
                    self.earlier.wait_for(&mut state, left);
                }
                continue;
            }
            let work = state.take(now, heartbeat);
            if !work.is_empty() {
                return Some(work);
            }
        }
    }
}

#[derive(Default)]
struct Work {
    held: Vec<Arc<Entry>>,
    waits: Vec<Arc<Entry>>,
    lost: Vec<Arc<Entry>>,
    abandoned: Vec<Abandoned>,
}

impl Work {
    fn is_empty(&self) -> bool {
        self.held.is_empty() && self.waits.is_empty() && self.lost.is_empty() && self.abandoned.is_empty()
    }
}

impl State {
    /// What is due at `now`, and what is due so soon that it can go with it. Each is due again,
    /// should nobody say otherwise, a little later.
    fn take(&mut self, now: u64, heartbeat: u64) -> Work {
        let mut work = Work::default();
        self.wakes = NEVER;
        self.kept.retain(|_, kept| {
            let entry = &kept.entry;
            if kept.stage == Stage::Held && !entry.is_held() {
                work.lost.push(entry.clone());
                return false;
            }
            let renews = entry.renews.load(Ordering::Relaxed);
            // What is due within this time goes along: waiters that came one by one beat as one
            // soon.
            let soon = if kept.stage == Stage::Held { entry.lease / 12 } else { heartbeat / 2 };
            if kept.due <= now + soon && (kept.stage == Stage::Waits || renews) {
                if kept.stage == Stage::Held { &mut work.held } else { &mut work.waits }.push(entry.clone());
                kept.due = now + RETRY;
            }
            // A loss is told when it happens, whether or not the server can be reached.
            let due = if kept.stage == Stage::Held { kept.due.min(entry.deadline()) } else { kept.due };
            self.wakes = self.wakes.min(due);
            true
        });
        self.abandoned.retain(|abandoned| now < abandoned.until);
        for abandoned in std::mem::take(&mut self.abandoned) {
            // So many at a time, that leases are renewed in between.
            let is_due = abandoned.due <= now && work.abandoned.len() < BATCH;
            if is_due { &mut work.abandoned } else { &mut self.abandoned }.push(abandoned);
        }
        for abandoned in &self.abandoned {
            self.wakes = self.wakes.min(abandoned.due);
        }
        work
    }
}

/// The thread.
pub(crate) fn run(core: &Core) {
    let mut line = None;
    let mut down_since = None;
    while let Some(work) = core.keeper.work(core.heartbeat) {
        for entry in &work.lost {
            entry.lose();
            core.tell(&LostLock::of(entry));
            // Its grant on the server ends by itself, but sooner is better.
            core.keeper.abandon(entry);
        }
        let waits = work.waits.len();
        let all: Vec<Arc<Entry>> = work.waits.into_iter().chain(work.held).collect();
        let mut failed = false;
        for (at, batch) in all.chunks(BATCH).enumerate() {
            let waits = waits.saturating_sub(at * BATCH).min(batch.len());
            failed |= !refresh(core, &mut line, &batch[..waits], &batch[waits..]);
        }
        let mut gone = failed; // one error is enough: the others wait
        for mut abandoned in work.abandoned {
            if !gone && release(core, &mut line, &abandoned.entry) {
                continue;
            }
            gone = true;
            abandoned.due = clock() + RETRY;
            let mut state = core.keeper.state.lock();
            core.keeper.wake_by(&mut state, abandoned.due);
            state.abandoned.push(abandoned);
        }
        if failed {
            let since = *down_since.get_or_insert_with(clock);
            if clock() > since + core.lease {
                core.keeper.wake_waiters(); // they see for themselves that the server is gone, and say so
            }
        } else if !all.is_empty() {
            down_since = None;
        }
    }
}

impl Keeper {
    fn wake_waiters(&self) {
        // Not under our lock: a task's machine may take that one.
        let waits = |kept: &&Kept| kept.stage == Stage::Waits;
        let waiters: Vec<_> = self.state.lock().kept.values().filter(waits).map(|kept| kept.entry.clone()).collect();
        waiters.iter().for_each(|entry| entry.waker.wake());
    }
}

/// One command for a batch. `false` if it did not get through.
fn refresh(core: &Core, line: &mut Option<Line>, waits: &[Arc<Entry>], held: &[Arc<Entry>]) -> bool {
    let _alone = core.refreshing.lock();
    // A `refresh_for` came in between, or it was detached: it is not ours to renew any more.
    let held: Vec<_> = held.iter().filter(|entry| entry.renews.load(Ordering::Relaxed)).collect();
    let sent = clock();
    // The first deadline among them is not to be missed over a server that does not answer.
    let first = held.iter().map(|entry| entry.deadline()).filter(|&deadline| deadline > 0).min();
    let deadline = (sent + as_micros(core.link.timeout())).min(first.unwrap_or(NEVER));
    let fill = |command: &mut Cmd| {
        for entry in waits {
            command.arg(&entry.token).arg(0).arg(0);
        }
        for entry in &held {
            command.arg(&entry.token).arg(entry.lease).arg(0);
        }
    };
    let Ok(mut reply) = core.run(&core.scripts.refresh, fill, Over::Own(line), deadline) else {
        return false;
    };
    let more = reply.more();
    for entry in waits {
        match reply.int() {
            Some(left @ 0..) => {
                entry.waited_at.store(sent, Ordering::Relaxed);
                // When the holder's lease ends nobody sends a message: that is when to ask again.
                let left = u64::try_from(left).unwrap_or(NEVER).max(RETRY);
                core.keeper.still_waits(entry, clock() + left.min(core.heartbeat));
            }
            _ => entry.waker.wake(), // granted, or not known any more: it asks for itself
        }
    }
    for entry in held {
        match reply.int() {
            Some(-1) if entry.extend(sent + entry.lease) => core.keeper.reschedule(entry),
            _ => {
                entry.lose();
                core.keeper.look_now();
            }
        }
    }
    core.finish(more);
    true
}

fn release(core: &Core, line: &mut Option<Line>, entry: &Entry) -> bool {
    let fill = |command: &mut Cmd| {
        command.arg(&entry.token).arg(entry.tombstone()).arg(0).arg("");
    };
    match core.run(&core.scripts.release, fill, Over::Own(line), core.patience()) {
        Ok(mut reply) => {
            let _ = reply.int();
            core.finish(reply.more());
            true
        }
        Err(_) => false,
    }
}

impl Keeper {
    fn still_waits(&self, entry: &Entry, due: u64) {
        let mut state = self.state.lock();
        if let Some(kept) = state.kept.get_mut(&entry.number)
            && kept.stage == Stage::Waits
        {
            kept.due = due;
            self.wake_by(&mut state, due);
        }
    }

    /// Something was lost.
    pub(crate) fn look_now(&self) {
        let mut state = self.state.lock();
        self.wake_by(&mut state, 0);
    }
}
