//! What the calling thread does: ask, wait, give back, refresh. [`RedisNode`] and [`RedisGrant`] are what it works on.

use std::fmt;
use std::time::{Duration, Instant};

use redis::Cmd;

use super::Handle;
use super::core::{Core, Over};
use super::entry::{Entry, News};
use super::error::{Failure, RedisStoreError};
use super::key;
use super::mailbox;
use super::script::Reply;
use super::sync::{Arc, Ordering, as_micros, clock, now};
use crate::error::{Blocker, LockError};
use crate::path::TreePath;
use crate::request::{Mode, Request, Scope, Wait};
use crate::store::LostLock;

/// A path in a [`RedisStore`](crate::RedisStore)'s tree.
#[derive(Clone)]
pub struct RedisNode {
    handle: Arc<Handle>,
    path: TreePath,
    /// The path as the scripts want it.
    text: Arc<[u8]>,
}

/// A lock held in a [`RedisStore`](crate::RedisStore).
pub struct RedisGrant {
    entry: Arc<Entry>,
    mode: Mode,
    scope: Scope,
    /// Whether its lease was asked for, and so ends unless somebody refreshes it.
    ends: bool,
}

/// A call whose deadline is about to pass, or has passed, gets this much all the same: an answer may be there at once.
const GRACE: u64 = 50_000;
/// After an error: the pause before the next try, which doubles up to the second one.
const PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// A lease in microseconds: at most a hundred years, which the server can still add to its clock.
pub(crate) fn lease_micros(lease: Duration) -> u64 {
    as_micros(lease).min(100 * 365 * 86_400 * 1_000_000)
}

impl RedisNode {
    pub(crate) fn new(handle: Arc<Handle>, path: TreePath) -> Self {
        let text = key::encode(&path).into();
        Self { handle, path, text }
    }

    pub(crate) fn path(&self) -> &TreePath {
        &self.path
    }

    pub(crate) fn acquire(&self, request: &Request, wait: Wait) -> Result<RedisGrant, LockError> {
        let core = &self.handle.core;
        let lease = request.lease.map_or(core.lease, lease_micros);
        let number = core.last_number.fetch_add(1, Ordering::Relaxed) + 1;
        let entry = Arc::new(Entry::new(number, &core.client, self.path.clone(), request.owner.clone(), lease));
        Acquisition::new(self, entry, request, wait).run()
    }

    /// Two tries: an answer may get lost, but nobody wants to hang in a `drop`. After that the keeper goes on.
    pub(crate) fn release(&self, grant: &RedisGrant) -> Result<(), LockError> {
        let (core, entry) = (&self.handle.core, &grant.entry);
        let was_held = entry.is_held();
        if core.keeper.forget(entry) && !was_held {
            core.tell(&LostLock::of(entry));
        }
        let mut resent = false;
        loop {
            let fill = |command: &mut Cmd| {
                command.arg(&entry.token).arg(entry.tombstone()).arg(grant.kind()).arg(&*self.text);
            };
            match core.run(&core.scripts.release, fill, Over::Any, core.patience()) {
                Ok(mut reply) => {
                    let found = reply.int() == Some(1);
                    core.finish(reply.more());
                    // Not found on the second try: the first one has done it, unless the server has lost its data since.
                    let remembers = reply.int().is_some_and(|born| born > 0 && born.unsigned_abs() <= grant.fence());
                    return if was_held && (found || resent && remembers) { Ok(()) } else { Err(self.not_held(entry)) };
                }
                Err(failure) => {
                    if resent || matches!(failure, Failure::Refused(_) | Failure::NoScript) {
                        core.keeper.abandon(entry);
                        return Err(if was_held { store(failure) } else { self.not_held(entry) });
                    }
                    resent = true;
                }
            }
        }
    }

