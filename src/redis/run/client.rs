//! [`Client`]: one store in one process, as the server knows it, and what its threads share.

use std::fmt;
use std::time::Duration;

use super::agents::Agents;
use super::engine::Settings;
use super::inbox::Inbox;
use super::keeping::Keeping;
use crate::backend::LostLock;
use crate::backend::loss::Losses;
use crate::error::LockError;
use crate::observe::meters::RoundTrip;
use crate::observe::{self, Store};
use crate::redis::clock::{clock, until};
use crate::redis::command;
use crate::redis::error::{Failure, RedisStoreError};
use crate::redis::primitives::{Arc, AtomicBool, AtomicU64, Condvar, Mutex, Ordering};
use crate::redis::protocol::agenda::{Agenda, Room, Work};
use crate::redis::protocol::calls::{self, Greeted, More, Reply};
use crate::redis::protocol::keys::{Keys, Target};
use crate::redis::protocol::lock::Lock;
use crate::redis::protocol::script::{Call, Script};
use crate::redis::protocol::timing::{NEVER, Timing, micros};
use crate::redis::value::Value;
use crate::redis::wire::{self, Connection, Wire};
use crate::request::Request;

/// What the name of a client begins with that may keep what it does not use.
const KEEPER: &str = "k";

pub(in crate::redis) struct Client {
    pub(in crate::redis) wire: Wire,
    pub(in crate::redis) timing: Timing,
    pub(in crate::redis) keys: Keys,
    /// Names this store in this process among all that share the tree.
    pub(in crate::redis) name: String,
    /// By [`Script`]: the start of its call by hash, up to the number of its arguments.
    by_hash: Vec<Vec<u8>>,
    last_number: AtomicU64,
    /// Whether it has said hello before, and so may know of locks that a server has forgotten.
    greeted: AtomicBool,
    agenda: Mutex<Kept>,
    changed: Condvar,
    pub(in crate::redis) losses: Losses,
    /// Where deadlocks are looked for.
    pub(in crate::redis) agents: Option<Agents>,
    /// What it keeps that nobody uses; nothing if that is off.
    pub(in crate::redis) keeping: Option<Keeping>,
    stopped: AtomicBool,
}

struct Kept {
    agenda: Agenda<Arc<Inbox>>,
    /// Until when the keeper sleeps; 0 if it does not.
    sleeps: u64,
}

impl Client {
    /// Connects to nothing yet.
    pub(super) fn new(wire: Wire, settings: &Settings) -> Result<Self, RedisStoreError> {
        let &Settings { timing, keep, deadlocks, .. } = settings;
        let mut random = [0; 12];
        getrandom::fill(&mut random)
            .map_err(|error| RedisStoreError::Config(format!("no random number could be had: {error}")))?;
        let keys = Keys::new(&settings.to.tree);
        let by_hash = Script::ALL.map(|script| {
            let hash = wire::script_hash(script.text());
            head(&[b"EVALSHA", hash.as_bytes()], &keys)
        });
        Ok(Self {
            wire,
            timing,
            name: std::iter::once(if keep > 0 { KEEPER } else { "" }.to_owned())
                .chain(random.iter().map(|byte| format!("{byte:02x}")))
                .collect(),
            by_hash: by_hash.into(),
            keys,
            last_number: AtomicU64::new(0),
            greeted: AtomicBool::new(false),
            agenda: Mutex::new(Kept { agenda: Agenda::new(timing), sleeps: 0 }),
            changed: Condvar::new(),
            losses: Losses::new(),
            agents: deadlocks.then(Agents::new),
            keeping: (keep > 0).then(|| Keeping::new(keep)),
            stopped: AtomicBool::new(false),
        })
    }

    /// A lock with a token of its own.
    pub(super) fn new_lock(&self, target: &Target, request: &Request) -> Arc<Lock> {
        Arc::new(self.lock(target, request))
    }

    /// As many as there are members, of which the first has the others.
    pub(super) fn new_set(&self, members: &[(&Target, &Request)]) -> Arc<Lock> {
        let (first, others) = members.split_first().expect("a set has a member");
        let lock = self.lock(first.0, first.1);
        let others = others.iter().map(|(target, request)| self.new_lock(target, request)).collect();
        Arc::new(lock.with_others(others))
    }

