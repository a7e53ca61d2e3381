//! [`Client`]: one store in one process, as the server knows it, and what its threads share.

use std::fmt;
use std::time::Duration;

use super::agents::Agents;
use super::engine::Settings;
use super::hub::Sites;
use super::inbox::Inbox;
use super::keeping::Keeping;
use super::schedule::Entry;
use super::workers::Workers;
use crate::backend::LostLock;
use crate::backend::loss::Losses;
use crate::error::LockError;
use crate::observe::meters::RoundTrip;
use crate::observe::{self, Store};
use crate::redis::clock::clock;
use crate::redis::command;
use crate::redis::error::{Failure, RedisStoreError};
use crate::redis::primitives::{Arc, AtomicBool, AtomicU64, Mutex, OnceLock, Ordering};
use crate::redis::protocol::agenda::{Agenda, Room, Work};
use crate::redis::protocol::calls::{self, Greeted, More, Reply};
use crate::redis::protocol::keys::{Keys, Target};
use crate::redis::protocol::lock::Lock;
use crate::redis::protocol::script::{Call, Script};
use crate::redis::protocol::timing::{Timing, micros};
use crate::redis::value::Value;
use crate::redis::wire::{self, Site, Wire};
use crate::request::Request;

/// What the name of a client begins with that may keep what it does not use.
const KEEPER: &str = "k";
/// What the name of a client ends with that is told by a channel, and has no mailbox.
const SUBSCRIBER: &str = "s";
/// How long to wait for a thread, in microseconds.
const REST: u64 = 50_000;

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
    /// What the schedule knows it by.
    pub(super) number: u64,
    pub(super) sites: Arc<Sites>,
    /// Who works where the tree is; nobody before it [enters](Self::enter), and once it is gone.
    home: Mutex<Home>,
    /// What has been given back by tasks, and has not reached the server yet.
    pub(super) owed: AtomicU64,
    pub(in crate::redis) losses: Losses,
    /// Where deadlocks are looked for.
    pub(in crate::redis) agents: Option<Agents>,
    /// What it keeps that nobody uses; nothing if that is off.
    pub(in crate::redis) keeping: Option<Keeping>,
    /// Whether messages have been heard before.
    pub(super) has_listened: AtomicBool,
    stopped: AtomicBool,
}

struct Kept {
    agenda: Agenda<Arc<Inbox>>,
    entry: Entry,
}

#[derive(Default)]
struct Home {
    workers: Option<Arc<Workers>>,
    /// How often the tree had moved then.
    moves: u64,
}