    pub(crate) fn refresh(&self, grant: &RedisGrant, lease: Option<Duration>) -> Result<(), LockError> {
        let (core, entry) = (&self.handle.core, &grant.entry);
        let length = lease.map_or(entry.lease, lease_micros);
        let _alone = core.refreshing.lock();
        let mut resent = false;
        loop {
            let sent = clock();
            if !entry.is_held() {
                core.keeper.look_now();
                return Err(self.not_held(entry));
            }
            let fill = |command: &mut Cmd| {
                command.arg(&entry.token).arg(length);
            };
            match core.run(&core.scripts.refresh, fill, Over::Any, core.patience()) {
                Ok(mut reply) => {
                    core.finish(reply.more());
                    if reply.int() == Some(-1) && entry.extend(sent + length) {
                        entry.renews.store(lease.is_none() && !grant.ends, Ordering::Relaxed);
                        core.keeper.reschedule(entry);
                        return Ok(());
                    }
                    entry.lose();
                    core.keeper.look_now();
                    return Err(self.not_held(entry));
                }
                Err(failure) if resent || matches!(failure, Failure::Refused(_) | Failure::NoScript) => {
                    // It may have been set: until then, and not longer, the lock is surely held.
                    if sent + length < entry.deadline() {
                        entry.extend(sent + length);
                        core.keeper.look_now();
                    }
                    return Err(store(failure));
                }
                Err(_) => resent = true,
            }
        }
    }

    pub(crate) fn downgrade(&self, grant: &mut RedisGrant) -> Result<(), LockError> {
        if grant.mode == Mode::Shared {
            return Ok(());
        }
        let (core, entry) = (&self.handle.core, &grant.entry);
        let mut resent = false;
        loop {
            let fill = |command: &mut Cmd| {
                command.arg(&entry.token);
            };
            match core.run(&core.scripts.downgrade, fill, Over::Any, core.patience()) {
                Ok(mut reply) => {
                    let found = reply.int() == Some(1);
                    core.finish(reply.more());
                    if !found {
                        entry.lose();
                        core.keeper.look_now();
                        return Err(self.not_held(entry));
                    }
                    grant.mode = Mode::Shared;
                    return Ok(());
                }
                Err(failure) if resent || matches!(failure, Failure::Refused(_) | Failure::NoScript) => {
                    entry.unsure.store(true, Ordering::Relaxed); // the server knows its mode better than we do
                    return Err(store(failure));
                }
                Err(_) => resent = true,
            }
        }
    }

    /// A store that does not answer would refuse the lock, too.
    pub(crate) fn is_locked(&self, scope: Scope) -> bool {
        let core = &self.handle.core;
        let fill = |command: &mut Cmd| {
            command.arg(key::kind(Mode::Exclusive, scope)).arg(&*self.text);
        };
        let mut resent = false;
        loop {
            match core.run(&core.scripts.inspect, fill, Over::Any, core.patience()) {
                Ok(mut reply) => {
                    let code = reply.int();
                    core.finish(reply.more());
                    if code != Some(3) {
                        return code != Some(0);
                    }
                }
                Err(Failure::Unsure(_) | Failure::Down(_)) if !resent => resent = true,
                Err(_) => return true,
            }
        }
    }

    fn not_held(&self, entry: &Entry) -> LockError {
        entry.lose();
        LockError::NotHeld { path: self.path.clone() }
    }
}

fn store(failure: Failure) -> LockError {
    LockError::Store(Box::new(failure.into_error()))
}

fn nonsense() -> Failure {
    Failure::Refused(RedisStoreError::Protocol("a script's answer is not what it should be".into()))
}

impl LostLock {
    pub(crate) fn of(entry: &Entry) -> Self {
        Self::new(entry.path.clone(), entry.owner.clone(), entry.fence.load(Ordering::Relaxed))
    }
}

/// One acquisition on its way: from the first request to a grant or an error.
struct Acquisition<'a> {
    node: &'a RedisNode,
    core: &'a Arc<Core>,
    entry: Arc<Entry>,
    request: &'a Request,
    /// Whether it may queue at all, and until when.
    queues: bool,
    deadline: Option<Instant>,
    /// When it began, on the [`clock`].
    began: u64,
    /// The rest of the record that the scripts keep: see `common.lua`.
    about: Vec<u8>,
    /// What stood in the way when last heard of.
    blocker: Option<Blocker>,
    /// Whether the server has had it in its queue.
    waits: bool,
    /// Errors in a row, and when the first of them was.
    failures: u32,
    down_since: u64,
}