    /// A lock on a part of what another one covers: the same but for the token.
    pub(super) fn new_part(&self, of: &Lock, target: &Target) -> Arc<Lock> {
        let number = self.last_number.fetch_add(1, Ordering::Relaxed) + 1;
        let lock = Lock::new(number, &self.name, target.path.clone(), of.owner.clone(), of.lease);
        lock.never_keep();
        Arc::new(lock)
    }

    /// A lock that is taken below a kept one.
    pub(super) fn new_below(&self, target: &Target, request: &Request) -> Lock {
        let number = self.last_number.fetch_add(1, Ordering::Relaxed) + 1;
        Lock::new(number, &self.name, target.path.clone(), request.owner.clone(), self.timing.lease)
    }

    fn lock(&self, target: &Target, request: &Request) -> Lock {
        let lease = request.lease.map_or(self.timing.lease, micros);
        let number = self.last_number.fetch_add(1, Ordering::Relaxed) + 1;
        let lock = Lock::new(number, &self.name, target.path.clone(), request.owner.clone(), lease);
        lock.with_recalls(self.keeping.as_ref().map_or(0, Keeping::recalls))
    }

    /// Whether a lease may be so long: no longer than a grace period, if there are any.
    pub(in crate::redis) fn may_last(&self, lease: Option<Duration>) -> Result<(), LockError> {
        match lease {
            Some(lease) if self.timing.grace > 0 && micros(lease) > self.timing.grace => {
                let grace = Duration::from_micros(self.timing.grace);
                let what = format!("a lease of {lease:?} is longer than the store's grace period, {grace:?}");
                Err(store_error(Failure::Refused(RedisStoreError::Config(what))))
            }
            _ => Ok(()),
        }
    }

    /// Changes the agenda, and wakes the keeper if something is due earlier now. Held for a moment
    /// only: nothing that can be slow happens under it.
    pub(super) fn agenda<R>(&self, change: impl FnOnce(&mut Agenda<Arc<Inbox>>) -> R) -> R {
        let mut kept = self.agenda.lock();
        let result = change(&mut kept.agenda);
        if kept.agenda.next() < kept.sleeps {
            kept.sleeps = 0;
            self.changed.notify_one();
        }
        result
    }

    /// Sleeps until something is due, and takes it: `None` once the store is gone.
    pub(super) fn next_work(&self, room: impl Fn() -> Room) -> Option<Work<Arc<Inbox>>> {
        let mut kept = self.agenda.lock();
        loop {
            if self.is_stopped() {
                return None;
            }
            let (now, next) = (clock(), kept.agenda.next());
            if next <= now {
                let work = kept.agenda.take(now, room());
                if !work.is_empty() {
                    return Some(work);
                }
                continue;
            }
            kept.sleeps = next;
            if next == NEVER {
                self.changed.wait(&mut kept);
            } else {
                self.changed.wait_for(&mut kept, until(next).min(Duration::from_secs(3600)));
            }
            kept.sleeps = 0;
        }
    }

    /// The store is gone: its threads end when they next look.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.keeping.iter().for_each(Keeping::stop);
        self.agenda(Agenda::look_now);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// The bytes of a call: by the script's hash, or by its text for a server that does not know
    /// it. It is for the server that the last connection was opened to.
    pub(super) fn pack(&self, call: &Call, by_text: bool) -> Vec<u8> {
        self.pack_for(&self.run_id(), call, by_text)
    }

    fn pack_for(&self, run: &str, call: &Call, by_text: bool) -> Vec<u8> {
        let by_text = by_text.then(|| head(&[b"EVAL", call.script.text().as_bytes()], &self.keys));
        let head = by_text.as_ref().unwrap_or_else(|| &self.by_hash[call.script as usize]);
        let count = 3 + self.keys.all().len() + call.count;
        let mut bytes = Vec::with_capacity(head.len() + call.words.len() + 64);
        command::start(&mut bytes, count);
        bytes.extend_from_slice(head);
        call.write(run, &mut bytes);
        bytes
    }

    /// Runs a script over the callers' connections.
    pub(super) fn call<T: Reply>(&self, call: &Call, deadline: u64) -> Result<T, Failure> {
        self.run(call, |run, bytes| self.wire.call_to(run, bytes, deadline))
    }