impl Client {
    /// Connects to nothing yet.
    pub(super) fn new(sites: Arc<Sites>, settings: &Settings) -> Result<Self, RedisStoreError> {
        let &Settings { timing, keep, deadlocks, .. } = settings;
        let wire = sites.net.wire(&settings.tree)?;
        let mut random = [0; 12];
        getrandom::fill(&mut random)
            .map_err(|error| RedisStoreError::Config(format!("no random number could be had: {error}")))?;
        let keys = Keys::new(&settings.tree);
        let number = sites.schedule.number();
        let by_hash: Vec<_> = hashes().iter().map(|hash| head(&[b"EVALSHA", hash.as_bytes()], &keys)).collect();
        Ok(Self {
            wire,
            timing,
            name: std::iter::once(if keep > 0 { KEEPER } else { "" }.to_owned())
                .chain(random.iter().map(|byte| format!("{byte:02x}")))
                .chain(sites.are_shared.then(|| SUBSCRIBER.to_owned()))
                .collect(),
            by_hash,
            keys,
            last_number: AtomicU64::new(0),
            greeted: AtomicBool::new(false),
            agenda: Mutex::new(Kept { agenda: Agenda::new(timing), entry: Entry::new(number) }),
            number,
            home: Mutex::default(),
            owed: AtomicU64::new(0),
            losses: Losses::new(),
            agents: deadlocks.then(Agents::new),
            keeping: (keep > 0).then(|| Keeping::new(keep, sites.schedule.number())),
            has_listened: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            sites,
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

    /// A lock in place of those that are kept below its node.
    pub(super) fn new_above(&self, target: &Target) -> Lock {
        let number = self.last_number.fetch_add(1, Ordering::Relaxed) + 1;
        Lock::new(number, &self.name, target.path.clone(), None, self.timing.lease)
    }

    fn lock(&self, target: &Target, request: &Request) -> Lock {
        let lease = request.lease.map_or(self.timing.lease, micros);
        let number = self.last_number.fetch_add(1, Ordering::Relaxed) + 1;
        let lock = Lock::new(number, &self.name, target.path.clone(), request.owner.clone(), lease);
        lock.with_recalls(self.keeping.as_ref().map_or(0, |keeping| keeping.recalls(target)))
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
        let next = kept.agenda.next();
        kept.entry.bring_forward(&self.sites.schedule, next);
        result
    }

    /// Takes what is due.
    pub(super) fn take_work(&self, room: Room) -> Work<Arc<Inbox>> {
        let mut kept = self.agenda.lock();
        let work = kept.agenda.take(clock(), room);
        let next = kept.agenda.next();
        kept.entry.set(&self.sites.schedule, next);
        work
    }

    /// Nobody can be had who does what is due: it is looked at again after a while.
    pub(super) fn rest(&self) {
        self.agenda.lock().entry.set(&self.sites.schedule, clock() + REST);
    }

    /// From now on what is due is done, by those who work where the tree is.
    pub(super) fn enter(self: &Arc<Self>) -> std::io::Result<()> {
        self.workers()?;
        self.sites.schedule.enter(self.number, self);
        if let Some(keeping) = &self.keeping {
            self.sites.schedule.enter(keeping.number, self);
        }
        Ok(())
    }

    /// Those who work where the tree is. The error is that a thread cannot be started.
    pub(super) fn workers(self: &Arc<Self>) -> std::io::Result<Arc<Workers>> {
        let mut home = self.home.lock();
        let moves = self.wire.moves();
        match &home.workers {
            Some(workers) if home.moves == moves => return Ok(workers.clone()),
            None if self.is_stopped() => return Err(std::io::ErrorKind::NotConnected.into()),
            _ => {}
        }
        let there = match self.sites.workers(self) {
            Ok(there) => there,
            // Where it was somebody works, and is told where it is.
            Err(error) => return home.workers.clone().ok_or(error),
        };
        home.moves = moves;
        let before = home.workers.replace(there.clone());
        drop(home);
        if let Some(before) = before.filter(|before| !Arc::ptr_eq(before, &there)) {
            self.sites.leave(&before, self);
        }
        Ok(there)
    }

    /// The store is gone: nothing more is done for it.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.agenda.lock().entry.leave(&self.sites.schedule);
        self.keeping.iter().for_each(|keeping| keeping.stop(&self.sites.schedule));
        let workers = self.home.lock().workers.take();
        if let Some(workers) = workers {
            self.sites.leave(&workers, self);
        }
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// The bytes of a call: by the script's hash, or by its text for a server that does not know
    /// it. It is for the server that the last connection of the site was opened to.
    pub(super) fn pack(&self, site: &Site, call: &Call, by_text: bool) -> Vec<u8> {
        self.pack_for(&self.run_id(site), call, by_text)
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

    /// Runs a script over the callers' connections: by its hash, and by its text if the server does
    /// not know it.
    pub(super) fn call<T: Reply>(&self, call: &Call, deadline: u64) -> Result<T, Failure> {
        let send = |call: &Call, by_text| {
            let run = self.run_id(&self.wire.site());
            let round_trip = RoundTrip::begin();
            let answer = self.wire.call_to(&run, &self.pack_for(&run, call, by_text), deadline);
            round_trip.end(!answer.as_ref().is_err_and(Failure::is_silence));
            answer
        };
        let ask = |call: &Call| match send(call, false) {
            Err(Failure::NoScript) => send(call, true),
            answer => answer,
        };
        let answer = match ask(call) {
            Err(Failure::Stranger) => self.greet(&self.wire.site(), ask).and_then(|()| ask(call)),
            answer => answer,
        };
        T::from_answer(answer)
    }

    /// Says hello to the server that the connections of the site are to now, by a call that `send`
    /// sends.
    pub(super) fn greet(&self, site: &Site, send: impl FnOnce(&Call) -> Result<Value, Failure>) -> Result<(), Failure> {
        let Some(server) = site.server() else { return Err(Failure::Stranger) };
        let knew = self.greeted.load(Ordering::Relaxed);
        let Greeted(left) = Reply::from_answer(send(&calls::hello(&server, knew, &self.timing)))?;
        self.greeted.store(true, Ordering::Relaxed);
        if left > 0 {
            self.agenda(|agenda| agenda.renew_soon(clock()));
        }
        Ok(())
    }

    /// The server that the connections of the site are to, as scripts are told it; empty without a
    /// grace period.
    pub(super) fn run_id(&self, site: &Site) -> String {
        if self.timing.grace == 0 {
            return String::new();
        }
        match site.server() {
            Some(server) => server.run,
            None => "0".repeat(40), // which is refused: nothing goes unprotected
        }
    }

    /// Heeds what a server said of where the tree is.
    pub(super) fn heed<T>(&self, answer: &Result<T, Failure>) {
        if let Err(failure) = answer {
            self.wire.heed(failure);
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

/// By [`Script`]. They are the same for all trees.
fn hashes() -> &'static [String] {
    static HASHES: OnceLock<Vec<String>> = OnceLock::new();
    HASHES.get_or_init(|| Script::ALL.iter().map(|script| wire::script_hash(script.text())).collect())
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

#[cfg(test)]
mod tests;