impl<'a> Acquisition<'a> {
    fn new(node: &'a RedisNode, entry: Arc<Entry>, request: &'a Request, wait: Wait) -> Self {
        let core = &node.handle.core;
        let owner = request.owner.as_ref().map_or("", |owner| owner.as_str());
        let mut about =
            format!("{},{},{},{},{owner}", entry.lease, core.claim(), core.client, owner.len()).into_bytes();
        about.extend_from_slice(&node.text);
        let deadline = match wait {
            Wait::Until(deadline) => Some(deadline),
            Wait::Never | Wait::Forever => None,
        };
        let queues = wait != Wait::Never;
        let began = clock();
        Self {
            node,
            core,
            entry,
            request,
            queues,
            deadline,
            began,
            about,
            blocker: None,
            waits: false,
            failures: 0,
            down_since: 0,
        }
    }

    fn run(mut self) -> Result<RedisGrant, LockError> {
        if self.queues {
            self.core.keeper.asks(&self.entry);
        }
        loop {
            let expired = self.deadline.is_some_and(|deadline| deadline <= now());
            let sent = clock();
            match self.ask(self.queues && !expired, sent) {
                Ok(mut reply) => {
                    self.failures = 0;
                    match reply.int() {
                        Some(1) => return self.granted(&mut reply, sent),
                        Some(code @ (0 | 2)) => match self.blocked(&mut reply) {
                            Some(left) if code == 2 => {
                                if let Some(grant) = self.wait(left, sent) {
                                    return Ok(grant);
                                }
                            }
                            Some(_) => return Err(self.refused()),
                            None => return Err(self.failed(nonsense())),
                        },
                        Some(3) => self.core.finish(reply.more()),
                        _ => return Err(self.failed(nonsense())),
                    }
                }
                Err(failure) => {
                    if matches!(failure, Failure::Unsure(_)) {
                        self.entry.unsure.store(true, Ordering::Relaxed);
                    }
                    if expired || self.gives_up(&failure, sent) {
                        return Err(self.failed(failure));
                    }
                    self.pause();
                }
            }
        }
    }

    fn ask(&self, queue: bool, sent: u64) -> Result<Reply, Failure> {
        let (core, entry) = (self.core, &self.entry);
        let left = self.deadline.map(|deadline| as_micros(deadline.saturating_duration_since(now())).max(GRACE));
        let fill = |command: &mut Cmd| {
            let kind = key::kind(self.request.mode, self.request.scope);
            command
                .arg(&entry.token)
                .arg(kind)
                .arg(&*self.node.text)
                .arg(entry.lease)
                .arg(&*self.about)
                .arg(u8::from(queue));
        };
        let deadline = left.map_or(core.patience(), |left| core.patience().min(sent + left));
        core.run(&core.scripts.acquire, fill, Over::Any, deadline)
    }

    /// If the answer took longer than the lease lasts the guard is one whose lock is lost, and says so.
    fn granted(&mut self, reply: &mut Reply, sent: u64) -> Result<RedisGrant, LockError> {
        let Some(fence) = reply.int().and_then(|fence| u64::try_from(fence).ok()) else {
            return Err(self.failed(nonsense()));
        };
        let ends = self.request.lease.is_some();
        self.entry.renews.store(!ends, Ordering::Relaxed);
        self.entry.granted(fence, sent + self.entry.lease);
        self.core.keeper.held(&self.entry);
        self.core.finish(reply.more());
        Ok(self.grant(ends))
    }

    /// Takes down what stands in the way. Returns for how long that lasts at the most, if it is known.
    fn blocked(&mut self, reply: &mut Reply) -> Option<Option<u64>> {
        let path = key::decode(&reply.bytes()?)?;
        let owner = String::from_utf8(reply.bytes()?).ok().filter(|owner| !owner.is_empty());
        let left = u64::try_from(reply.int()?).ok();
        self.blocker = Some(Blocker::new(self.node.path.clone(), path, owner.map(Into::into)));
        self.core.finish(reply.more());
        if let Some(arrival) = reply.int() {
            self.entry.arrival.store(arrival.unsigned_abs(), Ordering::Relaxed);
        }
        Some(left)
    }