    /// Runs a script over a connection of the caller's own, opened when needed.
    pub(super) fn call_over<T: Reply>(
        &self,
        own: &mut Option<Connection>,
        call: &Call,
        deadline: u64,
    ) -> Result<T, Failure> {
        let connection = self.connected(own, deadline)?;
        self.run(call, |_, bytes| connection.call(bytes, deadline))
    }

    /// Runs a script: by its hash, and by its text if the server does not know it.
    fn run<T: Reply>(
        &self,
        call: &Call,
        mut send: impl FnMut(&str, &[u8]) -> Result<Value, Failure>,
    ) -> Result<T, Failure> {
        let mut send = |call: &Call, by_text| {
            let run = self.run_id();
            let round_trip = RoundTrip::begin();
            let answer = send(&run, &self.pack_for(&run, call, by_text));
            round_trip.end(!answer.as_ref().is_err_and(Failure::is_silence));
            answer
        };
        let mut ask = |call: &Call| match send(call, false) {
            Err(Failure::NoScript) => send(call, true),
            answer => answer,
        };
        let answer = match ask(call) {
            Err(Failure::Stranger) => self.greet(&mut ask).and_then(|()| ask(call)),
            answer => answer,
        };
        T::from_answer(answer)
    }

    /// Says hello to the server that the connections are to now, by a call that `send` sends.
    pub(super) fn greet(&self, send: impl FnOnce(&Call) -> Result<Value, Failure>) -> Result<(), Failure> {
        let Some(server) = self.wire.server() else { return Err(Failure::Stranger) };
        let knew = self.greeted.load(Ordering::Relaxed);
        let Greeted(left) = Reply::from_answer(send(&calls::hello(&server, knew, &self.timing)))?;
        self.greeted.store(true, Ordering::Relaxed);
        if left > 0 {
            self.agenda(|agenda| agenda.renew_soon(clock()));
        }
        Ok(())
    }

    /// The same over a connection of one's own.
    pub(super) fn greet_over(&self, connection: &mut Connection, deadline: u64) -> Result<(), Failure> {
        self.greet(|hello| match connection.call(&self.pack(hello, false), deadline) {
            Err(Failure::NoScript) => connection.call(&self.pack(hello, true), deadline),
            answer => answer,
        })
    }

    /// The server that the connections are to, as scripts are told it; empty without a grace
    /// period.
    fn run_id(&self) -> String {
        if self.timing.grace == 0 {
            return String::new();
        }
        match self.wire.server() {
            Some(server) => server.run,
            None => "0".repeat(40), // which is refused: nothing goes unprotected
        }
    }

    /// A connection that is good, as far as is known, and leads to the server that the last one was
    /// opened to: the caller's own, or a new one in its place. What is packed after this is for
    /// that server.
    pub(super) fn connected<'a>(
        &self,
        own: &'a mut Option<Connection>,
        deadline: u64,
    ) -> Result<&'a mut Connection, Failure> {
        let run = self.run_id();
        if own.as_ref().is_some_and(|connection| !connection.is_good() || connection.is_to_another(&run)) {
            *own = None;
        }
        match own {
            Some(connection) => Ok(connection),
            None => Ok(own.insert(self.wire.open(deadline)?)),
        }
    }

    /// Notes what a call has left to do, which is mostly nothing: then the agenda is left alone.
    pub(super) fn left_over(&self, more: More) {
        if more != More::None {
            self.agenda(|agenda| agenda.left_over(more));
        }
    }

    /// Tells all who listen that a lock was lost.
    pub(super) fn tell_loss(&self, lock: &Lock) {
        observe::lost(Store::Redis, &lock.path, lock.owner.as_ref(), Some(lock.fencing_token()));
        self.losses.tell(&LostLock::new(lock.path.clone(), lock.owner.clone(), lock.fencing_token()));
    }
}

/// The start of a call: how the script is named, and the keys.
fn head(script: &[&[u8]], keys: &Keys) -> Vec<u8> {
    let mut bytes = Vec::new();
    script.iter().for_each(|word| command::push(&mut bytes, word));
    command::push(&mut bytes, keys.all().len().to_string().as_bytes());
    keys.all().iter().for_each(|key| command::push(&mut bytes, key.as_bytes()));
    bytes
}

/// What a failure is to the caller.
pub(in crate::redis) fn store_error(failure: Failure) -> LockError {
    LockError::Store(Box::new(failure.into_error()))
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("name", &self.name).finish_non_exhaustive()
    }
}