    /// Waits for news. If the news is the grant itself there is nothing left to ask, unless a lease was asked for, which begins with
    /// the claim.
    fn wait(&mut self, left: Option<u64>, sent: u64) -> Option<RedisGrant> {
        if !self.core.listening.swap(true, Ordering::Relaxed) {
            let core = self.core.clone();
            let listener = std::thread::Builder::new().name("mutextree-mail".into()).spawn(move || mailbox::run(&core));
            if listener.is_err() {
                self.core.listening.store(false, Ordering::Relaxed); // heartbeats have to do until there is a thread to be had
            }
        }
        self.waits = true;
        self.entry.waited_at.store(sent, Ordering::Relaxed);
        self.core
            .keeper
            .waits(&self.entry, clock() + left.map_or(self.core.heartbeat, |left| left.min(self.core.heartbeat)));
        match self.entry.waker.sleep(self.deadline) {
            News::Granted(fence) if self.request.lease.is_none() => self.handed(fence),
            _ => None,
        }
    }

    /// Handed over: the server keeps it for us from some time after the last answer that said we wait, for the time of a claim. `None` if
    /// not much of that is left.
    fn handed(&self, fence: u64) -> Option<RedisGrant> {
        let deadline = self.entry.waited_at.load(Ordering::Relaxed) + self.core.claim();
        let stale = fence <= self.entry.arrival.load(Ordering::Relaxed);
        if stale || deadline < clock() + self.core.claim() / 4 {
            return None;
        }
        self.entry.granted(fence, deadline);
        self.core.keeper.handed(&self.entry);
        Some(self.grant(false))
    }

    fn grant(&self, ends: bool) -> RedisGrant {
        RedisGrant { entry: self.entry.clone(), mode: self.request.mode, scope: self.request.scope, ends }
    }

    /// Somebody who waits sits out the outage of a server for as long as a lease lasts; others want to know.
    fn gives_up(&mut self, failure: &Failure, sent: u64) -> bool {
        if self.failures == 0 {
            self.down_since = sent;
        }
        self.failures += 1;
        let now = clock();
        match failure {
            Failure::Refused(_) => true,
            _ if self.waits => now > self.down_since + self.core.lease,
            Failure::Later(_) | Failure::NoScript => now > self.began + as_micros(self.core.link.timeout()),
            Failure::Down(_) | Failure::Unsure(_) => self.failures > 1,
        }
    }

    /// The first try after an error is at once: most often only the connection was stale.
    fn pause(&self) {
        if self.failures > 1 {
            let pause = (PAUSE * 2u32.pow(self.failures.min(10))).min(LONGEST_PAUSE);
            let until = now() + pause;
            self.entry.waker.sleep(Some(self.deadline.map_or(until, |deadline| deadline.min(until))));
        }
    }

    fn refused(&mut self) -> LockError {
        self.leave(false);
        let path = &self.node.path;
        let blocker = self.blocker.take().unwrap_or_else(|| Blocker::new(path.clone(), path.clone(), None));
        if self.queues { LockError::TimedOut { blocker } } else { LockError::WouldBlock { blocker } }
    }

    /// If the time is up, and something was in the way when last heard of, that is what the caller is told.
    fn failed(&mut self, failure: Failure) -> LockError {
        self.leave(self.waits);
        let expired = self.deadline.is_some_and(|deadline| deadline <= now());
        if expired && self.blocker.is_some() && !matches!(failure, Failure::Refused(_)) {
            return self.refused();
        }
        store(failure)
    }

    /// Leaves nothing behind. If the server may still grant the token it is given back as soon as that can be done.
    fn leave(&self, known: bool) {
        if known || self.entry.unsure.load(Ordering::Relaxed) {
            self.core.keeper.abandon(&self.entry);
        } else {
            self.core.keeper.forget(&self.entry);
        }
    }
}

impl RedisGrant {
    pub(crate) fn mode(&self) -> Mode {
        self.mode
    }

    pub(crate) fn fence(&self) -> u64 {
        self.entry.fence.load(Ordering::Relaxed)
    }

    pub(crate) fn is_held(&self) -> bool {
        self.entry.is_held()
    }

    fn kind(&self) -> u8 {
        key::kind(self.mode, self.scope)
    }
}

impl fmt::Debug for RedisNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisNode").field("path", &self.path).finish_non_exhaustive()
    }
}

impl fmt::Debug for RedisGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("RedisGrant");
        out.field("path", &self.entry.path)
            .field("mode", &self.mode)
            .field("fence", &self.fence())
            .finish_non_exhaustive()
    }
}
